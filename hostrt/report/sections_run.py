"""The top of the page, what ran on what, and notes."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.report.page import Cell, Facts, Page, Paragraph, Section, make_table, name_text
from hostrt.report.quantities import counted, si, whole

if TYPE_CHECKING:
    from hostrt.report.model import Report, Verdict
    from hostrt.report.page import Block, Mark
    from hostrt.runner.result import RunResult

MAX_NOTES = 100

_VERBATIM = frozenset({"file", "SHA-256", "command line", "program", "program SHA-256"})
_LOOKS: dict[Verdict, tuple[Mark, str]] = {
    "pass": ("good", "\N{CHECK MARK}"),
    "fail": ("bad", "\N{MULTIPLICATION X}"),
    "late": ("warn", "\N{EXCLAMATION MARK}"),
    "interrupted": ("warn", "\N{EXCLAMATION MARK}"),
    "not compared": ("", "\N{EN DASH}"),
}


def runner_text(report: Report, name: str) -> str:
    """Give a runner's name, and that it is a simulation where it is one."""
    simulated = " (simulated)" if report.results[name].simulated else ""
    return f"{name_text(name)}{simulated}"


def top_of(report: Report, sections: tuple[Section, ...]) -> Page:
    """Give the page with its top: verdict, and what one wants to know first."""
    mark, symbol = _LOOKS[report.verdict]
    versions = (one.provenance.hostrt_version for one in report.results.values())
    return Page(
        title=report.title or report.subject.name or "Run",
        verdict=report.verdict,
        mark=mark,
        symbol=symbol,
        summary=_summary(report),
        facts=tuple(_first_facts(report)),
        sections=sections,
        simulated=_how_simulated(report),
        version=next((version for version in versions if version), ""),
        created=_time(report.created),
    )


def _how_simulated(report: Report) -> str:
    kinds = {result.simulated for result in report.results.values()}
    if True not in kinds:
        return ""
    return "partly simulated" if False in kinds else "simulated"


def _summary(report: Report) -> str:
    """Say the verdict in a sentence."""
    pairs = report.comparisons.pairs
    early = " The run was ended early; what is here is complete up to then."
    for pair in pairs:
        if not pair.equal:
            text = f"Outputs of {name_text(pair.a)} and {name_text(pair.b)} differ: "
            return f"{text}{pair.summary()}." + (early if report.interrupted else "")
    if pairs:
        within = f" within a tolerance of {pairs[0].tolerance}" if pairs[0].tolerance else ""
        frames = counted(max(pair.n_frames for pair in pairs), "frame")
        text = f"All runners give the same outputs in {frames}{within}."
    elif len(report.results) == 1:
        text = "One runner ran; there is nothing to compare its outputs with."
    else:
        text = "Nothing was compared."
    return text + _kept_time(report) + (early if report.interrupted else "")


def _kept_time(report: Report) -> str:
    """Say in a sentence how streams kept their deadlines; "" without any."""
    schedules = [one.metrics.schedule for one in report.results.values() if one.metrics.schedule]
    if not schedules:
        return ""
    missed = sum(len(schedule.missed) for schedule in schedules)
    dropped = sum(len(schedule.dropped) for schedule in schedules)
    if not missed and not dropped:
        return " Every frame came in time."
    return f" {counted(missed, 'frame')} came too late, {whole(dropped)} were dropped."


def _first_facts(report: Report) -> list[tuple[str, str]]:
    facts = [("model", name_text(report.subject.name))]
    if report.subject.chip:
        facts.append(("chip", name_text(report.subject.chip)))
    frames = {result.metrics.n_frames for result in report.results.values()}
    if frames:
        low, high = min(frames), max(frames)
        facts.append(("frames", whole(high) if low == high else f"{whole(low)} to {whole(high)}"))
    for name, result in list(report.results.items())[:3]:
        facts += _runner_facts(report, name, result)
    return facts


def _runner_facts(report: Report, name: str, result: RunResult) -> list[tuple[str, str]]:
    """Give one runner's typical latency and lost frames."""
    facts = []
    metrics = LatencyMetrics(result.metrics, report.warm_up)
    clock = result.metrics.clock
    if clock is not None and metrics.summaries[clock].count:
        text = si(metrics.summaries[clock].median, "s")
        label = f"median latency ({clock.replace('_', ' ')}), {runner_text(report, name)}"
        facts.append((label, text))
    schedule = result.metrics.schedule
    if schedule is not None:
        lost = len(schedule.missed) + len(schedule.dropped)
        facts.append((f"late or dropped, {runner_text(report, name)}", whole(lost)))
    return facts


def what_ran(report: Report) -> Section:
    """Tell what ran on what: program, boards, versions, settings."""
    subject = report.subject
    rows = [
        ("model", subject.name),
        ("file", subject.path),
        ("SHA-256", subject.sha256),
        ("chip", subject.chip),
        ("program size", f"{whole(subject.n_words)} 32-bit words" if subject.n_words else ""),
        ("inputs", _shapes(report)),
        ("sample rate", f"{whole(report.sample_rate)} Hz" if report.sample_rate else ""),
        ("warm-up", f"{counted(report.warm_up, 'frame')} left out" if report.warm_up else ""),
        ("tolerance", whole(report.comparisons.tolerance) if report.comparisons.pairs else ""),
        ("command line", shlex.join(report.command_line)),
        ("report made", _time(report.created)),
    ]
    found = tuple((name, text) for name, text in rows if text)
    blocks: list[Block] = [Facts(found, verbatim=_VERBATIM)]
    if report.results:
        header = ("runner", "figures", "chip", "board", "firmware", "frames", "hostrt", "started")
        cells = [_runner_row(name, result) for name, result in report.results.items()]
        blocks.append(make_table("Runners", header, cells))
    blocks += [
        Facts(tuple(settings), f"Program and settings of {name_text(name)}", _VERBATIM)
        for name, result in report.results.items()
        if (settings := _settings(result))
    ]
    return Section("run", "What ran", tuple(blocks))


def _shapes(report: Report) -> str:
    shapes = (
        f"{name_text(name)}: {' x '.join(map(str, array.shape))} {array.dtype}"
        for name, array in list(report.inputs.items())[:16]
    )
    return "\n".join(shapes)


def _runner_row(name: str, result: RunResult) -> list[Cell | str]:
    source = result.provenance
    return [
        name_text(name),
        Cell("simulated", "warn") if result.simulated else Cell("measured"),
        name_text(source.chip) if source.chip else "",
        source.board or "this computer",
        source.firmware,
        Cell(whole(result.metrics.n_frames), numeric=True),
        source.hostrt_version,
        _time(source.started),
    ]


def _settings(result: RunResult) -> list[tuple[str, str]]:
    source = result.provenance
    rows = [("program", source.program_source), ("program SHA-256", source.program_sha256)]
    for name, value in list(source.settings.items())[:50]:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        rows.append((name_text(str(name)), text))
    return [(name, text) for name, text in rows if text]


def _time(text: str) -> str:
    """Give a time with the date and the time of day apart."""
    return text.replace("T", " ", 1)


def notes(report: Report) -> Section | None:
    """Give what a reader should know."""
    items = list(report.notes)
    for name, result in report.results.items():
        items += [f"{name_text(name)}: {item}" for item in result.notes]
    if not items:
        return None
    kept = items[:MAX_NOTES]
    if len(items) > MAX_NOTES:
        kept.append(f"{whole(len(items) - MAX_NOTES)} more notes are not shown")
    return Section("notes", "Notes", (Paragraph(items=tuple(kept)),))
