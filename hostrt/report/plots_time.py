"""Plots of latency, of kept and missed deadlines, and of power."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bokeh.models import DataRange1d
from bokeh.models.annotations import Span

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.report.plot_base import add_hover, add_line, colour, fixed_range, new_figure
from hostrt.report.quantities import counted, number, scale_of, si, whole
from hostrt.report.signals import pick, thin

if TYPE_CHECKING:
    from bokeh.plotting import figure
    from numpy.typing import NDArray

    from hostrt.power.trace import PowerTrace
    from hostrt.report.page import Plot
    from hostrt.report.plot_base import Plots
    from hostrt.runner.result import RunMetrics

POINTS = 6000
"""Points of a line."""

MARKS = 1500
"""Missed or dropped frames that are marked, one for each part of the axis."""

POWER_POINTS = 3000
"""Points of a power timeline, each a smallest, mean and largest value."""

FRAME_LINES = 120
"""Beginnings of frames that a power timeline shows."""

_BINS = 60
_FAR = 4
"""A deadline this many times above the largest latency is named and not drawn."""


def latency_timeline(plots: Plots, label: str, metrics: RunMetrics) -> Plot | None:
    """Draw each clock's latencies frame by frame; None when no frame was measured.

    Args:
        plots: the page's plots.
        label: what to call the runner.
        metrics: its measurements.
    """
    lines = _timelines(metrics)
    if not lines:
        return None
    largest = max(float(np.nanmax(values)) for values in lines.values())
    factor, unit = scale_of(largest, "s")
    height = DataRange1d(start=0)
    drawn = new_figure(
        "frame",
        f"latency ({unit})",
        x_range=fixed_range(0, metrics.n_frames - 1),
        y_range=height,
    )
    rows, series = [], []
    for index, (clock, values) in enumerate(lines.items()):
        at = pick(values, POINTS)
        rows.append(add_line(drawn, at.astype(np.float64), _scaled(values[at], factor), index))
        series.append((clock, index))
    add_hover(drawn, rows, ("frame", "@x{0}"), (f"latency ({unit})", "@y{0.000}"))
    text = [f"{counted(metrics.n_frames, 'frame')}; the slowest took {si(largest, 's')}."]
    text += _draw_deadline(drawn, metrics, factor, largest)
    if metrics.deadline_s and metrics.deadline_s <= _FAR * largest:
        height.end = 1.08 * max(metrics.deadline_s, largest) / factor
    text += _draw_losses(drawn, metrics, factor)
    if any(len(values) > POINTS for values in lines.values()):
        text.append("Every stretch of frames is shown by its fastest and its slowest.")
    return plots.add(f"Latency of {label}, frame by frame", " ".join(text), drawn, series)


def _timelines(metrics: RunMetrics) -> dict[str, NDArray[np.float64]]:
    """Give what was measured per frame in seconds, NaN where it was not."""
    found: dict[str, NDArray[np.float64]] = {}
    for clock, values in metrics.latencies_s.items():
        found[clock.replace("_", " ")] = _measured(values)
    if metrics.schedule is not None and len(metrics.schedule.late_s) == metrics.n_frames:
        found["late start"] = _measured(np.maximum(metrics.schedule.late_s, 0))
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def _measured(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give NaN for what was not measured."""
    return np.where(np.isfinite(values) & (values >= 0), values, np.nan)


def _scaled(values: NDArray[np.floating], factor: float) -> NDArray[np.float32]:
    return (values / factor).astype(np.float32)


def _draw_deadline(drawn: figure, metrics: RunMetrics, factor: float, largest: float) -> list[str]:
    deadline = metrics.deadline_s
    if not deadline:
        return []
    name = "deadline, one input period" if deadline == metrics.input_period_s else "deadline"
    if deadline > _FAR * largest:
        return [f"The {name} of {si(deadline, 's')} is far above."]
    line = Span(location=deadline / factor, dimension="width", line_dash="dashed", line_width=1.5)
    colour(line, line_color="mark")
    drawn.add_layout(line)
    return [f"Dashed line: the {name} of {si(deadline, 's')}."]


def _draw_losses(drawn: figure, metrics: RunMetrics, factor: float) -> list[str]:
    """Mark frames that came too late, or were given up."""
    missed, dropped = losses(metrics)
    clock = LatencyMetrics(metrics).deadline_clock
    heights = np.zeros(metrics.n_frames)
    if clock is not None:
        heights = np.nan_to_num(_measured(metrics.latencies_s[clock]))
    text = []
    for all_of_them, what, marker in (
        (missed, "missed their deadline", "triangle"),
        (dropped, "were dropped", "x"),
    ):
        frames = all_of_them[(all_of_them >= 0) & (all_of_them < metrics.n_frames)]
        if not len(frames):
            continue
        at = thin(frames, metrics.n_frames, MARKS)
        marks = drawn.scatter(
            at.astype(np.float64), _scaled(heights[at], factor), marker=marker, size=8
        )
        colour(marks.glyph, line_color="mark", fill_color="mark")
        sign = "Triangles" if marker == "triangle" else "Crosses"
        text.append(f"{sign}: {counted(len(frames), 'frame')} that {what}.")
    return text


def losses(metrics: RunMetrics) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the numbers of the frames that missed their deadline, and of those that were dropped.

    Without a schedule those missed it whose latency is longer than the input period.
    """
    if metrics.schedule is not None:
        return metrics.schedule.missed, metrics.schedule.dropped
    none = np.zeros(0, np.int64)
    clock = LatencyMetrics(metrics).deadline_clock
    if clock is None or metrics.input_period_s is None:
        return none, none
    return np.flatnonzero(metrics.latencies_s[clock] > metrics.input_period_s), none


def latency_histogram(plots: Plots, label: str, metrics: RunMetrics, warm_up: int) -> Plot | None:
    """Draw how often which latency occurs; None when all frames took the same time."""
    clock = LatencyMetrics(metrics).deadline_clock
    if clock is None:
        return None
    values = metrics.latencies_s[clock][warm_up:]
    values = values[np.isfinite(values) & (values >= 0)]
    if len(values) < 2 or not values.max() > values.min():
        return None
    factor, unit = scale_of(float(values.max()), "s")
    counts, edges = np.histogram(values / factor, bins=_BINS)
    drawn = new_figure(
        f"latency ({unit})",
        "frames",
        x_range=fixed_range(float(edges[0]), float(edges[-1])),
        y_range=DataRange1d(start=0),
    )
    bars = drawn.quad(
        left=edges[:-1], right=edges[1:], bottom=0, top=counts.astype(np.float64), fill_alpha=0.75
    )
    colour(bars.glyph, fill_color="series-0", line_color="series-0")
    add_hover(
        drawn, [bars], (f"latency ({unit})", "@left{0.000} to @right{0.000}"), ("frames", "@top")
    )
    median, p99 = np.percentile(values, (50, 99))
    text = (
        f"Clock {clock.replace('_', ' ')}: {whole(len(values))} frames, half of them within "
        f"{si(median, 's')}, 99 of 100 within {si(p99, 's')}, all within {si(values.max(), 's')}."
    )
    return plots.add(f"Distribution of latency of {label}", text, drawn)


def power_timeline(plots: Plots, label: str, trace: PowerTrace) -> Plot | None:
    """Draw what a meter measured over time, with the beginnings of frames; None without samples."""
    n = len(trace.watts)
    if not np.isfinite(trace.watts).any():
        return None
    found = trace.decimated(POWER_POINTS)
    largest = float(np.nanmax(found.highest_w))
    factor, unit = scale_of(largest, "W")
    seconds = found.times_s[:-1] - trace.start_s
    drawn = new_figure("time (s)", f"power ({unit})", x_range=fixed_range(0, trace.duration_s))
    marks = _draw_frames(drawn, trace)
    band = drawn.varea(
        x=seconds,
        y1=_scaled(found.lowest_w, factor),
        y2=_scaled(found.highest_w, factor),
        fill_alpha=0.25,
    )
    colour(band.glyph, fill_color="series-0")
    line = add_line(drawn, seconds, _scaled(found.mean_w, factor), 0)
    add_hover(drawn, [line], ("time (s)", "@x{0.0000}"), (f"mean power ({unit})", "@y{0.000}"))
    kind = "Simulated by" if trace.simulated else "Measured by"
    text = [
        f"{kind} {trace.meter}: {counted(n * trace.folded, 'sample')},",
        f"{number(trace.rate_hz * trace.folded)} per second; mean {si(trace.mean_w, 'W')},",
        f"largest {si(largest, 'W')}.",
    ]
    if trace.lost_samples:
        text.append(f"{counted(trace.lost_samples, 'sample')} never arrived.")
    if len(seconds) < n * trace.folded:
        text.append("The band reaches from the lowest to the highest sample, the line is the mean.")
    return plots.add(f"Power of {label} over time", " ".join([*text, *marks]), drawn)


def _draw_frames(drawn: figure, trace: PowerTrace) -> list[str]:
    """Draw where frames began; of too many every n-th."""
    marks = trace.marks_s - trace.start_s
    marks = marks[(marks >= 0) & (marks <= trace.duration_s)]
    if not len(marks):
        return []
    every = -(-len(marks) // FRAME_LINES)
    lines = drawn.vspan(x=marks[::every].astype(np.float64), line_width=1, line_alpha=0.45)
    colour(lines.glyph, line_color="plot-line")
    of = "every frame" if every == 1 else f"one frame in {every}"
    return [f"Vertical lines: the beginning of {of}."]


def frame_power(plots: Plots, label: str, metrics: RunMetrics) -> Plot | None:
    """Draw the mean power of each frame; None where it is not known or always the same."""
    if metrics.frame_power_w is None:
        return None
    watts = _measured(metrics.frame_power_w)
    valid = watts[np.isfinite(watts)]
    if len(valid) < 2 or not valid.max() > valid.min():
        return None
    factor, unit = scale_of(float(valid.max()), "W")
    at = pick(watts, POINTS)
    drawn = new_figure("frame", f"power ({unit})", x_range=fixed_range(0, metrics.n_frames - 1))
    line = add_line(drawn, at.astype(np.float64), _scaled(watts[at], factor), 0)
    add_hover(drawn, [line], ("frame", "@x{0}"), (f"power ({unit})", "@y{0.000}"))
    text = (
        f"Mean {si(float(valid.mean()), 'W')}, from {si(float(valid.min()), 'W')} to "
        f"{si(float(valid.max()), 'W')}."
    )
    return plots.add(f"Mean power of {label}, frame by frame", text, drawn)
