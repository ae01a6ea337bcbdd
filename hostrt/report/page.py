"""What a page consists of, and how that becomes one HTML document."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from hostrt.report.quantities import whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_ROWS = 200
"""Rows of a table."""

MAX_TEXT = 2000
"""Characters of one text."""

MAX_NAME = 64
"""Characters of a name inside a table or a caption."""

Mark = Literal["", "good", "bad", "warn"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what it says.
        mark: how it stands out; the text says the same.
        numeric: whether it is a number, which stands right.
    """

    text: str
    mark: Mark = ""
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; each row's first cell is its heading.

    Attributes:
        caption: headline.
        header: titles of the columns.
        rows: its cells.
        left_out: rows that it would have and does not show.
        narrow: whether another table may stand beside it.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0
    narrow: bool = False
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with one text each.

    Attributes:
        rows: (name, text).
        summary: headline under which they are folded away, "" to show them.
        verbatim: names whose texts are set like code: hashes, paths, commands.
    """

    rows: tuple[tuple[str, str], ...]
    summary: str = ""
    verbatim: frozenset[str] = frozenset()
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section.

    Attributes:
        text: what it says.
        simulated: whether what follows comes from a simulation; None for neither.
        mark: how `state` stands out.
        state: a word beside it, as "equal".
    """

    text: str
    simulated: bool | None = None
    mark: Mark = ""
    state: str = ""
    kind: Literal["heading"] = "heading"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph, or the items of a list."""

    text: str = ""
    items: tuple[str, ...] = ()
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True, slots=True)
class Plot:
    """A place for a plot.

    Attributes:
        key: identifier of its element.
        root: identifier of its model.
        title: headline.
        text: what it shows, in words: the alternative for those who do not see it.
        height: in CSS pixels, known before it is drawn.
        series: (label, colour number) of what can be shown and hidden.
    """

    key: str
    root: str
    title: str
    text: str
    height: int
    series: tuple[tuple[str, int], ...] = ()
    kind: Literal["plot"] = "plot"


Block = Table | Facts | Heading | Paragraph | Plot


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with an entry in its contents."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page.

    Attributes:
        title: headline.
        verdict: in one word.
        mark: how the verdict stands out.
        symbol: the verdict as a sign.
        summary: the verdict in a sentence.
        facts: (name, text) of what one wants to know first.
        sections: its parts.
        simulated: "simulated" or "partly simulated", "" when nothing is.
        version: of hostrt.
        created: when it was made.
    """

    title: str
    verdict: str
    mark: Mark
    symbol: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...] = field(default=())
    simulated: str = ""
    version: str = ""
    created: str = ""


def make_table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    limit: int = MAX_ROWS,
    *,
    narrow: bool = False,
) -> Table:
    """Make a table of at most `limit` rows that says how many it leaves out."""
    kept = tuple(
        tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row)
        for row in rows[:limit]
    )
    return Table(caption, tuple(header), kept, max(0, len(rows) - limit), narrow)


def numeric(text: str, mark: Mark = "") -> Cell:
    """Make a cell of a number."""
    return Cell(text, mark, numeric=True)


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Show what is no character of a text instead of passing it on, and cut what is too long."""
    if len(text) > limit:
        half = (limit - 1) // 2
        text = f"{text[:half]}\N{HORIZONTAL ELLIPSIS}{text[-half:]}"
    if text.isprintable():
        return text
    kept = " \n\N{NARROW NO-BREAK SPACE}\N{NO-BREAK SPACE}"
    return "".join(
        char
        if char.isprintable() or char in kept
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def name_text(name: str) -> str:
    """Give a name for a table or a caption, shortened in its middle."""
    return clean(name, MAX_NAME) or "(no name)"


def render_page(page: Page, *, library: str, plots: str) -> bytes:
    """Render a page.

    Args:
        page: what it says.
        library: script that draws plots, "" without any.
        plots: JSON of the plots.
    """
    import jinja2

    parts = files("hostrt.report")
    styles, script, text = (
        (parts / name).read_text("utf-8") for name in ("page.css", "page.js", "page.html.j2")
    )
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_finalized
    )
    environment.filters["whole"] = whole
    # a browser hashes a script after it made every line end one character
    scripts = ["\n".join(one.splitlines()) for one in (library, script) if plots]
    rendered = environment.from_string(text).render(
        page=page,
        styles=_Raw(styles),
        scripts=[_Raw(one) for one in scripts],
        hashes=_hashes(scripts),
        # what could end the element that holds the JSON is written as an escape
        plots=_Raw(plots.replace("<", "\\u003c").replace("&", "\\u0026")),
    )
    return rendered.encode()


class _Raw(str):
    """Text of our own that goes into the page as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def _finalized(value: object) -> object:
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return clean(value)
    return value


def _hashes(scripts: Iterable[str]) -> str:
    """Give the scripts that the page allows: its own, by their hashes, and no others."""
    digests = (hashlib.sha256(one.encode()).digest() for one in scripts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
