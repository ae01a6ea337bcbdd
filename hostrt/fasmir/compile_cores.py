"""How many cores a program takes, and what each of them does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostrt.fasmir.allocate import place
from hostrt.fasmir.layout import Capacity
from hostrt.fasmir.lower import Lowering
from hostrt.fasmir.lower_cores import Team
from hostrt.fasmir.lower_draft import Draft, Names
from hostrt.fasmir.lower_frame import lower_frame
from hostrt.fasmir.lower_shares import Shares
from hostrt.fasmir.lower_types import Kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_protocol.bank_geometry import BankGeometry
    from hostrt.fasmir.allocate import Needs, Placed
    from hostrt.fasmir.lower_frame import Frame, Port
    from hostrt.fqir.plan.ir import Plan

_TRIES = 5
_SLACK_WORDS = 64
"""Words that are left free on core 0 when weights are taken away from it: shares are rounded."""
_SMALL_WORDS = 512
"""Weights of fewer words stay on core 0 unless room is short: the way to other cores costs."""


@dataclass(frozen=True, slots=True)
class Job:
    """One compilation.

    Attributes:
        name: of the model.
        plan: what is computed.
        inputs: messages to the chip.
        outputs: messages from the chip.
        chip: the chip's memories.
    """

    name: str
    plan: Plan
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    chip: BankGeometry


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one division of the work.

    Attributes:
        frame: what became of the messages.
        cores: the code of those that have any.
        executed: instructions in a frame, at most.
        divisible: words of weights that could be elsewhere.
    """

    frame: Frame
    cores: tuple[Placed, ...]
    executed: int
    divisible: int

    @property
    def needs(self) -> tuple[Needs, ...]:
        """What each core's part takes."""
        return tuple(core.needs for core in self.cores)


def attempt(job: Job, shares: Shares) -> Attempt:
    """Lower a plan with the work divided as it is said, and give addresses."""
    labels = Names()
    team = Team(tuple(Draft(core, labels) for core in range(len(shares.parts))), shares)
    fixed = {port.value: port.kind for port in (*job.inputs, *job.outputs)}
    low = Lowering(job.plan, Kinds(job.plan, fixed), team, job.plan.names)
    frame = lower_frame(low, job.inputs, job.outputs)
    executed = sum(draft.executed for draft in team.drafts)
    used = [draft for draft in team.drafts if draft.lines]
    return Attempt(
        frame, tuple(place(draft) for draft in used), executed, sum(team.divisible.values())
    )


def divide(job: Job, cores: int | None) -> Attempt:
    """Find a division that fits; without one, the one that lacks least.

    Args:
        job: what is compiled.
        cores: how many share the work; None for as few as hold it.
    """
    best: Attempt | None = None
    least = 0
    for found in _attempts(job, cores):
        excess = sum(Capacity.of(job.chip).lacking(one) for one in found.needs)
        if best is None or excess < least:
            best, least = found, excess
        if not excess:
            break
    assert best is not None
    return best


def _attempts(job: Job, cores: int | None) -> Iterator[Attempt]:
    """Give divisions, the better ones first."""
    counts = range(2, job.chip.n_cores + 1) if cores is None else range(cores, cores + 1)
    if cores in (None, 1):
        whole = attempt(job, Shares())
        yield whole
        if cores == 1 or not whole.divisible or _lacks_more_than_data(job, whole):
            return
    for count in counts:
        parts = (1 / count,) * count
        yield attempt(job, Shares(parts, even=True))
        for least in (_SMALL_WORDS, 0):
            yield from _fitted(job, parts, least)


def _fitted(job: Job, parts: tuple[float, ...], least: int) -> Iterator[Attempt]:
    """Take weights away from core 0, which does everything else too, until it holds the rest."""
    capacity, count, share = Capacity.of(job.chip).data, len(parts), parts[0]
    for _ in range(_TRIES):
        rest = (1 - share) / (count - 1)
        found = attempt(job, Shares((share, *(rest,) * (count - 1)), least_words=least))
        yield found
        excess = found.needs[0].data - capacity
        if excess <= 0 or share <= 0 or not found.divisible:
            return
        share = max(share - (excess + _SLACK_WORDS) / found.divisible, 0.0)


def _lacks_more_than_data(job: Job, found: Attempt) -> bool:
    """Tell whether something does not fit that more cores would not change."""
    capacity, needs = Capacity.of(job.chip), found.needs[0]
    return needs.tables > capacity.tables or needs.instructions > capacity.instructions
