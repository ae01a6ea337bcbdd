"""`Runner("hw").run(frames)` with nothing else said."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from hostrt import Runner
from hostrt.board import discover
from hostrt.errors import FrameError
from hostrt.runner.hw import HwRunner


@pytest.fixture(autouse=True)
def _no_board_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOSTRT_BOARD", raising=False)
    monkeypatch.setattr(discover, "find_evk2", list)


def test_frames_run_through_loopback_on_the_simulated_board(
    caplog: pytest.LogCaptureFixture,
) -> None:
    frames = np.arange(5 * 48).reshape(5, 48) - 100

    with caplog.at_level(logging.WARNING, logger="hostrt"):
        result = Runner("hw").run(frames)

    np.testing.assert_array_equal(result.outputs["output"], frames)
    assert result.simulated
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("board sim://spu001 (no board is named or connected")


@pytest.mark.parametrize(
    "inputs",
    [
        np.ones((2, 80), np.int16),
        {"input": np.ones((2, 80), np.int16)},
        [{"input": [1] * 80}, {"input": [1] * 80}],
    ],
)
def test_every_shape_of_input_tells_the_length(inputs: object) -> None:
    result = Runner("hw", board="sim").run(inputs)  # type: ignore[arg-type]

    assert result.outputs["output"].shape == (2, 80)


def test_the_board_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTRT_BOARD", "sim://spu150tc1")

    result = Runner("hw").run(np.zeros((1, 16), np.int16))

    assert result.provenance.chip == "spu150tc1"


def test_nothing_stays_open_after_the_run() -> None:
    runner = HwRunner(board="sim")
    runner.run(np.zeros((1, 8), np.int16))

    assert runner._board is None


def test_a_stated_length_is_kept() -> None:
    with pytest.raises(FrameError, match="expected 32"):
        Runner("hw", "LOOPBACK:32", board="sim").run(np.zeros((1, 64), np.int16))
