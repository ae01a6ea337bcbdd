from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import UsageError
from hostrt.power.base import open_meter
from hostrt.power.simulated import SimulatedMeter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.power.trace import PowerTrace


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def measure(
    frames: Sequence[tuple[float, float, float | None]],
    duration_s: float,
    *,
    seconds_between: float = 0.0,
    noise_w: float = 0.0,
    seed: int = 0,
) -> PowerTrace:
    clock = Clock()
    with SimulatedMeter(
        idle_w=0.001, active_w=0.005, noise_w=noise_w, seed=seed, clock=clock
    ) as meter:
        meter.start()
        for start_s, device_s, energy_j in frames:
            meter.mark(1000 + start_s)
            meter.add_frame(1000 + start_s, device_s, energy_j)
            time.sleep(seconds_between)
        clock.now += duration_s
        return meter.stop()


def test_a_frame_takes_its_energy_and_idle_power_for_the_rest() -> None:
    trace = measure([(0.0, 0.004, 1e-4), (0.02, 0.004, None), (0.04, 0.004, 3e-4)], 0.06)

    idle_j = 0.016 * 0.001
    expected = [1e-4 + idle_j, 0.004 * 0.005 + idle_j, 3e-4 + idle_j]
    assert trace.frame_energy_j() == pytest.approx(expected, rel=1e-6)
    assert trace.frame_power_w() == pytest.approx(np.array(expected) / 0.02, rel=1e-6)
    assert trace.simulated
    assert trace.energy_j(1000, 1000.004) == pytest.approx(1e-4, rel=1e-5)
    assert trace.energy_j(1000.004, 1000.02) == pytest.approx(idle_j, rel=1e-5)


def test_energy_stays_in_its_frame_when_the_device_is_slower_than_the_host() -> None:
    trace = measure([(0.0, 9.0, 1e-4), (0.01, 9.0, 2e-4), (0.01, 9.0, 4e-4)], 0.02)

    assert trace.frame_energy_j()[[0, 2]] == pytest.approx([1e-4, 6e-4], rel=1e-6)
    assert trace.mean_w == pytest.approx(7e-4 / 0.02, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(1e-4, 0.1), st.floats(0, 0.2), st.floats(0, 1e-2)),
        min_size=1,
        max_size=20,
    )
)
def test_no_energy_is_made_or_lost(gaps: list[tuple[float, float, float]]) -> None:
    starts = np.cumsum([gap for gap, _, _ in gaps])
    frames = [
        (float(start), device_s, energy_j)
        for start, (_, device_s, energy_j) in zip(starts, gaps, strict=True)
    ]

    trace = measure(frames, float(starts[-1]) + 0.3)

    ends = np.append(starts[1:], trace.duration_s)
    # the shortest pulse of frames without device time is a microsecond
    idle = [
        0.001 * max(end - s - max(d, 1e-6), 0) for (s, d, _), end in zip(frames, ends, strict=True)
    ]
    expected = [j + i for (_, _, j), i in zip(frames, idle, strict=True)]
    assert trace.frame_energy_j() == pytest.approx(expected, rel=1e-6, abs=1e-9)
    before = 0.001 * starts[0]
    assert trace.energy_j(1000, trace.stop_s) == pytest.approx(before + sum(expected), rel=1e-5)


def test_the_trace_does_not_depend_on_when_the_thread_runs() -> None:
    frames = [(0.3 * number, 0.1, 1e-4 * (1 + number % 3)) for number in range(6)]

    at_once = measure(frames, 2.0, noise_w=1e-4, seed=7)
    slowly = measure(frames, 2.0, noise_w=1e-4, seed=7, seconds_between=0.08)

    assert np.array_equal(at_once.watts, slowly.watts)
    assert np.array_equal(at_once.frame_energy_j(), slowly.frame_energy_j())


def test_noise_is_seeded_and_counts() -> None:
    def noisy(seed: int) -> PowerTrace:
        return measure([(0.0, 0.0, 0.0), (0.1, 0.0, 0.0)], 0.2, noise_w=1e-3, seed=seed)

    first, again, other = noisy(1), noisy(1), noisy(2)

    assert np.array_equal(first.watts, again.watts)
    assert not np.array_equal(first.watts, other.watts)
    assert np.std(first.watts) == pytest.approx(1e-3, rel=0.1)
    assert first.frame_energy_j() == pytest.approx(
        [first.energy_j(1000, 1000.1), first.energy_j(1000.1, first.stop_s)], rel=1e-5
    )


def test_a_frame_before_the_one_before_is_refused() -> None:
    with SimulatedMeter() as meter:
        meter.start()
        meter.mark(50.0)
        meter.add_frame(50.0, 0.1, None)

        with pytest.raises(UsageError, match="the one before is at 50"):
            meter.mark(49.0)
        with pytest.raises(UsageError, match="the one before is at 50"):
            meter.add_frame(49.0, 0.1, None)
        with pytest.raises(UsageError, match="on the device"):
            meter.add_frame(51.0, -0.1, None)
        with pytest.raises(UsageError, match="on the device"):
            meter.add_frame(51.0, 0.1, float("nan"))


def test_the_order_of_calls_is_kept() -> None:
    meter = SimulatedMeter()
    for call in (meter.mark, meter.read_recent, meter.stop):
        with pytest.raises(UsageError, match="not started"):
            call()
    meter.start()
    with pytest.raises(UsageError, match="started before"):
        meter.start()
    first = meter.stop()
    assert np.array_equal(meter.stop().watts, first.watts)
    meter.close()
    meter.close()


def test_a_closed_meter_cannot_start() -> None:
    meter = SimulatedMeter()
    meter.close()

    with pytest.raises(UsageError, match="started before"):
        meter.start()


def test_the_live_view_sees_what_came_since_the_last_call() -> None:
    clock = Clock()
    with SimulatedMeter(idle_w=0.001, clock=clock) as meter:
        meter.start()
        assert meter.read_recent() is None
        meter.add_frame(1000.0, 1.0, 0.5)
        meter.add_frame(1001.0, 0.1, 0.0)
        deadline = time.monotonic() + 10
        while (seen := meter.read_recent()) is None and time.monotonic() < deadline:
            time.sleep(0.01)

        assert seen == pytest.approx(0.5, rel=1e-5)
        assert meter.read_recent() is None
        clock.now += 2.0
        assert meter.stop().energy_j(1001.0, 1002.0) == pytest.approx(0.9e-3, rel=1e-3)


def test_what_was_measured_so_far_can_be_asked_for() -> None:
    with open_meter("sim://?idle_w=0.25&rate_hz=1000") as meter:
        meter.start()
        meter.mark()

        assert len(meter.measured().watts) == 0
        trace = meter.stop()

        assert (trace.watts == np.float32(0.25)).all()
        assert len(trace.frame_energy_j()) == 1


def test_options_are_those_of_the_address() -> None:
    meter = open_meter("sim?idle_w=0.5&active_w=1&noise_w=0.1&seed=4&rate_hz=2000")

    assert isinstance(meter, SimulatedMeter)
    assert meter.describe() == "simulated power meter (0.5 W idle)"
    assert meter.simulated
    assert meter.name == "sim"
