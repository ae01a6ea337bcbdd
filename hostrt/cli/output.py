"""What verbs print: tables for people, JSON for programs, progress for those who wait."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_STEP_PERCENT = 10


def printable(text: str) -> str:
    """Show control characters instead of letting the terminal obey them; files may hold any."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def say(text: str = "") -> None:
    """Print text on standard output."""
    print(printable(text))


def print_json(tree: Mapping[str, object] | Sequence[object]) -> None:
    """Print one JSON document on standard output."""
    print(json.dumps(tree, indent=2, default=str, allow_nan=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """Print aligned columns; numbers stand right, text left."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    columns = range(len(header))
    widths = [max([len(header[i]), *(len(row[i]) for row in cells)]) for i in columns]
    right = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in columns]
    if title:
        say(title)
    for row in [list(header), *cells]:
        parts = [row[i].rjust(widths[i]) if right[i] else row[i].ljust(widths[i]) for i in columns]
        print("  " + "  ".join(parts).rstrip())


def print_fields(fields: Mapping[str, object]) -> None:
    """Print `name: value` lines with the values in one column."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        say(f"{name + ':':<{width + 1}} {value}")


def note(text: str) -> None:
    """Say something to the person at the terminal, beside the data on standard output."""
    print(printable(text), file=sys.stderr)


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of long work on standard error.

    A bar with rate and time left on a terminal, a line for every tenth elsewhere.

    Yields:
        A function to call with (words done, words in all).
    """
    if quiet:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with _bar(what) as update:
            yield update
    else:
        yield _lines(what)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=4 * done, total=4 * total)


def _lines(what: str) -> Callable[[int, int], None]:
    shown = -1

    def update(done: int, total: int) -> None:
        nonlocal shown
        tenth = 100 * done // total // _STEP_PERCENT if total else 10
        if tenth > shown:
            shown = tenth
            note(f"{what}: {tenth * _STEP_PERCENT} % ({4 * done} of {4 * total} bytes)")

    return update


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)
