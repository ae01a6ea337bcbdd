"""What each board was last loaded with, remembered between commands.

One small file per board in the user's state folder. It is only a hint: whoever relies on it checks
the board first (`hostrt.board.flash.holds`), because a power cycle empties memories silently.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.errors import StorageError, UsageError
from hostrt.files import make_folder, write_file
from hostrt.transport.url import parse_url

if TYPE_CHECKING:
    from hostrt.transport.base import TransportInfo


def remember(info: TransportInfo, program_sha256: str) -> None:
    """Note that the board now holds a program.

    Raises:
        StorageError: the note cannot be written.
    """
    path = _path(info)
    make_folder(path.parent)
    tree = {"url": info.url, "program_sha256": program_sha256}
    write_file(path, json.dumps(tree).encode())


def recall(info: TransportInfo) -> str:
    """Give the hash of the program the board was last loaded with, "" when unknown."""
    try:
        tree = json.loads(_path(info).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    found = tree.get("program_sha256") if isinstance(tree, dict) else None
    return found if isinstance(found, str) else ""


def forget(info: TransportInfo) -> None:
    """Drop what is known about the board's memories.

    Raises:
        StorageError: a note exists and cannot be removed; it would soon be wrong.
    """
    path = _path(info)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if recall(info):
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
