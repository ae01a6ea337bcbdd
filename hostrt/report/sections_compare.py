"""Whether runners agree, and where not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.report.differences import elements_around, frames_around
from hostrt.report.page import Cell, Heading, Paragraph, Section, make_table, name_text, numeric
from hostrt.report.plots_compare import difference_histogram, differences_by_frame
from hostrt.report.quantities import NOTHING, number, percent, whole
from hostrt.report.sections_run import runner_text

if TYPE_CHECKING:
    from hostrt.analysis.internals import InternalsVerdict
    from hostrt.analysis.verdicts import Comparison, OutputVerdict
    from hostrt.report.differences import Place
    from hostrt.report.model import Report
    from hostrt.report.page import Block, Table
    from hostrt.report.plot_base import Plots

MAX_PAIRS = 12
"""Pairs of runners that are shown."""

MAX_PLOTTED = 8
"""Outputs with plots of their differences, of all pairs together."""

_RANGES = 8


def comparisons(report: Report, plots: Plots) -> Section | None:
    """Tell of each pair which outputs are the same, and where the others differ."""
    pairs = report.comparisons.pairs
    if not pairs:
        return None
    blocks: list[Block] = []
    room = MAX_PLOTTED
    for pair in pairs[:MAX_PAIRS]:
        blocks += _pair(report, pair)
        # what differs is worth more than what is within the tolerance
        verdicts = sorted(pair.verdicts, key=lambda verdict: verdict.equal)
        for verdict in [one for one in verdicts if one.max_abs_diff][:room]:
            blocks += _differences(report, plots, pair, verdict)
            room -= 1
    if len(pairs) > MAX_PAIRS:
        blocks.append(Paragraph(f"{whole(len(pairs) - MAX_PAIRS)} more pairs are not shown."))
    return Section("agreement", "Do runners agree?", tuple(blocks))


def _pair(report: Report, pair: Comparison) -> list[Block]:
    sides = [
        runner_text(report, x) if x in report.results else name_text(x) for x in (pair.a, pair.b)
    ]
    word = "equal" if pair.equal else "different"
    if pair.equal and pair.tolerance:
        word = f"equal within {pair.tolerance}"
    heading = Heading(f"{sides[0]} and {sides[1]}", None, "good" if pair.equal else "bad", word)
    header = (
        "output", "verdict", "frames that differ", "values that differ", "largest difference",
        "mean difference", "first difference",
    )  # fmt: skip
    rows = [_row(verdict) for verdict in pair.verdicts]
    blocks: list[Block] = [heading, make_table("Outputs", header, rows)]
    if pair.internals is not None:
        blocks += _internals(pair.internals)
    return blocks


def _row(verdict: OutputVerdict) -> list[Cell | str]:
    reasons = {"": "equal", "values": "values differ", "shape": "shapes differ"}
    word = reasons.get(verdict.reason, verdict.reason)
    if verdict.reason == "shape":
        word = f"shapes differ: {verdict.shape_a} and {verdict.shape_b}"
    first = NOTHING if verdict.first is None else verdict.first.describe()
    frames = whole(verdict.frames.count)
    if verdict.frames:
        frames += f" of {whole(verdict.n_frames)}: {verdict.frames.describe(_RANGES)}"
    values = whole(verdict.different)
    if verdict.different:
        values += f" ({percent(verdict.different, verdict.compared)})"
    return [
        name_text(verdict.name),
        Cell(word, "good" if verdict.equal else "bad"),
        frames,
        numeric(values),
        numeric(number(verdict.max_abs_diff)),
        numeric(number(verdict.mean_abs_diff)),
        first,
    ]


def _internals(found: InternalsVerdict) -> list[Block]:
    if not found.different:
        return [Paragraph(f"{found.describe()[:1].upper()}{found.describe()[1:]}.")]
    header = ("variable", "place in the graph", "first difference")
    rows: list[list[Cell | str]] = [
        [name_text(item.name), numeric(whole(item.order)), item.at.describe()]
        for item in found.different
    ]
    return [
        Paragraph("Internal variables tell where implementations part; they decide nothing."),
        make_table("Internal variables that differ, earliest first", header, rows, 20),
    ]


def _differences(
    report: Report, plots: Plots, pair: Comparison, verdict: OutputVerdict
) -> list[Block]:
    """Show one output's differences: around the first, by frame, by how often which."""
    blocks: list[Block] = []
    sides = [report.results.get(name) for name in (pair.a, pair.b)]
    a, b = (None if side is None else side.outputs.get(verdict.name) for side in sides)
    if a is not None and b is not None:
        if verdict.first is not None:
            blocks += _context(pair, verdict, elements_around(verdict.first, a, b), "element")
            blocks += _context(pair, verdict, frames_around(verdict.first, a, b), "frame")
        if a.ndim == b.ndim:
            blocks.append(differences_by_frame(plots, pair, verdict, a, b))
    histogram = difference_histogram(plots, pair, verdict)
    return [*blocks, histogram] if histogram is not None else blocks


def _context(pair: Comparison, verdict: OutputVerdict, places: list[Place], by: str) -> list[Table]:
    """List both sides' values around the first difference."""
    first = verdict.first
    if first is None or len(places) < 2:
        return []
    where = f"in frame {whole(first.frame)}"
    if by == "frame":
        where = f"element {whole(first.element)} in the frames around"
    rows: list[list[Cell | str]] = []
    for place in places:
        apart = None if place.a is None or place.b is None else place.b - place.a
        differs = apart is None or abs(apart) > pair.tolerance
        rows.append(
            [
                whole(place.frame if by == "frame" else place.element),
                numeric(_value(place.a)),
                numeric(_value(place.b)),
                numeric(
                    "none" if apart is None else f"{apart:+}" if apart else "0",
                    "bad" if differs else "",
                ),
            ]
        )
    header = (by, name_text(pair.a), name_text(pair.b), "difference")
    caption = f"{name_text(verdict.name)}: around the first difference, {where}"
    return [make_table(caption, header, rows, narrow=True)]


def _value(value: int | None) -> str:
    return "none" if value is None else whole(value)
