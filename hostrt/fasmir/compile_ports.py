"""Messages of a model: what its I/O specification says against what its plan computes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from firmware_protocol.iospec import PACKED_PRECISIONS, IOSpec
from firmware_protocol.open_isa_ops import Type
from hostrt.errors import ProgramUnsupported
from hostrt.fasmir.lower_cores import MOST_SIGNALS
from hostrt.fasmir.lower_frame import Port
from hostrt.fqir.plan import ranges
from hostrt.fqir.spelling import spell_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.iospec import Vector
    from hostrt.fasmir.assembly import Assembly
    from hostrt.fqir.graph import Model, Tensor
    from hostrt.fqir.plan.ir import Plan

_KINDS = {8: Type.I8, 16: Type.I16}


def ports_of(model: Model, plan: Plan, spec: IOSpec) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """Give the messages to and from the chip, in the order of the model's inputs and outputs.

    Raises:
        ProgramUnsupported: the specification is not the model's, or no message can carry a vector.
    """
    latched = set(spec.latched)
    inputs = []
    for tensor, value in zip(model.arith.inputs, plan.inputs, strict=True):
        vector = _vector_of(tensor, spec.inputs, "input")
        _check_form(vector, plan.values[value].size, "input")
        known, range_ = plan.values[value], ranges.signed(vector.precision)
        if (known.lo, known.hi) != range_:
            raise ProgramUnsupported(
                f"input {spell_text(vector.varname)} has {vector.precision} bits per element in "
                f"its specification, the model takes {known.lo} to {known.hi}"
            )
        kind = _KINDS[vector.precision]
        inputs.append(Port(vector.varname, value, kind, vector.key in latched))
    outputs = []
    for tensor, value in zip(model.arith.outputs, plan.outputs, strict=True):
        vector = _vector_of(tensor, spec.outputs, "output")
        _check_form(vector, plan.values[value].size, "output")
        known = plan.values[value]
        if not ranges.within((known.lo, known.hi), ranges.signed(vector.precision)):
            raise ProgramUnsupported(
                f"output {spell_text(vector.varname)} can be {known.lo} to {known.hi}, expected "
                f"{vector.precision} bits as its specification says",
                hint="let the model saturate it, or split it into two outputs",
            )
        outputs.append(Port(vector.varname, value, _KINDS[vector.precision]))
    _check_sequences(spec)
    leading = sum(not port.latched for port in inputs)
    if leading > MOST_SIGNALS:
        raise ProgramUnsupported(
            f"{leading} inputs start a frame together, expected {MOST_SIGNALS} or fewer: a thread "
            "waits for no more signals",
            hint="join inputs into longer vectors",
        )
    return tuple(inputs), tuple(outputs)


def _vector_of(tensor: Tensor, vectors: Mapping[str, Vector], kind: str) -> Vector:
    for vector in vectors.values():
        if vector.varname == tensor.name:
            return vector
    known = ", ".join(spell_text(vector.varname) for vector in vectors.values()) or "none"
    raise ProgramUnsupported(
        f"the model's {kind} {spell_text(tensor.name)} is not in its I/O specification",
        hint=f"the specification has the {kind}s {known}",
    )


def _check_form(vector: Vector, size: int, kind: str) -> None:
    name = spell_text(vector.varname)
    if vector.precision not in PACKED_PRECISIONS:
        raise ProgramUnsupported(
            f"{kind} {name} has elements of {vector.precision} bits, expected 8 or 16: a message "
            "packs whole elements into words",
            hint="split it into a low and a high part of 16 bits",
        )
    if vector.length != size:
        raise ProgramUnsupported(
            f"{kind} {name} has {size} elements and the length {vector.length} in its "
            "specification",
            hint="a message is one vector: give the model flat vectors, or a specification with "
            "the number of elements",
        )


def _check_sequences(spec: IOSpec) -> None:
    leading = [sequence for sequence in spec.sequences if sequence.outputs]
    if not spec.is_simple or len(leading) != 1:
        raise ProgramUnsupported(
            f"the I/O specification has {len(leading)} sequences with outputs, expected 1 that "
            "takes and gives each vector once: the graph computes all outputs at once"
        )
    missing = [key for key in spec.outputs if key not in leading[0].outputs]
    if missing:
        raise ProgramUnsupported(f"output {spell_text(missing[0])} is in no sequence")
    if not leading[0].inputs:
        raise ProgramUnsupported(
            "no input starts a frame: all of them are latched, or there is none",
            hint="leave at least one input out of the latched ones",
        )


def completed(spec: IOSpec, assembly: Assembly) -> IOSpec:
    """Give the specification with the places of its vectors."""
    entries = {item.name: item for item in assembly.inputs}
    exits = {item.name: item for item in assembly.outputs}
    inputs, outputs = {}, {}
    for key, vector in spec.inputs.items():
        item = entries[vector.varname]
        pc = assembly.core(item.core).labels[item.label]
        inputs[key] = replace(_sized(vector, item.n_words), core_id=item.core, pc=pc)
    for key, vector in spec.outputs.items():
        found = exits[vector.varname]
        outputs[key] = replace(_sized(vector, found.n_words), mailbox_id=found.mailbox)
    return IOSpec(inputs, outputs, spec.simple_sequences, spec.complex_sequences)


def _sized(vector: Vector, n_words: int) -> Vector:
    padded = n_words * 64 // vector.precision
    return replace(vector, padded_length=padded, length_64b_words=n_words)
