"""How long program files take. Nothing here fails for being slow: `compare_with_peer` judges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from firmware_protocol.bank_geometry import in_write_order
from hostrt.program import Program
from tests.bench.material import full_banks, large_banks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Timed = Callable[..., Any]


def test_reading_a_prog_pair(timed: Timed, large_prog: Path) -> None:
    program = timed(Program.load, large_prog)
    assert program.banks == tuple(in_write_order(large_banks()))


def test_reading_a_large_femto_file(timed: Timed, large_femto: Path) -> None:
    program = timed(Program.load, large_femto)
    assert program.banks == tuple(in_write_order(large_banks()))


def test_reading_a_full_archive(timed: Timed, full_zip: Path) -> None:
    program = timed(Program.load, full_zip)
    assert program.n_words == sum(2 * bank.words.size for bank in full_banks())


@pytest.mark.parametrize("form", ["femto", "zip"])
def test_writing_a_full_chip(timed: Timed, full_zip: Path, tmp_path: Path, form: str) -> None:
    program = Program.load(full_zip)
    timed(program.save, tmp_path / f"out.{form}")
    assert Program.load(tmp_path / f"out.{form}").sha256 == program.sha256


def test_writing_a_prog_pair(
    timed: Timed, large_femto: Path, large_prog: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out_A"
    timed(Program.load(large_femto).save, target)
    assert target.read_bytes() == large_prog.read_bytes()
