"""How long boards take over links without a bus behind them. Nothing here fails for being slow."""

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


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_frame_from_array_to_array(timed: Timed, large_femto: Path, address: str) -> None:
    address = f"{address}?answer=echo&program={large_femto}"
    frame = np.arange(FRAME_ELEMENTS, dtype=np.int16)
    with HwRunner(Program.load(large_femto), board=address, force=True) as runner:
        (name,) = runner.plan.inputs
        outputs = timed(runner.step, {name: frame}, rounds=100)
    (output,) = outputs.values()
    np.testing.assert_array_equal(output, frame[:OUTPUT_ELEMENTS])
