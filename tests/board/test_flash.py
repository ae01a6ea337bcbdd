"""Flashing boards, and what is remembered about them."""

from __future__ import annotations

import errno
import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.requests import Write
from hostrt.board.board import Board, BoardState, open_board
from hostrt.board.flash import flash, holds, plan_flash, state_after
from hostrt.board.memo import Note, forget, recall, remember
from hostrt.chip.base import Power
from hostrt.errors import StorageError, VerifyFailed, WrongTarget
from hostrt.program import Program
from hostrt.runner.hw import HwRunner
from hostrt.sim.serving import ServeOptions, evk2_server
from hostrt.sim.transport import SimTransport
from hostrt.transport.base import TransportInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firmware_protocol.requests import Request
    from firmware_protocol.words import Words

LENGTH = 40_000
"""Elements of a LOOPBACK that is loaded in several pieces."""


@pytest.fixture
def board() -> Iterator[Board]:
    with open_board("sim") as board:
        yield board


@pytest.fixture
def encrypted(spu_data: Path) -> Program:
    return Program.load(spu_data / "programs" / "p001_a" / "p001_a.femto")


def other_in_the_middle(program: Program) -> Program:
    """Give a program that differs in one word far from both ends of its bank."""
    first, *rest = program.banks
    words = first.words.copy()
    words[words.size // 2] ^= np.uint64(1)
    return replace(program, banks=(BankImage(first.core, first.kind, first.index, words), *rest))


# -- skipping what is there already -------------------------------------------------------------


def test_what_a_board_holds_already_is_not_written_again(board: Board) -> None:
    program = Program.loopback()
    first = flash(board, program)
    assert first.verified
    assert not first.skipped
    again = flash(board, program)
    assert again.skipped
    assert again.n_words == 0
    assert board.state is BoardState.LOADED
    assert board.loaded is program


def test_force_writes_all_the_same(board: Board) -> None:
    program = Program.loopback()
    flash(board, program)
    again = flash(board, program, force=True)
    assert not again.skipped
    assert again.n_words > 0


def test_another_process_skips_too_when_the_board_kept_its_power() -> None:
    """Only what the board itself shows decides; the link may be opened with other options."""
    url, server = evk2_server("127.0.0.1:0", ServeOptions())
    with server:
        with open_board(url) as board:
            assert not flash(board, Program.loopback()).skipped
        with open_board(f"{url}&window=1") as board:
            assert flash(board, Program.loopback()).skipped


@pytest.mark.fault
def test_a_power_cycle_is_noticed(board: Board, encrypted: Program) -> None:
    """By the banks' power alone where the program cannot be read back."""
    for program in (Program.loopback(), encrypted):
        flash(board, program)
        assert holds(board, program)
        assert isinstance(board.transport, SimTransport)
        board.transport.spu.hard_reset()
        assert not holds(board, program)
        assert not flash(board, program).skipped


def test_a_run_of_another_program_in_between_is_noticed(board: Board) -> None:
    """Even where both programs have equal ends in every bank."""
    program = Program.loopback(length=1000)
    flash(board, program)
    with HwRunner(other_in_the_middle(program), board=board):
        pass
    assert not holds(board, program)
    receipt = flash(board, program)
    assert not receipt.skipped
    assert receipt.verified


def test_another_tool_that_wrote_over_an_encrypted_program_is_noticed(
    board: Board, encrypted: Program
) -> None:
    flash(board, encrypted)
    bank = encrypted.banks[0]
    other = BankImage(bank.core, bank.kind, bank.index, ~bank.words)

    board.execute([board.chip.fill_bank(other)])

    assert not holds(board, encrypted)


def test_an_encrypted_program_is_not_taken_for_another_one(
    board: Board, encrypted: Program
) -> None:
    receipt = flash(board, encrypted)
    assert not receipt.verified
    assert flash(board, encrypted).skipped
    board.load(other_in_the_middle(encrypted))
    assert not flash(board, encrypted).skipped


@pytest.mark.fault
@pytest.mark.parametrize("kind", [MemoryKind.DM, MemoryKind.IM])
def test_words_changed_at_the_ends_of_a_bank_are_noticed(board: Board, kind: MemoryKind) -> None:
    program = Program.loopback(length=1000)
    flash(board, program)
    bank = next(bank for bank in program.banks if bank.kind is kind)
    words = bank.words.copy()
    words[-1] ^= np.uint64(1)
    board.execute([board.chip.fill_bank(BankImage(bank.core, bank.kind, bank.index, words))])
    assert not flash(board, program).skipped


def test_switching_banks_off_is_noticed_after_they_were_switched_on(
    board: Board, encrypted: Program
) -> None:
    flash(board, encrypted)
    board.set_power(encrypted, Power.OFF)
    board.set_power(encrypted, Power.ON)
    assert not flash(board, encrypted).skipped


def test_a_broken_board_is_flashed_anew(board: Board) -> None:
    program = Program.loopback()
    flash(board, program)
    board.mark_broken(VerifyFailed("something"))
    assert not flash(board, program).skipped
    assert board.state is BoardState.LOADED


# -- the notes ----------------------------------------------------------------------------------


def note_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "state").rglob("*.json"))


@pytest.mark.fault
@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"program_sha256": 7}', "\ufeff\x00"])
def test_a_damaged_note_is_no_note(board: Board, tmp_path: Path, text: str) -> None:
    flash(board, Program.loopback())
    (note,) = note_files(tmp_path)
    note.write_text(text, encoding="utf-8")
    assert recall(board.info).program_sha256 == ""
    assert not flash(board, Program.loopback()).skipped


@pytest.mark.fault
def test_a_state_folder_that_cannot_be_written_does_not_spoil_a_flash(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        receipt = flash(board, Program.loopback())
    assert receipt.verified
    assert board.state is BoardState.LOADED
    assert "cannot make folder" in caplog.text
    assert not flash(board, Program.loopback()).skipped


@pytest.mark.fault
def test_a_note_that_cannot_be_removed_stops_a_boot_before_anything_is_sent(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash(board, Program.loopback())

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StorageError, match="a note of what the board holds") as caught:
        board.boot()
    assert "XDG_STATE_HOME" in caught.value.hint
    assert board.state is BoardState.LOADED


def test_notes_tell_boards_apart_and_know_them_again(tmp_path: Path) -> None:
    one = TransportInfo("evk2://7", "evk2", serial="7")
    remember(one, Note("a"))
    assert recall(TransportInfo("record+evk2?to=x", "evk2", serial="7")).program_sha256 == "a"
    assert recall(TransportInfo("evk2://8", "evk2", serial="8")).program_sha256 == ""
    place = TransportInfo("zcu104://10.0.0.8?reads=4", "zcu104")
    remember(place, Note("b"))
    assert (
        recall(TransportInfo("faulty+zcu104://10.0.0.8?plan=lose@1", "zcu104")).program_sha256
        == "b"
    )
    assert recall(TransportInfo("zcu104://10.0.0.9", "zcu104")).program_sha256 == ""
    forget(one)
    forget(one)
    assert recall(one).program_sha256 == ""
    assert all(tmp_path / "state" in path.parents for path in note_files(tmp_path))


def test_a_relative_state_folder_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "here")
    remember(TransportInfo("evk2://7", "evk2", serial="7"), Note("a"))
    assert (tmp_path / ".local/state/hostrt/boards/evk2-7.json").is_file()


def test_links_without_a_board_leave_no_note(tmp_path: Path) -> None:
    with open_board("fakezynq") as board:
        flash(board, Program.loopback())
        assert not flash(board, Program.loopback()).skipped
    assert note_files(tmp_path) == []


# -- plans, refusals, interruptions -------------------------------------------------------------


class Listener(SimTransport):
    """Keeps what was asked of the chip."""

    asked: list[Request]

    def _do(self, request: Request) -> Words | None:
        self.asked.append(request)
        return super()._do(request)


def test_a_plan_sends_nothing_and_is_what_a_flash_does(board: Board) -> None:
    assert isinstance(board.transport, SimTransport)
    listener = Listener(board.transport.spu, board.info)
    listener.asked = []
    listened = Board(listener, board.chip)
    program = Program.loopback(length=100)
    plan = plan_flash(listened, program)
    assert listener.asked == []
    assert listened.state is BoardState.OPEN
    assert plan.verify
    receipt = flash(listened, program)

    def writes(requests: list[Request]) -> list[tuple[str, int, bytes]]:
        return [
            (str(step.space), step.address, step.words.tobytes())
            for step in requests
            if isinstance(step, Write)
        ]

    planned = [step for step in plan.steps if isinstance(step, Write)]
    assert writes(listener.asked) == writes(list(planned))
    assert plan.n_words >= receipt.n_words
    assert json.loads(json.dumps(plan.to_json()))["n_bytes"] == 4 * plan.n_words
    assert plan.n_waits_s > 0


def test_a_program_for_another_chip_is_neither_planned_nor_flashed(board: Board) -> None:
    for action in (plan_flash, flash):
        with pytest.raises(WrongTarget) as caught:
            action(board, Program.loopback("spu150tc1"))
        assert "nothing was sent" in state_after(board, caught.value)


@pytest.mark.fault
def test_a_failed_verification_leaves_no_note_and_a_broken_board(
    board: Board, encrypted: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hostrt.sim.memory import Bank

    whole = Bank.set_power

    def forgetful(bank: Bank, conf: int) -> None:
        whole(bank, conf)
        bank.powered = bank.powered and bank.kind is not MemoryKind.DM

    monkeypatch.setattr(Bank, "set_power", forgetful)
    with pytest.raises(VerifyFailed, match="core 0 DM0 word 0") as caught:
        flash(board, encrypted, verify=True)
    assert board.state is BoardState.BROKEN
    assert recall(board.info).program_sha256 == ""
    assert "no usable program" in state_after(board, caught.value)


def _interrupt_at(report: int, error: type[BaseException]) -> Callable[[int, int], None]:
    seen: list[int] = []

    def progress(done: int, _total: int) -> None:
        seen.append(done)
        if len(seen) == report:
            raise error

    return progress


@pytest.mark.fault
@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
@pytest.mark.parametrize("report", [1, 2, 4])
def test_a_flash_can_be_interrupted_anywhere_and_the_next_one_is_whole(
    board: Board, report: int, error: type[BaseException]
) -> None:
    program = Program.loopback(length=LENGTH)
    flash(board, Program.loopback())
    with pytest.raises(error) as caught:
        flash(board, program, progress=_interrupt_at(report, error))
    assert board.state is BoardState.BROKEN
    assert "no usable program" in state_after(board, caught.value)
    assert recall(board.info).program_sha256 == ""
    receipt = flash(board, program)
    assert receipt.verified
    frames = np.arange(LENGTH).reshape(1, LENGTH) % 1000
    with HwRunner(program, board=board) as runner:
        np.testing.assert_array_equal(runner.run(frames).outputs["output"], frames)


@pytest.mark.fault
def test_an_interrupted_flash_of_what_was_there_is_not_skipped_afterwards(
    board: Board, encrypted: Program
) -> None:
    flash(board, encrypted)
    with pytest.raises(KeyboardInterrupt):
        flash(board, encrypted, force=True, progress=_interrupt_at(1, KeyboardInterrupt))
    assert not flash(board, encrypted).skipped
