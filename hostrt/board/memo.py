"""What each board was last loaded with, remembered between commands.

One small file per board in the user's state folder. It is only a hint: whoever relies on it checks
the board first (`hostrt.board.flash.holds`), because a power cycle empties memories silently.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.files import make_folder, write_file

if TYPE_CHECKING:
    from hostrt.transport.base import TransportInfo


def remember(info: TransportInfo, program_sha256: str) -> None:
    """Note that the board now holds a program; "" when it holds none or half of one."""
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
    """Drop what is known about the board's memories."""
    with contextlib.suppress(OSError):
        _path(info).unlink(missing_ok=True)


def _path(info: TransportInfo) -> Path:
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    # a serial number outlives the address it was reached by
    identity = f"{info.platform}-{info.serial}" if info.serial else info.url
    return Path(base) / "hostrt" / "boards" / f"{re.sub(r'[^A-Za-z0-9.-]', '_', identity)}.json"
