"""Files that are either complete or absent: written beside their target, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from hostrt.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: target; its folder must exist.
        data: the whole content.

    Raises:
        StorageError: disk full, no permission, no such folder; the old file is untouched.
    """
    # a name of its own, so that two writers of one file cannot mix their bytes
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - the call that tests of faults replace
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise storage_error(path, error) from error


def storage_error(path: Path, error: OSError) -> StorageError:
    """Say in one line why a file or folder could not be written."""
    reason = error.strerror or type(error).__name__
    return StorageError(
        f"{path}: cannot write: {reason}",
        hint="choose another folder with --output-dir, or free space and check permissions",
        file=str(path),
    )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
