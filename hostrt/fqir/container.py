"""The containers FQIR files come in, and how to recognise them (FQIR reference 1.1 to 1.3)."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from firmware_protocol.members import member_path, printable_name, refused_members
from firmware_protocol.ziplayout import STORED, ZipEntry, walk_zip
from hostrt.errors import ProgramCorrupt, ProgramUnsafe, ProgramUnsupported
from hostrt.fqir.limits import Limits, over_limit
from hostrt.program.intake import format_faults

_ZIP_START = b"PK\x03\x04"
_PICKLE_START = re.compile(rb"\x80[\x02-\x05]")
# the magic number 0x1950a86a20f9469cfc6c as a pickle, which protocol 4 puts into a frame
_LEGACY_START = re.compile(
    rb"\x80[\x02-\x05](?:\x95\x0d\0{7})?\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\."
)
_PICKLE_MEMBER = re.compile(r"[^/]+/data\.pkl")
# a directory entry of a zip: 28 bytes on stands the length of the name, at 46 the name
_LISTED_PICKLE = re.compile(rb"PK\x01\x02.{42}[^/\x00]{1,1024}?/data\.pkl", re.DOTALL)
_HEAD, _TAIL = 4, 1 << 17


class Container(Enum):
    """What surrounds the pickle."""

    ZIP = "zip"
    LEGACY = "legacy stream"
    BARE = "bare pickle"


@dataclass(frozen=True, slots=True)
class PickleSpan:
    """Where the pickles of a file are.

    Attributes:
        container: what surrounds them.
        start: offset of the first pickle.
        stop: offset where the last one must have ended.
    """

    container: Container
    start: int
    stop: int


def is_fqir_file(path: str | os.PathLike[str]) -> bool:
    """Say whether a file looks like an FQIR model; nothing in it is decoded.

    Looks at the first bytes and, in a zip, at the end of the directory. True is no promise:
    loading decides. False for what cannot be read.
    """
    path = Path(path)
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _TAIL))
            return looks_like_fqir(head, stream.read(_TAIL))
    except (OSError, ValueError):
        return False


def looks_like_fqir(head: bytes, tail: bytes = b"") -> bool:
    """Say whether the first and the last bytes are those of an FQIR model.

    Args:
        head: at least the first 4 bytes.
        tail: the end of the file, with the directory if it is a zip; empty when `head` is the
            whole file.
    """
    if head.startswith(_ZIP_START):
        return _LISTED_PICKLE.search(tail or head) is not None
    return _PICKLE_START.match(head) is not None


def find_pickle(data: bytes, file: str, limits: Limits) -> PickleSpan:
    """Find the pickle in a whole file, after checking what is around it.

    Args:
        data: the file.
        file: its name for messages.
        limits: budgets.

    Raises:
        ProgramCorrupt: a fault of the zip's structure, or a wrong checksum.
        ProgramUnsafe: hostile or too many members, or several pickles.
        ProgramUnsupported: not FQIR, or members that are compressed.
    """
    if data.startswith(_ZIP_START):
        return _in_zip(data, file, limits)
    if _LEGACY_START.match(data):
        return PickleSpan(Container.LEGACY, 0, len(data))
    if _PICKLE_START.match(data):
        return PickleSpan(Container.BARE, 0, len(data))
    found = f"{data[:4]!r} at the start" if data else "an empty file"
    raise ProgramUnsupported(
        f"{file}: found {found}, expected a zip, or a pickle of protocol 2 to 5",
        hint="give the .pt file that fmot.save wrote",
        file=file,
    )


def _in_zip(data: bytes, file: str, limits: Limits) -> PickleSpan:
    with format_faults(file):
        entries = walk_zip(data, file, max_entries=limits.members)
    refused = refused_members((entry.name, entry.kind) for entry in entries)
    if refused:
        raise ProgramUnsafe(
            f"{file}: found member {refused[0]}, expected plain files",
            hint="ask where the file comes from",
            file=file,
        )
    pickles = [entry for entry in entries if _PICKLE_MEMBER.fullmatch(member_path(entry.name))]
    if len(pickles) > 1:
        raise over_limit(file, f"{len(pickles)} members named data.pkl", "one")
    if not pickles:
        raise ProgramUnsupported(
            f"{file}: found {len(entries)} members and no <name>/data.pkl, expected one",
            hint="give the .pt file that fmot.save wrote",
            file=file,
        )
    for entry in entries:
        _check_member(data, file, entry)
    return PickleSpan(Container.ZIP, pickles[0].offset, pickles[0].offset + pickles[0].size)


def _check_member(data: bytes, file: str, entry: ZipEntry) -> None:
    name = printable_name(entry.name)
    if entry.method != STORED:
        raise ProgramUnsupported(
            f"{file}: member {name} is compressed, expected it stored as torch does",
            hint="save the model again with fmot.save",
            file=file,
        )
    crc = zlib.crc32(memoryview(data)[entry.offset : entry.offset + entry.size])
    if crc != entry.crc:
        raise ProgramCorrupt(
            f"{file}, byte 0x{entry.offset:x}: found CRC {crc:08x} for member {name}, "
            f"expected {entry.crc:08x}",
            hint="the file is damaged; fetch it again",
            file=file,
        )
