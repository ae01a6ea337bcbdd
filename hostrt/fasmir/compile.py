"""The open compiler: FQIR models to programs of the open instruction set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from hostrt.chip import get_chip
from hostrt.errors import UsageError
from hostrt.fasmir.allocate import place
from hostrt.fasmir.assembly import Assembly, Input, Output, Watched
from hostrt.fasmir.compile_ports import completed, ports_of
from hostrt.fasmir.image import program_of
from hostrt.fasmir.layout import Capacity, format_needs, geometry_of, require_fit
from hostrt.fasmir.layout_assembly import assemble_cores
from hostrt.fasmir.lower import Lowering
from hostrt.fasmir.lower_cores import Team
from hostrt.fasmir.lower_draft import Draft, Names
from hostrt.fasmir.lower_frame import lower_frame
from hostrt.fasmir.lower_shares import Shares
from hostrt.fasmir.lower_types import Kinds
from hostrt.fqir.iospec import infer_iospec
from hostrt.fqir.plan.ir import operands
from hostrt.fqir.plan.lower import compile_plan
from hostrt.fqir.plan.prune import pruned
from hostrt.program.model import ProgramSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.bank_geometry import BankGeometry
    from firmware_protocol.iospec import IOSpec
    from hostrt.fasmir.allocate import Needs, Placed
    from hostrt.fasmir.lower_frame import Frame, Port
    from hostrt.fqir.graph import Model
    from hostrt.fqir.plan.ir import Plan
    from hostrt.program.model import Program

_TRIES = 5
_SLACK_WORDS = 64
"""Words that are left free on core 0 when weights are taken away from it: shares are rounded."""
_SMALL_WORDS = 512
"""Weights of fewer words stay on core 0 unless room is short: the way to other cores costs."""


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


@dataclass(frozen=True, slots=True)
class _Job:
    """One compilation."""

    name: str
    plan: Plan
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    chip: BankGeometry


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What came of one division of the work."""

    frame: Frame
    cores: tuple[Placed, ...]
    executed: int
    divisible: int

    @property
    def needs(self) -> tuple[Needs, ...]:
        return tuple(core.needs for core in self.cores)


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
    plan = _needed(compile_plan(model, watch=watch))
    inputs, outputs = ports_of(model, plan, spec)
    job = _Job(name or PurePath(model.path).stem or "model", plan, inputs, outputs, geometry)
    attempt = _divide(job, cores) if shares is None else _attempt(job, shares)
    require_fit(job.name, geometry, attempt.needs, attempt.executed)
    assembly = _assembly(job, attempt, target.name)
    done = completed(spec, assembly)
    source = ProgramSource(model.path or job.name, "compiled", _hashes(model))
    notes = _notes(attempt, cores)
    return Compiled(assembly, program_of(assembly, done, source=source), done, attempt.needs, notes)


def _hashes(model: Model) -> dict[str, str]:
    return {PurePath(model.path).name: model.sha256} if model.sha256 else {}


def _notes(attempt: _Attempt, cores: int | None) -> tuple[str, ...]:
    used = sum(len(one.draft.lines) > 0 for one in attempt.cores)
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


# ---------------------------------------------------------------------- cores


def _divide(job: _Job, cores: int | None) -> _Attempt:
    """Find how many cores it takes and what each of them does."""
    if cores == 1:
        return _attempt(job, Shares())
    if cores is not None:
        return _divided(job, cores)
    whole = _attempt(job, Shares())
    if _fits(job, whole) or not whole.divisible or _other_excess(job, whole):
        return whole
    best = whole
    for count in range(2, job.chip.n_cores + 1):
        best = _divided(job, count)
        if _fits(job, best):
            break
    return best


def _divided(job: _Job, count: int) -> _Attempt:
    """Spread the work over so many cores: as fast as possible, or else so that it fits."""
    parts = (1 / count,) * count
    attempt = _attempt(job, Shares(parts, even=True))
    if _fits(job, attempt):
        return attempt
    for least in (_SMALL_WORDS, 0):
        attempt = _fitted(job, parts, least)
        if _fits(job, attempt):
            break
    return attempt


def _fitted(job: _Job, parts: tuple[float, ...], least: int) -> _Attempt:
    """Take weights away from core 0, which does everything else too, until all fit."""
    capacity, count, share = Capacity.of(job.chip).data, len(parts), parts[0]
    attempt = _attempt(job, Shares(parts, least_words=least))
    for _ in range(_TRIES):
        excess = attempt.needs[0].data - capacity
        if excess <= 0 or share <= 0 or not attempt.divisible:
            break
        share = max(share - (excess + _SLACK_WORDS) / attempt.divisible, 0.0)
        rest = (1 - share) / (count - 1)
        attempt = _attempt(job, Shares((share, *(rest,) * (count - 1)), least_words=least))
    return attempt


def _fits(job: _Job, attempt: _Attempt) -> bool:
    capacity = Capacity.of(job.chip)
    return not any(text for one in attempt.needs for text in capacity.excess(one))


def _other_excess(job: _Job, attempt: _Attempt) -> bool:
    """Tell whether something does not fit that more cores would not change."""
    capacity = Capacity.of(job.chip)
    needs = attempt.needs[0]
    return needs.tables > capacity.tables or needs.instructions > capacity.instructions


def _attempt(job: _Job, shares: Shares) -> _Attempt:
    labels = Names()
    team = Team(tuple(Draft(core, labels) for core in range(len(shares.parts))), shares)
    fixed = {port.value: port.kind for port in (*job.inputs, *job.outputs)}
    low = Lowering(job.plan, Kinds(job.plan, fixed), team, job.plan.names)
    frame = lower_frame(low, job.inputs, job.outputs)
    executed = sum(draft.executed for draft in team.drafts)
    used = [draft for draft in team.drafts if draft.lines]
    return _Attempt(
        frame, tuple(place(draft) for draft in used), executed, sum(team.divisible.values())
    )


# ---------------------------------------------------------------------- results


def _assembly(job: _Job, attempt: _Attempt, chip: str) -> Assembly:
    frame = attempt.frame
    cores = assemble_cores(attempt.cores, frame.labels)
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
