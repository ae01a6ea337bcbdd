"""Pictures of what a program needs: memory, and a simulator's cycles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hostrt.report.picture_style import label, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hostrt.report.model import ReportSubject
    from hostrt.report.picture_style import Style
    from hostrt.runner.result import RunResult

    Bars = list[tuple[str, float, str]]

MAX_BANKS = 80
"""Banks that one picture shows."""

_MAX_BARS = 12
_BAR_INCHES = 0.23


def memory(subject: ReportSubject, style: Style) -> Figure | None:
    """Draw how full each memory bank is; None for what fills none."""
    if not subject.banks:
        return None
    left = len(subject.banks) - MAX_BANKS
    bars: Bars = [
        (
            f"core {bank.core} {bank.bank}",
            100 * bank.used / max(bank.capacity, 1),
            f"{bank.used:,} of {bank.capacity:,} words",
        )
        for bank in subject.banks[:MAX_BANKS]
    ]
    more = f" (and {left} more banks)" if left > 0 else ""
    title = f"{label(subject.name)}: memory{more}"
    figure, (panel,) = new_figure(title, (_height(bars),))
    panel.barh(range(len(bars)), [100] * len(bars), color=style.grid, height=0.75)
    _bars(panel, bars, style.series[0])
    panel.set_xlim(0, 135)
    panel.set_xticks(range(0, 101, 20))
    panel.set_xlabel("used (%)")
    return figure


def cycles(name: str, result: RunResult, style: Style) -> Figure | None:
    """Draw where a simulator's cycles went; None when nothing counted them."""
    parts: list[tuple[str, str, Bars]] = []
    for key, title in (
        ("cycles_by_class", "by class of instruction"),
        ("cycles_by_thread", "by thread"),
    ):
        bars = _shares(result.metrics.simulation.get(key))
        if bars:
            parts.append((title, "cycles per frame", bars))
    cores = _utilisation(result.metrics.simulation.get("cores"))
    if cores:
        parts.append(("cores", "busy (% of the time)", cores))
    if not parts:
        return None
    heights = tuple(_height(bars) for _, _, bars in parts)
    figure, panels = new_figure(f"{label(name)}: cycles (simulated)", heights)
    for panel, (title, unit, bars), colour in zip(panels, parts, style.series, strict=False):
        _bars(panel, bars, colour)
        panel.set_title(title)
        panel.set_xlabel(unit)
        panel.set_xlim(0, 1.3 * max(value for _, value, _ in bars) or 1)
    return figure


def _shares(counts: object) -> Bars:
    """Give the largest of some counts, and the sum of the others."""
    if not isinstance(counts, Mapping):
        return []
    found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    others = found[_MAX_BARS:]
    if others:
        text = f"{len(others)} others"
        found = [*found[:_MAX_BARS], (text, sum(value for _, value in others))]
    total = sum(value for _, value in found) or 1
    return [
        (str(name), float(value), f"{value:,.0f}  ({100 * value / total:.1f} %)")
        for name, value in found
    ]


def _utilisation(cores: object) -> Bars:
    if not isinstance(cores, Mapping):
        return []
    found = {number: 100 * float(core.get("utilisation", 0.0)) for number, core in cores.items()}
    return [(f"core {number}", value, f"{value:.2f} %") for number, value in found.items()]


def _bars(panel: Axes, bars: Bars, colour: str) -> None:
    places = range(len(bars))
    drawn = panel.barh(places, [value for _, value, _ in bars], color=colour, height=0.75)
    panel.bar_label(drawn, [text for _, _, text in bars], padding=4, fontsize=8)
    panel.set_yticks(places, [label(name) for name, _, _ in bars])
    panel.set_ylim(len(bars) - 0.5, -0.5)
    panel.grid(visible=False, axis="y")
    panel.tick_params(axis="y", length=0)


def _height(bars: Bars) -> float:
    return 0.75 + _BAR_INCHES * len(bars)
