"""Between the vectors of a `.femto` file and an I/O specification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_protocol.femto_layout import VectorType
from firmware_protocol.femto_model import FemtoSequence, FemtoVector
from firmware_protocol.iospec import IoSequence, IOSpec, Vector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.femto import FemtoFile


@dataclass(frozen=True, slots=True)
class FemtoIo:
    """An I/O specification as a `.femto` file can hold it.

    Attributes:
        vectors: numbered over sequences in order, inputs before outputs.
        sequences: the simple sequences.
        names: variable name per vector id; the file itself holds no names.
        lost: keys of vectors that no simple sequence names and the file cannot hold.
    """

    vectors: tuple[FemtoVector, ...]
    sequences: tuple[FemtoSequence, ...]
    names: Mapping[int, str]
    lost: tuple[str, ...]


def femto_io_of(spec: IOSpec) -> FemtoIo:
    """Number the vectors of `spec`; an input that is latched becomes a parameter.

    An input of two sequences is stored twice. Complex sequences cannot be stored.
    """
    latched = frozenset(spec.latched)
    vectors: list[FemtoVector] = []
    sequences: list[FemtoSequence] = []
    names: dict[int, str] = {}
    stored: set[str] = set()
    for number, sequence in enumerate(spec.simple_sequences.values()):
        ids: list[int] = []
        for key in (*sequence.inputs, *sequence.outputs):
            vector = spec.inputs[key] if len(ids) < len(sequence.inputs) else spec.outputs[key]
            kind = VectorType.PARAMETER if key in latched else VectorType.INPUT
            if len(ids) >= len(sequence.inputs):
                kind = VectorType.OUTPUT
            ids.append(len(vectors))
            names[len(vectors)] = vector.varname
            vectors.append(_stored(len(vectors), kind, vector))
            stored.add(key)
        split = len(sequence.inputs)
        sequences.append(FemtoSequence(number, tuple(ids[:split]), tuple(ids[split:])))
    lost = tuple(key for key in (*spec.inputs, *spec.outputs) if key not in stored)
    return FemtoIo(tuple(vectors), tuple(sequences), names, lost)


def _stored(number: int, kind: VectorType, vector: Vector) -> FemtoVector:
    is_output = kind is VectorType.OUTPUT
    place = vector.mailbox_id if is_output else vector.pc
    return FemtoVector(
        id=number,
        type=int(kind),
        core=0 if is_output else vector.core_id or 0,
        precision=vector.precision,
        size=vector.length,
        padded=vector.length if vector.padded_length is None else vector.padded_length,
        parameter=place or 0,
    )


def iospec_of_femto(file: FemtoFile, names: Mapping[int, str] | None = None) -> IOSpec:
    """Make the I/O specification of a file.

    Vectors are named by their id, as text, unless `names` knows better. Inputs that differ only in
    their id are the same input, stored once per sequence.
    """
    known = names or {}
    keys: dict[int, str] = {}
    inputs: dict[str, Vector] = {}
    outputs: dict[str, Vector] = {}
    first_of: dict[tuple[int, ...], str] = {}
    for vector in file.model.vectors:
        key = known.get(vector.id, str(vector.id))
        if vector.type == VectorType.OUTPUT:
            outputs[key] = _named(key, vector)
        else:
            same = (vector.core, vector.precision, vector.size, vector.padded, vector.parameter)
            key = first_of.setdefault(same, key)
            inputs.setdefault(key, _named(key, vector))
        keys[vector.id] = key
    # Not the bare number: other readers keep sequences and vectors in one graph of names.
    sequences = {
        f"sequence_{sequence.id}": IoSequence(
            f"sequence_{sequence.id}",
            {keys[number]: 1 for number in sequence.inputs if number in keys},
            {keys[number]: 1 for number in sequence.outputs if number in keys},
            {},
        )
        for sequence in file.model.sequences
    }
    return IOSpec(inputs, outputs, sequences)


def _named(key: str, vector: FemtoVector) -> Vector:
    is_output = vector.type == VectorType.OUTPUT
    return Vector(
        key=key,
        varname=key,
        length=vector.size,
        precision=vector.precision,
        padded_length=vector.padded,
        quantization={},
        comments={},
        length_64b_words=-(-vector.padded * vector.precision // 64),
        pc=None if is_output else vector.parameter,
        core_id=None if is_output else vector.core,
        mailbox_id=vector.parameter if is_output else None,
    )
