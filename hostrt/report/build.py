"""Making a report from what a run has."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from hostrt.analysis.verdicts import Comparisons
from hostrt.chip import get_chip
from hostrt.errors import UsageError
from hostrt.report.model import BankFill, Report, ReportSubject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.power.trace import PowerTrace
    from hostrt.program.model import Program
    from hostrt.runner.result import RunResult


class RunSubject(Protocol):
    """What ran, as far as a report tells of it."""

    @property
    def path(self) -> str:
        """Where it came from."""

    @property
    def name(self) -> str:
        """Short name."""

    @property
    def sha256(self) -> str:
        """Its hash."""

    @property
    def chip(self) -> str:
        """Chip that it was compiled for, "" for none."""

    @property
    def program(self) -> Program | None:
        """The compiled program, None for what has none."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noticed when it was read."""


@dataclass(frozen=True, slots=True)
class _NoSubject:
    """Stands for outputs that come from files."""

    path: str = ""
    name: str = ""
    sha256: str = ""
    chip: str = ""
    program: Program | None = None
    notes: tuple[str, ...] = field(default=())


def report_of_run(
    subject: RunSubject | None,
    results: Mapping[str, RunResult],
    *,
    comparisons: Comparisons | None = None,
    inputs: Mapping[str, NDArray[np.generic]] | None = None,
    sample_rate: int | None = None,
    warm_up: int = 0,
    power: Mapping[str, PowerTrace] | None = None,
    interrupted: bool = False,
    command_line: Sequence[str] = (),
    notes: Sequence[str] = (),
    title: str = "",
) -> Report:
    """Make the report of one run or of several on the same frames.

    Args:
        subject: what ran; None for outputs of which that is not known.
        results: runner -> its run.
        comparisons: verdicts per pair.
        inputs: input -> (T, L) integers that went in.
        sample_rate: of audio in Hz, None for what is not audio.
        warm_up: frames at the beginning left out of statistics.
        power: runner -> what a meter measured.
        interrupted: whether somebody ended the run early.
        command_line: arguments that started the run.
        notes: sentences for the reader, beside those of the subject.
        title: headline; by default the subject and its runners.
    """
    known = subject or _NoSubject()
    return Report(
        title=title or _title(known.name, results),
        subject=ReportSubject(
            name=known.name,
            path=known.path,
            sha256=known.sha256,
            chip=known.chip,
            n_words=known.program.n_words if known.program is not None else 0,
            banks=bank_fill(known.program) if known.program is not None else (),
        ),
        results=results,
        comparisons=comparisons or Comparisons(()),
        inputs=inputs or {},
        sample_rate=sample_rate,
        warm_up=warm_up,
        power=power or {},
        interrupted=interrupted,
        command_line=tuple(command_line),
        created=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        notes=tuple(dict.fromkeys((*known.notes, *notes))),
    )


def bank_fill(program: Program) -> tuple[BankFill, ...]:
    """Give how full each memory bank is that a program uses, core by core.

    Banks that the program's chip does not have are left out; of an unknown chip, all are.
    """
    try:
        chip_map = get_chip(program.chip).map
    except UsageError:
        return ()
    fills = [
        BankFill(
            bank.core,
            bank.name,
            int(bank.words.size),
            chip_map.region(bank.core, bank.kind, bank.index).n_dwords,
        )
        for bank in program.banks
        if chip_map.has_bank(bank.core, bank.kind, bank.index)
    ]
    return tuple(sorted(fills, key=lambda fill: fill.core))


def _title(name: str, results: Mapping[str, RunResult]) -> str:
    runners = ", ".join(results)
    return f"{name} on {runners}" if name and runners else name or runners or "Report"
