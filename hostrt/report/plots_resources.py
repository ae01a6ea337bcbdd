"""Plots of memory and of simulated cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bokeh.models import ColumnDataSource, DataRange1d, FactorRange, Range1d
from bokeh.models.axes import CategoricalAxis

from hostrt.report.plot_base import add_hover, category, colour, new_figure
from hostrt.report.quantities import number, percent, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostrt.report.model import BankFill
    from hostrt.report.page import Plot
    from hostrt.report.plot_base import Plots

MAX_BARS = 40
"""Bars of a plot."""

_BAR = 22
_FRAME = 90
"""CSS pixels of a bar, and of what is around all of them."""


def memory_fill(plots: Plots, banks: Sequence[BankFill]) -> Plot:
    """Draw how full each bank is, cores one under the other."""
    shown = banks[:MAX_BARS]
    # the first bar stands at the bottom
    factors = [(f"core {bank.core}", category(bank.bank)) for bank in reversed(shown)]
    used = np.array([_share(bank) for bank in reversed(shown)])
    source = ColumnDataSource(
        {
            "bank": factors,
            "used": used,
            "full": np.full(len(shown), 100.0),
            "words": [f"{bank.used} of {bank.capacity}" for bank in reversed(shown)],
        }
    )
    drawn = new_figure(
        "filled (%)",
        "",
        x_range=Range1d(start=0, end=100),
        y_range=FactorRange(factors=list(dict.fromkeys(factors))),
        height=_FRAME + _BAR * len(shown),
        tools=False,
    )
    free = drawn.hbar(y="bank", left="used", right="full", height=0.7, source=source)
    taken = drawn.hbar(y="bank", left=0, right="used", height=0.7, source=source)
    colour(free.glyph, fill_color="free", line_color="free")
    colour(taken.glyph, fill_color="series-0", line_color="series-0")
    for axis in drawn.yaxis:
        if not isinstance(axis, CategoricalAxis):
            continue
        axis.separator_line_color = None
        colour(axis, group_text_color="plot-text")
    drawn.ygrid.visible = False
    add_hover(drawn, [free, taken], ("64-bit words", "@words"), ("filled", "@used{0.0} %"))
    fullest = max(banks, key=_share)
    words, room = sum(bank.used for bank in banks), sum(bank.capacity for bank in banks)
    text = (
        f"{len(banks)} banks hold data: {whole(words)} 64-bit words, {percent(words, room)} of "
        f"them; the fullest is {category(fullest.bank)} of core {fullest.core} with "
        f"{percent(fullest.used, fullest.capacity)}."
    )
    return plots.add("Memory banks", text, drawn)


def _share(bank: BankFill) -> float:
    return 100 * bank.used / bank.capacity if bank.capacity else 0.0


def cycle_bars(plots: Plots, title: str, label: str, cycles: Mapping[str, float]) -> Plot:
    """Draw what takes how many cycles per frame, most first.

    Args:
        plots: the page's plots.
        title: headline.
        label: what to call the runner.
        cycles: what takes them -> cycles per frame; not empty.
    """
    # names that look the same once shortened add up
    sums: dict[str, float] = {}
    for name, count in cycles.items():
        sums[category(name)] = sums.get(category(name), 0.0) + count
    ordered = sorted(sums.items(), key=lambda item: -item[1])
    shown = ordered[:MAX_BARS][::-1]
    names = [name for name, _ in shown]
    drawn = new_figure(
        "cycles per frame",
        "",
        x_range=DataRange1d(start=0),
        y_range=FactorRange(factors=names),
        height=_FRAME + _BAR * len(names),
        tools=False,
    )
    bars = drawn.hbar(y=names, right=[count for _, count in shown], height=0.7, fill_alpha=0.85)
    colour(bars.glyph, fill_color="series-0", line_color="series-0")
    drawn.ygrid.visible = False
    add_hover(drawn, [bars], ("cycles per frame", "@right{0.0}"))
    total = sum(sums.values())
    text = (
        f"Mean of {label}: {number(total)} cycles per frame in all, most of them "
        f"({percent(ordered[0][1], total)}) {ordered[0][0]}."
    )
    if len(ordered) > MAX_BARS:
        text += f" The {MAX_BARS} largest of {len(ordered)} are shown."
    return plots.add(title, text, drawn)
