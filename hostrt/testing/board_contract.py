"""What every board must do, as tests to inherit.

A board is whatever an address opens: a new transport, a new kind of link to a known chip. Its
tests subclass `BoardContract`, fill in `open_board` and run with pytest. Example:

    class TestMyBoard(BoardContract):
        def open_board(self) -> Board:
            return open_board("myboard://10.0.0.8")
"""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.packing import dwords_to_words
from hostrt.board.board import BoardState
from hostrt.chip import get_chip
from hostrt.chip.base import Power
from hostrt.chip.step import Poll, Space
from hostrt.errors import (
    BoardBroken,
    HostrtError,
    LinkError,
    OutputNeverCame,
    UsageError,
    VerifyFailed,
    WrongTarget,
)
from hostrt.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hostrt.board.board import Board
    from hostrt.chip.step import FrameOut, Step

_NEVER = 0.2
"""Seconds to wait for an output that cannot come."""


class BoardContract:
    """Tests of one kind of board.

    Attributes:
        executes: the board executes the open instruction set, so that LOOPBACK answers.
        bound_s: longest time anything may take on this board.
    """

    executes = True
    bound_s = 10.0

    def open_board(self) -> Board:
        """Open the board under test, each time anew."""
        raise NotImplementedError

    def program(self, chip: str) -> Program:
        """Give a program for the board's chip; one that is not encrypted, to be read back."""
        return Program.loopback(chip)

    @pytest.fixture(autouse=True)
    def _own_notes(self, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
        """Keep notes about what boards hold away from the user's."""
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    @pytest.fixture
    def board(self) -> Iterator[Board]:
        """Give an open board, closed after the test."""
        with self.open_board() as board:
            yield board

    @pytest.fixture
    def loaded(self, board: Board) -> Board:
        """Give a board that holds the program."""
        board.load(self.program(board.chip.name))
        return board

    # -- life cycle -----------------------------------------------------------------------------

    def test_an_open_board_says_who_it_is(self, board: Board) -> None:
        """Address, platform and chip are known before anything is sent."""
        assert board.state is BoardState.OPEN
        assert board.info.url
        assert board.info.platform == board.platform.name
        assert board.chip.name in ("spu001", "spu150tc1", "spu150")
        assert board.loaded is None

    def test_boot_leads_to_booted_however_often(self, board: Board) -> None:
        """A boot starts from any state and the version register is right after it."""
        for _ in range(2):
            board.boot()
            assert board.state is BoardState.BOOTED
            assert board.read_version() == board.chip.map.version

    def test_load_leads_to_loaded(self, board: Board) -> None:
        """The receipt says what was written."""
        program = self.program(board.chip.name)
        receipt = board.load(program, verify=True)
        assert board.state is BoardState.LOADED
        assert board.loaded is program
        assert receipt.program_sha256 == program.sha256
        assert receipt.n_words >= program.n_words
        assert receipt.verified
        assert not receipt.skipped
        assert receipt.bytes_per_s > 0

    def test_a_boot_forgets_the_program(self, loaded: Board) -> None:
        """What is in the memories after a reset is nobody's program."""
        loaded.boot()
        assert loaded.state is BoardState.BOOTED
        assert loaded.loaded is None

    def test_progress_rises_to_the_whole(self, board: Board) -> None:
        """Each report is further than the one before; the last says all."""
        reports: list[tuple[int, int]] = []
        receipt = board.load(
            self.program(board.chip.name), progress=lambda n, total: reports.append((n, total))
        )
        assert all(before < after for (before, _), (after, _) in pairwise(reports))
        assert reports[-1] == (receipt.n_words, receipt.n_words)

    def test_close_is_final_and_idempotent(self) -> None:
        """What is closed stays closed, and says so."""
        board = self.open_board()
        board.close()
        board.close()
        assert board.state is BoardState.CLOSED
        for use in _uses(self.program(board.chip.name)):
            with pytest.raises(UsageError, match="closed"):
                use(board)
        assert board.state is BoardState.CLOSED

    def test_a_with_statement_always_ends_closed(self) -> None:
        """An error inside does not keep the board."""
        with pytest.raises(RuntimeError), self.open_board() as board:
            raise RuntimeError
        assert board.state is BoardState.CLOSED

    def test_close_from_another_thread_ends_what_is_under_way(self) -> None:
        """Whoever is at work gets one of hostrt's errors, or had finished, in bounded time."""
        board = self.open_board()
        program = self.program(board.chip.name)
        outcome: list[HostrtError | None] = []

        def work() -> None:
            try:
                for _ in range(1000):
                    board.load(program)
                outcome.append(None)
            except HostrtError as error:
                outcome.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(0.02)
        board.close()
        worker.join(self.bound_s)
        assert not worker.is_alive()
        assert board.state is BoardState.CLOSED
        assert outcome == [None] or isinstance(outcome[0], LinkError | UsageError | BoardBroken)

    # -- memories -------------------------------------------------------------------------------

    def test_what_was_loaded_reads_back_bank_by_bank(self, loaded: Board) -> None:
        """The last word of each bank included."""
        for bank in self.program(loaded.chip.name).banks:
            words = loaded.read_memory(bank.core, bank.kind, bank.index, 0, bank.words.size)
            np.testing.assert_array_equal(words, dwords_to_words(bank.words))
            last = loaded.read_memory(bank.core, bank.kind, bank.index, bank.words.size - 1)
            np.testing.assert_array_equal(last, dwords_to_words(bank.words[-1:]))

    def test_verify_finds_a_word_that_was_changed_behind_its_back(self, loaded: Board) -> None:
        """The message names core, bank, word and both values; the board is then broken."""
        program = self.program(loaded.chip.name)
        bank = program.banks[0]
        words = bank.words.copy()
        words[-1] ^= np.uint64(1)
        changed = BankImage(bank.core, bank.kind, bank.index, words)
        loaded.execute([loaded.chip.fill_bank(changed)])
        with pytest.raises(VerifyFailed) as caught:
            loaded.verify(program)
        assert f"core {bank.core} {bank.name} word {words.size - 1}" in str(caught.value)
        assert f"0x{int(words[-1]):016x}" in str(caught.value)
        assert f"0x{int(bank.words[-1]):016x}" in str(caught.value)
        assert loaded.state is BoardState.BROKEN

    def test_a_bank_that_does_not_exist_is_refused_unsent(self, loaded: Board) -> None:
        """And nothing happens to the board."""
        n_dwords = loaded.chip.map.region(0, MemoryKind.DM, 0).n_dwords
        for core, index, start, n in (
            (99, 0, 0, 1),
            (0, 99, 0, 1),
            (0, 0, n_dwords, 1),
            (0, 0, 0, n_dwords + 1),
            (0, 0, -1, 1),
        ):
            with pytest.raises(UsageError):
                loaded.read_memory(core, MemoryKind.DM, index, start, n)
        assert loaded.state is BoardState.LOADED

    def test_sleeping_banks_keep_their_contents(self, loaded: Board) -> None:
        """Asleep and awake again, the program is still whole."""
        program = self.program(loaded.chip.name)
        loaded.set_power(program, Power.SLEEP)
        loaded.set_power(program, Power.WAKE)
        loaded.verify(program)
        assert loaded.state is BoardState.LOADED

    def test_banks_that_were_switched_off_hold_no_program(self, loaded: Board) -> None:
        """The board knows that its program is gone."""
        loaded.set_power(self.program(loaded.chip.name), Power.OFF)
        assert loaded.state is BoardState.BOOTED
        assert loaded.loaded is None

    def test_registers_have_their_own_names_and_addresses(self, board: Board) -> None:
        """No two of one address, none inside a memory."""
        chip_map = board.chip.map
        places = [(item.space, item.address) for item in chip_map.registers.values()]
        assert len(set(places)) == len(places)
        for space, address in places:
            if space is Space.APB:
                assert chip_map.find_region(address) is None
        regions = sorted(chip_map.regions, key=lambda region: region.base)
        assert all(below.end <= above.base for below, above in pairwise(regions))

    # -- frames ---------------------------------------------------------------------------------

    @pytest.mark.parametrize("n_frames", [1, 20])
    def test_frames_come_back_as_they_were_sent(self, loaded: Board, n_frames: int) -> None:
        """LOOPBACK, in order, with the time it took."""
        self._require_loopback()
        messages, tail = _loopback_frames(loaded, n_frames)
        for message in messages:
            reply = loaded.frame([message], tail)
            np.testing.assert_array_equal(reply.words[2:], message.words[2:])
            assert reply.wire_s >= 0
            assert np.isnan(reply.device_s) or reply.device_s > 0

    def test_an_output_that_never_comes_breaks_the_board(self, loaded: Board) -> None:
        """In bounded time; every later use tells the cause; a boot mends it."""
        _, tail = _loopback_frames(loaded, 1, timeout_s=_NEVER)
        if not any(isinstance(step, Poll) for step in tail):
            pytest.skip(f"{loaded.chip.map.title} does not show when an output waits")
        started = time.monotonic()
        with pytest.raises(OutputNeverCame, match="output interrupt") as caught:
            loaded.frame((), tail)
        assert time.monotonic() - started < _NEVER + self.bound_s / 2
        self._require_broken(loaded, caught.value)
        board = loaded
        board.load(self.program(board.chip.name), verify=True)
        assert board.state is BoardState.LOADED

    def test_after_a_failure_frames_are_right_again(self, loaded: Board) -> None:
        """Nothing of what went wrong is left over after the next load."""
        self._require_loopback()
        messages, tail = _loopback_frames(loaded, 2)
        loaded.execute([messages[0]])
        loaded.mark_broken(OutputNeverCame("an output that nobody fetched"))
        loaded.load(self.program(loaded.chip.name))
        reply = loaded.frame([messages[1]], tail)
        np.testing.assert_array_equal(reply.words[2:], messages[1].words[2:])

    # -- refusals and interruptions -------------------------------------------------------------

    def test_a_program_for_another_chip_is_refused_unsent(self, loaded: Board) -> None:
        """Both chips are named and the board keeps what it holds."""
        other = "spu001" if loaded.chip.name != "spu001" else "spu150tc1"
        with pytest.raises(WrongTarget) as caught:
            loaded.load(Program.loopback(other))
        assert loaded.chip.map.title in str(caught.value)
        assert get_chip(other).map.title in str(caught.value)
        assert caught.value.hint
        assert loaded.state is BoardState.LOADED

    def test_an_interrupted_load_leaves_a_broken_board(self, board: Board) -> None:
        """Half a program never runs; loading again is enough."""
        program = self.program(board.chip.name)

        def interrupt(_done: int, _total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as caught:
            board.load(program, progress=interrupt)
        self._require_broken(board, caught.value)
        board.load(program, verify=True)
        assert board.state is BoardState.LOADED

    def _require_broken(self, board: Board, cause: BaseException) -> None:
        """Check that nothing but boot and close works, and that each refusal tells the cause."""
        assert board.state is BoardState.BROKEN
        assert board.loaded is None
        for use in _SMALL_USES:
            with pytest.raises(BoardBroken) as caught:
                use(board)
            assert caught.value.__cause__ is cause
            assert board.info.url in str(caught.value)
            assert caught.value.hint

    def _require_loopback(self) -> None:
        if not self.executes:
            pytest.skip("this board does not execute the open instruction set")


_SMALL_USES: Sequence[Callable[[Board], object]] = (
    lambda board: board.read_version(),
    lambda board: board.frame((), ()),
)


def _uses(program: Program) -> Sequence[Callable[[Board], object]]:
    return (
        *_SMALL_USES,
        lambda board: board.boot(),
        lambda board: board.load(program),
        lambda board: board.adopt(program),
    )


def _loopback_frames(
    board: Board, n_frames: int, *, timeout_s: float = 5.0
) -> tuple[list[FrameOut], list[Step]]:
    """Give messages for LOOPBACK and the steps that fetch each answer."""
    from hostrt.runner.plan import make_plan

    plan = make_plan(Program.loopback(board.chip.name))
    (source,), (sink,) = plan.inputs.values(), plan.outputs.values()
    payloads = np.random.default_rng(n_frames).integers(
        0, 1 << 63, (n_frames, source.n_dwords), np.uint64
    )
    messages = [board.chip.send(source.pc, source.core, payload) for payload in payloads]
    return messages, board.frame_tail([sink.n_dwords], timeout_s)
