from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import FormatError
from firmware_protocol.femto import FemtoFile, bank_of_uid, parse_femto
from firmware_protocol.femto_build import FemtoIdentity, build_femto
from firmware_protocol.femto_layout import FEMTO, Part
from firmware_protocol.images import SPU001_GEOMETRY, SPU150_GEOMETRY
from firmware_protocol.memory import BankImage, MemoryKind

PROGRAMS = Path(__file__).parents[1] / "data" / "spu" / "programs"
NAMES = sorted(path.name for path in PROGRAMS.iterdir())
FIRST_PAGE = 512


def golden(name: str) -> bytes:
    return (PROGRAMS / name / f"{name}.femto").read_bytes()


def facts(name: str) -> Any:
    return json.loads((PROGRAMS / name / "femto.json").read_text())


def memories(name: str) -> dict[tuple[int, str], list[int]]:
    program = json.loads((PROGRAMS / name / "program.json").read_text())
    return {
        (int(core), bank): [int(word, 16) for word in words]
        for core, banks in program["memories"].items()
        for bank, words in banks.items()
        if words
    }


def contents(file: FemtoFile) -> dict[tuple[int, str], list[int]]:
    return {(bank.core, bank.name): bank.words.tolist() for bank in file.banks()}


def patched(data: bytes, offset: int, layout: str, *values: int) -> bytes:
    out = bytearray(data)
    struct.pack_into(layout, out, offset, *values)
    return bytes(out)


def page(data: bytes, number: int) -> bytes:
    return data[FIRST_PAGE + 256 * number :][:256]


def repaged(data: bytes, pages: list[bytes]) -> bytes:
    """The same file with other pages and honest counts."""
    body = b"".join(pages)
    out = bytearray(data[:FIRST_PAGE] + body)
    struct.pack_into("<I", out, 86, len(body))
    struct.pack_into("<I", out, 98, FIRST_PAGE + len(body))
    struct.pack_into("<H", out, 258, len(pages))
    return bytes(out)


def all_pages(data: bytes) -> list[bytes]:
    return [data[start : start + 256] for start in range(FIRST_PAGE, len(data), 256)]


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_file_reads_as_described_and_comes_back_byte_for_byte(name: str) -> None:
    data, told = golden(name), facts(name)
    file = parse_femto(data)
    assert file.to_bytes() == data
    assert file.problems == ()
    assert contents(file) == memories(name)
    header = told["header"]
    assert (file.header.name, file.header.model_version) == (
        header["name"],
        header["model_version"],
    )
    assert file.header.tool_version == header["tool_version"]
    rows = zip(file.pages.ids, file.pages.lengths, file.pages.addresses, strict=True)
    assert [[int(value) for value in row] for row in rows] == told["pages_id_len_addr"]
    assert file.model.userdata == bytes.fromhex(told["userdata"])
    assert [(v.id, v.type, v.core, v.parameter) for v in file.model.vectors] == [
        (v["id"], v["type"], v["core"], v["parameter"]) for v in told["vectors"]
    ]
    states = [[[b.uid, b.state] for b in core.banks] for core in file.spu.cores]
    assert states == [core["bank_states"] for core in told["core_configs"]]


@pytest.mark.parametrize("name", NAMES)
def test_the_codec_agrees_with_the_declared_layout(name: str) -> None:
    data = golden(name)
    file, declared = parse_femto(data), FEMTO.parse(data)
    for key in ("checksum", "model_size", "model_offset", "spu_size", "spu_offset", "data_size"):
        assert getattr(file.header, key) == declared.header[key]
    assert file.header.name_field == declared.header.name
    for vector, other in zip(file.model.vectors, declared.model.vectors, strict=True):
        for key in ("id", "type", "core", "precision", "size", "padded", "parameter"):
            assert getattr(vector, key) == other[key]
    for sequence, other in zip(file.model.sequences, declared.model.sequences, strict=True):
        assert bytes(sequence.inputs) == other.inputs
        assert bytes(sequence.outputs) == other.outputs
    assert file.model.userdata == declared.model.userdata
    assert (file.spu.part, file.spu.key_index, file.spu.mhz) == (
        declared.spu.part,
        declared.spu.key_index,
        declared.spu.mhz,
    )
    for core, other in zip(file.spu.cores, declared.spu.cores, strict=True):
        assert [(b.uid, b.state) for b in core.banks] == [(b.uid, b.state) for b in other.banks]
    for number, other in enumerate(declared.pages):
        length = int(file.pages.lengths[number])
        assert (int(file.pages.ids[number]), length) == (other.id, other.length)
        assert int(file.pages.addresses[number]) == other.address
        assert file.pages.words[number, :length].tolist() == list(other.words)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_written_not_taken_from_the_template(name: str) -> None:
    data = golden(name)
    blank = replace(parse_femto(data), template=b"\xff" * len(data))
    assert blank.to_bytes() == data


def test_a_changed_field_is_the_only_change() -> None:
    data = golden("p001_b")
    file = parse_femto(data)
    renamed = replace(file, header=replace(file.header, name_field=b"other".ljust(32, b"\0")))
    assert renamed.to_bytes() == data[:26] + b"other".ljust(32, b"\0") + data[58:]
    faster = replace(file, spu=replace(file.spu, mhz=77))
    assert faster.to_bytes() == patched(data, file.header.spu_offset + 2, "<H", 77)


def test_unaligned_sections_of_old_tools_come_back() -> None:
    # Before the 4-byte alignment: model configuration 51 bytes, SPU configuration from 307.
    data = golden("p001_a")
    old = bytearray(data)
    old[307:511] = data[308:512]
    old[511] = 0xFF
    struct.pack_into("<HHHH", old, 78, 51, 256, 205, 307)
    struct.pack_into("<H", old, 256 + 12, 0)
    file = parse_femto(bytes(old))
    assert file.to_bytes() == bytes(old)
    assert file.header.spu_offset == 307
    assert contents(file) == memories("p001_a")


def test_odd_fill_checksum_and_reference_sequences_come_back() -> None:
    data = bytearray(golden("p001_b") + b"reference")
    data[120:130] = b"0123456789"
    data[FIRST_PAGE + 255] = 0
    struct.pack_into("<I", data, 74, 0xDEADBEEF)
    struct.pack_into("<I", data, 94, 9)
    file = parse_femto(bytes(data))
    assert file.to_bytes() == bytes(data)
    assert (file.reference, file.header.checksum) == (b"reference", 0xDEADBEEF)


def test_a_parameter_has_all_its_32_bits() -> None:
    file = parse_femto(patched(golden("p001_a"), 256 + 16 + 8, "<I", 0x12345678))
    assert file.model.vectors[0].parameter == 0x12345678


def test_part_2_is_laid_out_like_the_first_spu150() -> None:
    data = patched(golden("ptc1_b"), 320, "<B", Part.SPU150)
    file = parse_femto(data)
    assert file.geometry is SPU150_GEOMETRY
    assert contents(file) == memories("ptc1_b")
    assert file.to_bytes() == data


def test_an_unknown_part_is_told_by_its_addresses() -> None:
    for name, at in (("ptc1_b", 320), ("p001_a", 308)):
        file = parse_femto(patched(golden(name), at, "<B", Part.UNKNOWN))
        assert contents(file) == memories(name)


def test_the_ready_queue_is_kept() -> None:
    assert contents(parse_femto(golden("ptc1_b")))[0, "RQ"] == [0x324AAEE80217A23C]


def test_pages_are_placed_by_address_whatever_their_order() -> None:
    data = golden("p001_a")
    file = parse_femto(repaged(data, all_pages(data)[::-1]))
    assert contents(file) == memories("p001_a")
    assert file.to_bytes() == repaged(data, all_pages(data)[::-1])
    assert any("goes backwards" in problem for problem in file.problems)


def test_a_missing_page_in_the_middle_is_reported_and_reads_as_zeros() -> None:
    data = golden("p001_a")
    pages = all_pages(data)
    file = parse_femto(repaged(data, pages[:1] + pages[2:]))
    words = contents(file)[0, "DM0"]
    assert words[31:62] == [0] * 31
    assert words[62:] == memories("p001_a")[0, "DM0"][62:]
    assert any("core 0 DM0: pages leave a gap" in problem for problem in file.problems)
    assert any("page 1: id is skipped to 2" in problem for problem in file.problems)


def test_a_repeated_id_is_reported() -> None:
    data = golden("p001_a")
    file = parse_femto(patched(data, FIRST_PAGE + 256 * 3, "<H", 2))
    assert any("page 3: id is repeated: 2" in problem for problem in file.problems)


def test_a_bank_state_that_contradicts_the_pages_is_reported() -> None:
    file = parse_femto(golden("p001_a"))
    at = file.header.spu_offset + 6 + 8 + 4 + 1
    file = parse_femto(patched(golden("p001_a"), at, "<B", 0))
    assert file.problems == ("core 0 DM0: state 0 but pages",)


def test_big_endian_files_are_read_and_written() -> None:
    little = parse_femto(golden("p001_b"))
    header = replace(little.header, endian=0)
    big = replace(little, header=header)
    data = big.to_bytes()
    assert data != golden("p001_b")
    again = parse_femto(data)
    assert again.banks() == little.banks()
    assert (again.model, again.spu) == (little.model, little.spu)
    assert again.to_bytes() == data


FAULTS = [
    ("magic", lambda d: b"F" + d[1:], "magic"),
    ("short", lambda d: d[:100], "100 bytes"),
    ("empty", lambda d: b"", "0 bytes"),
    ("chunk", lambda d: patched(d, 6, "<H", 512), "chunk size 512"),
    ("configuration cut off", lambda d: d[:300], "truncated"),
    ("vectors outside", lambda d: patched(d, 256 + 4, "<H", 999), "999 vectors"),
    ("sequences outside", lambda d: patched(d, 256 + 10, "<H", 4000), "table of 1 sequences"),
    ("user data outside", lambda d: patched(d, 256 + 12, "<HH", 9, 90), "user data"),
    ("cores outside", lambda d: patched(d, 308 + 8, "<H", 4000), "core"),
    ("part", lambda d: patched(d, 308, "<B", 9), "part number 9"),
    ("part unknown and no page", lambda d: repaged(patched(d, 308, "<B", 255), []), "part number"),
    ("section not contiguous", lambda d: patched(d, 84, "<H", 309), "start of SPU"),
]
STRICT_FAULTS = [
    ("last page missing", lambda d: d[:-256], "truncated file"),
    ("half a page missing", lambda d: d[:-100], "truncated file"),
    ("surplus", lambda d: d + b"x", "surplus bytes"),
    ("page count", lambda d: patched(d, 258, "<H", 26), "page count 26"),
    (
        "data size odd",
        lambda d: patched(patched(d[:-1], 86, "<I", 6911), 98, "<I", 7423),
        "model data of 6911 bytes",
    ),
    ("reference elsewhere", lambda d: patched(d, 98, "<I", 3), "start of reference"),
    ("page repeated", lambda d: repaged(d, [*all_pages(d), page(d, 3)]), "words of another page"),
    ("outside", lambda d: patched(d, FIRST_PAGE + 4, "<I", 0x40), "inside one bank"),
    ("over the end", lambda d: patched(d, FIRST_PAGE + 4, "<I", 0x10FFF8), "inside one bank"),
    ("unaligned", lambda d: patched(d, FIRST_PAGE + 4, "<I", 0x100002), "inside one bank"),
    ("too long", lambda d: patched(d, FIRST_PAGE + 2, "<H", 63), "page of 63 words"),
    ("uid", lambda d: patched(d, 308 + 6 + 8 + 4, "<B", 1), "bank uid 0x01"),
    ("uid of no bank", lambda d: patched(d, 308 + 6 + 8 + 4, "<B", 0x34), "bank uid 0x34"),
]


@pytest.mark.fault
@pytest.mark.parametrize("fault", [*FAULTS, *STRICT_FAULTS], ids=lambda fault: str(fault[0]))
def test_a_broken_file_is_refused_by_name(fault: tuple[str, Any, str]) -> None:
    with pytest.raises(FormatError, match=fault[2]) as caught:
        parse_femto(fault[1](golden("p001_a")), name="broken.femto")
    assert caught.value.file == "broken.femto"


@pytest.mark.fault
@pytest.mark.parametrize("fault", STRICT_FAULTS, ids=lambda fault: str(fault[0]))
def test_a_tolerant_reader_reports_the_fault_and_keeps_the_bytes(
    fault: tuple[str, Any, str],
) -> None:
    data = fault[1](golden("p001_a"))
    file = parse_femto(data, strict=False)
    assert any(fault[2] in problem for problem in file.problems)
    assert file.to_bytes() == data
    assert file.banks()


@settings(max_examples=60, deadline=None)
@example("p001_a", [(92, 1)], 0)
@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
def test_damaged_files_are_refused_or_come_back_byte_for_byte(
    name: str, flips: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(golden(name))
    for offset, value in flips:
        data[offset] = value
    damaged = bytes(data[: len(data) - cut])
    for strict in (True, False):
        try:
            file = parse_femto(damaged, strict=strict)
        except FormatError:
            continue
        assert file.to_bytes() == damaged


@pytest.mark.parametrize(
    ("uid", "place"),
    [
        (0x1C, (MemoryKind.DM, 7)),
        (0x2C, (MemoryKind.TM, 3)),
        (0x30, (MemoryKind.IM, 0)),
        (0x50, (MemoryKind.RQ, 0)),
        (0x21, None),
        (0x64, None),
        (0xFF, None),
    ],
)
def test_bank_uids_are_decoded_or_refused(uid: int, place: object) -> None:
    assert bank_of_uid(uid, SPU001_GEOMETRY) == place


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from([Part.SPU001, Part.SPU150_TC1, Part.SPU150_MP]))
def test_any_banks_survive_a_new_file(data: st.DataObject, part: Part) -> None:
    geometry = SPU001_GEOMETRY if part is Part.SPU001 else SPU150_GEOMETRY
    places = [
        (core, kind, index)
        for core in range(geometry.n_cores)
        for kind in geometry.offsets
        if kind is not MemoryKind.IM_MSB
        for index in range(geometry.n_banks(kind))
    ]
    chosen = data.draw(st.lists(st.sampled_from(places), unique=True, max_size=6))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    banks = []
    for core, kind, index in chosen:
        n_words = data.draw(st.sampled_from([1, 2, 31, 32, geometry.bank_words(kind)]))
        n_words = min(n_words, geometry.bank_words(kind))
        words = rng.integers(1, 2**64, n_words, dtype=np.uint64)
        banks.append(BankImage(core, kind, index, words))
        if kind is MemoryKind.IM and geometry.has_im_msb:
            banks.append(BankImage(core, MemoryKind.IM_MSB, 0, words & np.uint64(0x7F)))
    file = build_femto(FemtoIdentity(part), banks)
    again = parse_femto(file.to_bytes())
    assert again.problems == ()
    assert sorted(again.banks(), key=lambda b: (b.core, b.name)) == sorted(
        banks, key=lambda b: (b.core, b.name)
    )
