"""`hostrt explain [TOPIC]`: the user guide and the error pages, offline."""

from __future__ import annotations

import difflib
from importlib.resources import files
from typing import TYPE_CHECKING

from hostrt.cli.output import print_json, print_table
from hostrt.errors import HostrtError, UsageError

if TYPE_CHECKING:
    import argparse
    from importlib.resources.abc import Traversable


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("topic", nargs="?", help="error code, exit code (a number) or page name")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print one page, or the list of pages."""
    pages = find_pages()
    if arguments.topic is None:
        _print_list(pages, as_json=arguments.json)
        return 0
    topic = _topic_of(arguments.topic)
    if topic not in pages:
        close = difflib.get_close_matches(topic, pages, 3)
        hint = f"did you mean {', '.join(close)}?" if close else "`hostrt explain` lists all pages"
        raise UsageError(f"nothing to explain under {arguments.topic!r}", hint=hint)
    text = pages[topic].read_text(encoding="utf-8")
    if arguments.json:
        print_json({"topic": topic, "text": text})
    else:
        print(text.rstrip())
    return 0


def find_pages() -> dict[str, Traversable]:
    """Give every page of the guide by name."""
    pages: dict[str, Traversable] = {}
    _collect(files("hostrt") / "docs", pages)
    return pages


def codes() -> dict[str, type[HostrtError]]:
    """Give every error code with its class."""
    found: dict[str, type[HostrtError]] = {}
    waiting: list[type[HostrtError]] = [HostrtError]
    while waiting:
        kind = waiting.pop()
        if "code" in vars(kind):
            # a kind of its own, and not one that somebody derived from it
            found[kind.code] = kind
        waiting += kind.__subclasses__()
    return found


def _topic_of(word: str) -> str:
    return "exit-codes" if word.isdigit() else word.lower().removesuffix(".md")


def _collect(folder: Traversable, pages: dict[str, Traversable]) -> None:
    for item in folder.iterdir():
        if item.is_dir():
            _collect(item, pages)
        elif item.name.endswith(".md"):
            pages[item.name.removesuffix(".md")] = item


def _print_list(pages: dict[str, Traversable], *, as_json: bool) -> None:
    errors = codes()
    if as_json:
        print_json({"pages": sorted(pages), "errors": sorted(set(pages) & set(errors))})
        return
    guide = [[name, _title(page)] for name, page in sorted(pages.items()) if name not in errors]
    print_table(["page", ""], guide)
    rows = [
        [name, kind.exit_code, (kind.__doc__ or "").splitlines()[0]]
        for name, kind in sorted(errors.items())
        if name in pages
    ]
    print()
    print_table(["error code", "exit", ""], rows)


def _title(page: Traversable) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").strip()
