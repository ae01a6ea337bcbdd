"""Which runners there are, and which programs a board is asked to run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.board.board import Board, BoardState, open_board
from hostrt.errors import ProgramNotFound, ProgramUnsupported, UsageError, WrongTarget
from hostrt.program import Program
from hostrt.runner.dummy import DummyRunner
from hostrt.runner.factory import Runner, runner_names
from hostrt.runner.hw import HwRunner
from hostrt.runner.target import check_instruction_set, open_for
from hostrt.sim.serving import ServeOptions, evk2_server
from tests.runner import programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def real_board() -> Iterator[Board]:
    """A board that nothing shows to be a simulated one."""
    url, server = evk2_server("127.0.0.1:0", ServeOptions())
    with server, open_board(url.partition("?")[0]) as board:
        assert not board.info.simulated
        yield board


@pytest.fixture
def encrypted(spu_data: Path) -> Program:
    return Program.load(spu_data / "programs" / "p001_a" / "p001_a.femto")


@pytest.fixture
def plain(spu_data: Path) -> Program:
    return Program.load(spu_data / "programs" / "p001_b" / "p001_b.femto")


# -- runners by name ------------------------------------------------------------------------------


def test_runners_are_made_by_name() -> None:
    """B10: `dummy` can be made."""
    assert {"hw", "dummy"} <= set(runner_names())
    assert isinstance(Runner("hw"), HwRunner)
    assert isinstance(Runner("dummy", "LOOPBACK:5"), DummyRunner)


def test_a_name_that_is_none_is_refused_with_those_that_are() -> None:
    """B10: the reference tool's help names a runner that does not exist."""
    with pytest.raises(UsageError, match="fakehw") as caught:
        Runner("fakehw")
    assert "dummy" in caught.value.hint
    assert "hw" in caught.value.hint


def test_an_option_that_a_runner_does_not_take_is_named() -> None:
    with pytest.raises(UsageError, match=r"'hw'.*colour"):
        Runner("hw", colour="green")


def test_a_program_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotFound, match=r"none\.femto"):
        Runner("hw", tmp_path / "none.femto")


def test_a_program_without_inputs_and_outputs_says_what_is_missing() -> None:
    with pytest.raises(ProgramUnsupported, match="inputs and outputs") as caught:
        Runner("dummy", replace(Program.loopback(), iospec=None))
    assert "--iospec" in caught.value.hint


def test_outputs_that_share_a_mailbox_are_refused() -> None:
    program = programs.two_inputs()
    assert program.iospec is not None
    outputs = {
        name: replace(vector, mailbox_id=4) for name, vector in program.iospec.outputs.items()
    }
    shared = replace(program, iospec=replace(program.iospec, outputs=outputs))
    with pytest.raises(ProgramUnsupported, match="share one of the mailboxes"):
        DummyRunner(shared)


def test_an_open_board_decides_the_chip_of_loopback() -> None:
    with open_board("sim://spu150tc1") as board, HwRunner(board=board) as runner:
        assert runner.program.chip == "spu150tc1"
        frames = np.arange(32).reshape(1, 32)
        np.testing.assert_array_equal(runner.run(frames).outputs["output"], frames)


def test_a_runner_may_find_another_board_at_its_next_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner = HwRunner(Program.loopback())
    clocks = []
    for address in ("sim", "sim://spu001?platform=rtl", "sim"):
        monkeypatch.setenv("HOSTRT_BOARD", address)
        with runner:
            clocks.append(runner.run(np.zeros((1, 32), int)).metrics.clock)
    assert clocks == ["device", "wire", "device"]


# -- programs and boards ------------------------------------------------------------------------


def test_an_unencrypted_program_is_refused_early_by_a_real_chip(
    real_board: Board, plain: Program, tmp_path: Path
) -> None:
    """B4: such programs aborted in the middle; here before anything is sent, and files work."""
    with pytest.raises(WrongTarget, match=r"not encrypted.*debug mode") as caught:
        HwRunner(plain, board=real_board).reset()
    assert caught.value.hint
    assert real_board.state is BoardState.OPEN
    plain.save(tmp_path / "0PROG_A")
    assert (tmp_path / "0PROG_D").is_file()


def test_an_encrypted_program_is_loaded_into_a_real_chip(
    real_board: Board, encrypted: Program
) -> None:
    HwRunner(encrypted, board=real_board).reset()
    assert real_board.loaded is encrypted


def test_loopback_is_refused_by_a_real_chip_unless_it_is_forced(real_board: Board) -> None:
    with pytest.raises(WrongTarget, match=r"open instruction set.*real chips do not execute"):
        HwRunner(board=real_board).reset()
    assert real_board.state is BoardState.OPEN
    with HwRunner(board=real_board, force=True) as runner:
        frames = np.arange(32).reshape(1, 32)
        np.testing.assert_array_equal(runner.run(frames).outputs["output"], frames)


def test_a_program_of_the_vendors_is_refused_where_it_would_be_executed(
    encrypted: Program,
) -> None:
    """With the address of a board that answers instead; and not where there is nobody at all."""
    board, _ = open_for(encrypted, "sim")
    with board:
        with pytest.raises(WrongTarget, match="vendor's instruction set") as caught:
            check_instruction_set(board, encrypted, force=False)
        check_instruction_set(board, encrypted, force=True)
    echo = caught.value.hint.split("'")[1]
    for address in (echo, "fakezynq"):
        board, _ = open_for(encrypted, address)
        with board:
            check_instruction_set(board, encrypted, force=False)


def test_the_address_in_the_hint_works(encrypted: Program) -> None:
    with pytest.raises(WrongTarget) as caught, HwRunner(encrypted, board="sim"):
        pass
    with HwRunner(encrypted, board=caught.value.hint.split("'")[1]) as runner:
        result = runner.run(np.zeros((3, 7), int))
    assert result.outputs["y"].shape == (3, 5)
