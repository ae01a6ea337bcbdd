"""Frames: what LOOPBACK sends back, in which order and how fast; and any program named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hil.conftest import LoopbackMaker
    from hostrt.runner.hw import HwRunner


@pytest.mark.parametrize("precision", [8, 16])
@pytest.mark.parametrize("length", [1, 3, 4, 7, 28, 32, 256, 1000])
def test_frames_of_any_length_come_back(
    loopback: LoopbackMaker, length: int, precision: int
) -> None:
    low, high = -(1 << (precision - 1)), (1 << (precision - 1)) - 1
    frames = np.random.default_rng(length).integers(low, high, (3, length), endpoint=True)
    result = loopback(length, precision).run(frames)
    np.testing.assert_array_equal(result.outputs["output"], frames)


@pytest.mark.parametrize("precision", [8, 16])
def test_extreme_values_come_back(loopback: LoopbackMaker, precision: int) -> None:
    low, high = -(1 << (precision - 1)), (1 << (precision - 1)) - 1
    values = np.array([low, low + 1, -1, 0, 1, high - 1, high])
    frames = np.stack([np.roll(values, shift) for shift in range(values.size)])
    result = loopback(values.size, precision).run(frames)
    np.testing.assert_array_equal(result.outputs["output"], frames)


def test_a_hundred_frames_come_back_in_order(
    loopback: LoopbackMaker, record_property: Callable[[str, object], None]
) -> None:
    frames = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (100, 32))
    frames[:, 0] = np.arange(100)
    result = loopback(32).run(frames)
    np.testing.assert_array_equal(result.outputs["output"], frames)
    record_property("latency_s", result.metrics.latency_s)
    record_property("clock", result.metrics.clock)
    record_property("duration_s", result.metrics.duration_s)


def test_steps_give_what_a_run_gives(loopback: LoopbackMaker) -> None:
    frames = np.random.default_rng(1).integers(-(1 << 15), 1 << 15, (5, 16))
    runner = loopback(16)
    for frame in frames:
        np.testing.assert_array_equal(runner.step({"input": frame})["output"], frame)


def test_the_same_frames_give_the_same_bits(hw_runner: HwRunner) -> None:
    """Of LOOPBACK, or of the program named with --program."""
    inputs = _random_inputs(hw_runner, 10)
    first = hw_runner.run(inputs).outputs
    hw_runner.reset()
    second = hw_runner.run(inputs).outputs
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_latencies_are_measured(
    hw_runner: HwRunner, record_property: Callable[[str, object], None]
) -> None:
    result = hw_runner.run(_random_inputs(hw_runner, 10))
    metrics = result.metrics
    assert metrics.latency_s is not None
    assert 0 < metrics.latency_s < hw_runner.timeout_s
    for clock in ("wire", "end_to_end"):
        measured = metrics.latencies_s[clock]
        assert np.isfinite(measured).any()
        assert np.nanmin(measured) > 0
        record_property(f"{clock}_s", float(np.nanmean(measured)))
    if hw_runner.board.info.reads_exec_time and hw_runner.board.platform.reads_exec_time:
        assert metrics.clock == "device"
    record_property("latency_s", metrics.latency_s)
    record_property("clock", metrics.clock)


def _random_inputs(runner: HwRunner, n_frames: int) -> dict[str, np.ndarray[tuple[int, int]]]:
    random = np.random.default_rng(2)
    return {
        spec.name: random.integers(*spec.limits, (n_frames, spec.length), spec.dtype)
        for spec in runner.plan.input_specs
    }
