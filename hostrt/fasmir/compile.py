"""The open compiler: FQIR models to programs of the open instruction set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from hostrt.chip import get_chip
from hostrt.errors import ProgramUnsupported, UsageError
from hostrt.fasmir.assembly import Assembly, Input, Output, Watched
from hostrt.fasmir.compile_cores import Job, attempt, divide
from hostrt.fasmir.compile_ports import completed, ports_of
from hostrt.fasmir.image import program_of
from hostrt.fasmir.layout import Capacity, format_needs, geometry_of, require_fit
from hostrt.fasmir.layout_assembly import assemble_cores
from hostrt.fqir.iospec import infer_iospec
from hostrt.fqir.plan.ir import operands
from hostrt.fqir.plan.lower import compile_plan
from hostrt.fqir.plan.prune import pruned
from hostrt.program.model import ProgramSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.iospec import IOSpec
    from hostrt.fasmir.allocate import Needs
    from hostrt.fasmir.compile_cores import Attempt
    from hostrt.fasmir.lower_shares import Shares
    from hostrt.fqir.graph import Model
    from hostrt.fqir.plan.ir import Plan
    from hostrt.program.model import Program


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the compiler made of a model.

    Attributes:
        assembly: the program with its names.
        program: its memory images.
        iospec: where its messages go.
        needs: what each core's part takes.
        notes: what is worth knowing, a line each.
    """

    assembly: Assembly
    program: Program
    iospec: IOSpec
    needs: tuple[Needs, ...]
    notes: tuple[str, ...] = ()

    def usage(self) -> str:
        """Make a table of what each core needs and holds, in words."""
        chip = geometry_of(self.assembly.chip)
        return format_needs(self.needs, Capacity.of(chip))


def compile_model(
    model: Model,
    *,
    chip: str = "spu001",
    iospec: IOSpec | None = None,
    latched: Sequence[str] = (),
    cores: int | None = None,
    shares: Shares | None = None,
    watch: Sequence[str] = (),
    name: str = "",
) -> Compiled:
    """Compile a model.

    The program gives the same integers as the `fqir` runner, frame by frame.

    Args:
        model: a checked model.
        chip: spoken name of the chip.
        iospec: its I/O specification; None infers one.
        latched: inputs that keep their value, for an inferred specification.
        cores: cores that share products with constant weights; None takes as few as hold them.
        shares: how they share them, for those who know better.
        watch: names of tensors that are kept in DM until the next frame, for simulators.
        name: of the program; by default that of the model's file.

    Raises:
        ProgramUnsupported: no message can carry an input or output, something has no exact
            equivalent, or it does not fit the chip.
        ProgramCorrupt: a node lacks a constant or has one of the wrong kind.
        UsageError: an unknown chip or tensor, or a number of cores the chip does not have.
    """
    target = get_chip(chip)
    geometry = geometry_of(target.name)
    if cores is not None and not 1 <= cores <= geometry.n_cores:
        raise UsageError(f"{cores} cores, expected 1 to {geometry.n_cores}: {geometry.name}")
    spec = infer_iospec(model, latched) if iospec is None else iospec
    plan = _needed(_planned(model, watch))
    inputs, outputs = ports_of(model, plan, spec)
    job = Job(name or PurePath(model.path).stem or "model", plan, inputs, outputs, geometry)
    found = divide(job, cores) if shares is None else attempt(job, shares)
    require_fit(job.name, geometry, found.needs, found.executed)
    assembly = _assembly(job, found, target.name)
    done = completed(spec, assembly)
    source = ProgramSource(model.path or job.name, "compiled", _hashes(model))
    notes = _notes(found, cores)
    return Compiled(assembly, program_of(assembly, done, source=source), done, found.needs, notes)


def _planned(model: Model, watch: Sequence[str]) -> Plan:
    try:
        return compile_plan(model, watch=watch)
    except ProgramUnsupported as error:
        raise ProgramUnsupported(
            error.message, hint="the fqir runner's reference engine can run it, a chip cannot"
        ) from error


def _hashes(model: Model) -> dict[str, str]:
    return {PurePath(model.path).name: model.sha256} if model.sha256 else {}


def _notes(found: Attempt, cores: int | None) -> tuple[str, ...]:
    used = sum(len(one.draft.lines) > 0 for one in found.cores)
    if cores is not None and used < cores:
        return (f"{used} of {cores} cores are used: more of them would not be faster",)
    if cores is None and used > 1:
        return (f"one core does not hold the weights: {used} cores share them",)
    return ()


def _needed(plan: Plan) -> Plan:
    """Leave out the state that no output depends on."""
    kept = [state for state in plan.states if state.read in plan.outputs]
    while True:
        smaller = pruned(replace(plan, states=tuple(kept)))
        used = {*plan.outputs, *plan.watched.values(), *(state.next for state in kept)}
        for one in smaller.body:
            used.update(operands(one))
        found = [state for state in plan.states if state.read in used]
        if len(found) == len(kept):
            return smaller
        kept = found


# ---------------------------------------------------------------------- results


def _assembly(job: Job, found: Attempt, chip: str) -> Assembly:
    frame = found.frame
    cores = assemble_cores(found.cores, frame.labels)
    inputs = zip(job.inputs, frame.labels, frame.n_words, strict=True)
    outputs = zip(job.outputs, frame.out_words, strict=True)
    return Assembly(
        job.name,
        chip,
        cores,
        tuple(Input(port.name, 0, label, n_words) for port, label, n_words in inputs),
        tuple(Output(port.name, i, n_words) for i, (port, n_words) in enumerate(outputs)),
        tuple(
            Watched(name, 0, view.buffer.name, job.plan.values[job.plan.watched[name]].shape)
            for name, view in frame.watched.items()
        ),
    )
