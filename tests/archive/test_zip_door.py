"""Archives as a security boundary: zip."""

from __future__ import annotations

import hashlib
import io
import struct
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import (
    ProgramCorrupt,
    ProgramError,
    ProgramUnsafe,
    ProgramUnsupported,
    UsageError,
)
from hostrt.program.archive import read_tar_gz, read_zip, write_zip
from hostrt.program.intake import Budgets

MEMBERS = {"metadata.yaml": b"a: 1\n", "core_0.txt": b"00000000deadbeef\n" * 300, "empty.txt": b""}
CENTRAL, LOCAL, LAST = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


def make_zip(*members: tuple[str, bytes], mode: int = 0o100644, method: int = 8) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, data)
    return buffer.getvalue()


def patched(data: bytes, mark: bytes, offset: int, form: str, value: int, nth: int = 0) -> bytes:
    """Overwrite one field of the nth record that begins with `mark`."""
    at = -1
    for _ in range(nth + 1):
        at = data.index(mark, at + 1)
    changed = bytearray(data)
    struct.pack_into("<" + form, changed, at + offset, value)
    return bytes(changed)


class _Pipe(io.RawIOBase):
    """A stream that cannot seek, so that sizes follow the data."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


def test_what_is_written_is_read_back() -> None:
    archive = read_zip(write_zip(MEMBERS))
    assert dict(archive) == MEMBERS
    assert list(archive) == list(MEMBERS)
    assert archive.digests()["empty.txt"] == hashlib.sha256(b"").hexdigest()


def test_the_same_members_give_the_same_bytes_dated_as_always() -> None:
    assert write_zip(MEMBERS) == write_zip(dict(MEMBERS))
    with zipfile.ZipFile(io.BytesIO(write_zip(MEMBERS))) as archive:
        assert {i.date_time for i in archive.infolist()} == {(2024, 1, 1, 0, 0, 0)}
        assert {i.external_attr for i in archive.infolist()} == {0o600 << 16}


@pytest.mark.parametrize("names", [("../x",), ("/x",), ("a", "A"), ("a\\b",), ("a/",), ("",)])
def test_a_zip_that_could_not_be_read_back_is_not_written(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        write_zip(dict.fromkeys(names, b""))


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.from_regex(r"[a-z0-9_]{1,12}\.txt", fullmatch=True), st.binary(max_size=500))
)
def test_any_members_survive_the_way_through_a_zip(members: dict[str, bytes]) -> None:
    assert dict(read_zip(write_zip(members))) == members


def test_zips_of_other_makers_are_read() -> None:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"abc" * 100)
        archive.writestr("größe.txt", b"x")
        archive.comment = b"made elsewhere"
    assert dict(read_zip(bytes(pipe.data))) == {"a.txt": b"abc" * 100, "größe.txt": b"x"}
    assert dict(read_zip(make_zip(("f/", b""), ("f/a", b"1"), method=0))) == {"f/a": b"1"}


HOSTILE = {
    "parent": make_zip(("ok", b""), ("../x", b"")),
    "absolute": make_zip(("/x", b"")),
    "drive": make_zip(("c:x", b"")),
    "backslash": make_zip(("a\\b", b"")),
    "look-alike": make_zip(("a\uff0fb", b"")),
    "symbolic link": make_zip(("l", b"/etc/passwd"), mode=0o120777),
    "device": make_zip(("d", b""), mode=0o020666),
    "fifo": make_zip(("d", b""), mode=0o010666),
    "same name but case": make_zip(("a", b""), ("A", b"")),
    "same name": make_zip(("a", b"1"), ("b", b"2")).replace(b"b", b"a"),
    "not utf-8": make_zip(("aaa", b"")).replace(b"aaa", b"a\x82a"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_member_refuses_the_archive(case: str) -> None:
    with pytest.raises(ProgramUnsafe) as caught:
        read_zip(HOSTILE[case])
    assert len(caught.value.context["members"]) == 1  # type: ignore[arg-type]


GOOD = make_zip(("a.txt", b"abc" * 50), ("b.txt", b"def" * 50))
FAULTS = {
    "empty": b"",
    "not a zip": b"hello",
    "folder with data": make_zip(("f/", b"abc")),
    "no descriptor": patched(patched(GOOD, LOCAL, 6, "H", 8), CENTRAL, 8, "H", 8),
    "leading junk": b"junk" + GOOD,
    "trailing junk": GOOD + b"junk",
    "local name differs": GOOD.replace(b"a.txt", b"c.txt", 1),
    "local crc differs": patched(GOOD, LOCAL, 14, "I", 1),
    "local size differs": patched(GOOD, LOCAL, 22, "I", 1),
    "central size differs": patched(GOOD, CENTRAL, 24, "I", 1),
    "method differs": patched(GOOD, LOCAL, 8, "H", 0),
    "flags differ": patched(GOOD, LOCAL, 6, "H", 8),
    "overlap": patched(GOOD, CENTRAL, 42, "I", 0, nth=1),
    "offset amid the data": patched(GOOD, CENTRAL, 42, "I", 7, nth=1),
    "offset beyond": patched(GOOD, CENTRAL, 42, "I", 1 << 30, nth=1),
    "count too small": patched(patched(GOOD, LAST, 10, "H", 1), LAST, 8, "H", 1),
    "count too large": patched(patched(GOOD, LAST, 10, "H", 3), LAST, 8, "H", 3),
    "directory moved": patched(GOOD, LAST, 16, "I", 0),
    "wrong crc on both sides": patched(patched(GOOD, LOCAL, 14, "I", 1), CENTRAL, 16, "I", 1),
    "size short on both sides": patched(patched(GOOD, LOCAL, 22, "I", 9), CENTRAL, 24, "I", 9),
    "size long on both sides": patched(patched(GOOD, LOCAL, 22, "I", 151), CENTRAL, 24, "I", 151),
    "ratio beyond deflate": patched(
        patched(GOOD, LOCAL, 22, "I", 1 << 30), CENTRAL, 24, "I", 1 << 30
    ),
    "two end records": GOOD[:-2] + b"\x16\0" + GOOD[-22:],
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_of_structure_refuses_the_archive(case: str) -> None:
    with pytest.raises(ProgramCorrupt) as caught:
        read_zip(FAULTS[case], name="x.zip")
    assert str(caught.value).startswith("x.zip")
    assert "\n" not in str(caught.value)


def moved_directory(gap: bytes, padding: bytes) -> bytes:
    """GOOD with bytes before and after the directory, the end record repaired accordingly."""
    start, end = GOOD.index(CENTRAL), GOOD.index(LAST)
    data = GOOD[:start] + gap + GOOD[start:end] + padding + GOOD[end:]
    data = patched(data, LAST, 12, "I", end - start + len(padding))
    return patched(data, LAST, 16, "I", start + len(gap))


@pytest.mark.parametrize(
    ("gap", "padding", "found"),
    [(b"hidden", b"", "belong to no member"), (b"", b"hidden", "end of the last directory entry")],
)
def test_bytes_hidden_around_the_directory_are_found(
    gap: bytes, padding: bytes, found: str
) -> None:
    assert moved_directory(b"", b"") == GOOD
    with pytest.raises(ProgramCorrupt, match=found):
        read_zip(moved_directory(gap, padding))


def test_bytes_hidden_behind_the_deflate_stream_of_a_member_are_found() -> None:
    good = make_zip(("a", b"abc" * 50))
    start = good.index(CENTRAL)
    data = good[:start] + b"hidden" + good[start:]
    stored = struct.unpack_from("<I", good, 18)[0] + 6
    data = patched(patched(data, LOCAL, 18, "I", stored), CENTRAL, 20, "I", stored)
    with pytest.raises(ProgramCorrupt, match="no more"):
        read_zip(patched(data, LAST, 16, "I", start + 6))


def test_bytes_hidden_before_the_first_member_are_found_although_offsets_fit() -> None:
    buffer = io.BytesIO(b"#!/bin/sh\n")
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("a", b"1")
    with pytest.raises(ProgramCorrupt, match="without gap"):
        read_zip(buffer.getvalue())


UNSUPPORTED = {
    "encrypted": patched(patched(GOOD, LOCAL, 6, "H", 1), CENTRAL, 8, "H", 1),
    "lzma": make_zip(("a", b"abc"), method=zipfile.ZIP_LZMA),
    "zip64 count": patched(GOOD, LAST, 10, "H", 0xFFFF),
    "zip64 size": patched(GOOD, CENTRAL, 24, "I", 0xFFFFFFFF),
    "patch data": patched(patched(GOOD, LOCAL, 6, "H", 32), CENTRAL, 8, "H", 32),
    "split": patched(GOOD, LAST, 4, "H", 1),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_is_not_read_here_says_so(case: str) -> None:
    with pytest.raises(ProgramUnsupported):
        read_zip(UNSUPPORTED[case])


def test_a_cut_anywhere_is_refused() -> None:
    for length in range(len(GOOD)):
        with pytest.raises(ProgramError):
            read_zip(GOOD[:length])


def test_a_flipped_bit_never_changes_the_members_silently() -> None:
    whole = dict(read_zip(GOOD))
    noticed = 0
    for at in range(len(GOOD)):
        damaged = bytearray(GOOD)
        damaged[at] ^= 1 << at % 8
        try:
            members = dict(read_zip(bytes(damaged)))
        except ProgramError:
            noticed += 1
            continue
        assert members == whole
    assert noticed > len(GOOD) * 0.6  # the rest are dates, versions and attributes


def test_a_zip_bomb_stops_at_the_budget_before_it_is_inflated() -> None:
    bomb = write_zip({f"m{i}": bytes(4 << 20) for i in range(8)})
    tracemalloc.start()
    with pytest.raises(ProgramUnsafe, match="inflated bytes"):
        read_zip(bomb, Budgets(inflated_bytes=16 << 20))
    with pytest.raises(ProgramUnsafe, match="member m0"):
        read_zip(bomb, Budgets(member_bytes=1 << 20))
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_more_members_than_allowed_are_refused() -> None:
    with pytest.raises(ProgramUnsafe, match="3 members"):
        read_zip(write_zip(MEMBERS), Budgets(entries=2))


def test_a_full_chip_of_images_is_inflated() -> None:
    text = b"".join(b"%016x\n" % (n * 0x9E3779B97F4A7C15 % 2**64) for n in range(65536))
    data = write_zip({f"core_{core}.txt": text for core in range(8)})
    assert sum(read_zip(data).sizes().values()) == 8 * 65536 * 17


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, len(GOOD) - 1))
def test_any_bytes_are_a_zip_or_one_documented_error(junk: bytes, at: int) -> None:
    for data in (junk, junk + GOOD[at:], GOOD[:at] + junk + GOOD[at + len(junk) :]):
        message = ""
        try:
            read_zip(data)
        except (ProgramCorrupt, ProgramUnsafe, ProgramUnsupported) as error:
            message = str(error)
        assert message.isprintable()


def test_the_wrong_kind_of_archive_is_told_apart() -> None:
    with pytest.raises(ProgramCorrupt, match="gzip"):
        read_tar_gz(GOOD)
    with pytest.raises(ProgramCorrupt):
        read_zip(b"\x1f\x8b\x08" + bytes(40))
