"""The I/O specification of a model (program file reference 5), as a value.

Entry keys name vectors in sequences; `varname` names them on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from firmware_protocol.errors import FormatError, LocalMisuseError
from firmware_protocol.metadata import Metadata, MetaVector, Padding
from firmware_protocol.trees import as_int, as_list, as_map, as_named, as_text
from firmware_protocol.yamltext import format_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUT = "input"
OUTPUT = "output"
_SECTIONS = ("complex_sequences", "simple_sequences", "inputs", "outputs")
PRECISIONS = (8, 16, 24)
"""Bits of an element that a specification can name."""
PACKED_PRECISIONS = (8, 16)
"""Bits of an element that a 64-bit word holds a whole number of."""
_WORD_BITS = 64
_PLACES = ("length_64b_words", "pc", "core_id", "mailbox_id")


@dataclass(frozen=True, slots=True)
class Vector:
    """One input or output.

    Attributes:
        key: name in sequences.
        varname: name on the wire.
        length: elements of the model's vector.
        precision: bits per element, 8, 16 or 24.
        padded_length: elements on the wire; None before compilation.
        quantization: scale and zero point as found; None when absent.
        comments: free entries; None when absent.
        length_64b_words: words on the wire; None before compilation.
        pc: program counter of an input.
        core_id: core of an input.
        mailbox_id: mailbox of an output.
        extra: keys that this version does not know.
    """

    key: str
    varname: str
    length: int
    precision: int
    padded_length: int | None = None
    quantization: Mapping[str, object] | None = None
    comments: Mapping[str, object] | None = None
    length_64b_words: int | None = None
    pc: int | None = None
    core_id: int | None = None
    mailbox_id: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def words(self) -> int:
        """64-bit words on the wire, as stated or else from the padded length.

        Raises:
            LocalMisuseError: elements of 24 bits, which have no form on the wire.
        """
        if self.length_64b_words is not None:
            return self.length_64b_words
        if self.precision not in PACKED_PRECISIONS:
            raise LocalMisuseError(
                f"{self.varname!r} has elements of {self.precision} bits, expected 8 or 16: "
                "no 64-bit word holds a whole number of them"
            )
        elements = self.length if self.padded_length is None else self.padded_length
        return -(-elements * self.precision // _WORD_BITS)


@dataclass(frozen=True, slots=True)
class IoSequence:
    """Inputs that, once all have arrived as often as stated, give the outputs.

    Attributes:
        key: name of the sequence.
        inputs: count per input key; all 1 in a simple sequence.
        outputs: count per output key.
        comments: free entries; None when absent.
        extra: keys that this version does not know.
    """

    key: str
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    comments: Mapping[str, object] | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IOSpec:
    """Vectors and the sequences that tie them; each mapping by key, in file order."""

    inputs: Mapping[str, Vector]
    outputs: Mapping[str, Vector]
    simple_sequences: Mapping[str, IoSequence] = field(default_factory=dict)
    complex_sequences: Mapping[str, IoSequence] = field(default_factory=dict)

    @property
    def sequences(self) -> tuple[IoSequence, ...]:
        """All sequences, simple ones first."""
        return (*self.simple_sequences.values(), *self.complex_sequences.values())

    @property
    def latched(self) -> tuple[str, ...]:
        """Inputs that are in no sequence with outputs, simple or complex."""
        leading = {key for seq in self.sequences if seq.outputs for key in seq.inputs}
        return tuple(key for key in self.inputs if key not in leading)

    @property
    def is_simple(self) -> bool:
        """At most one sequence has outputs and no count exceeds 1: one step, one answer."""
        counts = (
            n for seq in self.sequences for n in (*seq.inputs.values(), *seq.outputs.values())
        )
        return sum(bool(seq.outputs) for seq in self.sequences) <= 1 and max(counts, default=1) == 1


def iospec_from_tree(
    tree: object, *, name: str = "iospec.yaml", precisions: tuple[int, ...] = PRECISIONS
) -> IOSpec:
    """Read what a YAML loader gave.

    Args:
        tree: maps, lists and scalars.
        name: the file, for messages.
        precisions: bits of an element that are allowed; `PACKED_PRECISIONS` for a program.

    Raises:
        FormatError: an unknown section, a missing key, a wrong type or range, a sequence that
            names an unknown vector, or sequences that feed each other in a circle.
    """
    top = as_named(tree, "top level", name)
    for section in top:
        if section not in _SECTIONS:
            expected = f"one of {', '.join(_SECTIONS)}"
            raise FormatError(name, None, f"section {section!r}", expected)
    inputs = _read_vectors(top.get("inputs"), "inputs", INPUT, name)
    outputs = _read_vectors(top.get("outputs"), "outputs", OUTPUT, name)
    simple = _read_sequences(top.get("simple_sequences"), "simple_sequences", name)
    mixed = _read_sequences(top.get("complex_sequences"), "complex_sequences", name)
    spec = IOSpec(inputs, outputs, simple, mixed)
    _check_precisions(spec, precisions, name)
    _check_graph(spec, name)
    return spec


def _read_vectors(value: object, section: str, kind: str, name: str) -> dict[str, Vector]:
    return {
        key: _read_vector(key, as_named(entry, f"{section}.{key}", name), kind, name)
        for key, entry in as_named(value, section, name).items()
    }


def _read_vector(key: str, entry: dict[str, object], kind: str, name: str) -> Vector:
    where = f"{kind}s.{key}"
    for required in ("type", "varname", "length", "precision", "padded_length"):
        if required not in entry:
            raise FormatError(name, None, f"no key {required} at {where}", "it in every entry")
    _check_type(entry.pop("type"), kind, where, name)
    length = as_int(entry.pop("length"), f"{where}.length", name, least=1, most=2**31)
    precision = as_int(entry.pop("precision"), f"{where}.precision", name)
    padded = _optional_int(entry, "padded_length", where, name)
    if padded is not None and padded < length:
        found = f"padded_length {padded} at {where}"
        raise FormatError(name, None, found, f"at least the length {length}")
    varname = as_text(entry.pop("varname"), f"{where}.varname", name)
    quantization = _optional_map(entry, "quantization", where, name)
    comments = _optional_map(entry, "comments", where, name)
    words, pc, core, mailbox = (_optional_int(entry, place, where, name) for place in _PLACES)
    if words is not None and words * _WORD_BITS < (padded or length) * precision:
        found = f"length_64b_words {words} at {where}"
        raise FormatError(name, None, found, f"room for {padded or length} elements")
    return Vector(
        key=key,
        varname=varname,
        length=length,
        precision=precision,
        padded_length=padded,
        quantization=quantization,
        comments=comments,
        length_64b_words=words,
        pc=pc,
        core_id=core,
        mailbox_id=mailbox,
        extra=entry,
    )


def _check_type(found: object, expected: str, where: str, name: str) -> None:
    if found != expected:
        raise FormatError(name, None, f"type {found!r} at {where}", repr(expected))


def _optional_int(entry: dict[str, object], key: str, where: str, name: str) -> int | None:
    value = entry.pop(key, None)
    return None if value is None else as_int(value, f"{where}.{key}", name, most=2**32 - 1)


def _optional_map(
    entry: dict[str, object], key: str, where: str, name: str
) -> dict[str, object] | None:
    if key not in entry:
        return None
    return as_named(entry.pop(key), f"{where}.{key}", name)


def _read_sequences(value: object, section: str, name: str) -> dict[str, IoSequence]:
    out = {}
    for key, entry in as_named(value, section, name).items():
        where = f"{section}.{key}"
        fields = as_named(entry, where, name)
        _check_type(fields.pop("type", None), section.removesuffix("s"), where, name)
        read = _read_counts if section == "complex_sequences" else _read_names
        inputs, outputs = (
            read(fields.pop(side, None), f"{where}.{side}", name) for side in ("inputs", "outputs")
        )
        comments = _optional_map(fields, "comments", where, name)
        out[key] = IoSequence(key, inputs, outputs, comments, fields)
    return out


def _read_names(value: object, where: str, name: str) -> dict[str, int]:
    names = [
        str(item) if isinstance(item, int) else as_text(item, where, name)
        for item in as_list(value, where, name)
    ]
    if len(set(names)) != len(names):
        raise FormatError(name, None, f"a name twice at {where}", "each once")
    return dict.fromkeys(names, 1)


def _read_counts(value: object, where: str, name: str) -> dict[str, int]:
    return {
        str(key): as_int(count, f"{where}.{key}", name, least=1, most=2**31)
        for key, count in as_map(value, where, name).items()
    }


def _check_precisions(spec: IOSpec, allowed: tuple[int, ...], name: str) -> None:
    for section, vectors in (("inputs", spec.inputs), ("outputs", spec.outputs)):
        for key, vector in vectors.items():
            if vector.precision not in allowed:
                found = f"precision {vector.precision} at {section}.{key}"
                raise FormatError(name, None, found, " or ".join(map(str, allowed)))


def _check_graph(spec: IOSpec, name: str) -> None:
    graph: TopologicalSorter[str] = TopologicalSorter()
    for sequence in spec.sequences:
        for side, known in ((sequence.inputs, spec.inputs), (sequence.outputs, spec.outputs)):
            for key in side:
                if key not in known:
                    found = f"vector {key!r} in sequence {sequence.key}"
                    expected = f"one of {', '.join(known) or 'none: the section is empty'}"
                    raise FormatError(name, None, found, expected)
        for key in sequence.outputs:
            graph.add(key, *sequence.inputs)
    try:
        graph.prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise FormatError(name, None, f"sequences in a circle: {circle}", "no circle") from None


def iospec_to_tree(spec: IOSpec) -> dict[str, object]:
    """Give the plain tree in the compiler's order of sections and keys."""
    return {
        "complex_sequences": {
            key: _sequence_tree(seq, "complex_sequence", dict(seq.inputs), dict(seq.outputs))
            for key, seq in spec.complex_sequences.items()
        },
        "simple_sequences": {
            key: _sequence_tree(seq, "simple_sequence", list(seq.inputs), list(seq.outputs))
            for key, seq in spec.simple_sequences.items()
        },
        "inputs": {key: _vector_tree(vector, INPUT) for key, vector in spec.inputs.items()},
        "outputs": {key: _vector_tree(vector, OUTPUT) for key, vector in spec.outputs.items()},
    }


def _sequence_tree(
    sequence: IoSequence, kind: str, inputs: object, outputs: object
) -> dict[str, object]:
    tree: dict[str, object] = {"type": kind, "inputs": inputs, "outputs": outputs}
    if sequence.comments is not None:
        tree["comments"] = dict(sequence.comments)
    return tree | dict(sequence.extra)


def _vector_tree(vector: Vector, kind: str) -> dict[str, object]:
    tree: dict[str, object] = {
        "type": kind,
        "varname": vector.varname,
        "length": vector.length,
        "precision": vector.precision,
        "padded_length": vector.padded_length,
    }
    optional = {
        "quantization": None if vector.quantization is None else dict(vector.quantization),
        "comments": None if vector.comments is None else dict(vector.comments),
        "length_64b_words": vector.length_64b_words,
        "pc": vector.pc,
        "core_id": vector.core_id,
        "mailbox_id": vector.mailbox_id,
    }
    tree |= {key: value for key, value in optional.items() if value is not None}
    return tree | dict(vector.extra)


def format_iospec(spec: IOSpec) -> str:
    """Write `iospec.yaml` as the compiler does."""
    return format_tree(iospec_to_tree(spec), blank_lines=True)


def iospec_from_metadata(metadata: Metadata) -> IOSpec:
    """Make one sequence of everything: inputs by program counter, outputs by mailbox."""
    inputs = _from_metadata(metadata.inputs, metadata.input_padding or {}, INPUT)
    outputs = _from_metadata(metadata.outputs, metadata.output_padding or {}, OUTPUT)
    counts = dict.fromkeys(inputs, 1), dict.fromkeys(outputs, 1)
    return IOSpec(inputs, outputs, {"sequence_0": IoSequence("sequence_0", *counts, {})})


def _from_metadata(
    vectors: Mapping[str, MetaVector], paddings: Mapping[str, Padding], kind: str
) -> dict[str, Vector]:
    out = {}
    for name, vector in sorted(vectors.items(), key=lambda item: item[1].place):
        whole = vector.len_64b_words * _WORD_BITS // vector.precision
        padding = paddings.get(name, Padding(whole, whole))
        out[name] = Vector(
            key=name,
            varname=name,
            length=padding.fqir,
            precision=vector.precision,
            padded_length=whole,
            quantization={"scale": None, "zero_pt": None},
            comments={},
            length_64b_words=vector.len_64b_words,
            pc=vector.place if kind == INPUT else None,
            core_id=vector.core if kind == INPUT else None,
            mailbox_id=vector.place if kind == OUTPUT else None,
        )
    return out
