"""Which simulated boards are being served on this machine by this user.

Each serving process keeps one small file in a folder of the user's; the file of a process that
no longer exists is ignored and removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class ServedBoard:
    """Boards served by one process.

    Attributes:
        pid: its process number.
        urls: addresses that open the boards.
        chip: spoken name of the simulated chip.
        serial: serial number of the virtual EVK2.
    """

    pid: int
    urls: tuple[str, ...]
    chip: str
    serial: str = ""


def folder() -> Path:
    """Give the folder with the state files; it may not exist."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime:
        return Path(runtime) / "hostrt"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"hostrt-{user}"


@contextlib.contextmanager
def announced(board: ServedBoard) -> Iterator[None]:
    """Let others find `board` while the block runs.

    Where the folder cannot be written the board is served all the same; only listings miss it.
    """
    path = folder() / f"sim-{board.pid}.json"
    with contextlib.suppress(OSError):
        _write(path, json.dumps(asdict(board)))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def running() -> list[ServedBoard]:
    """Give what is served now, by rising process number."""
    place = folder()
    if not _is_ours(place):
        return []
    boards = []
    for path in place.glob("sim-*.json"):
        board = _read(path)
        if board is not None and _is_alive(board.pid):
            boards.append(board)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    return sorted(boards, key=lambda board: board.pid)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _is_ours(place: Path) -> bool:
    """Tell whether the folder exists and nobody else could have put files there."""
    try:
        status = place.stat()
    except OSError:
        return False
    return not hasattr(os, "getuid") or (
        status.st_uid == os.getuid() and not status.st_mode & 0o022
    )


def _read(path: Path) -> ServedBoard | None:
    try:
        with path.open(encoding="utf-8") as file:
            tree = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return None
    if not isinstance(tree, dict):
        return None
    pid, urls, chip, serial = (tree.get(key) for key in ("pid", "urls", "chip", "serial"))
    if not isinstance(pid, int) or not isinstance(chip, str) or not isinstance(serial, str):
        return None
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        return None
    return ServedBoard(pid, tuple(urls), chip, serial)


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return False  # our own processes can be signalled
    return True
