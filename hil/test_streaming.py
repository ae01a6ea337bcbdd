"""Frames in real time: the outputs of an offline run, and a board that works on after any end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt import stream

if TYPE_CHECKING:
    from hil.conftest import LoopbackMaker

FRAMES = np.random.default_rng(0).integers(-(2**15), 2**15, (60, 64)).astype(np.int16)
PERIOD_S = 0.02
"""Long enough for one frame on a full-speed bus that waits for every answer."""


def test_a_stream_gives_what_a_run_gives(loopback: LoopbackMaker) -> None:
    runner = loopback(64)
    with stream(FRAMES, runner, PERIOD_S) as frames:
        found = [frame.outputs["output"] for frame in frames]
    np.testing.assert_array_equal(np.stack(found), FRAMES)


def test_frames_that_overlap_on_the_link_keep_their_order(loopback: LoopbackMaker) -> None:
    runner = loopback(64)
    with stream(FRAMES, runner, PERIOD_S, realtime=False) as frames:
        found = [frame.outputs["output"] for frame in frames]
    np.testing.assert_array_equal(np.stack(found), FRAMES)


def test_a_stream_that_is_stopped_leaves_the_board_usable(loopback: LoopbackMaker) -> None:
    runner = loopback(64)
    with stream(FRAMES, runner, PERIOD_S) as frames:
        for frame in frames:
            if frame.number == 5:
                frames.stop()
    assert frames.interrupted
    np.testing.assert_array_equal(runner.run(FRAMES[:4]).outputs["output"], FRAMES[:4])


def test_measurements_are_there_for_every_frame(loopback: LoopbackMaker) -> None:
    runner = loopback(64)
    with stream(FRAMES[:20], runner, PERIOD_S) as frames:
        list(frames)
        metrics = frames.result().metrics
    assert metrics.schedule is not None
    for clock in ("wire", "end_to_end"):
        measured = metrics.latencies_s[clock]
        assert np.isfinite(measured).all()
        assert (measured > 0).all()
