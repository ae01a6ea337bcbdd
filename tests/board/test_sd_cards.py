"""SD cards: written whole, read back, and nothing else touched."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from hostrt.errors import StorageError, UsageError
from hostrt.program import Program
from hostrt.program.sd_card import write_sd


@pytest.mark.parametrize("slot", [0, 9])
def test_a_card_gets_both_files_and_they_are_the_program(
    tmp_path: Path, slot: int, spu_data: Path
) -> None:
    program = Program.load(spu_data / "programs" / "p001_b" / "p001_b.femto")
    paths = write_sd(program, tmp_path, slot)
    assert [path.name for path in paths] == [f"{slot}PROG_A", f"{slot}PROG_D"]
    again = Program.load(paths[0], chip="spu001")
    for bank in program.banks:
        (same,) = [
            other
            for other in again.banks
            if (other.core, other.kind, other.index) == (bank.core, bank.kind, bank.index)
        ]
        np.testing.assert_array_equal(same.words, bank.words)
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in paths]


@pytest.mark.parametrize("slot", [-1, 10])
def test_a_card_has_ten_slots(tmp_path: Path, slot: int) -> None:
    with pytest.raises(UsageError, match=r"0\.\.9"):
        write_sd(Program.loopback(), tmp_path, slot)


def test_a_card_that_is_not_mounted_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="not a folder") as caught:
        write_sd(Program.loopback(), tmp_path / "card", 0)
    assert "mount" in caught.value.hint


@pytest.mark.fault
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_card_without_room_or_permission_keeps_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    card = tmp_path / "card"
    card.mkdir()
    write_sd(Program.loopback(), card, 0)
    before = {path.name: path.read_bytes() for path in card.iterdir()}

    def refuse(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=os.strerror(number)):
        write_sd(Program.loopback(length=500), card, 0)
    assert {path.name: path.read_bytes() for path in card.iterdir()} == before


@pytest.mark.fault
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_card_that_does_not_read_back_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    whole = Path.read_bytes

    def worn_out(path: Path) -> bytes:
        if not path.name.endswith("PROG_D"):
            return whole(path)
        if is_gone:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return whole(path)[:-1] + b"x"

    monkeypatch.setattr(Path, "read_bytes", worn_out)
    with pytest.raises(StorageError, match=r"0PROG_D.*read"):
        write_sd(Program.loopback(), tmp_path, 0)
