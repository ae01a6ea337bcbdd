"""Writing files so that a reader sees the old contents or the new, never half of them."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from hostrt.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import TypeAlias

    Contents: TypeAlias = bytes | bytearray | Sequence[bytearray | memoryview]


def write_file(path: Path, data: Contents, *, sync_folder: bool = False) -> None:
    """Write one file beside its target, sync it and rename it into place.

    Args:
        path: the target.
        data: its contents, or the pieces they consist of.
        sync_folder: return only when the new name is on the medium too, for a card that is pulled
            out next. Without, a power cut right after may leave the old contents, whole.

    Raises:
        StorageError: the folder is missing or not writable, or the disk is full; what was there
            before is untouched.
    """
    # a name of its own, so that two writers of one file cannot mix their bytes
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as stream:
            stream.writelines([data] if isinstance(data, bytes | bytearray) else data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        if sync_folder:
            _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}",
            hint="check that the folder exists, is writable and has room",
            path=str(path),
        ) from error
    finally:
        # renamed by now, unless something went wrong or somebody pressed Ctrl-C
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_files(files: Mapping[Path, Contents], *, sync_folder: bool = False) -> None:
    """Write several files, each as `write_file` does."""
    for path, data in files.items():
        write_file(path, data, sync_folder=sync_folder)


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


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where folders can be synced at all."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
