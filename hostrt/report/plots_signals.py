"""Plots of inputs and outputs: waveforms, spectrograms, values and tables of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from bokeh.models import BasicTicker, BasicTickFormatter, ColumnDataSource, LinearColorMapper
from bokeh.models.annotations import ColorBar, Span
from bokeh.models.glyphs import Image
from bokeh.palettes import Viridis256

from hostrt.analysis.series import FLOOR_DB, spectrogram
from hostrt.report.page import name_text
from hostrt.report.plot_base import (
    N_COLOURS,
    add_hover,
    add_line,
    as_small,
    colour,
    fixed_range,
    new_figure,
)
from hostrt.report.quantities import counted, number, whole
from hostrt.report.signals import pick, pool

if TYPE_CHECKING:
    from bokeh.models import Range1d
    from bokeh.models.renderers import DataRenderer
    from bokeh.plotting import figure
    from numpy.typing import NDArray

    from hostrt.report.page import Plot
    from hostrt.report.plot_base import Plots

POINTS = 6000
"""Points of a line, beside those around the first difference."""

SPECTRA = 480
"""Columns of a spectrogram."""

MIN_SPECTRUM = 64
"""Samples below which there is no spectrogram."""

HEAT_FRAMES, HEAT_ELEMENTS = 480, 128
"""Columns and rows of a table of vectors."""

MAX_LINES = 4
"""Elements of a vector that are drawn as lines; longer vectors become a coloured table."""

FEW_FRAMES = 3
"""Frames up to which vectors are drawn over their elements."""


_LEFT, _RIGHT = 88, 52
"""CSS pixels beside plots over time: room for the longest label, and for the colours' meaning."""


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """An input, or an output as one or several runners gave it.

    Attributes:
        name: of the input or output.
        what: "Input" or "Output".
        lines: (label, (T, ...) values), alike ones under one label; at most as many as there are
            colours.
        focus: (frame, element) around which nothing is left out.
    """

    name: str
    what: str
    lines: tuple[tuple[str, NDArray[np.generic]], ...]
    focus: tuple[tuple[int, int], ...] = ()

    @property
    def title(self) -> str:
        """What it is, for a headline."""
        return f"{self.what} {name_text(self.name)}"

    @property
    def longest(self) -> NDArray[np.generic]:
        """The line with most frames."""
        return max((values for _, values in self.lines), key=len)


def seconds_of(values: NDArray[np.generic], rate: int) -> float:
    """Give the duration of (T, L) samples."""
    return values.size / rate


def waveform(plots: Plots, signal: Signal, rate: int, x_range: Range1d, points: int) -> Plot:
    """Draw audio over time.

    Args:
        plots: the page's plots.
        signal: what to draw.
        rate: samples per second.
        x_range: seconds that all signals of the page share.
        points: points of a line.
    """
    drawn = _timed(new_figure("time (s)", "value", x_range=x_range, height=240))
    rows, series, cut = [], [], False
    for index, (label, values) in enumerate(signal.lines):
        samples = values.ravel()
        width = samples.size // max(len(values), 1)
        focus = tuple(frame * width + element for frame, element in signal.focus)
        at = pick(samples, points, focus)
        rows.append(add_line(drawn, at / rate, as_small(samples[at]), index))
        series.append((label, index))
        cut = cut or samples.size > points
        if index == 0 and focus:
            place = Span(location=focus[0] / rate, dimension="height", line_dash="dotted")
            colour(place, line_color="mark")
            drawn.add_layout(place)
    add_hover(drawn, rows, ("time (s)", "@x{0.00000}"), ("value", "@y"))
    longest = signal.longest
    text = [f"{counted(longest.size, 'sample')} at {whole(rate)} Hz, {_extent(longest)}."]
    if cut:
        text.append("Every stretch of samples is shown by its smallest and its largest value.")
    if signal.focus:
        text.append("Dotted line: the first difference, with every sample around it.")
    return plots.add(f"{signal.title}: waveform", " ".join(text), drawn, _named(series))


def spectrum(plots: Plots, signal: Signal, rate: int, x_range: Range1d) -> Plot | None:
    """Draw a spectrogram of the first line; None of what is too short."""
    label, values = signal.lines[0]
    samples = values.ravel()
    if samples.size < MIN_SPECTRUM:
        return None
    # wider types hold fewer bits than they could: their own peak is what is full
    narrow = samples.dtype.itemsize <= np.dtype(np.int16).itemsize
    peak = None if narrow else max(float(np.abs(samples.astype(np.float64)).max()), 1.0)
    _, _, levels = spectrogram(samples, rate, columns=SPECTRA, full_scale=peak)
    top = rate / 2e3
    height = fixed_range(0, top)
    drawn = _timed(
        new_figure("time (s)", "frequency (kHz)", x_range=x_range, y_range=height, height=240)
    )
    mapper = LinearColorMapper(palette=Viridis256, low=FLOOR_DB, high=0)
    _add_image(drawn, np.round(levels).astype(np.int8), samples.size / rate, top, mapper)
    _add_scale(drawn, mapper)
    loudest = round(float(levels.max()))
    of = f" of {label}" if label else ""
    text = (
        f"Colours{of} are levels from {FLOOR_DB:g} dB to 0 dB, "
        f"{'full scale' if narrow else 'the largest value'}; the loudest is {loudest} dB."
    )
    return plots.add(f"{signal.title}: spectrogram", text, drawn)


def values_plot(plots: Plots, signal: Signal) -> list[Plot]:
    """Draw what is not audio: lines of few elements, vectors of few frames, else a table."""
    shape = signal.longest.shape
    width = signal.longest.size // max(len(signal.longest), 1)
    if not signal.longest.size:
        return []
    if len(shape) == 1 or width <= MAX_LINES:
        return [_element_lines(plots, signal)]
    if len(signal.longest) <= FEW_FRAMES:
        return [_frame_lines(plots, signal)]
    return [_heat(plots, signal, label, values) for label, values in signal.lines[:2]]


def _element_lines(plots: Plots, signal: Signal) -> Plot:
    """Draw elements over frames."""
    drawn = new_figure("frame", "value", x_range=fixed_range(0, len(signal.longest) - 1))
    rows: list[DataRenderer] = []
    series: list[tuple[str, int]] = []
    for label, values in signal.lines:
        columns = values.reshape(len(values), -1) if len(values) else values.reshape(0, 1)
        room = N_COLOURS - len(series)
        for index, element in enumerate(range(min(columns.shape[1], MAX_LINES, room)), len(series)):
            column = columns[:, element]
            at = pick(column, POINTS, tuple(frame for frame, _ in signal.focus))
            rows.append(add_line(drawn, at.astype(np.float64), as_small(column[at]), index))
            parts = [label, f"element {element}" if columns.shape[1] > 1 else ""]
            series.append((", ".join(part for part in parts if part), index))
    add_hover(drawn, rows, ("frame", "@x{0}"), ("value", "@y"))
    text = f"{counted(len(signal.longest), 'frame')}, {_extent(signal.longest)}."
    return plots.add(f"{signal.title}: values", text, drawn, _named(series))


def _frame_lines(plots: Plots, signal: Signal) -> Plot:
    """Draw vectors over their elements."""
    width = signal.longest[0].size
    drawn = new_figure("element", "value", x_range=fixed_range(0, width - 1))
    rows: list[DataRenderer] = []
    series: list[tuple[str, int]] = []
    for label, values in signal.lines:
        for frame, vector in enumerate(values[: min(FEW_FRAMES, N_COLOURS - len(series))]):
            index = len(series)
            elements = vector.ravel()
            focus = tuple(element for at, element in signal.focus if at == frame)
            at = pick(elements, POINTS, focus)
            rows.append(add_line(drawn, at.astype(np.float64), as_small(elements[at]), index))
            parts = [label, f"frame {frame}"]
            series.append((", ".join(part for part in parts if part), index))
    add_hover(drawn, rows, ("element", "@x{0}"), ("value", "@y"))
    frames = counted(len(signal.longest), "frame")
    text = f"{frames} of {whole(width)} elements, {_extent(signal.longest)}."
    return plots.add(f"{signal.title}: values", text, drawn, _named(series))


def _heat(plots: Plots, signal: Signal, label: str, values: NDArray[np.generic]) -> Plot:
    """Draw vectors as columns of colours."""
    table = values.reshape(len(values), -1)
    cells = pool(table, HEAT_FRAMES, HEAT_ELEMENTS)
    drawn = new_figure(
        "frame",
        "element",
        x_range=fixed_range(0, table.shape[0]),
        y_range=fixed_range(0, table.shape[1]),
    )
    low, high = float(cells.min()), float(cells.max())
    mapper = LinearColorMapper(palette=Viridis256, low=low, high=max(high, low + 1))
    image = _add_image(drawn, as_small(cells.T), table.shape[0], table.shape[1], mapper)
    add_hover(drawn, [image], ("frame", "$x{0}"), ("element", "$y{0}"), ("value", "@image"))
    _add_scale(drawn, mapper)
    text = [
        f"{whole(table.shape[0])} frames of {whole(table.shape[1])} elements, {_extent(table)}."
    ]
    if cells.shape != table.shape:
        text.append("A cell shows the value furthest from zero of those that fall into it.")
    of = f" of {label}" if label else ""
    return plots.add(f"{signal.title}{of}: values", " ".join(text), drawn)


def _timed(drawn: figure) -> figure:
    """Give a plot over time the borders of all of them, so that they stand in line."""
    drawn.min_border_left, drawn.min_border_right = _LEFT, _RIGHT
    return drawn


def _add_image(
    drawn: figure,
    cells: NDArray[np.generic],
    width: float,
    height: float,
    mapper: LinearColorMapper,
) -> DataRenderer:
    """Draw (rows, columns) of colours from the origin on, the first row at the bottom."""
    source = ColumnDataSource({"image": [np.ascontiguousarray(cells)]})
    glyph = Image(image="image", x=0, y=0, dw=width, dh=height, color_mapper=mapper)
    return drawn.add_glyph(source, glyph)


def _add_scale(drawn: figure, mapper: LinearColorMapper) -> None:
    """Draw what the colours mean."""
    scale = ColorBar(
        color_mapper=mapper,
        width=10,
        padding=4,
        ticker=BasicTicker(desired_num_ticks=6),
        formatter=BasicTickFormatter(use_scientific=False),
        background_fill_color=None,
    )
    scale.update(bar_line_color=None, major_tick_line_color=None)
    scale.update(major_label_text_font_size="12px")
    colour(scale, major_label_text_color="plot-text")
    drawn.add_layout(scale, "right")


def _extent(values: NDArray[np.generic]) -> str:
    if not values.size:
        return "no values"
    return f"from {number(float(values.min()))} to {number(float(values.max()))}"


def _named(series: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Give what can be hidden: nothing when there is one line only and it needs no name."""
    return series if len(series) > 1 or (series and series[0][0]) else []
