"""How every picture looks: colours, sizes, labels, and the way to PNG.

Figures are made and drawn without pyplot: no window system is asked for, nothing is registered and
settings are as before afterwards.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from hostrt.errors import ExtraMissing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

StyleName = Literal["light", "dark"]
"""Which page a picture is made for."""

WIDTH_INCHES: Final = 9.5
PANEL_INCHES: Final = 2.5
_DPI = 110
_FONT = "DejaVu Sans"
"""The font that matplotlib brings along, so that pictures do not depend on what is installed."""

_LONGEST_LABEL: Final = 36
PAIR_LABEL: Final = 24
"""Longest label where two stand in one headline."""

_OWN_SETTINGS = (
    *("axes.", "figure.", "font.", "grid.", "hatch.", "image.", "legend.", "lines.", "markers."),
    *("mathtext.", "patch.", "path.", "savefig.", "text.", "xtick.", "ytick.", "agg."),
)
"""Settings that are matplotlib's defaults here, whatever the user's are."""


@dataclass(frozen=True, slots=True)
class Style:
    """Colours of a picture.

    Attributes:
        face: behind everything.
        text: of titles and labels.
        quiet: of axes, and of what is there to compare with.
        grid: of grid lines.
        series: of data, one after the other; told apart by the colour-blind too.
        alarm: of what should not be.
    """

    face: str
    text: str
    quiet: str
    grid: str
    series: tuple[str, ...]
    alarm: str


STYLES: Final[Mapping[StyleName, Style]] = {
    "light": Style(
        face="#ffffff",
        text="#1f2328",
        quiet="#8b949e",
        grid="#e4e7eb",
        series=("#0b62a8", "#b85c00", "#00795a", "#8e4585"),
        alarm="#c62828",
    ),
    "dark": Style(
        face="#16191d",
        text="#e3e6ea",
        quiet="#7d8590",
        grid="#2b3036",
        series=("#5eb1ef", "#f0a04b", "#3fc79a", "#d991c9"),
        alarm="#ff6b6b",
    ),
}


@contextmanager
def drawing(style: Style) -> Iterator[None]:
    """Draw in a style inside, and have matplotlib as it was afterwards.

    Raises:
        ExtraMissing: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ExtraMissing(
            f"pictures need the package matplotlib: {error}", hint="pip install 'hostrt[report]'"
        ) from error
    defaults = mpl.rcParamsDefault.items()
    settings: dict[Any, Any] = {k: v for k, v in defaults if k.startswith(_OWN_SETTINGS)}
    with mpl.rc_context(settings | _settings(style)):
        yield


def new_figure(title: str, heights: tuple[float, ...]) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels one below the other.

    Args:
        title: headline, escaped already.
        heights: height of each panel in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((WIDTH_INCHES, sum(heights) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
    return figure, [row[0] for row in panels]


def to_png(figure: Figure) -> bytes:
    """Give a figure as PNG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    # without the program's version, which matplotlib would write into it
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def legend(panel: Axes) -> None:
    """Explain lines and colours above a panel's right end, if there is anything to explain."""
    handles, labels = panel.get_legend_handles_labels()
    if handles:
        panel.legend(
            handles,
            labels,
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=len(handles),
            borderaxespad=0.2,
        )


def label(name: str, longest: int = _LONGEST_LABEL) -> str:
    """Make a name fit to be drawn: short, on one line, nothing read as a formula."""
    glyphs = _glyphs()
    text = "".join(char if char.isprintable() and ord(char) in glyphs else "□" for char in name)
    if len(text) > longest:
        half = longest // 2
        text = f"{text[: half - 1]}…{text[-half:]}"
    return text.replace("$", r"\$")


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(_FONT)).get_charmap())


def _settings(style: Style) -> dict[str, object]:
    return {
        "font.family": [_FONT],
        "font.size": 9.5,
        "figure.facecolor": style.face,
        "savefig.facecolor": style.face,
        "savefig.dpi": _DPI,
        "figure.dpi": _DPI,
        "text.color": style.text,
        "axes.facecolor": style.face,
        "axes.edgecolor": style.quiet,
        "axes.labelcolor": style.text,
        "axes.titlelocation": "left",
        "axes.titlesize": 10,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.formatter.useoffset": False,
        "grid.color": style.grid,
        "xtick.color": style.quiet,
        "ytick.color": style.quiet,
        "xtick.labelcolor": style.text,
        "ytick.labelcolor": style.text,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "legend.handlelength": 1.4,
        "legend.columnspacing": 1.4,
        "lines.linewidth": 1.2,
    }
