"""Files that are damaged, incomplete or something else: the right error, in one line."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.memory import MemoryKind
from hostrt.errors import (
    HostrtError,
    ProgramCorrupt,
    ProgramError,
    ProgramNotFound,
    ProgramUnsafe,
    ProgramUnsupported,
    StorageError,
    UsageError,
    WrongTarget,
)
from hostrt.program import Program

PROGRAMS = Path(__file__).parents[1] / "data" / "spu" / "programs"
SIMA = Path(__file__).parents[1] / "data" / "sima"
P001_A = PROGRAMS / "p001_a"
FEMTO = (P001_A / "p001_a.femto").read_bytes()

pytestmark = pytest.mark.fault


def one_line(error: HostrtError) -> bool:
    return "\n" not in error.message and bool(error.message)


def changed_zip(
    path: Path, *, metadata: str | bytes | None = None, drop: str = "", **more: bytes
) -> Path:
    """Write the golden zip with another metadata file, without a member, or with more."""
    with zipfile.ZipFile(P001_A / "images.zip") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if name == drop:
                continue
            data: str | bytes = old.read(name)
            if name == "metadata.yaml" and metadata is not None:
                data = metadata
            new.writestr(name, data)
        for name, data in more.items():
            new.writestr(name, data)
    return path


METADATA = (P001_A / "metadata.yaml").read_text()


FILES: dict[str, tuple[bytes, type[ProgramError], str]] = {
    "empty": (b"", ProgramUnsupported, "found an empty file, expected a .femto"),
    "random": (b"\x8f\x00\x01zzz", ProgramUnsupported, r"found b'\x8f\x00\x01zz' at the start"),
    "header only": (FEMTO[:100], ProgramCorrupt, "100 bytes"),
    "cut": (FEMTO[:3000], ProgramCorrupt, "3000 bytes, expected 7424"),
    "longer": (FEMTO + b"\0", ProgramCorrupt, "7425 bytes"),
    "no such part": (FEMTO[:308] + b"\x4d" + FEMTO[309:], ProgramCorrupt, "part number 77"),
    "half a zip": ((P001_A / "images.zip").read_bytes()[:500], ProgramCorrupt, ""),
}


@pytest.mark.parametrize("case", FILES)
def test_a_damaged_file_is_refused_and_named(case: str, tmp_path: Path) -> None:
    """A9: the vendor's reader accepts files with pages missing."""
    data, kind, words = FILES[case]
    path = tmp_path / "model.femto"
    path.write_bytes(data)
    with pytest.raises(ProgramError) as caught:
        Program.load(path)
    assert type(caught.value) is kind
    assert words in caught.value.message
    assert str(path) in caught.value.message
    assert one_line(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == 3


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_cut_or_flipped_femto_never_breaks_the_reader(draw: st.DataObject) -> None:
    """Either a program or one of our errors, never anything else."""
    data = bytearray(FEMTO)
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, 600))] = draw.draw(st.integers(0, 255))
    load_bytes(bytes(data[: draw.draw(st.integers(0, len(data)))]) + b"", "x.femto")
    load_bytes(bytes(data), "x.femto")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([*METADATA.splitlines(), "chip: spu150", "x: [", "  0: -1"])))
def test_shuffled_metadata_never_break_the_reader(lines: list[str]) -> None:
    text = io.BytesIO()
    with zipfile.ZipFile(P001_A / "images.zip") as old, zipfile.ZipFile(text, "w") as new:
        for name in old.namelist():
            new.writestr(name, "\n".join(lines) if name == "metadata.yaml" else old.read(name))
    load_bytes(text.getvalue(), "x.zip")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_program_or_an_error_of_ours(data: bytes) -> None:
    load_bytes(data, "0PROG_A")
    load_bytes(b"f3mt0" + data, "x.femto")


def load_bytes(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        if name == "0PROG_A":
            (Path(folder) / "0PROG_D").write_bytes(data)
        with contextlib.suppress(ProgramError):
            Program.load(path)


def test_half_a_prog_pair_names_the_missing_half(tmp_path: Path) -> None:
    for name, missing in (("0PROG_A", "0PROG_D"), ("1PROG_D", "1PROG_A")):
        shutil.copy(P001_A / "prog" / "program_network_A", tmp_path / name)
        with pytest.raises(ProgramNotFound, match=f"no {missing} beside it"):
            Program.load(tmp_path / name)
    (tmp_path / "odd.txt").write_text("00100000\n")
    with pytest.raises(ProgramNotFound, match="does not end in _A or _D"):
        Program.load(tmp_path / "odd.txt")


def test_halves_of_different_length_are_refused_with_the_line(tmp_path: Path) -> None:
    a, d = (P001_A / "prog" / f"program_network_{side}" for side in "AD")
    shutil.copy(a, tmp_path / "0PROG_A")
    (tmp_path / "0PROG_D").write_bytes(d.read_bytes()[:-9])
    with pytest.raises(ProgramCorrupt) as caught:
        Program.load(tmp_path / "0PROG_A")
    lines = len(a.read_text().split())
    assert f"0PROG_A, line {lines}: found {lines} lines beside {lines - 1} lines" in (
        caught.value.message
    )


def test_addresses_of_no_chip_are_refused(tmp_path: Path) -> None:
    (tmp_path / "0PROG_A").write_text("00000002\n")
    (tmp_path / "0PROG_D").write_text("00000000\n")
    with pytest.raises(ProgramCorrupt, match="a multiple of 4"):
        Program.load(tmp_path / "0PROG_A")
    (tmp_path / "0PROG_A").write_text("7fff0000\n")
    with pytest.raises(ProgramUnsupported, match="load a program into none of spu001"):
        Program.load(tmp_path / "0PROG_A")
    with pytest.raises(ProgramUnsupported, match="load a program into none"):
        Program.load(P001_A / "prog" / "init_spu_A")


def test_a_chip_other_than_the_files_is_refused() -> None:
    """B2, D18: what the user says never bends a file to another chip."""
    for source in (P001_A / "p001_a.femto", P001_A / "images.zip", P001_A / "prog"):
        with pytest.raises(WrongTarget, match="was made for spu001, not for spu150"):
            Program.load(source, chip="spu150")
        with pytest.raises(UsageError, match="no chip named 'z80'"):
            Program.load(source, chip="z80")
    with pytest.raises(WrongTarget, match="spu150tc1, not for spu150"):
        Program.load(PROGRAMS / "ptc1_a" / "ptc1_a.femto", chip="spu150")


def test_folders_without_one_program_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotFound, match=r"0 \.femto files, 0 PROG_A files"):
        Program.load(tmp_path)
    for name in ("a.femto", "b.femto"):
        (tmp_path / name).write_bytes(FEMTO)
    with pytest.raises(ProgramNotFound, match=r"2 \.femto files"):
        Program.load(tmp_path)


def test_missing_files_and_wrong_numbers_of_files(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotFound, match="no such file"):
        Program.load(tmp_path / "absent.femto")
    with pytest.raises(ProgramUnsupported, match="3 program files given"):
        Program.load(["a", "b", "c"])
    with pytest.raises(ProgramUnsupported, match="0 program files given"):
        Program.load([])


def test_a_bundle_for_another_accelerator_is_told_apart() -> None:
    with pytest.raises(ProgramUnsupported) as caught:
        Program.load(SIMA / "tinynet_mpk.tar.gz")
    assert "compiled bundle for another accelerator" in caught.value.message
    assert "hostrt inspect" in caught.value.hint


ZIPS: dict[str, tuple[dict[str, Any], type[HostrtError], str]] = {
    "no metadata": ({"drop": "metadata.yaml"}, ProgramUnsupported, "has no metadata.yaml"),
    "outside": ({"../evil": b""}, ProgramUnsafe, "../evil"),
    "absolute": ({"/etc/x": b""}, ProgramUnsafe, "/etc/x"),
    "no hex": (
        {"drop": "test_core_0_sboard_initial_py_hex.txt",
         "test_core_0_sboard_initial_py_hex.txt": b"0\nxyz\n"},
        ProgramCorrupt, "sboard_initial_py_hex.txt, line 2",
    ),
    "unknown chip": ({"metadata": METADATA + "chip: z80\n"}, ProgramCorrupt, "chip 'z80'"),
    "chip is a list": ({"metadata": METADATA + "chip: [1]\n"}, ProgramCorrupt, "chip [1]"),
    "key is text": (
        {"metadata": METADATA + "encryption_key_index: foo\n"}, ProgramCorrupt,
        "'foo' at encryption_key_index, expected an integer",
    ),
    "key too large": (
        {"metadata": METADATA + "encryption_key_index: 99\n"}, ProgramCorrupt, "expected 0 to 32",
    ),
    "identity is text": (
        {"metadata": METADATA + "hostrt_identity: x\n"}, ProgramCorrupt, "hostrt_identity",
    ),
    "type is text": (
        {"metadata": METADATA + "hostrt_identity: {model_type: x}\n"}, ProgramCorrupt,
        "hostrt_identity.model_type, expected an integer",
    ),
    "user data no hex": (
        {"metadata": METADATA + "hostrt_identity: {userdata: zz}\n"}, ProgramCorrupt,
        "expected hexadecimal",
    ),
    "object tags": (
        {"metadata": "!!python/object:os.Path {}\n"}, ProgramCorrupt, "found Python object tag",
    ),
    "bank too large": (
        {"metadata": METADATA.replace("0: 600", "0: 9000")}, ProgramCorrupt, "9000 words",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ZIPS)
def test_a_zip_that_lies_is_refused(case: str, tmp_path: Path) -> None:
    """B5, B28; hostile archives and metadata."""
    change, kind, words = ZIPS[case]
    path = changed_zip(tmp_path / "images.zip", **change)
    with pytest.raises(HostrtError) as caught:
        Program.load(path)
    assert type(caught.value) is kind
    assert words in caught.value.message
    assert one_line(caught.value)


def test_metadata_can_be_given_where_a_zip_has_none(tmp_path: Path) -> None:
    path = changed_zip(tmp_path / "images.zip", drop="metadata.yaml")
    program = Program.load(path, metadata=P001_A / "metadata.yaml", key_index=3)
    assert program.sha256 == Program.load(P001_A / "p001_a.femto").sha256
    program.save(tmp_path / "whole.zip")
    assert Program.load(tmp_path / "whole.zip").sha256 == program.sha256


def test_an_iospec_of_another_program_is_refused_when_named_and_left_when_it_lies_there(
    tmp_path: Path,
) -> None:
    stranger = PROGRAMS / "p001_b" / "iospec.yaml"
    with pytest.raises(ProgramUnsupported, match="does not belong to"):
        Program.load(P001_A / "p001_a.femto", iospec=stranger)
    with pytest.raises(ProgramUnsupported, match="does not belong to"):
        Program.load(P001_A / "images.zip", iospec=stranger)
    shutil.copy(P001_A / "p001_a.femto", tmp_path)
    shutil.copy(stranger, tmp_path / "iospec.yaml")
    program = Program.load(tmp_path / "p001_a.femto")
    assert program.iospec is not None
    assert [*program.iospec.inputs] == ["0"]
    assert any("was not used" in note for note in program.notes)
    (tmp_path / "iospec.yaml").write_text("inputs: [")
    assert any("was not used" in note for note in Program.load(tmp_path / "p001_a.femto").notes)
    with pytest.raises(ProgramNotFound):
        Program.load(P001_A / "p001_a.femto", iospec=tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    "wrong", [{"key_index": 33}, {"key_index": -1}, {"salt": 1 << 64}, {"salt": -1}]
)
def test_keys_and_salts_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="encryption"):
        Program.load(P001_A / "images.zip", **wrong)


@pytest.mark.parametrize("name", ["LOOPBACK:0", "LOOPBACK:99999999", "LOOPBACK:x", "LOOPBACK:²"])
def test_lengths_that_loopback_cannot_have_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        Program.load(name)
    with pytest.raises(UsageError):
        Program.load("LOOPBACK:" + "9" * 5000)


def test_a_folder_with_images_of_another_program_is_not_written_into(tmp_path: Path) -> None:
    Program.load(PROGRAMS / "ptc1_b" / "ptc1_b.femto").save(tmp_path / "images")
    program = Program.load(P001_A / "p001_a.femto")
    with pytest.raises(StorageError, match="holds memory images already"):
        program.save(tmp_path / "images")
    program.save(tmp_path / "new")
    program.save(tmp_path / "new")
    assert Program.load(tmp_path / "new").sha256 == program.sha256


def test_formats_are_told_by_the_name_and_nothing_else_is_guessed(tmp_path: Path) -> None:
    program = Program.loopback()
    with pytest.raises(UsageError, match="no program format has this suffix"):
        program.save(tmp_path / "model.bin")
    with pytest.raises(UsageError, match="expected one of femto, zip, prog, folder"):
        program.save(tmp_path / "model", form="elf")
    program.save(tmp_path / "images.v1", form="folder")
    assert Program.load(tmp_path / "images.v1").sha256 == program.sha256


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make folder"):
        Program.loopback().save(tmp_path / "file" / "model.femto")


def test_a_program_without_instructions_is_the_vendors(tmp_path: Path) -> None:
    from dataclasses import replace

    program = Program.loopback()
    data = tuple(bank for bank in program.banks if bank.kind is MemoryKind.DM)
    assert str(replace(program, banks=data).instruction_set) == "vendor"


def test_two_programs_on_one_card_keep_their_own_names(tmp_path: Path) -> None:
    """D12: the IOSpec of one pair is not that of the next."""
    for slot, name in enumerate(("p001_a", "p001_b")):
        program = Program.load(PROGRAMS / name / f"{name}.femto")
        program.save(tmp_path / f"{slot}PROG_A")
    for slot, name in enumerate(("p001_a", "p001_b")):
        program = Program.load(PROGRAMS / name / f"{name}.femto")
        assert Program.load(tmp_path / f"{slot}PROG_D").iospec == program.iospec
