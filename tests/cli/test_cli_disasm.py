"""hostrt disasm: from images to text that assembles to the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hostrt.fasmir.disassemble import disassemble
from hostrt.fasmir.parse import parse_assembly
from hostrt.program import Program
from tests.cli.conftest import PROGRAMS


@pytest.mark.parametrize("chip", ["spu001", "spu150tc1", "spu150"])
def test_a_program_is_shown_as_assembly(hostrt: Any, chip: str) -> None:
    done = hostrt("disasm", "LOOPBACK:40", "--chip", chip)
    assert done.code == 0, done.err
    assert "RECV n=10" in done.out
    assert parse_assembly(done.out) == disassemble(Program.loopback(chip, length=40))


def test_the_text_goes_to_a_file(hostrt: Any) -> None:
    Program.loopback().save("loop.femto")
    assert hostrt("disasm", "loop.femto", "-o", "loop.fasm").out == "wrote loop.fasm\n"
    assert parse_assembly(Path("loop.fasm").read_text()).outputs[0].n_words == 8
    tree = hostrt("disasm", "loop.femto", "--json").json
    assert tree["instructions"] == {"0": 4}
    assert tree["text"] == Path("loop.fasm").read_text()


def test_a_vendor_program_and_a_damaged_one_are_refused(hostrt: Any) -> None:
    done = hostrt("disasm", PROGRAMS / "p001_a" / "p001_a.femto")
    assert done.code == 3
    assert "not public" in done.err
    program = Program.loopback()
    program.save("0PROG_A")
    lines = Path("0PROG_D").read_text().splitlines()
    at = lines.index("02000008")
    lines[at] = "3f000008"
    Path("0PROG_D").write_text("\n".join(lines) + "\n")
    done = hostrt("disasm", "0PROG_A")
    assert done.code == 3
    assert "pc 1: 0x3f00000800000000 is no instruction" in done.err
