"""Keeping compiled code from one process to the next; a cache that may fail without harm."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

logger = logging.getLogger(__name__)

_DIGEST = hashlib.sha256
_DIGEST_BYTES = 32


def load(name: str) -> bytes | None:
    """Give what was saved under a name, None if there is nothing that can be trusted."""
    path = _folder() / name
    try:
        if not _is_ours(path.parent):
            return None
        data = path.read_bytes()
    except OSError:
        return None
    if _DIGEST(data[_DIGEST_BYTES:]).digest() != data[:_DIGEST_BYTES]:
        return None
    return data[_DIGEST_BYTES:]


def save(name: str, data: bytes) -> None:
    """Keep something under a name, if that is possible."""
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(folder):
            logger.info("compiled code is not kept: others can write to %s", folder)
            return
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(_DIGEST(data).digest() + data)
        Path(file.name).replace(folder / name)
    except OSError as failure:
        logger.info("compiled code is not kept: %s", failure)


def _is_ours(folder: Path) -> bool:
    """Say whether nobody but the user can put code there."""
    found = folder.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _folder() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    # the XDG specification says that a relative path there is to be ignored
    base = Path(chosen) if chosen.startswith("/") else Path(_home()) / ".cache"
    return base / "hostrt"


def _home() -> str:
    return os.environ.get("HOME") or "/nonexistent"
