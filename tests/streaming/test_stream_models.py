"""Streams of models with latched inputs, several inputs and rates that change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.board.board import Board
from hostrt.chip import get_chip
from hostrt.errors import FrameError
from hostrt.runner.hw import HwRunner
from hostrt.streaming.api import stream
from tests.runner import programs

if TYPE_CHECKING:
    from hostrt.streaming.frame import StreamFrame

FRAMES = np.random.default_rng(0).integers(-100, 100, (40, programs.LENGTH)).astype(np.int16)


def rows(frames: list[StreamFrame], name: str) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    return np.stack([frame.outputs[name] for frame in frames if name in frame.outputs])


@pytest.mark.parametrize("realtime", [True, False])
def test_a_latched_input_is_sent_with_the_first_frame_alone(realtime: bool) -> None:
    gain = np.arange(programs.LENGTH) - 3
    with HwRunner(programs.latched(), board="sim") as runner:
        frames = list(stream({"x": FRAMES, "gain": gain}, runner, 0.002, realtime=realtime))
    np.testing.assert_array_equal(rows(frames, "y"), FRAMES)
    np.testing.assert_array_equal(rows(frames, "seen"), np.tile(gain, (40, 1)))
    assert set(frames[0].inputs) == {"x", "gain"}
    assert all(set(frame.inputs) == {"x"} for frame in frames[1:])


@pytest.mark.parametrize("realtime", [True, False])
def test_latched_inputs_of_an_iterator_change_when_it_says_so(realtime: bool) -> None:
    def made() -> list[dict[str, np.ndarray[tuple[int], np.dtype[np.int16]]]]:
        found = [{"x": frame} for frame in FRAMES[:9]]
        found[0]["gain"] = np.full(programs.LENGTH, 1, np.int16)
        found[4]["gain"] = np.full(programs.LENGTH, 2, np.int16)
        return found

    with HwRunner(programs.latched(), board="sim") as runner:
        frames = list(stream(iter(made()), runner, 0.002, realtime=realtime))
    assert rows(frames, "seen")[:, 0].tolist() == [1, 1, 1, 1, 2, 2, 2, 2, 2]


def test_a_frame_of_latched_inputs_alone_is_refused() -> None:
    gain = np.full(programs.LENGTH, 5, np.int16)
    made = [{"x": FRAMES[0], "gain": gain}, {"gain": gain}]
    with HwRunner(programs.latched(), board="sim") as runner:
        running = stream(iter(made), runner, 0.002)
        with running, pytest.raises(FrameError, match="frame 1 of the iterator: input 'x'"):
            list(running)


@pytest.mark.parametrize("realtime", [True, False])
def test_an_output_every_third_frame_comes_with_that_frame(realtime: bool) -> None:
    chip = get_chip("spu001")
    board = Board(programs.counting_transport(chip), chip)
    with (
        HwRunner(programs.every_third(), board=board) as runner,
        stream(FRAMES[:31], runner, 0.002, realtime=realtime) as running,
    ):
        assert not running.gives_output_each_frame
        frames = list(running)
    assert [bool(frame.outputs) for frame in frames] == [n % 3 == 2 for n in range(31)]
    expected = np.bitwise_xor.reduce(FRAMES[:30].reshape(10, 3, -1), axis=1)
    np.testing.assert_array_equal(rows(frames, "y"), expected)


def test_several_inputs_are_streamed_side_by_side() -> None:
    with HwRunner(programs.two_inputs(), board="sim") as runner:
        offline = runner.run({"x": FRAMES, "z": FRAMES[::-1]})
        runner.reset()
        frames = list(stream({"x": FRAMES, "z": FRAMES[::-1]}, runner, 0.002, realtime=False))
    np.testing.assert_array_equal(rows(frames, "y"), offline.outputs["y"])


def test_a_missing_input_is_named_before_anything_is_sent() -> None:
    with (
        HwRunner(programs.two_inputs(), board="sim") as runner,
        pytest.raises(FrameError, match="'z'"),
    ):
        stream({"x": FRAMES}, runner, 0.002)
