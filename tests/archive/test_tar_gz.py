"""Archives as a security boundary: gzip and tar."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import FormatError
from firmware_protocol.members import MemberKind
from firmware_protocol.tar import walk_tar
from hostrt.errors import ProgramCorrupt, ProgramError, ProgramNotFound, ProgramUnsafe
from hostrt.program.archive import read_tar_gz
from hostrt.program.intake import Budgets

DATA = Path(__file__).parent.parent / "data" / "sima"
BUNDLES = sorted(DATA.glob("*.tar.gz"))
FILE, LINK, SYMLINK = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE
END = bytes(1024)


def make_tar(*members: tuple[str, bytes, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """(name, type, data or link target) to a tar stream."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == FILE:
                info.size = len(data)
            else:
                info.linkname = data.decode()
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def header(
    name: bytes = b"a",
    size: bytes = b"00000000000\0",
    flag: bytes = b"0",
    *,
    magic: bytes = b"ustar\x0000",
    patch: tuple[int, bytes] = (0, b""),
) -> bytes:
    """One hand-made header with a right checksum."""
    block = bytearray(512)
    block[:100] = name.ljust(100, b"\0")
    block[100:108] = b"0000644\0"
    block[124:136] = size
    block[148:156] = b" " * 8
    block[156:157] = flag
    block[257:265] = magic
    block[patch[0] : patch[0] + len(patch[1])] = patch[1]
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def octal(number: int) -> bytes:
    return b"%011o\0" % number


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def pax(**records: str) -> bytes:
    body = b""
    for key, value in records.items():
        text = f" {key.replace('__', '.')}={value}\n".encode()
        length = next(n for n in range(len(text), len(text) + 6) if n == len(str(n)) + len(text))
        body += str(length).encode() + text
    return header(b"pax", octal(len(body)), b"x") + padded(body)


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_members_equal_those_of_the_standard_library(path: Path) -> None:
    with tarfile.open(path) as tar:
        expected = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    archive = read_tar_gz(path)
    assert dict(archive) == expected
    assert archive.sizes() == {name: len(data) for name, data in expected.items()}
    assert archive.n_bytes == path.stat().st_size


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_come_through_in_every_tar_dialect(form: int) -> None:
    name = "folder/" * 14 + "x" * 90 + ".json"
    stream = make_tar((name, FILE, b"abc"), ("./b//c", FILE, b""), form=form)
    assert dict(read_tar_gz(gzip.compress(stream))) == {name: b"abc", "b/c": b""}


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_with_umlauts_come_through(form: int) -> None:
    stream = make_tar(("größe.json", FILE, b"{}"), form=form)
    assert list(read_tar_gz(gzip.compress(stream))) == ["größe.json"]


HOSTILE = {
    "absolute": ("/abs/x", FILE, b""),
    "parent": ("../x", FILE, b""),
    "parent inside": ("a/../../x", FILE, b""),
    "backslash": ("..\\x", FILE, b""),
    "drive": ("C:x", FILE, b""),
    "control": ("a\nb", FILE, b""),
    "right to left": ("a\u202eb", FILE, b""),
    "wide slash": ("a\uff0fb", FILE, b""),
    "division slash": ("a\u2215b", FILE, b""),
    "wide backslash": ("a\uff3cb", FILE, b""),
    "wide dot": ("\uff0e\uff0e", FILE, b""),
    "one dot leader": ("\u2024\u2024", FILE, b""),
    "small dot": ("\ufe52", FILE, b""),
    "symbolic link out": ("l", SYMLINK, b"/etc/passwd"),
    "symbolic link up": ("l", SYMLINK, b"../../x"),
    "symbolic link inside": ("l", SYMLINK, b"good"),
    "hard link": ("l", LINK, b"../good"),
    "fifo": ("f", tarfile.FIFOTYPE, b""),
    "character device": ("d", tarfile.CHRTYPE, b""),
    "block device": ("d", tarfile.BLKTYPE, b""),
    "unknown type": ("v", b"V", b""),
    "same name": ("good", FILE, b"2"),
    "same name with ./": ("./good", FILE, b"2"),
    "same name with case": ("GOOD", FILE, b"2"),
    "inside a file": ("good/x", FILE, b"2"),
    "dot": (".", FILE, b""),
    "deep": ("a/" * 33 + "x", FILE, b""),
    "long": ("n" * 1025, FILE, b""),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_member_refuses_the_archive_and_is_named(case: str) -> None:
    stream = make_tar(("good", FILE, b"1"), HOSTILE[case])
    with pytest.raises(ProgramUnsafe) as caught:
        read_tar_gz(gzip.compress(stream), name="x.tar.gz")
    members = caught.value.context["members"]
    assert isinstance(members, list)
    assert len(members) == 1
    assert members[0]["name"].isprintable()
    assert "\n" not in str(caught.value)
    assert "x.tar.gz" in str(caught.value)


def test_composed_and_decomposed_forms_of_a_name_are_the_same_name() -> None:
    stream = make_tar(("caf\u00e9", FILE, b"1"), ("cafe\u0301", FILE, b"2"))
    with pytest.raises(ProgramUnsafe, match="twice"):
        read_tar_gz(gzip.compress(stream))


def test_a_chain_of_links_is_listed_in_full_and_shown_in_short() -> None:
    chain = [(f"l{i}", SYMLINK, f"l{i - 1}/..".encode()) for i in range(40)]
    with pytest.raises(ProgramUnsafe, match="and 37 more") as caught:
        read_tar_gz(gzip.compress(make_tar(*chain, ("l39/x", FILE, b"out"))))
    assert len(str(caught.value)) < 300
    assert len(caught.value.context["members"]) == 40  # type: ignore[arg-type]


def test_a_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ProgramUnsafe, match="UTF-8"):
        read_tar_gz(gzip.compress(header(b"\xff\xfe") + END))


def test_a_sparse_header_that_claims_a_tebibyte_costs_nothing() -> None:
    claim = (483, b"\x80" + (1 << 40).to_bytes(11, "big"))
    stream = header(flag=b"S", magic=b"ustar  \0", patch=claim) + END
    (entry,) = walk_tar(stream, "x")
    assert (entry.kind, entry.size) == (MemberKind.SPARSE, 0)
    with pytest.raises(ProgramUnsafe, match="sparse"):
        read_tar_gz(gzip.compress(stream))
    with pytest.raises(ProgramUnsafe, match="sparse"):
        read_tar_gz(gzip.compress(pax(GNU__sparse__realsize=str(1 << 40)) + header() + END))


FAULTS = {
    "negative size": header(size=b"\xff" * 12) + END,
    "huge size": header(size=b"\x80" + b"\xff" * 11) + END,
    "size beyond the data": header(size=octal(4096)) + END,
    "size not octal": header(size=b"0000000009\0\0") + END,
    "empty size": header(size=bytes(12)) + END,
    "no magic": header(magic=bytes(8)) + END,
    "one zero block": header() + bytes(512),
    "no zero block": header(),
    "lone zero block then more": header() + bytes(512) + header(b"b") + END,
    "data after the end": header() + END + b"\0" * 511 + b"x",
    "bad header amid": header() + b"\1" + header(b"b")[1:] + header(b"c") + END,
    "link with data": header(size=octal(512), flag=b"1") + bytes([1]) * 512 + END,
    "folder with data": header(size=octal(512), flag=b"5") + bytes([1]) * 512 + END,
    "pax size differs": pax(size="512") + header() + bytes(512) + END,
    "pax size negative": pax(size="-1") + header() + END,
    "pax twice a path": pax(path="a") + pax(path="b") + header() + END,
    "pax at the end": pax(path="a") + END,
    "pax record cut": header(b"p", octal(5), b"x") + padded(b"99 a=") + header() + END,
    "pax record endless": header(b"p", octal(6), b"x") + padded(b"0 a=b\n") + header() + END,
    "global path": header(b"p", octal(9), b"g") + padded(b"9 path=x\n") + header() + END,
    "global sparse": header(b"p", octal(18), b"g")
    + padded(b"18 GNU.sparse.\xff=x\n")
    + header()
    + END,
    "sparse map ends the data": header(
        size=octal(512), flag=b"S", magic=b"ustar  \0", patch=(482, b"\1")
    )
    + bytes(512),
    "long name twice": (header(b"L", octal(2), b"L") + padded(b"a\0")) * 2 + header() + END,
    "giant extension": header(b"L", octal(2 << 20), b"L") + bytes(2 << 20) + header() + END,
    "sparse map cut": header(flag=b"S", magic=b"ustar  \0", patch=(482, b"\1")) + b"\1" * 512,
    "empty": b"",
    "not blocks": header() + END[:-1],
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_of_structure_refuses_the_whole_stream(case: str) -> None:
    with pytest.raises(FormatError):
        walk_tar(FAULTS[case], "x.tar")
    with pytest.raises(ProgramCorrupt):
        read_tar_gz(gzip.compress(FAULTS[case], 1))


def test_a_stream_cut_at_any_block_or_byte_is_refused() -> None:
    stream = gzip.decompress(BUNDLES[0].read_bytes())
    end = len(stream.rstrip(b"\0"))
    last = end + -end % 512 + 1024  # up to here nothing may be missing
    for length in (*range(0, last, 512), *range(1, last, 397)):
        with pytest.raises(FormatError):
            walk_tar(stream[:length], "x")
    assert walk_tar(stream[:last], "x") == walk_tar(stream, "x")


def test_a_gzip_file_cut_anywhere_is_refused() -> None:
    data = BUNDLES[-1].read_bytes()
    for length in range(0, len(data), 7):
        with pytest.raises(ProgramCorrupt):
            read_tar_gz(data[:length])


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_a_flipped_bit_anywhere_is_noticed_or_changes_nothing(path: Path) -> None:
    data = path.read_bytes()
    whole = dict(read_tar_gz(data))
    unnoticed = []
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        try:
            members = dict(read_tar_gz(bytes(damaged)))
        except ProgramError:
            continue
        assert members == whole
        unnoticed.append(at)
        # Some flips give another compression of the very same bytes, headers and padding included.
        assert gzip.decompress(bytes(damaged)) == gzip.decompress(data)
    # No checksum covers time, flags and system of the gzip header; they say nothing of the members.
    assert len([at for at in unnoticed if at >= 10]) < 5


def test_several_gzip_members_and_zero_padding_are_one_stream() -> None:
    stream = make_tar(("a", FILE, b"x" * 5000))
    data = gzip.compress(stream[:700]) + gzip.compress(b"") + gzip.compress(stream[700:])
    assert dict(read_tar_gz(data + bytes(4096))) == {"a": b"x" * 5000}


@pytest.mark.parametrize("tail", [b"x", bytes(100) + b"x", b"\x1f\x8b", b"PK\3\4"])
def test_bytes_after_the_gzip_stream_are_refused(tail: bytes) -> None:
    with pytest.raises(ProgramCorrupt):
        read_tar_gz(BUNDLES[0].read_bytes() + tail)


@pytest.mark.parametrize("at", [-1, -5])
def test_wrong_length_and_wrong_checksum_of_gzip_are_refused(at: int) -> None:
    data = bytearray(BUNDLES[0].read_bytes())
    data[at] ^= 1
    with pytest.raises(ProgramCorrupt, match="gzip stream damaged"):
        read_tar_gz(bytes(data))


def zeros_bomb(n_bytes: int) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    return b"".join(squeeze.compress(block) for _ in range(n_bytes >> 20)) + squeeze.flush()


def test_a_bomb_of_zeros_stops_at_the_budget() -> None:
    bomb = zeros_bomb(64 << 20)
    assert len(bomb) < 100_000
    tracemalloc.start()
    with pytest.raises(ProgramUnsafe, match="at most 1048576 bytes"):
        read_tar_gz(bomb, Budgets(inflated_bytes=1 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_more_members_than_allowed_are_refused() -> None:
    stream = make_tar(*((f"m{i}", FILE, b"") for i in range(11)))
    assert len(read_tar_gz(gzip.compress(stream), Budgets(entries=11))) == 11
    with pytest.raises(ProgramUnsafe, match="at most 10 members"):
        read_tar_gz(gzip.compress(stream), Budgets(entries=10))


def test_headers_without_members_count_too() -> None:
    comment = header(b"p", octal(14), b"g") + padded(b"14 comment=ab\n")
    with pytest.raises(ProgramUnsafe):
        read_tar_gz(gzip.compress(comment * 100 + END), Budgets(entries=10))


def test_extension_headers_together_have_a_limit() -> None:
    record = b"5 a=\n" * 200_000
    comments = header(b"p", octal(len(record)), b"g") + padded(record)
    with pytest.raises(ProgramUnsafe, match="extension headers"):
        read_tar_gz(gzip.compress(comments * 3 + END, 1))


def test_very_many_gzip_members_are_refused_without_delay() -> None:
    with pytest.raises(ProgramUnsafe, match="gzip members"):
        read_tar_gz(gzip.compress(b"") * 50_000)


def test_files_on_both_sides_of_a_folder_entry_agree() -> None:
    folder = ("sub", tarfile.DIRTYPE, b"")
    stream = make_tar(("sub/a", FILE, b"1"), folder, ("sub/b", FILE, b"2"))
    assert dict(read_tar_gz(gzip.compress(stream))) == {"sub/a": b"1", "sub/b": b"2"}
    for members in ((folder, folder), (("sub/a", FILE, b""), ("sub", FILE, b""))):
        with pytest.raises(ProgramUnsafe):
            read_tar_gz(gzip.compress(make_tar(*members)))


def test_one_member_larger_than_allowed_is_refused() -> None:
    stream = gzip.compress(make_tar(("big", FILE, bytes(1000))))
    with pytest.raises(ProgramUnsafe, match="member big"):
        read_tar_gz(stream, Budgets(member_bytes=999))


def test_a_file_larger_than_allowed_is_not_read() -> None:
    with pytest.raises(ProgramUnsafe):
        read_tar_gz(BUNDLES[0], Budgets(archive_bytes=100))


def test_a_missing_file_a_folder_and_a_fifo_are_not_found(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "none", tmp_path, tmp_path / "fifo", "a\0b"):
        with pytest.raises(ProgramNotFound):
            read_tar_gz(path)


def test_reading_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    read_tar_gz(BUNDLES[0].read_bytes())
    with pytest.raises(ProgramUnsafe):
        read_tar_gz(gzip.compress(make_tar(("x", FILE, b"1"), ("../x", FILE, b"2"))))
    assert list(tmp_path.iterdir()) == []


def test_the_mapping_cannot_be_changed() -> None:
    archive = read_tar_gz(BUNDLES[0])
    with pytest.raises(TypeError):
        archive.members["x"] = b""  # type: ignore[index]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_are_a_tar_or_one_documented_error(data: bytes) -> None:
    message = ""
    try:
        walk_tar(data, "x")
    except FormatError as error:
        message = str(error)
    assert "\n" not in message
    with pytest.raises(ProgramCorrupt):
        read_tar_gz(b"\x1f\x8b" + data)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2047), st.binary(min_size=1, max_size=24))
def test_any_change_of_a_header_is_a_tar_or_one_documented_error(at: int, junk: bytes) -> None:
    stream = bytearray(make_tar(("ä" * 60, FILE, b"abc"), ("l", SYMLINK, b"x")))
    stream[at : at + len(junk)] = junk
    for start in range(0, 2048, 512):
        stored = sum(stream[start : start + 512]) - sum(stream[start + 148 : start + 156]) + 256
        if any(stream[start : start + 512]):
            struct.pack_into("8s", stream, start + 148, b"%06o\0 " % stored)
    message = ""
    try:
        read_tar_gz(gzip.compress(bytes(stream), 1))
    except (ProgramCorrupt, ProgramUnsafe) as error:
        message = str(error)
    assert message.isprintable()
