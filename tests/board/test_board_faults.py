"""What a board does when its chip, its link or its user lets it down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.requests import Read
from hostrt.board.board import Board, BoardState, open_board
from hostrt.board.flash import state_after
from hostrt.board.verify import memory_test
from hostrt.chip import get_chip
from hostrt.chip.base import Power
from hostrt.chip.image import Encryption
from hostrt.chip.selftest import PATTERNS
from hostrt.errors import (
    BoardBroken,
    ClockNotLocked,
    LinkError,
    OutputNeverCame,
    UsageError,
    VerifyFailed,
    WrongTarget,
    WrongVersion,
)
from hostrt.program import Program
from hostrt.sim.serving import ServeOptions, evk2_server, zcu104_server
from hostrt.sim.spu import SimulatedSpu
from hostrt.sim.transport import SimTransport
from hostrt.transport.base import TransportInfo

if TYPE_CHECKING:
    from firmware_protocol.requests import Request
    from firmware_protocol.words import Words

CHIPS = ("spu001", "spu150tc1", "spu150")


class StuckBit(SimTransport):
    """A simulated chip in which one bit of one word always reads as one."""

    def __init__(self, chip: str, core: int, kind: MemoryKind, index: int, word: int) -> None:
        found = get_chip(chip)
        info = TransportInfo("sim://stuck", "rtl" if chip == "spu150" else "evk2", chip=chip)
        super().__init__(SimulatedSpu(found), info)
        self.address = found.map.region(core, kind, index).base + 8 * word

    def _do(self, request: Request) -> Words | None:
        words = super()._do(request)
        if isinstance(request, Read) and words is not None:
            position = (self.address - request.address) // 4
            if 0 <= position < words.size:
                words[position] |= 4
        return words


def stuck_board(
    kind: MemoryKind = MemoryKind.DM, index: int = 0, word: int = 0, *, chip: str = "spu001"
) -> Board:
    return Board(StuckBit(chip, 0, kind, index, word), get_chip(chip))


def sim_time(board: Board) -> float:
    assert isinstance(board.transport, SimTransport)
    return board.transport.now_s


# -- clocks and versions ----------------------------------------------------------------------


@pytest.mark.fault
@pytest.mark.parametrize("url", ["sim://spu001?pll=never", "sim://spu150tc1?pll=never"])
def test_a_pll_that_never_locks_is_named_in_bounded_time(url: str) -> None:
    """B14: no time limit on the PLL lock."""
    with open_board(url) as board:
        with pytest.raises(ClockNotLocked, match="PLL lock did not come within 2 s") as caught:
            board.boot()
        assert sim_time(board) < 5
        assert caught.value.hint
        assert caught.value.context["register"] in ("PLL_LOCK", "PLL_STAT")
        assert board.state is BoardState.BROKEN
        with pytest.raises(BoardBroken, match="PLL lock"):
            board.read_version()


@pytest.mark.fault
def test_a_board_with_another_chip_than_was_said_is_found_out_by_its_version() -> None:
    info = TransportInfo("sim://liar", "evk2", simulated=True)
    board = Board(SimTransport(SimulatedSpu(get_chip("spu150tc1")), info), get_chip("spu001"))
    with pytest.raises((WrongVersion, ClockNotLocked)):
        board.boot()
    assert board.state is BoardState.BROKEN


# -- choosing boards ---------------------------------------------------------------------------


def test_a_chip_that_a_link_cannot_reach_is_refused_when_the_board_is_chosen() -> None:
    """B15: SPU-150 over the ZCU104 link; and the part that no EVK2 carries."""
    with pytest.raises(UsageError, match="28 address bits"):
        open_board("sim://spu150tc1?platform=zcu104")
    url, server = evk2_server("127.0.0.1:0", ServeOptions())
    with server:
        with pytest.raises(UsageError, match="no evk2 board"):
            open_board(url.partition("?")[0], chip="spu150")
        open_board(url).close()


def test_spu_001_on_the_harness_boots_without_pll_and_says_so_when_asked_for_one() -> None:
    """B16: no assertion."""
    with open_board("sim://spu001?platform=rtl") as board:
        board.boot()
        with pytest.raises(UsageError, match="has no PLL"):
            board.boot(pll=True)
        assert board.state is BoardState.BOOTED


def test_a_board_that_was_refused_is_given_back() -> None:
    url, server = zcu104_server("127.0.0.1:0", ServeOptions())
    with server:
        for _ in range(2):
            with pytest.raises(WrongTarget, match="SPU-001, not SPU-150 TC1"):
                open_board(url, chip="spu150tc1")
        # this server takes one client at a time
        with open_board(url) as board:
            board.boot()


def test_an_unknown_chip_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(UsageError, match="spu999"):
        open_board("evk2+tcp://127.0.0.1:1", chip="spu999")


# -- broken stays broken ------------------------------------------------------------------------


def test_a_boot_that_cannot_be_leaves_a_broken_board_broken() -> None:
    with open_board("sim") as board:
        board.boot()
        board.mark_broken(OutputNeverCame("the first failure"))
        with pytest.raises(UsageError, match="key index 99"):
            board.boot(encryption=Encryption(99))
        assert board.state is BoardState.BROKEN
        with pytest.raises(BoardBroken, match="the first failure"):
            board.read_version()


def test_a_broken_board_cannot_be_said_to_hold_a_program() -> None:
    with open_board("sim") as board:
        with pytest.raises(WrongTarget):
            board.adopt(Program.loopback("spu150"))
        board.mark_broken(OutputNeverCame("the first failure"))
        with pytest.raises(BoardBroken):
            board.adopt(Program.loopback())
        assert board.state is BoardState.BROKEN


def test_the_first_failure_is_the_one_that_is_remembered() -> None:
    with open_board("sim") as board:
        board.mark_broken(OutputNeverCame("the first"))
        board.mark_broken(OutputNeverCame("the second"))
        with pytest.raises(BoardBroken, match="the first"):
            board.read_version()


def test_a_program_that_does_not_fit_is_refused_unsent() -> None:
    program = Program.loopback()
    bank = BankImage(0, MemoryKind.DM, 99, np.zeros(4, np.uint64))
    with open_board("sim") as board:
        with pytest.raises(UsageError, match="DM99") as caught:
            board.load(replace(program, banks=(*program.banks, bank)))
        assert sim_time(board) == 0
        assert board.state is BoardState.OPEN
        assert "nothing was sent" in state_after(board, caught.value)


def test_a_refused_program_does_not_touch_the_one_that_is_loaded() -> None:
    with open_board("sim") as board:
        board.load(Program.loopback())
        with pytest.raises(WrongTarget) as caught:
            board.load(Program.loopback("spu150"))
        assert "nothing was sent" in state_after(board, caught.value)
        board.verify(Program.loopback())


@pytest.mark.fault
def test_an_unplugged_board_is_broken_and_says_why_to_everybody() -> None:
    with open_board("evk2+sim://spu001?faults=unplug@300") as board:
        with pytest.raises(LinkError) as caught:
            board.load(Program.loopback(length=4000))
        assert board.state is BoardState.BROKEN
        assert "no usable program" in state_after(board, caught.value)
        with pytest.raises(BoardBroken) as again:
            board.frame((), ())
        assert again.value.__cause__ is caught.value
        with pytest.raises(LinkError):
            board.boot()


@pytest.mark.fault
@pytest.mark.parametrize("fault", ["lose", "corrupt", "double", "silence", "split"])
def test_whatever_the_link_does_a_load_is_right_or_an_error(fault: str) -> None:
    """A11 and B14 on the board: what comes back is checked, and nothing waits for ever."""
    program = Program.loopback(length=64)
    url = f"faulty+evk2+sim://spu001?plan={fault}@40&timeout=0.2"
    with open_board(url) as board:
        try:
            board.load(program, verify=True)
        except (LinkError, WrongVersion, VerifyFailed, ClockNotLocked):
            assert board.state is BoardState.BROKEN
        else:
            assert board.state is BoardState.LOADED


# -- memories -----------------------------------------------------------------------------------


def test_words_written_to_a_bank_without_power_are_lost_and_verify_tells() -> None:
    program = Program.loopback()
    code = next(bank for bank in program.banks if bank.kind is MemoryKind.IM)
    with open_board("sim") as board:
        board.boot()
        board.execute([board.chip.fill_bank(code)])
        with pytest.raises(VerifyFailed, match=r"core 0 IM word 0: read back 0x0000000000000000"):
            board.verify(program)


@pytest.mark.fault
def test_a_stuck_bit_makes_a_verified_load_fail() -> None:
    board = stuck_board(MemoryKind.IM, 0, 2)
    program = Program.loopback()
    with pytest.raises(VerifyFailed, match=r"core 0 IM word 2.*1 words differ in all") as caught:
        board.load(program, verify=True)
    assert caught.value.context["n_differ"] == 1
    assert board.state is BoardState.BROKEN
    assert "no usable program" in state_after(board, caught.value)


def test_power_off_is_remembered_although_it_may_be_switched_on_again() -> None:
    program = Program.loopback()
    with open_board("sim") as board:
        board.load(program)
        board.set_power(program, Power.OFF)
        board.set_power(program, Power.ON)
        assert board.loaded is None
        board.mark_broken(OutputNeverCame("x"))
        with pytest.raises(BoardBroken):
            board.set_power(program, Power.OFF)
        assert board.state is BoardState.BROKEN


def test_every_physical_bank_that_holds_data_is_powered() -> None:
    """A18: on SPU-150 a logical bank is made of several physical ones."""
    program = Program.loopback("spu150tc1", length=60_000)
    with open_board("sim://spu150tc1") as board:
        board.load(program, verify=True)


@pytest.mark.parametrize("chip", CHIPS)
def test_the_memory_test_passes_on_a_sound_chip(chip: str) -> None:
    """B21: the self-test works, on every chip."""
    with open_board(f"sim://{chip}") as board:
        banks = memory_test(board, cores=[1], patterns=["own address"])
        assert banks
        assert all(name.startswith("C1_") for name in banks)
        assert board.state is BoardState.BOOTED


@pytest.mark.fault
@pytest.mark.parametrize("chip", CHIPS)
def test_the_memory_test_finds_a_stuck_bit(chip: str) -> None:
    kind = MemoryKind.TM
    region = get_chip(chip).map.region(0, kind, 0)
    board = stuck_board(kind, 0, region.n_dwords - 1, chip=chip)
    with pytest.raises(VerifyFailed) as caught:
        memory_test(board, cores=[0], patterns=["zeros"])
    message = str(caught.value)
    assert f"{region.name} pattern zeros word {region.n_dwords - 1}" in message
    assert "0x0000000000000004" in message
    assert "(1 words differ)" in message
    assert board.state is BoardState.BROKEN


def test_the_memory_test_boots_a_board_that_holds_a_program() -> None:
    with open_board("sim") as board:
        board.load(Program.loopback())
        memory_test(board, cores=[0], patterns=["zeros"])
        assert board.loaded is None
        assert board.state is BoardState.BOOTED


def test_the_memory_test_knows_its_patterns_and_cores() -> None:
    with open_board("sim") as board:
        with pytest.raises(UsageError, match=f"'plaid'.*{next(iter(PATTERNS))}"):
            memory_test(board, patterns=["plaid"])
        with pytest.raises(UsageError, match="no core 7"):
            memory_test(board, cores=[7])
        assert sim_time(board) == 0


def test_soft_reset_keeps_memories() -> None:
    """B21: by name in the chip, so that it is not one board's privilege."""
    from hostrt.chip.spu001 import Spu001

    program = Program.loopback()
    with open_board("sim") as board:
        board.load(program)
        assert isinstance(board.chip, Spu001)
        board.execute(board.chip.soft_reset())
        board.verify(program)


# -- links without answers ----------------------------------------------------------------------


def test_nothing_is_called_verified_that_was_not_read() -> None:
    with open_board("fakezynq") as board:
        receipt = board.load(Program.loopback(), verify=True)
        assert not receipt.verified
