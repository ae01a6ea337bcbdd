from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from firmware_protocol.errors import FormatError, LocalMisuseError
from firmware_protocol.femto import parse_femto
from firmware_protocol.images import (
    SPU001_GEOMETRY,
    SPU150_GEOMETRY,
    BankSizes,
    format_member,
    parse_member,
    read_images,
    used_banks,
    write_images,
)
from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.metadata import metadata_from_tree

PROGRAMS = Path(__file__).parents[1] / "data" / "spu" / "programs"
NAMES = sorted(path.name for path in PROGRAMS.iterdir())


def members_of(name: str) -> dict[str, bytes]:
    with zipfile.ZipFile(PROGRAMS / name / "images.zip") as archive:
        return {member: archive.read(member) for member in archive.namelist()}


@pytest.mark.parametrize("name", NAMES)
def test_images_give_the_banks_of_the_femto_file_and_are_written_back_alike(name: str) -> None:
    members = members_of(name)
    file = parse_femto((PROGRAMS / name / f"{name}.femto").read_bytes())
    metadata = metadata_from_tree(yaml.safe_load(members["metadata.yaml"]))
    banks = used_banks(read_images(members), metadata.sizes, file.geometry)
    assert banks == file.banks()
    written = write_images(banks, file.geometry, metadata=members["metadata.yaml"])
    assert list(written) == list(members)
    assert written == members


@pytest.mark.parametrize("name", NAMES)
def test_member_order_does_not_matter(name: str) -> None:
    members = members_of(name)
    forward = read_images(members)
    backward = read_images(dict(reversed(members.items())))
    assert forward.memories.keys() == backward.memories.keys()
    for place, words in forward.memories.items():
        assert np.array_equal(words, backward.memories[place])
    assert forward.rqueue_len == backward.rqueue_len


def test_folder_names_are_read_like_archive_names() -> None:
    images = read_images(
        {
            "c1_DM_hex.txt": b"0000000000000001\n",
            "c1_IM_bitgroup1_hex.txt": b"7f\n",
            "c1_IM_bitgroup0_hex.txt": b"2\n",
            "c1_rqueue_len.txt": b"3\n",
            "metadata.yaml": b"x: 1\n",
            "notes.txt": b"hello",
        }
    )
    assert images.memories[1, MemoryKind.DM].tolist() == [1]
    assert images.memories[1, MemoryKind.IM].tolist() == [2]
    assert images.memories[1, MemoryKind.IM_MSB].tolist() == [0x7F]
    assert images.rqueue_len == {1: 3}
    assert images.metadata == b"x: 1\n"
    assert images.attachments == {"notes.txt": b"hello"}


@pytest.mark.parametrize(("text", "expected"), [(b"", []), (b"\n", []), (b"ff\n", [255])])
def test_members_of_no_line_and_of_one_line_are_vectors(text: bytes, expected: list[int]) -> None:
    words = parse_member("m.txt", text)
    assert words.ndim == 1
    assert words.tolist() == expected


def test_lines_of_mixed_width_are_read() -> None:
    assert parse_member("m.txt", b"fff\n1234567890abcdef\n0\n").tolist() == [
        0xFFF,
        0x1234567890ABCDEF,
        0,
    ]
    wide = np.array([0xFFF, 0x1234567890ABCDEF, 0], np.uint64)
    assert format_member(wide, 3) == b"fff\n1234567890abcdef\n000\n"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"c0_DM_hex.txt": b"12\nzz\n"}, "c0_DM_hex.txt, line 2: found 'zz'"),
        ({"c0_DM_hex.txt": b"1" * 17}, "1 to 16 hexadecimal digits"),
        (
            {"c0_DM_hex.txt": b"", "test_core_0_data_mem_initial_py_hex.txt": b""},
            "second image of core 0 DM",
        ),
        ({"c0_IM_bitgroup2_hex.txt": b""}, "bit group 2 of IM"),
        ({"c0_TM_bitgroup1_hex.txt": b""}, "bit group 1 of TM"),
        ({"c0_rqueue_len.txt": b"many"}, "one decimal number"),
    ],
)
def test_bad_members_are_refused(members: dict[str, bytes], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_images(members)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (BankSizes({0: {0: 3}}, {}, {0: 0}), "found 2 words of core 0 DM0, expected 3 words"),
        (BankSizes({0: {0: 8193}}, {}, {0: 0}), "8193 words in core 0 DM0"),
        (BankSizes({0: {8: 1}}, {}, {0: 0}), "1 words in core 0 DM8"),
        (BankSizes({}, {}, {0: 0, 1: 0, 2: 0}), "found core 2"),
        (BankSizes({}, {}, {0: 1}), "found 0 words of core 0 IM0"),
    ],
)
def test_sizes_that_the_images_or_the_chip_cannot_hold_are_refused(
    sizes: BankSizes, message: str
) -> None:
    images = read_images({"c0_DM_hex.txt": b"1\n2\n"})
    with pytest.raises(FormatError, match=message):
        used_banks(images, sizes, SPU001_GEOMETRY)


def test_trailing_zeros_beyond_the_used_size_may_be_absent() -> None:
    images = read_images({"c0_DM_hex.txt": b"1\n2\n"})
    banks = used_banks(images, BankSizes({0: {0: 2, 7: 0}}, {}, {0: 0}), SPU001_GEOMETRY)
    assert [(bank.name, bank.words.tolist()) for bank in banks] == [("DM0", [1, 2])]


def test_a_bank_that_the_chip_lacks_is_not_written() -> None:
    bank = BankImage(0, MemoryKind.DM, 1, np.ones(1, np.uint64))
    with pytest.raises(LocalMisuseError, match="no such bank on SPU-150"):
        write_images([bank], SPU150_GEOMETRY)
    full = BankImage(0, MemoryKind.RQ, 0, np.ones(65, np.uint64))
    with pytest.raises(LocalMisuseError, match="65 words, the bank of SPU-001 holds 64"):
        write_images([full], SPU001_GEOMETRY)


def test_a_core_without_banks_can_be_written_as_zeros() -> None:
    members = write_images([], SPU001_GEOMETRY, n_cores=1)
    assert members["test_core_0_rqueue_len_initial.txt"] == b"0\n"
    assert members["test_core_0_data_mem_initial_py_hex.txt"].count(b"\n") == 65536


def test_a_core_without_a_ready_queue_member_still_has_banks() -> None:
    images = read_images({"c0_IM_hex.txt": b"1\n"})
    banks = used_banks(images, BankSizes({}, {}, {0: 1}), SPU001_GEOMETRY)
    assert [bank.name for bank in banks] == ["IM"]
