"""Latency, deadlines, energy, power, memory and cycles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.report.page import Facts, Heading, Paragraph, Section, make_table, name_text, numeric
from hostrt.report.plots_resources import cycle_bars, memory_fill
from hostrt.report.plots_time import (
    frame_power,
    latency_histogram,
    latency_timeline,
    losses,
    power_timeline,
)
from hostrt.report.quantities import number, percent, si, whole
from hostrt.report.sections_run import runner_text

if TYPE_CHECKING:
    from hostrt.report.model import Report
    from hostrt.report.page import Block, Cell, Plot
    from hostrt.report.plot_base import Plots
    from hostrt.runner.result import RunMetrics, RunResult

MAX_RUNNERS = 8
"""Runners with plots of their own."""

_UNITS = {"hz": "Hz", "s": "s", "j": "J", "w": "W"}
_STATISTICS = ("min", "mean", "median", "p90", "p95", "p99", "max")


def time(report: Report, plots: Plots) -> Section | None:
    """Tell how long frames took, and which came too late."""
    blocks: list[Block] = []
    for number_of, (name, result) in enumerate(report.results.items()):
        metrics = LatencyMetrics(result.metrics, report.warm_up)
        facts, tables = _time_facts(result.metrics, metrics), _latency_table(metrics)
        drawn: list[Plot | None] = []
        if number_of < MAX_RUNNERS:
            label = runner_text(report, name)
            drawn = [
                latency_timeline(plots, label, result.metrics),
                latency_histogram(plots, label, result.metrics, report.warm_up),
            ]
        found: list[Block] = [*tables, *([Facts(facts)] if facts else [])]
        found += [plot for plot in drawn if plot is not None]
        if found:
            blocks += [Heading(name_text(name), result.simulated), *found]
    return Section("time", "Latency and deadlines", tuple(blocks)) if blocks else None


def _latency_table(metrics: LatencyMetrics) -> list[Block]:
    rows: list[list[Cell | str]] = [
        [
            clock.replace("_", " "),
            *(numeric(si(getattr(summary, column), "s")) for column in _STATISTICS),
            numeric(whole(summary.count)),
            numeric(whole(summary.excluded)),
        ]
        for clock, summary in metrics.summaries.items()
        if summary.count or summary.excluded
    ]
    header = ("clock", *_STATISTICS, "frames", "not measured")
    return [make_table("Latency per frame", header, rows)] if rows else []


def _time_facts(run: RunMetrics, metrics: LatencyMetrics) -> tuple[tuple[str, str], ...]:
    facts = [("input period", si(run.input_period_s, "s") if run.input_period_s else "")]
    if run.deadline_s != run.input_period_s and run.deadline_s is not None:
        facts.append(("deadline", si(run.deadline_s, "s")))
    facts += _deadline_facts(run, metrics)
    if run.duration_s is not None:
        facts.append(("duration of the run", si(run.duration_s, "s")))
    if metrics.throughput_fps is not None:
        facts.append(("throughput", f"{number(metrics.throughput_fps)} frames per second"))
    if metrics.host_per_frame_s is not None:
        facts.append(("host time per frame", si(metrics.host_per_frame_s, "s")))
    if run.pll_vco_hz is not None:
        facts.append(("PLL oscillator", si(run.pll_vco_hz, "Hz")))
    for name, count in list(run.work.items())[:12]:
        facts.append((f"{name_text(name).replace('_', ' ')} per frame", number(count)))
    return tuple((name, text) for name, text in facts if text)


def _deadline_facts(run: RunMetrics, metrics: LatencyMetrics) -> list[tuple[str, str]]:
    """Tell of deadlines: slack, misses, drops and why."""
    facts = []
    slack = metrics.slack_s
    if slack is not None and slack.size:
        clock = (metrics.deadline_clock or "").replace("_", " ")
        text = f"at least {_signed(float(slack.min()))}, mean {_signed(float(slack.mean()))}"
        facts.append(("slack to the deadline", f"{text} (clock {clock})"))
    missed, dropped = losses(run)
    if run.schedule is not None or (slack is not None and slack.size):
        facts.append(("missed deadlines", _of(len(missed), run.n_frames)))
    if run.schedule is not None:
        facts.append(("dropped frames", _of(len(dropped), run.n_frames)))
        causes = (f"{name_text(cause)} {whole(n)}" for cause, n in run.schedule.causes.items() if n)
        facts.append(("lost time at", ", ".join(causes)))
    return facts


def _signed(seconds: float) -> str:
    sign = "\N{MINUS SIGN}" if seconds < 0 else ""
    return f"{sign}{si(abs(seconds), 's')}"


def _of(part: int, total: int) -> str:
    return f"{whole(part)} of {whole(total)}" + (f" ({percent(part, total)})" if part else "")


def power(report: Report, plots: Plots) -> Section | None:
    """Tell what power and energy the run took."""
    blocks: list[Block] = []
    for name, result in list(report.results.items())[:MAX_RUNNERS]:
        found = _power(report, plots, name, result)
        if found:
            blocks += [Heading(name_text(name), result.simulated), *found]
    for name, trace in list(report.power.items())[:MAX_RUNNERS]:
        if name not in report.results:
            plot = power_timeline(plots, name_text(name), trace)
            blocks += [plot] if plot is not None else []
    return Section("power", "Power and energy", tuple(blocks)) if blocks else None


def _power(report: Report, plots: Plots, name: str, result: RunResult) -> list[Block]:
    run, label = result.metrics, runner_text(report, name)
    facts = []
    if run.energy_j is not None:
        facts.append(("energy of the run", si(run.energy_j, "J")))
        if run.n_frames:
            facts.append(("energy per frame", si(run.energy_j / run.n_frames, "J")))
    if run.power_w is not None:
        facts.append(("mean power", si(run.power_w, "W")))
    blocks: list[Block] = [Facts(tuple(facts))] if facts else []
    trace = report.power.get(name)
    drawn = None if trace is None else power_timeline(plots, label, trace)
    drawn = drawn or frame_power(plots, label, run)
    return [*blocks, drawn] if drawn is not None else blocks


def memory(report: Report, plots: Plots) -> Section | None:
    """Tell how full memories are."""
    banks = sorted(report.subject.banks, key=lambda bank: bank.core)
    if not banks:
        return None
    rows: list[list[Cell | str]] = [
        [
            f"core {bank.core}, {name_text(bank.bank)}",
            numeric(whole(bank.used)),
            numeric(whole(bank.capacity)),
            numeric(percent(bank.used, bank.capacity), "bad" if bank.used > bank.capacity else ""),
        ]
        for bank in banks
    ]
    header = ("bank", "64-bit words used", "capacity", "filled")
    table = make_table("Fill of each bank", header, rows)
    return Section("memory", "Memory", (memory_fill(plots, banks), table))


def cycles(report: Report, plots: Plots) -> Section | None:
    """Tell where simulated cycles went."""
    blocks: list[Block] = []
    for name, result in list(report.results.items())[:MAX_RUNNERS]:
        found = _cycles(plots, runner_text(report, name), result.metrics.simulation)
        if found:
            blocks += [Heading(name_text(name), result.simulated), *found]
    return Section("cycles", "Cycles", tuple(blocks)) if blocks else None


def _cycles(plots: Plots, label: str, tree: Mapping[str, object]) -> list[Block]:
    blocks: list[Block] = []
    facts = [
        _fact(str(key), value)
        for key, value in tree.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    ]
    if facts:
        blocks.append(Facts(tuple(facts[:20])))
    for key, title in (
        ("cycles_by_class", "Cycles by instruction class"),
        ("cycles_by_thread", "Cycles by thread"),
        ("cycles_by_layer", "Cycles by layer"),
    ):
        counts = _counts(tree.get(key))
        if counts:
            blocks.append(cycle_bars(plots, f"{title}, {label}", label, counts))
    blocks += _cores(tree.get("cores"))
    if any(isinstance(value, Mapping) for value in tree.values()) and not blocks:
        blocks.append(Paragraph("The simulator's account is in the run's metrics file."))
    return blocks


def _fact(key: str, value: float | str) -> tuple[str, str]:
    """Write one figure of a simulator; the end of its name is its unit."""
    if isinstance(value, str):
        return name_text(key).replace("_", " "), value
    stem, _, unit = key.rpartition("_")
    if stem and unit in _UNITS:
        return name_text(stem).replace("_", " "), si(value, _UNITS[unit])
    return name_text(key).replace("_", " "), number(value)


def _counts(value: object) -> dict[str, float]:
    """Keep what is a name with a positive number."""
    if not isinstance(value, Mapping):
        return {}
    return {
        str(name): float(count)
        for name, count in value.items()
        if isinstance(count, int | float) and 0 < count < float("inf")
    }


def _cores(value: object) -> list[Block]:
    if not isinstance(value, Mapping):
        return []
    rows: list[list[Cell | str]] = []
    for core, facts in value.items():
        counts = _counts(facts)
        if "busy_cycles" in counts:
            busy, share = counts["busy_cycles"], counts.get("utilisation", 0.0)
            rows.append([f"core {core}", numeric(number(busy)), numeric(percent(share, 1))])
    header = ("core", "busy cycles per frame", "busy")
    return [make_table("Cores", header, rows)] if rows else []
