"""How every plot looks and works, and the collection of a page's plots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.models import (
    BasicTickFormatter,
    BoxZoomTool,
    ColumnDataSource,
    DataRange1d,
    HoverTool,
    Range1d,
    ResetTool,
    SaveTool,
    WheelZoomTool,
    ZoomInTool,
    ZoomOutTool,
)
from bokeh.models.labeling import NoOverlap
from bokeh.plotting import figure

from hostrt.report.page import Plot, clean, name_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bokeh.models import Model, Range, Tool
    from bokeh.models.axes import Axis
    from bokeh.models.renderers import DataRenderer
    from numpy.typing import NDArray

HEIGHT = 280
"""CSS pixels."""

MAX_CATEGORY = 32
"""Characters of a name beside a bar."""

N_COLOURS = 6
"""Colours of the page that lines and bars take one after the other."""

_LIGHT = {
    "series-0": "#1d5fc4",
    "series-1": "#c2410c",
    "series-2": "#0f766e",
    "series-3": "#7e22ce",
    "series-4": "#946200",
    "series-5": "#be185d",
    "mark": "#b42318",
    "free": "#dfe3e9",
    "plot-text": "#3b4350",
    "plot-line": "#8b94a3",
    "plot-grid": "#e6e9ee",
}
"""The page's colours in a light theme, which its script replaces by the present ones."""

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif"


@dataclass(slots=True)
class Plots:
    """The plots of one page."""

    _drawn: dict[str, figure] = field(default_factory=dict)

    def add(
        self, title: str, text: str, drawn: figure, series: Sequence[tuple[str, int]] = ()
    ) -> Plot:
        """Take a plot and give its place on the page.

        Args:
            title: headline.
            text: what it shows, in words.
            drawn: the plot.
            series: (label, colour number) of what can be hidden; renderers carry the colour
                number in their names.
        """
        key = f"plot-{len(self._drawn) + 1}"
        self._drawn[key] = drawn
        shown = tuple((name_text(label), colour) for label, colour in series)
        return Plot(key, drawn.id, title, text, int(drawn.height or HEIGHT), shown)

    def to_json(self) -> str:
        """Give all plots as JSON, "" when there are none."""
        if not self._drawn:
            return ""
        document = Document()
        # or every plot that is added would be searched for models together with all before it
        with document.models.freeze():
            for drawn in self._drawn.values():
                document.add_root(drawn)
        roots = {drawn.id: key for key, drawn in self._drawn.items()}
        item = {"docid": "report", "roots": roots, "root_ids": list(roots)}
        documents = serialize_json(document.to_json(deferred=False))
        return f'{{"documents": {{"report": {documents}}}, "items": [{serialize_json(item)}]}}'


def new_figure(
    x_label: str,
    y_label: str,
    *,
    x_range: Range | None = None,
    y_range: Range | None = None,
    height: int = HEIGHT,
    tools: bool = True,
) -> figure:
    """Make an empty plot in the page's style.

    Args:
        x_label: what runs to the right, with its unit.
        y_label: what runs upwards.
        x_range: Bokeh range, by default one that follows the data.
        y_range: the same.
        height: in CSS pixels.
        tools: whether it can be zoomed.
    """
    drawn = figure(
        height=height,
        sizing_mode="stretch_width",
        min_width=200,
        tools=_tools() if tools else "save",
        toolbar_location="above",
        x_axis_label=x_label,
        y_axis_label=y_label,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        x_range=DataRange1d() if x_range is None else x_range,
        y_range=DataRange1d() if y_range is None else y_range,
    )
    drawn.toolbar.logo = None
    for axis in drawn.axis:
        _dress_axis(axis)
    for grid in drawn.grid:
        colour(grid, grid_line_color="plot-grid")
    return drawn


def _tools() -> list[Tool]:
    zoom = BoxZoomTool()
    # the wheel alone scrolls the page
    wheel = WheelZoomTool(dimensions="width", modifiers={"ctrl": True})
    return [
        zoom,
        wheel,
        ZoomInTool(dimensions="width"),
        ZoomOutTool(dimensions="width"),
        ResetTool(),
        SaveTool(),
    ]


def _dress_axis(axis: Axis) -> None:
    """Give an axis the page's font and colours, and no label that covers another."""
    axis.update(
        axis_label_text_font=_FONT,
        axis_label_text_font_style="normal",
        axis_label_text_font_size="13px",
        major_label_text_font=_FONT,
        major_label_text_font_size="12px",
        minor_tick_line_color=None,
        major_label_policy=NoOverlap(min_distance=10),
    )
    colour(
        axis,
        axis_label_text_color="plot-text",
        major_label_text_color="plot-text",
        axis_line_color="plot-line",
        major_tick_line_color="plot-line",
    )
    if isinstance(axis.formatter, BasicTickFormatter):
        axis.formatter.use_scientific = False


def colour(model: Model, **names: str) -> None:
    """Let properties of a model follow colours of the page.

    Args:
        model: a glyph, axis, grid, ...
        names: property -> name of the page's colour ("series-0", "plot-text").
    """
    model.update(**{prop: _LIGHT[name] for prop, name in names.items()})
    model.tags = [*model.tags, names]


def series_colour(index: int) -> str:
    """Name the colour of the n-th line or bar."""
    return f"series-{index % N_COLOURS}"


def add_line(
    drawn: figure, x: NDArray[np.generic], y: NDArray[np.generic], index: int
) -> DataRenderer:
    """Draw a line in the n-th colour; a single point as a dot."""
    source = ColumnDataSource({"x": x, "y": y})
    name = f"series-{index}"
    if len(x) == 1:
        dot = drawn.scatter("x", "y", source=source, size=7, name=name)
        colour(dot.glyph, line_color=series_colour(index), fill_color=series_colour(index))
        return dot
    line = drawn.line("x", "y", source=source, line_width=1.4, name=name)
    colour(line.glyph, line_color=series_colour(index))
    return line


def add_hover(drawn: figure, renderers: Sequence[DataRenderer], *rows: tuple[str, str]) -> None:
    """Show values beside the pointer; labels are ours, names of files never go in here."""
    drawn.add_tools(HoverTool(renderers=list(renderers), tooltips=list(rows), visible=False))


def fixed_range(low: float, high: float) -> Range1d:
    """Give a range that can be zoomed inside and not left."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return Range1d(start=low, end=high, bounds=(low, high))


def category(name: str) -> str:
    """Give a name as text for an axis, in which nothing is taken for a formula."""
    text = clean(name, MAX_CATEGORY) or "(no name)"
    for opening in ("$$", "\\[", "\\("):
        text = text.replace(opening, f"{opening[0]} {opening[1]}")
    return text


def as_small(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Give values in the smallest type that a plot can take and that holds them."""
    if values.dtype.kind in "iub" and len(values):
        low, high = int(values.min()), int(values.max())
        for kind in (np.int8, np.int16, np.int32):
            if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
                return values.astype(kind)
    return values.astype(np.float32)


def plot_library() -> str:
    """Give the script that draws plots, as the installed package holds it."""
    from bokeh.resources import Resources

    resources = Resources(mode="inline", minified=True, components=["bokeh"], log_level="warn")
    return "\n".join(resources.js_raw)
