"""Writing files so that a reader sees the old contents or the new, never half of them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHARED_MODE = 0o666


def write_file(path: Path, data: bytes) -> None:
    """Write one file beside its target and rename it into place.

    Raises:
        StorageError: the folder is missing or not writable, or the disk is full.
    """
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(_SHARED_MODE & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise StorageError(
            f"cannot write {path}: {error.strerror}",
            hint="check that the folder exists, is writable and has room",
            path=str(path),
        ) from error


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write several files, each as `write_file` does."""
    for path, data in files.items():
        write_file(path, data)


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make folder {path}: {error.strerror}",
            hint="choose another place",
            path=str(path),
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
