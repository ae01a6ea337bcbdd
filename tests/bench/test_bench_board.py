"""How long boards take. Nothing here fails for being slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt.board.board import open_board
from hostrt.program import Program
from hostrt.runner.hw import HwRunner
from tests.bench.material import FRAME_ELEMENTS, OUTPUT_ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Timed = Callable[..., Any]

ADDRESSES = ["sim://spu001", "evk2+sim://spu001"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_programming_a_large_image(timed: Timed, large_femto: Path, address: str) -> None:
    program = Program.load(large_femto)
    with open_board(address) as board:
        receipt = timed(board.load, program, rounds=1)
        assert receipt.n_words >= program.n_words


@pytest.mark.parametrize("window", [1, 8, 16])
def test_programming_over_a_high_speed_bus(timed: Timed, window: int) -> None:
    """The bus needs 250 us for a report and its answer one by one, 125 us when pipelined."""
    program = Program.loopback(length=4000)
    with open_board(f"evk2+sim://spu001?usb_speed=high&window={window}") as board:
        board.load(program)
        answers = timed(board.execute, [board.chip.fill_bank(bank) for bank in program.banks])
        assert answers == [None] * len(program.banks)
        board.verify(program)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_frame_from_array_to_array(timed: Timed, large_femto: Path, address: str) -> None:
    address = f"{address}?answer=echo&program={large_femto}"
    frame = np.arange(FRAME_ELEMENTS, dtype=np.int16)
    with HwRunner(Program.load(large_femto), board=address, force=True) as runner:
        (name,) = runner.plan.inputs
        outputs = timed(runner.step, {name: frame}, rounds=100)
    (output,) = outputs.values()
    np.testing.assert_array_equal(output, frame[:OUTPUT_ELEMENTS])
