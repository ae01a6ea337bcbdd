"""The I/O specification that follows from a graph (FQIR reference 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.iospec import INPUT, OUTPUT, IoSequence, IOSpec, Vector
from hostrt.errors import ProgramUnsupported, UsageError
from hostrt.fqir.spelling import spell_shape, spell_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hostrt.fqir.graph import Model, Tensor

_PRECISIONS = {"int8": 8, "int16": 16, "int24": 24}
_LEAST_QUANTA, _MOST_QUANTA = -1074, 1023  # exponents that float64 can hold


def infer_iospec(model: Model, latched: Sequence[str] = ()) -> IOSpec:
    """Give the I/O specification of a model as the reference toolkit does.

    One sequence takes all inputs that are not latched and gives all outputs; each latched input
    has one of its own that gives nothing. A vector's length is its first axis; of an output with
    more axes it is nominal. A vector of unknown scale has no quantization (the reference fails).

    Args:
        model: its ARITH graph decides.
        latched: inputs that keep their value until a new one arrives. The file does not tell.

    Raises:
        UsageError: a latched name is not an input, or is named twice.
        ProgramUnsupported: a vector has a type, shape or scale that no specification can express,
            or two have one name.
    """
    if isinstance(latched, str):
        raise UsageError(f"latched is the text {latched!r}, expected a sequence of names")
    inputs = _vectors(model.arith.inputs, INPUT, frozenset(latched))
    outputs = _vectors(model.arith.outputs, OUTPUT, frozenset())
    waiting = list(inputs)
    for name in latched:
        if name not in waiting:
            known = ", ".join(map(spell_text, inputs)) or "none"
            found = "named twice" if name in inputs else "not an input of the model"
            raise UsageError(
                f"latched input {spell_text(name)} is {found}", hint=f"its inputs are {known}"
            )
        waiting.remove(name)
    sides = [(waiting, list(outputs)), *(([name], []) for name in latched)]
    sequences = {
        f"sequence_{i}": IoSequence(
            f"sequence_{i}", dict.fromkeys(taken, 1), dict.fromkeys(given, 1), {}
        )
        for i, (taken, given) in enumerate(sides)
    }
    return IOSpec(inputs, outputs, sequences)


def _vectors(tensors: Iterable[Tensor], kind: str, latched: frozenset[str]) -> dict[str, Vector]:
    vectors: dict[str, Vector] = {}
    for tensor in tensors:
        name = tensor.name
        if name in vectors:
            raise ProgramUnsupported(
                f"two {kind}s are called {spell_text(name)}, expected each name once"
            )
        vectors[name] = Vector(
            key=name,
            varname=name,
            length=_length(tensor, kind),
            precision=_precision(tensor, kind),
            quantization=_quantization(tensor, kind),
            comments={"latch": name in latched} if kind == INPUT else {},
        )
    return vectors


def _length(tensor: Tensor, kind: str) -> int:
    if not tensor.shape or tensor.shape[0] < 1:
        raise ProgramUnsupported(
            f"{kind} {spell_text(tensor.name)} has the shape {spell_shape(tensor.shape)}, "
            "expected a first axis of 1 or more elements"
        )
    return tensor.shape[0]


def _precision(tensor: Tensor, kind: str) -> int:
    precision = _PRECISIONS.get(tensor.dtype.removeprefix("fq"))
    if precision is None:
        raise ProgramUnsupported(
            f"{kind} {spell_text(tensor.name)} has elements of type "
            f"{spell_text(tensor.dtype)}, expected int8, int16 or int24"
        )
    return precision


def _quantization(tensor: Tensor, kind: str) -> dict[str, object]:
    """Give the real value of 1, a whole number where it is one; nothing when it is unknown."""
    quanta = tensor.quanta
    if quanta is None:
        return {}
    if not _LEAST_QUANTA <= quanta <= _MOST_QUANTA:
        raise ProgramUnsupported(
            f"{kind} {spell_text(tensor.name)} has a scale beyond what numbers can hold, "
            f"expected 2**q with q in {_LEAST_QUANTA}..{_MOST_QUANTA}"
        )
    return {"scale": 2**quanta if quanta >= 0 else 2.0**quanta, "zero_pt": 0}
