"""Walk a zip file: end record, central directory and local headers, checked against each other.

Layout: PKWARE APPNOTE 6.3, sections 4.3 and 4.4. Stricter than common readers on purpose: the
members must lie one after the other from byte 0 to the central directory, so that nothing is
hidden before, between or under them, and both descriptions of a member must agree.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from firmware_protocol.errors import FormatError
from firmware_protocol.members import ArchiveLimitError, ArchiveUnsupportedError, MemberKind

STORED, DEFLATED = 0, 8
"""The two compression methods read here."""

MAX_DEFLATE_RATIO = 1032
"""Deflate cannot expand further: 258 bytes from two bits."""

_END = struct.Struct("<4sHHHHIIH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_DESCRIPTOR = struct.Struct("<III")
_LARGE_END = struct.Struct("<4sQHHIIQQQQ")
_LARGE_LOCATOR = struct.Struct("<4sIQI")
_END_MARK, _CENTRAL_MARK, _LOCAL_MARK, _DESCRIPTOR_MARK = (
    b"PK\x05\x06",
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x07\x08",
)
_ENCRYPTED, _DESCRIBED_LATER, _PATCHED, _STRONG, _MASKED = 0x1, 0x8, 0x20, 0x40, 0x2000
_LARGE_END_MARK, _LARGE_LOCATOR_MARK = b"PK\x06\x06", b"PK\x06\x07"
_MAX_COMMENT = 0xFFFF
_TYPE_BITS = {
    0: None,
    0o100000: None,
    0o040000: MemberKind.FOLDER,
    0o120000: MemberKind.SYMLINK,
    0o010000: MemberKind.FIFO,
}


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One member of a zip file.

    Attributes:
        name: as stored; undecodable bytes as surrogate escapes.
        kind: what it is; anything but FILE and FOLDER is for naming it to the user only.
        method: `STORED` or `DEFLATED`.
        crc: CRC-32 of the inflated bytes.
        stored_size: bytes in the file.
        size: bytes when inflated.
        offset: where the stored bytes start.
    """

    name: str
    kind: MemberKind
    method: int
    crc: int
    stored_size: int
    size: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Directory:
    at: int
    end: int
    count: int


@dataclass(frozen=True, slots=True)
class _Central:
    at: int
    name: bytes
    flags: int
    method: int
    crc: int
    stored_size: int
    size: int
    attributes: int
    local_at: int


def walk_zip(data: bytes, file: str, *, max_entries: int = 1 << 16) -> tuple[ZipEntry, ...]:
    """List all members of a whole zip file, in directory order.

    Args:
        data: the file.
        file: its name for messages.
        max_entries: members allowed.

    Raises:
        FormatError: any fault of structure, disagreement, gap or overlap.
        ArchiveUnsupportedError: encryption, other methods, several disks, ZIP64.
        ArchiveLimitError: more members than allowed.
    """
    directory = _find_directory(data, file)
    if directory.count > max_entries:
        raise ArchiveLimitError(
            file, directory.at, f"{directory.count} members", f"at most {max_entries}"
        )
    centrals = _read_directory(data, file, directory)
    position = 0
    offsets = {}
    for central in sorted(centrals, key=lambda central: central.local_at):
        if central.local_at != position:
            raise FormatError(
                file,
                central.at,
                f"a member at 0x{central.local_at:x}",
                f"0x{position:x}: members follow each other without gap or overlap",
            )
        offsets[central.at], position = _check_local(data, file, central)
    if position != directory.at:
        raise FormatError(file, position, "bytes that belong to no member", "the directory")
    return tuple(_entry(central, offsets[central.at], file) for central in centrals)


def _find_directory(data: bytes, file: str) -> _Directory:
    ends = _end_records(data)
    if len(ends) != 1:
        raise FormatError(file, None, f"{len(ends)} zip end records", "one")
    at = ends[0]
    _, disk, first_disk, here, count, size, start, _ = _END.unpack_from(data, at)
    if 0xFFFF in (here, count) or 0xFFFFFFFF in (size, start):
        raise ArchiveUnsupportedError(file, at, "a ZIP64 archive", "one below 4 GiB, 65535 members")
    if disk or first_disk or here != count:
        raise ArchiveUnsupportedError(file, at, "a part of a split archive", "a whole one")
    end = start + size
    if end != at and not _is_repeated_large(data, end, at, (count, size, start)):
        raise FormatError(file, at, f"a directory up to 0x{end:x}", f"0x{at:x}")
    return _Directory(start, end, count)


def _is_repeated_large(data: bytes, at: int, stop: int, declared: tuple[int, int, int]) -> bool:
    """Say whether a ZIP64 end record and its locator fill the gap and only repeat `declared`.

    Some writers put them into every archive; what they say is not needed then.
    """
    if stop - at != _LARGE_END.size + _LARGE_LOCATOR.size:
        return False
    mark, length, _, _, disk, first_disk, here, *same = _LARGE_END.unpack_from(data, at)
    locator = _LARGE_LOCATOR.unpack_from(data, at + _LARGE_END.size)
    return (mark, length, disk, first_disk, here, tuple(same), locator) == (
        _LARGE_END_MARK,
        _LARGE_END.size - 12,
        0,
        0,
        declared[0],
        declared,
        (_LARGE_LOCATOR_MARK, 0, at, 1),
    )


def _end_records(data: bytes) -> list[int]:
    """Offsets where an end record stands whose comment ends exactly at the end of the file."""
    found = []
    first = max(0, len(data) - _END.size - _MAX_COMMENT)
    at = data.find(_END_MARK, first)
    while at >= 0:
        if at + _END.size <= len(data):
            comment = _END.unpack_from(data, at)[-1]
            if at + _END.size + comment == len(data):
                found.append(at)
        at = data.find(_END_MARK, at + 1)
    return found


def _read_directory(data: bytes, file: str, directory: _Directory) -> list[_Central]:
    centrals: list[_Central] = []
    at = directory.at
    for _ in range(directory.count):
        if at + _CENTRAL.size > directory.end or not data.startswith(_CENTRAL_MARK, at):
            raise FormatError(
                file, at, f"{data[at : at + 4]!r}", f"entry {len(centrals)} of {directory.count}"
            )
        fields = _CENTRAL.unpack_from(data, at)
        flags, method, crc, stored, size, n_name, n_extra, n_comment = (
            fields[i] for i in (3, 4, 7, 8, 9, 10, 11, 12)
        )
        name_at = at + _CENTRAL.size
        name = data[name_at : name_at + n_name]
        centrals.append(
            _Central(at, name, flags, method, crc, stored, size, fields[15], fields[16])
        )
        _check_supported(centrals[-1], file)
        at = name_at + n_name + n_extra + n_comment
    if at != directory.end:
        raise FormatError(file, at, "the end of the last directory entry", f"0x{directory.end:x}")
    return centrals


def _check_supported(central: _Central, file: str) -> None:
    if central.flags & (_ENCRYPTED | _STRONG | _MASKED):
        raise ArchiveUnsupportedError(file, central.at, "an encrypted member", "none")
    if central.flags & _PATCHED:
        raise ArchiveUnsupportedError(file, central.at, "patch data", "a whole member")
    if central.method not in (STORED, DEFLATED):
        raise ArchiveUnsupportedError(
            file, central.at, f"compression method {central.method}", "stored or deflate"
        )
    if 0xFFFFFFFF in (central.size, central.stored_size, central.local_at):
        raise ArchiveUnsupportedError(file, central.at, "a ZIP64 member", "one below 4 GiB")
    most = (
        central.stored_size if central.method == STORED else central.stored_size * MAX_DEFLATE_RATIO
    )
    if central.size > most or (central.method == STORED and central.size != most):
        raise FormatError(
            file, central.at, f"{central.size} bytes from {central.stored_size}", f"at most {most}"
        )


def _check_local(data: bytes, file: str, central: _Central) -> tuple[int, int]:
    """Compare the local header with the directory; give (data offset, end of the record)."""
    at = central.local_at
    if at + _LOCAL.size > len(data) or not data.startswith(_LOCAL_MARK, at):
        raise FormatError(file, at, f"{data[at : at + 4]!r}", "a local header")
    fields = _LOCAL.unpack_from(data, at)
    flags, method, crc, stored, size, n_name, n_extra = (fields[i] for i in (2, 3, 6, 7, 8, 9, 10))
    start = at + _LOCAL.size + n_name + n_extra
    name = data[at + _LOCAL.size : at + _LOCAL.size + n_name]
    declared = (central.crc, central.stored_size, central.size)
    later = bool(flags & _DESCRIBED_LATER)
    allowed = {declared, (0, 0, 0)} if later else {declared}
    if (name, flags, method) != (central.name, central.flags, central.method) or (
        crc,
        stored,
        size,
    ) not in allowed:
        raise FormatError(
            file,
            at,
            f"local header {name[:80]!r} {(flags, method, crc, stored, size)}",
            f"{central.name[:80]!r} {(central.flags, central.method, *declared)} (directory)",
        )
    end = start + central.stored_size
    if later:
        end = _check_descriptor(data, file, end, declared)
    return start, end


def _check_descriptor(data: bytes, file: str, at: int, declared: tuple[int, int, int]) -> int:
    expected = _DESCRIPTOR.pack(*declared)
    for mark in (_DESCRIPTOR_MARK, b""):
        if data.startswith(mark + expected, at):
            return at + len(mark + expected)
    raise FormatError(file, at, "no data descriptor", "one that agrees with the directory")


def _entry(central: _Central, offset: int, file: str) -> ZipEntry:
    kind = _TYPE_BITS.get((central.attributes >> 16) & 0o170000, MemberKind.DEVICE)
    name = central.name.decode("utf-8", "surrogateescape")
    if name.endswith("/") and kind is None:
        kind = MemberKind.FOLDER
    if kind is MemberKind.FOLDER and central.size:
        raise FormatError(file, central.at, f"a folder of {central.size} bytes", "none")
    return ZipEntry(
        name,
        kind or MemberKind.FILE,
        central.method,
        central.crc,
        central.stored_size,
        central.size,
        offset,
    )
