"""Keeping compiled code from one process to the next; a cache that may fail without harm.

Code is kept in `$XDG_CACHE_HOME/hostrt` (`~/.cache/hostrt`), or in a folder of the user's among the
temporary files where there can be none. What others could have put there is not used.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
from pathlib import Path

logger = logging.getLogger(__name__)

_DIGEST_BYTES = hashlib.sha256().digest_size

_KEPT = 4
"""Files of one kind that are kept: several versions or processors may share a folder."""


def load(name: str) -> bytes | None:
    """Give what was saved under a name, None if there is nothing that can be trusted."""
    for folder in _folders():
        try:
            data = (folder / name).read_bytes() if _is_ours(folder) else b""
        except OSError:
            continue
        code = data[_DIGEST_BYTES:]
        if code and hashlib.sha256(code).digest() == data[:_DIGEST_BYTES]:
            return code
    return None


def save(name: str, code: bytes) -> None:
    """Keep something under a name, if that is possible.

    Args:
        name: "KIND-DIGEST"; of each kind only the newest are kept.
        code: what is to be kept.
    """
    for folder in _folders():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_ours(folder):
                _replace(folder / name, hashlib.sha256(code).digest() + code)
                _tidy(folder, name)
                return
        except OSError as failure:
            logger.debug("compiled code cannot be kept in %s: %s", folder, failure)
    logger.info("compiled code cannot be kept, it will be compiled anew next time")


def _replace(path: Path, data: bytes) -> None:
    """Write a file that other processes may be reading or writing."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _tidy(folder: Path, name: str) -> None:
    """Remove the oldest files of a kind."""
    found = [
        (path.stat().st_mtime_ns, path) for path in folder.glob(f"{name.rpartition('-')[0]}-*")
    ]
    for _, path in sorted(found)[:-_KEPT]:
        path.unlink(missing_ok=True)


def _is_ours(folder: Path) -> bool:
    """Say whether this is a folder where nobody but the user can put anything."""
    found = folder.lstat()
    is_alone = found.st_uid == os.geteuid() and not found.st_mode & 0o022
    return stat.S_ISDIR(found.st_mode) and is_alone


def _folders() -> list[Path]:
    chosen, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    # the XDG specification says that a relative path there is to be ignored
    base = chosen if chosen.startswith("/") else f"{home}/.cache" if home else ""
    folders = [Path(base) / "hostrt"] if base else []
    try:
        folders.append(Path(tempfile.gettempdir()) / f"hostrt-{os.geteuid()}")
    except OSError:
        logger.debug("there is no folder for temporary files")
    return folders
