"""Walk an inflated tar stream: POSIX ustar with pax headers and GNU long names.

Layout: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format". Stricter
than common readers on purpose (sima-bundle 7): any fault in structure refuses the whole stream, and
wherever two readers could disagree about where a member ends, the stream is refused as well.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from firmware_protocol.errors import FormatError
from firmware_protocol.members import ArchiveLimitError, MemberKind

BLOCK = 512
"""Size of a header, and what member data is padded to, in bytes."""

MAX_EXTENSION_BYTES = 1 << 20
"""Size limit of one pax header or GNU long name."""

MAX_EXTENSIONS_BYTES = 2 << 20
"""Size limit of all of them together: they are taken apart record by record."""

_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_POSIX_MAGIC, _GNU_MAGIC = b"ustar\x0000", b"ustar  \x00"
_CHECKSUM = slice(148, 156)
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_DECIMAL = re.compile(rb"[0-9]{1,18}")
_SPARSE_MORE_IN_HEADER, _SPARSE_MORE_IN_BLOCK = 482, 504
_KINDS = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"1": MemberKind.HARD_LINK,
    b"2": MemberKind.SYMLINK,
    b"3": MemberKind.DEVICE,
    b"4": MemberKind.DEVICE,
    b"5": MemberKind.FOLDER,
    b"6": MemberKind.FIFO,
    b"S": MemberKind.SPARSE,
}
_WITHOUT_DATA = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
_EXTENSIONS = frozenset({b"x", b"g", b"L", b"K"})


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One member of a tar stream.

    Attributes:
        name: as stored (pax and GNU long names applied); undecodable bytes as surrogate escapes.
        kind: what it is; anything but FILE and FOLDER is for naming it to the user only.
        size: stored bytes.
        offset: where its data starts in the stream, in bytes.
        mode: permission bits as stored.
    """

    name: str
    kind: MemberKind
    size: int
    offset: int
    mode: int


@dataclass(slots=True)
class _Pending:
    """What extension headers said about the next member."""

    name: bytes | None = None
    link: bytes | None = None
    size: int | None = None
    sparse: bool = False
    seen: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Header:
    name: bytes
    mode: int
    size: int
    flag: bytes


def walk_tar(
    data: bytes | bytearray, file: str, *, max_entries: int = 1 << 16
) -> tuple[TarEntry, ...]:
    """List all members of a whole, inflated tar stream.

    Args:
        data: the stream, to its last byte.
        file: its name for messages.
        max_entries: members allowed; extension headers may be four times as many.

    Raises:
        FormatError: any fault of structure: checksum, sizes, end blocks, bytes after the end.
        ArchiveLimitError: more members than allowed.
    """
    return _Walk(data, file, max_entries).run()


class _Walk:
    def __init__(self, data: bytes | bytearray, file: str, max_entries: int) -> None:
        self._data = data
        self._file = file
        self._max_entries = max_entries
        self._pending = _Pending()
        self._entries: list[TarEntry] = []
        self._extension_bytes = 0

    def run(self) -> tuple[TarEntry, ...]:
        at, headers = 0, 0
        while not self._is_zero_block(at):
            headers += 1
            if headers > 5 * self._max_entries or len(self._entries) >= self._max_entries:
                raise ArchiveLimitError(
                    self._file, at, "one more member", f"at most {self._max_entries} members"
                )
            at = self._member(at)
        self._check_end(at)
        return tuple(self._entries)

    def _fault(self, at: int, found: object, expected: object) -> FormatError:
        return FormatError(self._file, at, found, expected)

    def _block(self, at: int) -> bytes:
        block = bytes(self._data[at : at + BLOCK])
        if len(block) < BLOCK:
            raise self._fault(
                at, f"the end of the data after {len(block)} bytes", "a tar block of 512 bytes"
            )
        return block

    def _is_zero_block(self, at: int) -> bool:
        return not any(self._block(at))

    def _check_end(self, at: int) -> None:
        if self._pending.seen:
            raise self._fault(at, "the end of the archive", f"a member for {self._pending.seen[0]}")
        if not self._is_zero_block(at + BLOCK):
            raise self._fault(at + BLOCK, "data after one zero block", "a second zero block")
        tail = at + 2 * BLOCK
        if self._data.count(0, tail) != len(self._data) - tail:
            raise self._fault(tail, "data after the end of the archive", "zero padding only")

    def _member(self, at: int) -> int:
        """Take the header at `at` with its data; give the offset of the next header."""
        header = self._header(at)
        start = at + BLOCK
        end = start + header.size
        if end > len(self._data):
            raise self._fault(
                at, f"a member of {header.size} bytes", f"at most {len(self._data) - start}"
            )
        if header.flag in _EXTENSIONS:
            self._extension(header, at, bytes(self._data[start:end]))
        else:
            start = self._entry(header, at)
            end = start + header.size
        return end + -header.size % BLOCK

    def _header(self, at: int) -> _Header:
        block = self._block(at)
        fields = _HEADER.unpack(block)
        name, mode, size, stored, flag, magic, prefix = (fields[i] for i in (0, 1, 4, 6, 7, 9, 14))
        if magic not in {_POSIX_MAGIC, _GNU_MAGIC}:
            raise self._fault(at, f"magic {magic!r}", "a ustar or GNU tar header")
        total = sum(block) - sum(block[_CHECKSUM]) + 8 * ord(" ")
        if self._number(stored, at, "checksum") != total:
            raise self._fault(at, f"checksum {stored!r}", f"{total:06o}, the sum of the header")
        name = name.partition(b"\0")[0]
        prefix = prefix.partition(b"\0")[0]
        if prefix and magic == _POSIX_MAGIC:
            name = prefix + b"/" + name
        return _Header(
            name, self._number(mode, at, "mode"), self._number(size, at, "size"), bytes(flag)
        )

    def _number(self, stored: bytes, at: int, what: str) -> int:
        """Read an octal field, or GNU's base-256 form (first bit set; 0xff means negative)."""
        if stored[0] == 0x80:
            return int.from_bytes(stored[1:], "big")
        match = _OCTAL.fullmatch(stored)
        if match is None:
            negative = stored[0] == 0xFF
            raise self._fault(
                at, f"{what} {stored!r}", "a positive number" if negative else "an octal number"
            )
        return int(match[1], 8)

    def _entry(self, header: _Header, at: int) -> int:
        """Add a member; give the offset of its data."""
        pending, self._pending = self._pending, _Pending()
        kind = _KINDS.get(header.flag, MemberKind.OTHER)
        if header.size and header.flag in _WITHOUT_DATA:
            raise self._fault(at, f"a {kind} with {header.size} bytes of data", "none")
        # Readers disagree on which of two sizes counts; a member may not have two.
        if pending.size is not None and pending.size != header.size:
            raise self._fault(
                at, f"size {header.size} in the header", f"{pending.size} as in its pax header"
            )
        start = at + BLOCK
        if kind is MemberKind.SPARSE:
            start = self._after_sparse_map(at)
            if start + header.size > len(self._data):
                raise self._fault(at, f"a sparse member of {header.size} bytes", "less")
        name = header.name if pending.name is None else pending.name
        self._entries.append(
            TarEntry(
                name.decode("utf-8", "surrogateescape"),
                MemberKind.SPARSE if pending.sparse else kind,
                header.size,
                start,
                header.mode,
            )
        )
        return start

    def _after_sparse_map(self, at: int) -> int:
        more = self._block(at)[_SPARSE_MORE_IN_HEADER]
        at += BLOCK
        while more:
            more = self._block(at)[_SPARSE_MORE_IN_BLOCK]
            at += BLOCK
        return at

    def _extension(self, header: _Header, at: int, body: bytes) -> None:
        if header.size > MAX_EXTENSION_BYTES:
            raise self._fault(
                at, f"an extension header of {header.size} bytes", f"at most {MAX_EXTENSION_BYTES}"
            )
        self._extension_bytes += header.size
        if self._extension_bytes > MAX_EXTENSIONS_BYTES:
            raise ArchiveLimitError(
                self._file, at, "more extension headers", f"at most {MAX_EXTENSIONS_BYTES} bytes"
            )
        match header.flag:
            case b"L":
                self._set("name", body.rstrip(b"\0"), at)
            case b"K":
                self._set("link", body.rstrip(b"\0"), at)
            case b"x":
                self._pax(body, at)
            case _:
                self._global_pax(body, at)

    def _set(self, what: str, value: bytes | int, at: int) -> None:
        if getattr(self._pending, what) is not None:
            raise self._fault(at, f"a second {what} for the same member", "one")
        setattr(self._pending, what, value)
        self._pending.seen.append(f"the {what} at 0x{at:x}")

    def _pax(self, body: bytes, at: int) -> None:
        self._pending.seen.append(f"the pax header at 0x{at:x}")
        for key, value in self._pax_records(body, at):
            if key == b"path":
                self._set("name", value, at)
            elif key == b"linkpath":
                self._set("link", value, at)
            elif key == b"size":
                if not _DECIMAL.fullmatch(value):
                    raise self._fault(at, f"pax size {value[:40]!r}", "a decimal number")
                self._set("size", int(value), at)
            elif key.startswith(b"GNU.sparse."):
                self._pending.sparse = True

    def _global_pax(self, body: bytes, at: int) -> None:
        for key, _ in self._pax_records(body, at):
            if key in {b"path", b"linkpath", b"size"} or key.startswith(b"GNU.sparse."):
                raise self._fault(at, f"a global pax header with {key[:40]!r}", "none")

    def _pax_records(self, body: bytes, at: int) -> list[tuple[bytes, bytes]]:
        """Split a pax header into (key, value): "LENGTH KEY=VALUE", newline, ..."""
        records = []
        position = 0
        while position < len(body):
            digits = body[position : position + 8].partition(b" ")[0]
            length = int(digits) if _DECIMAL.fullmatch(digits) else 0
            record = body[position : position + length]
            key, equals, value = record[len(digits) + 1 :].partition(b"=")
            if len(record) != length or not equals or not key or not record.endswith(b"\n"):
                raise self._fault(
                    at + BLOCK + position,
                    f"pax record {body[position:][:20]!r}",
                    "LENGTH KEY=VALUE",
                )
            records.append((key, value[:-1]))
            position += length
        return records
