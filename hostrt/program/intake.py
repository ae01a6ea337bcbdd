"""What every program file passes first: budgets, reading it whole, one wording for its faults."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from firmware_protocol.errors import FormatError
from firmware_protocol.members import ArchiveLimitError, ArchiveUnsupportedError
from hostrt.errors import ProgramCorrupt, ProgramNotFound, ProgramUnsafe, ProgramUnsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

Source: TypeAlias = str | Path | bytes
"""A path, or the bytes of a file."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """What a program file may cost.

    Peak memory of a tar is about twice its inflated bytes. The vendor's own loader allows 2048
    entries, 32 MiB and 64 levels of JSON (sima-bundle 7); the largest known bundle inflates to
    about 130 MB.

    Attributes:
        archive_bytes: size of the archive file.
        inflated_bytes: inflated bytes of all members together, headers and padding included.
        entries: number of members.
        member_bytes: inflated bytes of one member.
        json_bytes: bytes of one JSON document.
        json_depth: nesting of a JSON document.
        yaml_bytes: bytes of one YAML document.
    """

    archive_bytes: int = 1 << 30
    inflated_bytes: int = 1 << 30
    entries: int = 2048
    member_bytes: int = 1 << 30
    json_bytes: int = 32 << 20
    json_depth: int = 64
    yaml_bytes: int = 16 << 20


def read_source(source: Source, budgets: Budgets, name: str | None = None) -> tuple[bytes, str]:
    """Read a program file whole.

    Returns:
        Its bytes and its name for messages.

    Raises:
        ProgramNotFound: no such file, not a regular file, or not readable.
        ProgramUnsafe: larger than `budgets.archive_bytes`.
    """
    if isinstance(source, bytes):
        data, name = source, name or "archive"
    else:
        name = name or str(source)
        data = _read_file(Path(source), budgets.archive_bytes + 1)
    if len(data) > budgets.archive_bytes:
        raise over_budget(name, "a larger file", budgets.archive_bytes)
    return data, name


def over_budget(name: str, found: str, limit: int) -> ProgramUnsafe:
    """Make the error for a file that costs more than allowed; `limit` in bytes."""
    return ProgramUnsafe(
        f"{name}: found {found}, expected at most {limit} bytes",
        hint="raise the limit in Budgets if you trust the file", file=name, limit=limit,
    )  # fmt: skip


@contextmanager
def format_faults(name: str) -> Iterator[None]:
    """Turn faults that `firmware_protocol` finds in the file `name` into hostrt's errors.

    Raises:
        ProgramCorrupt: for `FormatError`.
        ProgramUnsafe: for `ArchiveLimitError`.
        ProgramUnsupported: for `ArchiveUnsupportedError`.
    """
    try:
        yield
    except ArchiveLimitError as error:
        hint = "raise the limit in Budgets if you trust the file"
        raise ProgramUnsafe(str(error), hint=hint, file=name) from error
    except ArchiveUnsupportedError as error:
        hint = "pack it again with ordinary settings"
        raise ProgramUnsupported(str(error), hint=hint, file=name) from error
    except FormatError as error:
        hint = "fetch the file again, or compile it again"
        raise ProgramCorrupt(str(error), hint=hint, file=name) from error


def _read_file(path: Path, limit: int) -> bytes:
    try:
        # Opening a FIFO would block; only a regular file is opened.
        if not path.is_file():
            reason = "not a regular file" if path.exists() else "no such file"
            raise ProgramNotFound(f"{path}: {reason}", hint="check the path", file=str(path))
        with path.open("rb") as stream:
            # A buffer of `limit` bytes would be reserved whatever the size of the file.
            return stream.read(min(limit, os.fstat(stream.fileno()).st_size))
    except (OSError, ValueError) as error:
        code = error.errno if isinstance(error, OSError) else errno.EINVAL
        raise ProgramNotFound(
            f"{path!s}: cannot be read: {errno.errorcode.get(code or 0, 'unknown error')}",
            hint="check the path and its permissions",
            file=str(path),
        ) from error
