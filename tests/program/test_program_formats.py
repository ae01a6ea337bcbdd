"""Every golden program from every format, and back again."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_protocol.memory import BankImage, MemoryKind
from hostrt.chip import get_chip
from hostrt.chip.step import Write
from hostrt.program import Identity, InstructionSet, Program
from hostrt.program.difference import compare_programs
from hostrt.program.prog_file import init_from_program

Golden = Any


def contents(program: Program) -> dict[tuple[int, str], list[int]]:
    return {(bank.core, bank.name): bank.words.tolist() for bank in program.banks}


def images_folder(golden: Golden, folder: Path, *, short_names: bool) -> Path:
    """Unpack the golden zip, under the compiler's names or those of the folder form."""
    folder.mkdir()
    memories = {"data_mem": "DM", "table_mem": "TM", "instr_mem": "IM", "sboard": "SB"}
    memories |= {"rqueue": "RQ", "progbuf": "PB"}
    with zipfile.ZipFile(golden.zip) as archive:
        for name in archive.namelist():
            target = name
            if short_names and name.startswith("test_core_"):
                core, rest = name.removeprefix("test_core_").split("_", 1)
                rest = rest.replace("rqueue_len_initial", "rqueue_len")
                for long, short in memories.items():
                    if not rest.startswith("rqueue_len"):
                        rest = rest.replace(f"{long}_", f"{short}_")
                target = f"c{core}_{rest.replace('initial_py_hex', 'hex')}"
            (folder / target).write_bytes(archive.read(name))
    return folder


def test_every_format_gives_the_same_banks_as_the_vendor_put_in(
    golden: Golden, tmp_path: Path
) -> None:
    """A8, B2, B3, B5, B7: `.femto`, PROG, zip and both folder forms, ready queues included."""
    a, d = golden.prog
    lonely = tmp_path / "one_femto"
    lonely.mkdir()
    shutil.copy(golden.femto, lonely)
    sources: list[Any] = [
        golden.femto,
        str(golden.femto),
        lonely,
        a,
        d,
        [a, d],
        [d, a],
        golden.zip,
        images_folder(golden, tmp_path / "long", short_names=False),
        images_folder(golden, tmp_path / "short", short_names=True),
    ]
    for source in sources:
        program = Program.load(source, chip=golden.chip)
        assert contents(program) == golden.memories, source
        assert program.n_cores == len(golden.facts["spec"]["cores"])
        assert program.chip == golden.chip
        assert program.instruction_set is InstructionSet.VENDOR


def test_the_chip_is_found_from_the_file_alone(golden: Golden) -> None:
    """B2, B3: no environment variable decides what a file is for."""
    for source in (golden.femto, golden.prog[0]):
        program = Program.load(source)
        assert program.chip == golden.chip
        found = program.encryption
        assert (found.key_index if found else 32) == golden.key


def test_names_come_from_the_iospec_beside_the_program(golden: Golden, alone: Any) -> None:
    program = Program.load(golden.femto)
    assert program.iospec is not None
    wanted = golden.facts["spec"]
    assert [*program.iospec.inputs] == [item["name"] for item in wanted["inputs"]]
    assert [*program.iospec.outputs] == [item["name"] for item in wanted["outputs"]]
    assert "names come from iospec.yaml beside the program" in program.notes
    bare = Program.load(alone(golden.femto))
    assert bare.iospec is not None
    assert all(key.isdigit() for key in (*bare.iospec.inputs, *bare.iospec.outputs))
    named = Program.load(alone(golden.femto), iospec=golden.folder / "iospec.yaml")
    assert named.iospec == program.iospec


def test_a_salt_that_femto_cannot_hold_comes_from_the_user_or_the_metadata_beside_it(
    p001_a: Golden, alone: Any
) -> None:
    """A12."""
    beside = Program.load(p001_a.femto)
    assert beside.encryption is not None
    assert beside.encryption.salt == p001_a.salt
    note = f"encryption salt 0x{p001_a.salt:016x} from metadata.yaml beside the program"
    assert note in beside.notes
    bare = Program.load(alone(p001_a.femto))
    assert bare.encryption is not None
    assert bare.encryption.salt == 0
    assert "the file does not store the encryption salt: 0 is assumed" in bare.notes
    told = Program.load(alone(p001_a.femto), salt=0x1234)
    assert told.encryption is not None
    assert told.encryption.salt == 0x1234
    pointed = Program.load(alone(p001_a.femto), metadata=p001_a.folder / "metadata.yaml")
    assert pointed.sha256 == beside.sha256


def test_the_key_of_memory_images_comes_from_the_user(golden: Golden, alone: Any) -> None:
    """B5: a zip holds everything but the key."""
    path = alone(golden.zip)
    told = Program.load(path, chip=golden.chip, key_index=golden.key)
    assert told.sha256 == Program.load(golden.femto).sha256
    assumed = Program.load(path)
    assert assumed.encryption is not None
    assert assumed.encryption.key_index == 0
    assert "memory images do not store the encryption key index: 0 is assumed" in assumed.notes


def test_prog_files_come_out_as_the_vendor_wrote_them(golden: Golden, tmp_path: Path) -> None:
    """D1, B4: from the `.femto` alone, encrypted or not, for all chips."""
    program = Program.load(golden.prog[0] if golden.name == "pmp_a" else golden.femto)
    program.save(tmp_path / "0PROG_A")
    for side, path in zip("AD", golden.prog, strict=True):
        assert (tmp_path / f"0PROG_{side}").read_bytes() == path.read_bytes()
    init = golden.folder / "prog" / "init_spu_A"
    if init.exists() and golden.name != "pmp_a":
        expected = [init.read_bytes(), init.with_name("init_spu_D").read_bytes()]
        assert [bytes(text) for text in init_from_program(program)] == expected
    elif not init.exists():
        assert not any(init_from_program(program))


def test_a_femto_read_and_written_is_the_same_file(golden: Golden, tmp_path: Path) -> None:
    """B19: pages are not doubled; user data, type, clock and names stay."""
    target = tmp_path / "again.femto"
    Program.load(golden.femto).save(target)
    assert target.read_bytes() == golden.femto.read_bytes()


def test_a_zip_read_and_written_has_the_same_members(
    golden: Golden, alone: Any, tmp_path: Path
) -> None:
    source = alone(golden.zip)
    Program.load(source).save(tmp_path / "again.zip")
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(tmp_path / "again.zip") as after:
        assert after.namelist() == before.namelist()
        for name in before.namelist():
            assert after.read(name) == before.read(name)


def test_what_was_said_beside_images_is_written_into_them(
    golden: Golden, alone: Any, tmp_path: Path
) -> None:
    """A12, B5: a key given once need not be given again."""
    iospec = golden.folder / "iospec.yaml"
    program = Program.load(alone(golden.zip), chip=golden.chip, key_index=golden.key, iospec=iospec)
    assert program.save(tmp_path / "full.zip") == ()
    again = Program.load(tmp_path / "full.zip")
    assert again == program
    assert again.notes == ()


def test_programs_keep_their_contents_through_every_format(golden: Golden, tmp_path: Path) -> None:
    """femto -> zip -> folder -> PROG -> femto."""
    program = start = Program.load(golden.femto)
    for name in ("a.zip", "folder", "0PROG_A"):
        program.save(tmp_path / name)
        program = Program.load(tmp_path / name)
        assert program.sha256 == start.sha256, name
        assert program.iospec == start.iospec, name
        wanted = Identity() if name == "0PROG_A" else start.identity
        assert program.identity == wanted, name
    program.save(tmp_path / "end.femto")
    end = Program.load(tmp_path / "end.femto", salt=golden.salt)
    assert end.sha256 == start.sha256


LOSSES = {
    ("p001_a", "femto"): (
        "encryption salt 0x0123456789abcdef",
        "variable names (x, y): they become numbers",
    ),
    ("p001_a", "zip"): (),
    ("p001_a", "folder"): (),
    ("p001_a", "prog"): (
        "the I/O specification: it lies beside the pair in a file of its own",
        "model name and version (p001_a 1.2.3)",
        "model type (1)",
        "recommended clock (150 MHz)",
    ),
    ("p001_b", "femto"): ("variable names (x, z, y, w): they become numbers",),
    ("p001_b", "prog"): (
        "the I/O specification: it lies beside the pair in a file of its own",
        "model name and version (two-core plain 0.0.1)",
        "user data (5 bytes)",
        "recommended clock (150 MHz)",
    ),
}


@pytest.mark.parametrize(("name", "form"), LOSSES)
def test_saving_says_exactly_what_is_lost(name: str, form: str, tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "data" / "spu" / "programs" / name / f"{name}.femto"
    assert Program.load(source).save(tmp_path / "out_A", form=form) == LOSSES[name, form]


def test_extra_writes_of_a_prog_pair_are_kept_and_lost_nowhere_silently(tmp_path: Path) -> None:
    """pmp_a was recorded with a safety mask that hostrt would not write itself."""
    folder = Path(__file__).parents[1] / "data" / "spu" / "programs" / "pmp_a"
    pair = folder / "prog" / "program_network_A"
    program = Program.load(pair)
    assert program.stream is not None
    assert "the writes are not those of a plain load: they are replayed as they stand" in (
        program.notes
    )
    steps = program.load_steps(get_chip("spu150"))
    assert all(isinstance(step, Write) for step in steps)
    sent = [
        (step.address + 4 * k, int(word))
        for step in steps
        if isinstance(step, Write)
        for k, word in enumerate(step.words)
    ]
    addresses = [int(line, 16) for line in pair.read_text().split()]
    words = [int(line, 16) for line in pair.with_name("program_network_D").read_text().split()]
    assert sent == list(zip(addresses, words, strict=True))
    plain = Program.load(folder / "pmp_a.femto")
    assert program.sha256 != plain.sha256
    lost = "register writes of the PROG files that are not part of a plain load"
    assert lost in program.save(tmp_path / "out.zip")
    assert lost in program.save(tmp_path / "out.femto")
    difference = compare_programs(plain, program)
    assert difference.fields == {"register writes": ("plain load", "71 as they stand")}
    assert not difference.banks


def test_loading_steps_write_what_the_pair_holds_in_its_order(golden: Golden) -> None:
    program = Program.load(golden.prog[0])
    steps = program.load_steps(get_chip(program.chip))
    memories = [
        step.address
        for step in steps
        if isinstance(step, Write)
        and get_chip(program.chip).map.find_region(step.address) is not None
    ]
    wanted = [
        address
        for line in golden.prog[0].read_text().split()
        if get_chip(program.chip).map.find_region(address := int(line, 16)) is not None
    ]
    assert memories[0] == wanted[0]
    assert set(memories) <= set(wanted)
    positions = [wanted.index(address) for address in memories]
    assert positions == sorted(positions)


def test_eight_bit_vectors_have_as_many_words_as_their_precision_says(tmp_path: Path) -> None:
    """B1: the vendor's reader gives an 8-bit vector twice the words."""
    Program.loopback(length=20, precision=8).save(tmp_path / "eight.femto")
    program = Program.load(tmp_path / "eight.femto")
    assert program.iospec is not None
    vector = program.iospec.inputs["0"]
    assert (vector.words, vector.precision, vector.length) == (3, 8, 20)


def test_a_name_that_is_not_ascii_is_cut_between_characters(tmp_path: Path) -> None:
    """B18."""
    name = "mödel-" + "ü" * 20
    program = replace(Program.loopback(), identity=Identity(name=name, version="1"))
    program.save(tmp_path / "a.femto")
    again = Program.load(tmp_path / "a.femto")
    assert again.identity.name == ("mödel-" + "ü" * 12)
    assert again.sha256 == program.sha256


def test_images_of_one_line_and_of_none_are_read(tmp_path: Path) -> None:
    """B6."""
    program = Program.loopback()
    one = BankImage(0, MemoryKind.SB, 0, np.array([7], np.uint64))
    program = replace(program, banks=(*program.banks, one))
    program.save(tmp_path / "one")
    assert (tmp_path / "one" / "test_core_0_sboard_initial_py_hex.txt").read_bytes() == b"007\n"
    assert (tmp_path / "one" / "test_core_0_rqueue_initial_py_hex.txt").read_bytes() == b""
    assert Program.load(tmp_path / "one").sha256 == program.sha256


def test_the_old_part_number_of_spu150_reads_as_tc1_and_may_be_told_otherwise(
    tmp_path: Path,
) -> None:
    """B20."""
    folder = Path(__file__).parents[1] / "data" / "spu" / "programs" / "ptc1_a"
    data = bytearray((folder / "ptc1_a.femto").read_bytes())
    at = int.from_bytes(data[84:86], "little")
    assert data[at] == 3
    data[at] = 2
    (tmp_path / "old.femto").write_bytes(data)
    program = Program.load(tmp_path / "old.femto")
    assert program.chip == "spu150tc1"
    assert contents(program) == contents(Program.load(folder / "ptc1_a.femto"))
    assert Program.load(tmp_path / "old.femto", chip="spu150").chip == "spu150"
    data[at] = 255
    (tmp_path / "unknown.femto").write_bytes(data)
    assert Program.load(tmp_path / "unknown.femto", chip="spu150").chip == "spu150"


def test_metadata_written_for_a_femto_are_plain(golden: Golden, tmp_path: Path) -> None:
    """B28: a safe loader reads them."""
    import yaml

    program = Program.load(golden.femto)
    program.save(tmp_path / "folder")
    text = (tmp_path / "folder" / "metadata.yaml").read_text()
    assert "!!" not in text
    tree = yaml.safe_load(text)
    assert tree["encryption_key_salt"] == (golden.salt if golden.key != 32 else 0)
    assert tree["encryption_key_index"] == golden.key


def test_upper_case_suffixes_and_path_objects_are_taken(golden: Golden, tmp_path: Path) -> None:
    """B27: the contents decide, not the name."""
    for path, name in ((golden.femto, "MODEL.FEMTO"), (golden.zip, "MODEL.ZIP")):
        shutil.copy(path, tmp_path / name)
        program = Program.load(tmp_path / name, chip=golden.chip)
        assert contents(program) == golden.memories
    Program.load(golden.femto).save(tmp_path / "OUT.FEMTO")
    assert (tmp_path / "OUT.FEMTO").read_bytes() == golden.femto.read_bytes()


def test_prog_files_with_other_line_ends_case_and_prefix_are_read(
    p001_a: Golden, tmp_path: Path
) -> None:
    a, d = (path.read_text() for path in p001_a.prog)
    (tmp_path / "0PROG_A.TXT").write_bytes(a.replace("\n", "\r\n").upper().encode())
    (tmp_path / "0PROG_D.TXT").write_text("".join(f"0x{line}\n" for line in d.split())[:-1])
    program = Program.load(tmp_path / "0PROG_D.TXT")
    assert program.sha256 == Program.load(p001_a.femto).sha256


def test_a_prog_pair_in_a_folder_is_found(p001_a: Golden) -> None:
    program = Program.load(p001_a.folder / "prog")
    assert program.sha256 == Program.load(p001_a.femto).sha256


def test_pages_in_another_order_land_at_their_addresses(p001_a: Golden, tmp_path: Path) -> None:
    """A10: the vendor's reader appends pages in file order."""
    data = bytearray(p001_a.femto.read_bytes())
    first, second = slice(512 + 2, 512 + 256), slice(768 + 2, 768 + 256)
    # all but the page number, which counts up in the file
    data[first], data[second] = data[second], data[first]
    (tmp_path / "shuffled.femto").write_bytes(data)
    program = Program.load(tmp_path / "shuffled.femto", salt=p001_a.salt)
    assert contents(program) == p001_a.memories
    assert program.sha256 == Program.load(p001_a.femto).sha256


def test_places_of_vectors_keep_all_their_bits(tmp_path: Path) -> None:
    """A7: the vendor's reader takes three of the four bytes."""
    program = Program.loopback()
    assert program.iospec is not None
    vector = replace(program.iospec.inputs["input"], pc=0x12345678)
    spec = replace(program.iospec, inputs={"input": vector})
    replace(program, iospec=spec).save(tmp_path / "wide.femto")
    again = Program.load(tmp_path / "wide.femto").iospec
    assert again is not None
    assert again.inputs["0"].pc == 0x12345678


def test_a_program_that_was_changed_is_not_written_as_the_file_it_came_from(
    golden: Golden, tmp_path: Path
) -> None:
    for source, name in ((golden.femto, "new.femto"), (golden.zip, "new.zip")):
        program = Program.load(source, chip=golden.chip, key_index=golden.key)
        bank = program.banks[0]
        other = replace(program, banks=(replace(bank, words=bank.words + 1), *program.banks[1:]))
        other.save(tmp_path / name)
        assert Program.load(tmp_path / name, salt=golden.salt).banks == other.banks
        plain = replace(program, encryption=None)
        plain.save(tmp_path / name)
        assert Program.load(tmp_path / name).encryption is None
