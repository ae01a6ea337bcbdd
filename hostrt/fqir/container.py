"""The containers FQIR files come in, and how to recognise them (FQIR reference 1.1 to 1.3)."""

from __future__ import annotations

import os
import re
import struct
import zlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.members import member_path, printable_name, refused_members
from firmware_protocol.ziplayout import STORED, ZipEntry, walk_zip
from hostrt.errors import ProgramCorrupt, ProgramUnsafe, ProgramUnsupported
from hostrt.program.intake import format_faults

if TYPE_CHECKING:
    from hostrt.fqir.limits import Limits

_ZIP_START = b"PK\x03\x04"
_PICKLE_START = re.compile(rb"\x80[\x02-\x05]")
# the magic number 0x1950a86a20f9469cfc6c as a pickle, which protocol 4 puts into a frame
_LEGACY_START = re.compile(
    rb"\x80[\x02-\x05](?:\x95\x0d\0{7})?\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\."
)
_PICKLE_MEMBER = re.compile(r"[^/]+/data\.pkl")
_LISTED_PICKLE = re.compile(rb"[^/]+/data\.pkl")
_CENTRAL, _END = b"PK\x01\x02", b"PK\x05\x06"
_CENTRAL_SIZE, _END_SIZE = 46, 22
_NAME_LENGTHS, _DIRECTORY_START = struct.Struct("<28x3H"), struct.Struct("<16xI")
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
            base = max(0, stream.seek(0, os.SEEK_END) - _TAIL)
            stream.seek(base)
            return _looks_like_fqir(head, stream.read(_TAIL), base)
    except (OSError, ValueError):
        return False


def looks_like_fqir(data: bytes) -> bool:
    """Say whether the bytes of a whole file look like an FQIR model; as `is_fqir_file`."""
    return _looks_like_fqir(data[:_HEAD], data, 0)


def _looks_like_fqir(head: bytes, tail: bytes, base: int) -> bool:
    if head.startswith(_ZIP_START):
        return _lists_pickle(tail, base)
    return _PICKLE_START.match(head) is not None


def _lists_pickle(tail: bytes, base: int) -> bool:
    """Say whether the directory at the end of a zip lists a `<name>/data.pkl`.

    Args:
        tail: the end of the file.
        base: offset of `tail` in the file.
    """
    end = tail.rfind(_END)
    if end < 0 or end + _END_SIZE > len(tail):
        return False
    at = _DIRECTORY_START.unpack_from(tail, end)[0] - base
    while 0 <= at <= len(tail) - _CENTRAL_SIZE and tail.startswith(_CENTRAL, at):
        lengths = _NAME_LENGTHS.unpack_from(tail, at)
        at += _CENTRAL_SIZE
        if _LISTED_PICKLE.fullmatch(tail, at, at + lengths[0]):
            return True
        at += sum(lengths)
    return False


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
        raise ProgramUnsafe(
            f"{file}: found {len(pickles)} members named data.pkl, expected one",
            hint="ask where the file comes from",
            file=file,
        )
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
