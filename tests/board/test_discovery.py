"""Finding boards without touching any, and choosing one when none is named."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from hostrt.board import discover
from hostrt.board.discover import (
    default_board,
    find_boards,
    find_evk2,
    find_simulated,
    is_simulated_url,
)
from hostrt.errors import BoardAmbiguous, UsageError, WrongTarget
from hostrt.program import Program
from hostrt.runner.target import choose_board, open_for
from hostrt.sim.registry import ServedBoard, announced
from hostrt.transport.holder import holder_of
from hostrt.transport.owner import evk2_lock_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of the test's own: an empty USB bus, no served boards, no settings."""
    folder = tmp_path / "sysfs"
    folder.mkdir()
    monkeypatch.setattr(discover, "_SYSFS", folder)
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("HOSTRT_BOARD", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


def plug(bus: Path, place: str, **attributes: str) -> None:
    device = bus / place
    device.mkdir()
    for name, value in attributes.items():
        (device / name).write_text(f"{value}\n", encoding="utf-8")


def plug_evk2(bus: Path, place: str, serial: str, **more: str) -> None:
    strings = {"product": "SPU001", "manufacturer": "FemtoAI", **more}
    plug(bus, place, idVendor="16c0", idProduct="0486", serial=serial, **strings)


@pytest.fixture
def serial() -> Iterator[str]:
    name = f"test{uuid.uuid4().hex[:12]}"
    yield name
    evk2_lock_path(name).unlink(missing_ok=True)


# -- listing ------------------------------------------------------------------------------------


def test_an_evk2_is_known_by_its_numbers_and_described_by_its_strings(bus: Path) -> None:
    plug(bus, "usb1", idVendor="1d6b", idProduct="0002", serial="0000:00:14.0")
    plug(bus, "1-1", idVendor="16c0", idProduct="0483", serial="another teensy")
    plug(bus, "1-2:1.0", bInterfaceClass="03")
    plug_evk2(bus, "1-2", "10000001")
    plug_evk2(bus, "1-3", "10000002", product=" spu150 ")
    found, other = find_evk2()
    assert other.chip == "spu150tc1"
    assert found.url == "evk2://10000001"
    assert (found.kind, found.chip, found.product) == ("evk2", "spu001", "SPU001")
    assert found.reads_exec_time
    assert found.in_use is False
    assert found.to_json()["serial"] == "10000001"


def test_an_older_board_tells_neither_chip_nor_times(bus: Path) -> None:
    plug_evk2(bus, "1-2", "7", product="Teensyduino RawHID", manufacturer="Teensyduino")
    (found,) = find_evk2()
    assert found.chip == ""
    assert not found.reads_exec_time


def test_a_board_without_a_serial_number_can_still_be_opened(bus: Path) -> None:
    plug(bus, "1-2", idVendor="16c0", idProduct="0486")
    (found,) = find_evk2()
    assert found.url == "evk2"
    assert found.in_use is None


def test_a_board_held_by_another_process_says_by_which(bus: Path, serial: str) -> None:
    """The lock is a real one, and looking does not touch it."""
    plug_evk2(bus, "1-2", serial)
    assert find_evk2()[0].in_use is False
    source = (
        "import sys; from hostrt.transport.owner import *;"
        f"lock = lock_board('x', evk2_lock_path({serial!r})); print('held', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        for _ in range(2):
            (found,) = find_evk2()
            assert found.in_use is True
            assert found.holder == child.pid
        child.stdin.close()
        assert child.wait(10) == 0
    (found,) = find_evk2()
    assert (found.in_use, found.holder) == (False, None)


def test_a_lock_file_that_is_not_there_is_not_held(tmp_path: Path) -> None:
    assert holder_of(tmp_path / "none.lock") == (False, None)


def test_served_boards_are_listed_with_every_address() -> None:
    import os

    urls = ("evk2+tcp://127.0.0.1:7001?simulated=yes", "zcu104://127.0.0.1:7002?simulated=yes")
    with announced(ServedBoard(os.getpid(), urls, "spu001", "10000001")):
        assert tuple(board.url for board in find_simulated()) == urls
        assert [board.url for board in find_boards() if board.kind == "simulated"] == list(urls)
        assert all(is_simulated_url(url) for url in urls)
        assert not is_simulated_url("zcu104://127.0.0.1:7003")
    assert find_simulated() == []


# -- choosing -----------------------------------------------------------------------------------


def test_without_boards_the_simulated_one_is_chosen_and_it_is_said() -> None:
    url, why = default_board()
    assert url == "sim"
    assert "simulated" in why


def test_the_only_board_is_chosen(bus: Path) -> None:
    plug_evk2(bus, "1-2", "10000001")
    assert default_board() == ("evk2://10000001", "the only board connected")
    assert choose_board() == default_board()


def test_of_two_boards_none_is_chosen(bus: Path) -> None:
    plug_evk2(bus, "1-1", "10000001")
    plug_evk2(bus, "1-2", "10000002")
    with pytest.raises(BoardAmbiguous) as caught:
        default_board()
    assert "evk2://10000001, evk2://10000002" in str(caught.value)
    assert "--board" in caught.value.hint


def test_the_environment_comes_before_what_is_connected(
    bus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_evk2(bus, "1-2", "10000001")
    monkeypatch.setenv("HOSTRT_BOARD", "sim://spu150")
    assert choose_board() == ("sim://spu150", "from HOSTRT_BOARD")


def test_a_configuration_file_names_the_board(bus: Path, tmp_path: Path) -> None:
    plug_evk2(bus, "1-2", "10000001")
    (tmp_path / "hostrt.toml").write_text('board = "sim://spu150tc1"\n', encoding="utf-8")
    url, why = choose_board()
    assert url == "sim://spu150tc1"
    assert "hostrt.toml" in why


def test_a_simulated_board_carries_the_programs_chip() -> None:
    for chip in ("spu001", "spu150tc1", "spu150"):
        board, why = open_for(Program.loopback(chip), None)
        with board:
            assert board.chip.name == chip
            assert "simulated" in why
    board, why = open_for(Program.loopback(), "sim")
    with board:
        assert why == ""


def test_a_program_for_another_chip_than_the_board_named_is_refused() -> None:
    with pytest.raises((WrongTarget, UsageError), match="SPU-150"):
        open_for(Program.loopback(), "sim://spu150")
