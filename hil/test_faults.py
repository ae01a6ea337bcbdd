"""What goes wrong is named, in bounded time, and the board works again after it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.memory import MemoryKind
from hostrt.board.board import BoardState
from hostrt.chip.step import Poll
from hostrt.errors import BoardBroken, FrameError, OutputNeverCame, UsageError, WrongTarget
from hostrt.program import Program

if TYPE_CHECKING:
    from hil.conftest import LoopbackMaker
    from hostrt.board.board import Board

DEADLINE_S = 0.5
SLACK_S = 5.0
"""What a slow link and a busy computer may take on top of a deadline."""


def test_a_bank_that_is_not_there_is_refused(answering: Board) -> None:
    with pytest.raises(UsageError, match="no core 0 DM99"):
        answering.read_memory(0, MemoryKind.DM, 99)
    assert answering.state is BoardState.BOOTED


def test_a_program_for_another_chip_is_refused(answering: Board) -> None:
    other = "spu150" if answering.chip.name == "spu001" else "spu001"
    with pytest.raises(WrongTarget):
        answering.load(Program.loopback(other))
    assert answering.state is BoardState.BOOTED


def test_a_missing_input_ends_at_the_deadline_and_a_reset_mends_it(
    loopback: LoopbackMaker, answering: Board
) -> None:
    runner = loopback(16, timeout_s=DEADLINE_S)
    tail = answering.frame_tail([4], DEADLINE_S)
    if not any(isinstance(step, Poll) for step in tail):
        pytest.skip(f"{answering.chip.map.title} does not show when an output waits")
    started = time.monotonic()
    with pytest.raises(OutputNeverCame):
        answering.frame((), tail)
    assert time.monotonic() - started < DEADLINE_S + SLACK_S
    assert answering.state is BoardState.BROKEN
    frames = np.arange(32).reshape(2, 16)
    with pytest.raises(BoardBroken):
        runner.run(frames)
    runner.reset()
    np.testing.assert_array_equal(runner.run(frames).outputs["output"], frames)


def test_an_interrupted_load_is_mended_by_the_next(
    loopback: LoopbackMaker, answering: Board
) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    runner = loopback(16)
    with pytest.raises(KeyboardInterrupt):
        answering.load(runner.program, progress=interrupt)
    assert answering.state is BoardState.BROKEN
    runner.reset()
    frames = np.arange(32).reshape(2, 16)
    np.testing.assert_array_equal(runner.run(frames).outputs["output"], frames)


def test_wrong_frames_are_refused_before_anything_is_sent(loopback: LoopbackMaker) -> None:
    runner = loopback(16)
    with pytest.raises(FrameError):
        runner.run(np.zeros((1, 17), np.int16))
    frames = np.arange(16).reshape(1, 16)
    np.testing.assert_array_equal(runner.run(frames).outputs["output"], frames)
