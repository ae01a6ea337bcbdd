"""Plots of what differs between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bokeh.models import DataRange1d, FactorRange

from hostrt.analysis.series import frame_differences
from hostrt.report.page import name_text
from hostrt.report.plot_base import (
    add_hover,
    add_line,
    colour,
    fixed_range,
    new_figure,
)
from hostrt.report.quantities import number, percent, whole
from hostrt.report.signals import pick

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hostrt.analysis.verdicts import Comparison, OutputVerdict
    from hostrt.report.page import Plot
    from hostrt.report.plot_base import Plots

POINTS = 4000
"""Points of a line."""

BARS = 130
"""Bars of a histogram: 64 differences on either side of zero, and zero."""


def differences_by_frame(
    plots: Plots,
    pair: Comparison,
    verdict: OutputVerdict,
    a: NDArray[np.generic],
    b: NDArray[np.generic],
) -> Plot:
    """Draw the largest and the mean difference of each frame.

    Args:
        plots: the page's plots.
        pair: the comparison.
        verdict: what it found about one output, which differs in some value.
        a: (T, ...) output of the first side.
        b: the same of the second side, with as many axes.
    """
    exact, mean = frame_differences(a, b)
    largest = exact.astype(np.float64)
    focus = () if verdict.first is None else (verdict.first.frame,)
    drawn = new_figure("frame", "difference", x_range=fixed_range(0, len(largest) - 1), height=240)
    rows = []
    for index, values in enumerate((largest, mean)):
        at = pick(values, POINTS, focus)
        rows.append(add_line(drawn, at.astype(np.float64), values[at].astype(np.float32), index))
    if pair.tolerance:
        within = np.full(2, pair.tolerance, np.float64)
        ends = np.array([0, len(largest) - 1], np.float64)
        line = drawn.line(ends, within, line_dash="dashed", line_width=1.5)
        colour(line.glyph, line_color="mark")
    add_hover(drawn, rows, ("frame", "@x{0}"), ("difference", "@y"))
    worst = int(np.argmax(largest))
    text = [
        f"Without sign. {whole(verdict.frames.count)} of {whole(verdict.n_frames)} frames differ;",
        f"the largest difference, {number(largest[worst])}, is in frame {whole(worst)}.",
    ]
    if pair.tolerance:
        text.append(f"Dashed line: the tolerance, {whole(pair.tolerance)}.")
    title = f"{name_text(verdict.name)}: difference of each frame"
    return plots.add(title, " ".join(text), drawn, (("largest", 0), ("mean", 1)))


def difference_histogram(plots: Plots, pair: Comparison, verdict: OutputVerdict) -> Plot | None:
    """Draw how often which difference other than zero occurs; None when there is none."""
    bins = [item for item in verdict.histogram.bins if item.low or item.high][:BARS]
    if not bins:
        return None
    names = [
        f"{item.low:+}" if item.low == item.high else f"{item.low:+}..{item.high:+}"
        for item in bins
    ]
    counts = np.array([float(item.n_values) for item in bins])
    drawn = new_figure(
        "difference",
        "values",
        x_range=FactorRange(factors=names),
        y_range=DataRange1d(start=0),
        height=240,
        tools=False,
    )
    bars = drawn.vbar(x=names, top=counts, width=0.8, fill_alpha=0.75)
    colour(bars.glyph, fill_color="series-0", line_color="series-0")
    drawn.xgrid.visible = False
    if len(names) > 16:
        drawn.xaxis.major_label_orientation = "vertical"
    add_hover(drawn, [bars], ("difference", "@x"), ("values", "@top{0}"))
    different = sum(item.n_values for item in bins)
    text = (
        f"{name_text(pair.b)} minus {name_text(pair.a)}; {whole(verdict.compared - different)} "
        f"values of {whole(verdict.compared)} are the same and not drawn "
        f"({percent(different, verdict.compared)} are)."
    )
    return plots.add(f"{name_text(verdict.name)}: how often which difference", text, drawn)
