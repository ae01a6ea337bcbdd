"""Inputs and outputs of an FQIR model as a runner sees them: logical lengths, no places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.iospec import PRECISIONS, IOSpec
from hostrt.errors import HostrtError, ProgramUnsupported
from hostrt.fqir.iospec import infer_iospec
from hostrt.frames.frames import VectorSpec
from hostrt.program.load import read_iospec
from hostrt.program.sidecar import usual_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firmware_protocol.iospec import Vector
    from hostrt.fqir.graph import Model, Tensor


@dataclass(frozen=True, slots=True)
class FqirPort:
    """One input or output.

    Attributes:
        spec: what its vectors look like; never padded.
        shape: axes of the tensor behind it.
    """

    spec: VectorSpec
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FqirIo:
    """Inputs and outputs of one model.

    Attributes:
        iospec: sequences included.
        inputs: by name; latched inputs first.
        outputs: by name, in the model's order.
        notes: where the specification came from, if that is worth saying.
    """

    iospec: IOSpec
    inputs: Mapping[str, FqirPort]
    outputs: Mapping[str, FqirPort]
    notes: tuple[str, ...] = ()

    @property
    def input_specs(self) -> tuple[VectorSpec, ...]:
        """Descriptions of the inputs, latched ones first."""
        return tuple(port.spec for port in self.inputs.values())


def io_of_model(model: Model, iospec: IOSpec | str | Path | None, latched: Sequence[str]) -> FqirIo:
    """Give the inputs and outputs of a model.

    Args:
        model: its ARITH graph decides.
        iospec: the I/O specification, which also says what is latched; None infers one.
        latched: latched inputs, for an inferred specification.

    Raises:
        UsageError: `latched` names what is no input.
        ProgramUnsupported: the specification belongs to another model, or no specification can
            express this one.
    """
    own = infer_iospec(model, latched)
    notes: tuple[str, ...] = ()
    if isinstance(iospec, IOSpec):
        spec = _require_same(iospec, own, "the I/O specification", model)
    elif iospec is not None:
        spec = _require_same(read_iospec(iospec, precisions=PRECISIONS), own, str(iospec), model)
    elif latched or not model.path:
        spec = own
    else:
        spec, notes = _beside(Path(model.path), own)
    if not spec.is_simple:
        raise ProgramUnsupported(
            f"{model.path or 'the model'}: its I/O specification has several sequences with "
            "outputs, and the graph computes all outputs at once",
            hint="give an I/O specification with one sequence that has outputs",
        )
    held = {spec.inputs[key].varname for key in spec.latched}
    inputs = {
        tensor.name: _port(tensor, own.inputs[tensor.name], tensor.name in held)
        for tensor in sorted(model.arith.inputs, key=lambda tensor: tensor.name not in held)
    }
    outputs = {
        tensor.name: _port(tensor, own.outputs[tensor.name], is_latched=False)
        for tensor in model.arith.outputs
    }
    return FqirIo(spec, inputs, outputs, notes)


def _beside(path: Path, own: IOSpec) -> tuple[IOSpec, tuple[str, ...]]:
    """Take the specification that lies beside the model, if it is the model's."""
    for candidate in usual_names(path):
        if not candidate.is_file():
            continue
        try:
            spec = read_iospec(candidate, precisions=PRECISIONS)
        except HostrtError as error:
            return own, (f"{candidate.name} beside the model was not used: {error}",)
        fault = _difference(spec, own)
        if fault:
            return own, (f"{candidate.name} beside the model was not used: {fault}",)
        return spec, (f"sequences come from {candidate.name} beside the model",)
    return own, ()


def _require_same(given: IOSpec, own: IOSpec, name: str, model: Model) -> IOSpec:
    fault = _difference(given, own)
    if fault:
        raise ProgramUnsupported(
            f"{name} does not belong to {model.path or 'the model'}: {fault}",
            hint="give the one that was made with this model, or none",
        )
    return given


def _difference(given: IOSpec, own: IOSpec) -> str:
    """Say where two specifications name other vectors; "" when nowhere."""
    for kind, theirs, ours in (
        ("input", given.inputs, own.inputs),
        ("output", given.outputs, own.outputs),
    ):
        found = {item.varname: (item.length, item.precision) for item in theirs.values()}
        expected = {item.varname: (item.length, item.precision) for item in ours.values()}
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                return (
                    f"{kind} {name!r} is {found.get(name, 'missing')}, expected "
                    f"{expected.get(name, 'none')} (length, bits)"
                )
    return ""


def _port(tensor: Tensor, vector: Vector, is_latched: bool) -> FqirPort:
    size = 1
    for axis in tensor.shape:
        size *= axis
    spec = VectorSpec(vector.varname, size, size, vector.precision, is_latched)
    return FqirPort(spec, tensor.shape)
