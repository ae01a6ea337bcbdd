"""Pictures of what takes time and power: latencies and power over frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.analysis.series import envelope
from hostrt.analysis.statistics import valid_values
from hostrt.report.columns import frame_columns, is_known
from hostrt.report.picture_style import PANEL_INCHES, label, legend, new_figure
from hostrt.report.quantities import scale_of, si
from hostrt.runner.result import CLOCKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from hostrt.power.trace import PowerTrace
    from hostrt.report.picture_style import Style
    from hostrt.runner.result import RunResult

    Floats = NDArray[np.float64]

_BINS = (12, 60)
"""Fewest and most bars of a histogram."""

_POINTS = 1_500
"""Stretches that a line is drawn of; a picture is about a thousand pixels wide."""

_LOG_FROM = 30
"""Ratio of the slowest clock's median to the fastest one's from which times are logarithmic."""

_FAR = 4
"""Deadlines at least so many times longer than every latency are named but not drawn."""

_MOST_MARKS = 200
"""Beginnings of frames that can be told apart."""

_HEADROOM = 1.06

_NAMES: Final = {"end_to_end": "end to end"}


def latency_histogram(name: str, result: RunResult, warm_up: int, style: Style) -> Figure | None:
    """Draw how often which latency occurs, a panel per clock; None when nothing was measured."""
    metrics = LatencyMetrics(result.metrics, warm_up)
    latencies = result.metrics.latencies_s
    values = {
        clock: valid_values(latencies[clock][warm_up:]) for clock in CLOCKS if clock in latencies
    }
    measured = {clock: one for clock, one in values.items() if len(one)}
    if not measured:
        return None
    heights = (PANEL_INCHES,) * len(measured)
    figure, panels = new_figure(f"{label(name)}: latency{_said(result)}", heights)
    for panel, (clock, one) in zip(panels, measured.items(), strict=True):
        deadline_s = result.metrics.deadline_s if clock == metrics.deadline_clock else None
        _histogram(panel, one, deadline_s, style)
        panel.set_title(_NAMES.get(clock, clock))
        panel.set_ylabel("frames")
    return figure


def latency_timeline(name: str, result: RunResult, style: Style) -> Figure | None:
    """Draw the latency of each frame by every clock; None when nothing was measured."""
    columns = frame_columns(result.metrics)
    known = [clock for clock in CLOCKS if is_known(columns[f"{clock}_s"])]
    if not known:
        return None
    values = {clock: columns[f"{clock}_s"] for clock in known}
    late = columns["late_s"]
    has_late = is_known(late)
    heights = (1.5 * PANEL_INCHES, 0.6 * PANEL_INCHES) if has_late else (1.5 * PANEL_INCHES,)
    title = f"{label(name)}: latency of each frame{_said(result)}"
    figure, panels = new_figure(title, heights)
    factor, unit = scale_of(max(float(np.nanmax(one)) for one in values.values()), "s")
    for clock, colour in zip(known, style.series, strict=False):
        _line(panels[0], values[clock] / factor, colour, _NAMES.get(clock, clock))
    panels[0].set_ylabel(f"latency ({unit})")
    _limit(panels[0], list(values.values()), factor, result.metrics.deadline_s, style)
    for flag, marker in (("missed", "v"), ("dropped", "x")):
        frames = np.flatnonzero(columns[flag] == 1)
        text = f"{len(frames)} {flag}"
        _rug(panels[0], _spread(frames, len(late)), marker, style.alarm, text)
    if has_late:
        factor, unit = scale_of(float(np.nanmax(late)), "s")
        _line(panels[1], late / factor, style.series[0], "")
        panels[1].set_ylabel(f"begun late ({unit})")
        panels[1].set_ylim(0, _HEADROOM * max(float(np.nanmax(late)) / factor, 1e-9))
    for panel in panels:
        _frame_axis(panel, len(late))
    legend(panels[0])
    return figure


def power_timeline(
    name: str, result: RunResult | None, trace: PowerTrace | None, style: Style
) -> Figure | None:
    """Draw power over time as a meter saw it, else per frame; None when it is not known."""
    if trace is not None and np.isfinite(trace.watts).any():
        return _trace(name, trace, style)
    if result is None or result.metrics.frame_power_w is None:
        return None
    power = frame_columns(result.metrics)["power_w"]
    if not is_known(power):
        return None
    title = f"{label(name)}: power{_said(result)}"
    figure, (panel,) = new_figure(title, (1.3 * PANEL_INCHES,))
    factor, unit = scale_of(float(np.nanmax(power)), "W")
    _line(panel, power / factor, style.series[0], "mean of each frame")
    panel.set_ylabel(f"power ({unit})")
    panel.set_ylim(0, _HEADROOM * max(float(np.nanmax(power)) / factor, 1e-9))
    _frame_axis(panel, len(power))
    legend(panel)
    return figure


def _trace(name: str, trace: PowerTrace, style: Style) -> Figure:
    title = f"{label(name)}: power by {label(trace.meter)}{_said(trace)}"
    figure, (panel,) = new_figure(title, (1.3 * PANEL_INCHES,))
    few = trace.decimated(_POINTS)
    factor, unit = scale_of(float(np.nanmax(few.highest_w)), "W")
    times = few.times_s - trace.start_s
    low, mean, high = (
        np.append(one, one[-1:]) / factor for one in (few.lowest_w, few.mean_w, few.highest_w)
    )
    band = style.series[0]
    panel.fill_between(times, low, high, step="post", color=band, alpha=0.35, lw=0)
    panel.step(times, mean, where="post", color=band, lw=0.9, label="power")
    if trace.mean_w is not None:
        energy = si(trace.energy_j(trace.start_s, trace.stop_s), "J")
        text = f"mean {si(trace.mean_w, 'W')}, {energy} in {si(trace.duration_s, 's')}"
        panel.axhline(trace.mean_w / factor, color=style.series[1], ls="--", lw=1.5, label=text)
    if len(trace.marks_s) <= _MOST_MARKS:
        _rug(panel, trace.marks_s - trace.start_s, "|", style.quiet, "frame begins")
    panel.set_xlabel("time (s)")
    panel.set_ylabel(f"power ({unit})")
    panel.set_xlim(0, max(trace.duration_s, 1 / trace.rate_hz))
    panel.set_ylim(bottom=min(0.0, float(np.nanmin(low))))
    legend(panel)
    return figure


def _said(figures: RunResult | PowerTrace) -> str:
    """Say in a headline that figures come from a model."""
    return " (simulated)" if figures.simulated else ""


def _limit(
    panel: Axes, values: list[Floats], factor: float, deadline_s: float | None, style: Style
) -> None:
    """Choose the axis of latencies, and draw the deadline unless it is far above all of them."""
    highest = max(float(np.nanmax(one)) for one in values)
    if deadline_s is not None:
        inside = deadline_s < _FAR * highest
        highest = max(highest, deadline_s) if inside else highest
        text = f"deadline {si(deadline_s, 's')}" + ("" if inside else " (above)")
        at = deadline_s / factor if inside else np.nan
        panel.axhline(at, color=style.alarm, ls="--", label=text)
    medians = [float(np.nanmedian(one)) for one in values]
    if min(medians) > 0 and max(medians) > _LOG_FROM * min(medians):
        panel.set_yscale("log")
    else:
        panel.set_ylim(0, _HEADROOM * highest / factor or 1)


def _histogram(panel: Axes, values: Floats, deadline_s: float | None, style: Style) -> None:
    factor, unit = scale_of(float(values.max()), "s")
    # an odd number, so that equal values stand in the middle of theirs
    n_bins = int(np.clip(2 * np.sqrt(len(values)), *_BINS)) | 1
    counts, edges = np.histogram(values / factor, bins=n_bins)
    panel.stairs(counts, edges, fill=True, color=style.series[0])
    if counts.max() >= 100:
        panel.set_yscale("log")
        panel.set_ylim(0.5, 2 * counts.max())
    panel.set_xlabel(f"latency ({unit})")
    lines = {"median": float(np.median(values)), "p99": float(np.percentile(values, 99))}
    for (text, at), colour in zip(lines.items(), style.series[1:], strict=False):
        panel.axvline(at / factor, color=colour, label=f"{text} {si(at, 's')}")
    if deadline_s is not None:
        inside = deadline_s < _FAR * values.max()
        text = f"deadline {si(deadline_s, 's')}" + ("" if inside else " (outside)")
        # a line far away would leave no room for the rest
        at = deadline_s / factor if inside else np.nan
        panel.axvline(at, color=style.alarm, ls="--", label=text)
    legend(panel)


def _line(panel: Axes, values: Floats, colour: str, text: str) -> None:
    """Draw a value per frame; with many frames, the range that they span."""
    if len(values) <= _POINTS:
        marker = "o" if len(values) < 3 else ""
        panel.plot(np.arange(len(values)), values, color=colour, label=text, marker=marker)
        return
    starts, low, high = envelope(values, _POINTS)
    panel.fill_between(starts, low, high, color=colour, lw=0.6, label=text)


def _spread(frames: NDArray[np.intp], n_frames: int) -> NDArray[np.intp]:
    """Choose some of many frames: of those that would lie on each other, the first."""
    return frames[np.unique(frames * _POINTS // max(n_frames, 1), return_index=True)[1]]


def _rug(
    panel: Axes, places: Floats | NDArray[np.intp], marker: str, colour: str, text: str
) -> None:
    """Mark places along the bottom."""
    if len(places):
        heights = np.full(len(places), 0.025)
        across = panel.get_xaxis_transform()
        marks = panel.plot(places, heights, color=colour, ls="", marker=marker, transform=across)
        marks[0].set(label=text, clip_on=False)


def _frame_axis(panel: Axes, n_frames: int) -> None:
    from matplotlib.ticker import MaxNLocator

    panel.set_xlabel("frame")
    panel.set_xlim(-0.5, n_frames - 0.5)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
