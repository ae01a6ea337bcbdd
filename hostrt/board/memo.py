"""What each board was last loaded with, remembered between commands.

One small file per board in the user's state folder. It is only a hint: whoever relies on it checks
the board first (`hostrt.board.flash.holds`), because a power cycle empties memories silently.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.errors import StorageError, UsageError
from hostrt.files import make_folder, write_file
from hostrt.transport.url import parse_url

if TYPE_CHECKING:
    from hostrt.transport.base import TransportInfo


@dataclass(frozen=True, slots=True)
class Note:
    """What a board was last loaded with.

    Attributes:
        program_sha256: hash of the program, "" when unknown.
        fingerprint: hash of some words read back right after loading, "" when none were.
    """

    program_sha256: str = ""
    fingerprint: str = ""


def remember(info: TransportInfo, note: Note) -> None:
    """Note what the board now holds.

    Raises:
        StorageError: the note cannot be written.
    """
    path = _path(info)
    make_folder(path.parent)
    write_file(path, json.dumps({"url": info.url, **asdict(note)}).encode())


def recall(info: TransportInfo) -> Note:
    """Give what the board was last loaded with; an empty note when that is unknown."""
    try:
        tree = json.loads(_path(info).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Note()
    if not isinstance(tree, dict):
        return Note()
    texts = [tree.get(name) for name in ("program_sha256", "fingerprint")]
    return Note(*(text if isinstance(text, str) else "" for text in texts))


def forget(info: TransportInfo) -> None:
    """Drop what is known about the board's memories.

    Raises:
        StorageError: a note exists and cannot be removed; it would soon be wrong.
    """
    path = _path(info)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if recall(info).program_sha256:
            raise StorageError(
                f"cannot remove {path}, a note of what the board holds: {error.strerror}",
                hint="remove it by hand, or point XDG_STATE_HOME to a folder of yours",
                path=str(path),
            ) from error


def _path(info: TransportInfo) -> Path:
    # a serial number outlives the address it was reached by
    identity = f"{info.platform}-{info.serial}" if info.serial else _place(info.url)
    return _folder() / "hostrt" / "boards" / f"{re.sub(r'[^A-Za-z0-9.-]', '_', identity)}.json"


def _folder() -> Path:
    chosen = os.environ.get("XDG_STATE_HOME", "")
    # the XDG specification says that a relative path there is to be ignored
    if chosen.startswith("/"):
        return Path(chosen)
    return Path(os.environ.get("HOME") or "/nonexistent") / ".local" / "state"


def _place(url: str) -> str:
    """Give the address without what only says how to talk to the board."""
    bare = url.partition("?")[0]
    if "+" not in bare:
        return bare
    try:
        return str(replace(parse_url(bare), wrappers=()))
    except UsageError:
        return bare
