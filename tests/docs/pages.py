"""Reading the guide's pages: fenced blocks with their kind and where they stand."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "hostrt" / "docs"

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: file it stands in.
        line: of its fence, from 1.
        language: first word after the fence.
        words: further words, such as `hardware`, `exit=1`, `file=NAME`.
        text: what is between the fences.
    """

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    def value(self, name: str) -> str | None:
        """Give VALUE of a word `name=VALUE`."""
        for word in self.words:
            key, _, value = word.partition("=")
            if key == name:
                return value
        return None

    def commands(self) -> list[tuple[str, str]]:
        """Give (command, expected output) of a console block."""
        found: list[tuple[str, str]] = []
        joined = self.text.replace("\\\n", "")
        for line in joined.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            elif found:
                command, expected = found[-1]
                found[-1] = (command, f"{expected}{line}\n")
        return found


def pages() -> list[Path]:
    """List every page of the guide, and the README."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """Give the fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *words = match[1].split() or [""]
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, language, tuple(words), match[2]))
    return found


def is_as_expected(output: str, expected: str) -> bool:
    """Compare with what a page shows: `...` stands for anything, spaces for any spaces."""
    text = " ".join(output.split())
    first, *others = (" ".join(part.split()) for part in expected.split("..."))
    if not others:
        return text == first
    if not text.startswith(first):
        return False
    at = len(first)
    *middle, last = others
    for part in middle:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return text.endswith(last) and len(text) - len(last) >= at


def is_plain(command: str) -> bool:
    """Tell whether a command is a call of hostrt without help of a shell."""
    return shlex.split(command)[:1] == ["hostrt"] and not re.search(r"[|&;<>$*`]", command)
