"""The one door for archives: nothing else in hostrt inflates a zip or a tar.

An archive comes in whole or not at all. It is inflated in memory within `Budgets`, never on disk;
every checksum is checked; names, links and special members that could do harm refuse it.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from firmware_protocol.members import (
    MemberKind,
    member_path,
    printable_name,
    refused_members,
)
from firmware_protocol.tar import walk_tar
from firmware_protocol.ziplayout import STORED, ZipEntry, walk_zip
from hostrt.errors import ProgramCorrupt, ProgramUnsafe, UsageError
from hostrt.program.intake import Budgets, Source, format_faults, over_budget, read_source

if TYPE_CHECKING:
    import zipfile
    from pathlib import Path
    from typing import TypeVar

    from firmware_protocol.tar import TarEntry

    _EntryT = TypeVar("_EntryT", TarEntry, ZipEntry)

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_FORMAT, _RAW_DEFLATE = 31, -15
_INPUT_STEP, _OUTPUT_STEP = 1 << 16, 1 << 20
_MAX_GZIP_MEMBERS = 1 << 14  # parallel compressors write one per 64 KiB and more
_NAMES_SHOWN = 3
_WORTH_A_THREAD = 1 << 18  # zlib works on 200 MB/s and lets other threads run meanwhile
_INFLATERS = 4
_ZIP_DATE = (2024, 1, 1, 0, 0, 0)
_PRIVATE_FILE = 0o600 << 16
_ZIP_END = struct.Struct("<4s4H2IH")
_ZIP_END_MARK = b"PK\x05\x06"


@dataclass(frozen=True, slots=True, eq=False)
class Archive(Mapping[str, bytes]):
    """The regular files of an archive: name to bytes, in archive order.

    Attributes:
        kind: "tar.gz" or "zip".
        name: file name of the archive, for messages.
        sha256: of the archive itself, hexadecimal.
        n_bytes: size of the archive itself.
        members: what the mapping shows.
    """

    kind: Literal["tar.gz", "zip"]
    name: str
    sha256: str
    n_bytes: int
    members: Mapping[str, bytes] = field(repr=False)

    def __getitem__(self, name: str) -> bytes:
        return self.members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def sizes(self) -> dict[str, int]:
        """Inflated size of every member, in bytes."""
        return {name: len(data) for name, data in self.members.items()}

    def digests(self) -> dict[str, str]:
        """SHA-256 of every member, hexadecimal."""
        return {name: hashlib.sha256(data).hexdigest() for name, data in self.members.items()}


def read_tar_gz(
    source: Source, budgets: Budgets | None = None, *, name: str | None = None
) -> Archive:
    """Read a gzip-compressed tar into memory.

    Args:
        source: path, or the bytes of the file; the file's name does not matter.
        budgets: limits.
        name: name for messages when `source` is bytes.

    Raises:
        ProgramNotFound: the file is not there or cannot be read.
        ProgramCorrupt: any fault of structure, checksum or length.
        ProgramUnsafe: hostile members (all in `context["members"]`) or a budget exceeded.
    """
    budgets = budgets or Budgets()
    data, name = read_source(source, budgets, name)
    stream = _inflate_gzip(data, name, budgets.inflated_bytes)
    with format_faults(name):
        entries = walk_tar(stream, name, max_entries=budgets.entries)
    view = memoryview(stream)
    members = _collect(
        entries, name, budgets, lambda entry: bytes(view[entry.offset : entry.offset + entry.size])
    )
    return Archive("tar.gz", name, hashlib.sha256(data).hexdigest(), len(data), members)


def read_zip(source: Source, budgets: Budgets | None = None, *, name: str | None = None) -> Archive:
    """Read a zip file into memory; arguments and errors as in `read_tar_gz`.

    Raises:
        ProgramUnsupported: encrypted, split or ZIP64 archives, methods other than deflate.
    """
    budgets = budgets or Budgets()
    data, name = read_source(source, budgets, name)
    members = zip_members(data, name, budgets)
    return Archive("zip", name, hashlib.sha256(data).hexdigest(), len(data), members)


def zip_members(data: bytes, name: str, budgets: Budgets | None = None) -> Mapping[str, bytes]:
    """Inflate the regular files of a zip; errors as of `read_zip`.

    Args:
        data: the file.
        name: its name for messages.
        budgets: limits.
    """
    budgets = budgets or Budgets()
    with format_faults(name):
        entries = walk_zip(data, name, max_entries=budgets.entries)
    total = sum(entry.size for entry in entries)
    if total > budgets.inflated_bytes:
        raise over_budget(name, f"{total} inflated bytes", budgets.inflated_bytes)
    return _collect(entries, name, budgets, lambda entry: _inflate_member(data, name, entry))


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip of our own kind to read members one by one: arrays that are too large at once.

    zipfile does not compare what it lists with what the end record counts: a damaged length in
    the directory makes the members behind it part of a comment, and they would be missed quietly.

    Raises:
        OSError: it cannot be read.
        zipfile.BadZipFile: no zip, or members are missing.
    """
    import zipfile

    archive = zipfile.ZipFile(path)
    try:
        with path.open("rb") as stream:
            stream.seek(-_ZIP_END.size - len(archive.comment), os.SEEK_END)
            mark, *_, count, _, _, _ = _ZIP_END.unpack(stream.read(_ZIP_END.size))
        found = len(archive.infolist())
        if (mark, count) != (_ZIP_END_MARK, found):
            raise zipfile.BadZipFile(f"{found} members where its end record says {count}")
    except BaseException:
        archive.close()
        raise
    return archive


def write_zip(members: Mapping[str, bytes]) -> bytes:
    """Make a zip file; the same members in the same order give the same bytes.

    Raises:
        UsageError: a name that `read_zip` would refuse.
    """
    import zipfile

    refused = refused_members((name, MemberKind.FILE) for name in members)
    if refused:
        raise UsageError(f"cannot write a zip member {refused[0]}", hint="use plain file names")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, _ZIP_DATE)
            info.create_system = 3  # Unix, on every system, for the mode below
            info.external_attr = _PRIVATE_FILE
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return buffer.getvalue()


def is_gzip(data: bytes) -> bool:
    """Say whether `data` begins like a gzip file."""
    return data.startswith(_GZIP_MAGIC)


def _inflate_gzip(data: bytes, name: str, limit: int) -> bytearray:
    """Inflate all gzip members; zlib checks CRC-32 and length of each."""
    if not is_gzip(data):
        raise ProgramCorrupt(
            f"{name}: found {data[:2]!r} at the start, expected gzip", hint="is it the right file?",
            file=name,
        )  # fmt: skip
    inflated = bytearray()
    at = 0
    for _ in range(_MAX_GZIP_MEMBERS):
        at = _inflate_gzip_member(data, at, name, inflated, limit)
        if not data.startswith(_GZIP_MAGIC, at):
            break
    else:
        raise ProgramUnsafe(
            f"{name}: found more than {_MAX_GZIP_MEMBERS} gzip members, expected fewer",
            hint="compress it again in one piece",
            file=name,
        )
    if data.count(0, at) != len(data) - at:
        raise ProgramCorrupt(
            f"{name}, byte 0x{at:x}: found data after the end of the gzip stream, expected zero "
            "padding only",
            hint="fetch the file again", file=name,
        )  # fmt: skip
    return inflated


def _inflate_gzip_member(data: bytes, at: int, name: str, out: bytearray, limit: int) -> int:
    """Append one gzip member's contents to `out`; give the offset behind the member."""
    inflater = zlib.decompressobj(_GZIP_FORMAT)
    try:
        while not inflater.eof:
            piece = inflater.unconsumed_tail
            if not piece:
                piece = data[at : at + _INPUT_STEP]
                at += len(piece)
            produced = inflater.decompress(piece, min(_OUTPUT_STEP, limit - len(out) + 1))
            out += produced
            if len(out) > limit:
                raise over_budget(name, "more inflated bytes", limit)
            if not piece and not produced and not inflater.eof:
                raise ProgramCorrupt(
                    f"{name}: the gzip stream stops after 0x{at:x} bytes, expected more",
                    hint="the file was cut short; fetch it again", file=name,
                )  # fmt: skip
    except zlib.error as error:
        raise ProgramCorrupt(
            f"{name}: gzip stream damaged before byte 0x{at:x} ({error})",
            hint="fetch the file again", file=name,
        ) from error  # fmt: skip
    return at - len(inflater.unused_data)


def _inflate_member(data: bytes, archive: str, entry: ZipEntry) -> bytes:
    stored = data[entry.offset : entry.offset + entry.stored_size]
    whole = True
    if entry.method == STORED:
        inflated = stored
    else:
        inflater = zlib.decompressobj(_RAW_DEFLATE)
        try:
            # One byte more than declared, so that a longer stream shows.
            inflated = inflater.decompress(stored, entry.size + 1)
        except zlib.error as error:
            raise _damaged(archive, entry, str(error)) from error
        whole = inflater.eof and not inflater.unused_data and not inflater.unconsumed_tail
    if not whole or len(inflated) != entry.size:
        raise _damaged(archive, entry, f"expected {entry.size} bytes and no more")
    if zlib.crc32(inflated) != entry.crc:
        raise _damaged(archive, entry, f"CRC {zlib.crc32(inflated):08x}, expected {entry.crc:08x}")
    return inflated


def _damaged(archive: str, entry: ZipEntry, what: str) -> ProgramCorrupt:
    member = printable_name(entry.name)
    return ProgramCorrupt(
        f"{archive}: member {member} at byte 0x{entry.offset:x} is damaged: {what}",
        hint="fetch the file again", file=archive, member=member,
    )  # fmt: skip


def _collect(
    entries: tuple[_EntryT, ...],
    name: str,
    budgets: Budgets,
    inflate: Callable[[_EntryT], bytes],
) -> Mapping[str, bytes]:
    refused = refused_members((entry.name, entry.kind) for entry in entries)
    if refused:
        shown = ", ".join(str(member) for member in refused[:_NAMES_SHOWN])
        more = len(refused) - _NAMES_SHOWN
        raise ProgramUnsafe(
            f"{name}: refused members: {shown}{f' and {more} more' if more > 0 else ''}",
            hint="do not unpack this archive; ask where it comes from",
            file=name,
            members=[{"name": member.name, "reason": member.reason} for member in refused],
        )
    for entry in entries:
        if entry.size > budgets.member_bytes:
            raise over_budget(name, f"member {printable_name(entry.name)}", budgets.member_bytes)
    files = [entry for entry in entries if entry.kind is MemberKind.FILE]
    names = [member_path(entry.name) for entry in files]
    if sum(entry.size for entry in files) < _WORTH_A_THREAD:
        contents = [inflate(entry) for entry in files]
    else:
        with ThreadPoolExecutor(_INFLATERS) as pool:
            contents = list(pool.map(inflate, files))
    return MappingProxyType(dict(zip(names, contents, strict=True)))
