"""What a report says, as plain data, of which page, JSON, CSV, XML and pictures are renderings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hostrt.analysis.verdicts import Comparisons

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.power.trace import PowerTrace
    from hostrt.runner.result import RunResult

Verdict = Literal["pass", "fail", "late", "not compared", "interrupted"]
"""What a report says in one word."""


@dataclass(frozen=True, slots=True)
class BankFill:
    """How full one memory bank is.

    Attributes:
        core: its core.
        bank: its name, as "DM3".
        used: 64-bit words that the program puts there.
        capacity: 64-bit words that it holds.
    """

    core: int
    bank: str
    used: int
    capacity: int


@dataclass(frozen=True, slots=True)
class ReportSubject:
    """What ran.

    Attributes:
        name: short name.
        path: where it came from.
        sha256: its hash.
        chip: chip that it was compiled for, "" for none in particular.
        n_words: 32-bit words of the program, 0 for a model.
        banks: memory that it fills, empty banks left out.
    """

    name: str
    path: str
    sha256: str
    chip: str = ""
    n_words: int = 0
    banks: tuple[BankFill, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything that one invocation has to say.

    Attributes:
        title: headline.
        subject: what ran.
        results: runner -> its run; the first is what others were compared with.
        comparisons: verdicts per pair; none with a single runner.
        inputs: input -> (T, L) integers that went in.
        sample_rate: of audio inputs and outputs in Hz, None when they are not audio.
        warm_up: frames at the beginning left out of statistics.
        power: runner -> what a meter measured.
        interrupted: somebody ended the run early; what is here is complete up to then.
        command_line: arguments that started the run.
        created: ISO 8601 time with offset.
        notes: sentences for the reader.
    """

    title: str
    subject: ReportSubject
    results: Mapping[str, RunResult]
    comparisons: Comparisons = field(default_factory=lambda: Comparisons(()))
    inputs: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    sample_rate: int | None = None
    warm_up: int = 0
    power: Mapping[str, PowerTrace] = field(default_factory=dict)
    interrupted: bool = False
    command_line: tuple[str, ...] = ()
    created: str = ""
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The report in one word."""
        if not self.comparisons.equal:
            return "fail"
        if self.interrupted:
            return "interrupted"
        schedules = (result.metrics.schedule for result in self.results.values())
        if not all(schedule is None or schedule.kept for schedule in schedules):
            return "late"
        return "pass" if self.comparisons.pairs else "not compared"
