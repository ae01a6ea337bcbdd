from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.power.clock import SampleClock

RATE_HZ = 100_000.0
START_S = 1234.5


def feed(
    clock: SampleClock,
    seconds: float,
    *,
    drift: float = 0.0,
    late_s: float = 0.004,
    seed: int = 0,
    first_s: float = 0.0,
    missing: int = 0,
    every_s: float = 0.01,
) -> tuple[int, list[float]]:
    """Let samples arrive in portions, late by up to `late_s`.

    Returns:
        The number of samples and what the clock found lost; that is counted as it demands.
    """
    random = np.random.default_rng(seed)
    found = []
    counted = 0
    n = 0
    for taken_s in np.arange(first_s + every_s, first_s + seconds, every_s):
        taken = round(taken_s * RATE_HZ * (1 + drift))
        n = taken - missing + counted
        lost = clock.arrived(n, START_S + taken_s + random.uniform(0, late_s))
        if lost:
            found.append(lost)
            counted += round(lost)
    return n, found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(-2e-4, 2e-4), st.floats(5, 60))
def test_samples_are_placed_to_a_millisecond(seed: int, drift: float, seconds: float) -> None:
    clock = SampleClock(RATE_HZ)

    feed(clock, seconds, drift=drift, seed=seed)

    for when in np.linspace(max(0, seconds - 5), seconds, 10):
        sample = when * RATE_HZ * (1 + drift)
        tolerance_s = 0.0015 + (abs(drift) * 11 if seconds < 12 else 0)
        assert abs(clock.place(START_S + when) - sample) / RATE_HZ < tolerance_s


def test_the_meters_rate_is_found() -> None:
    clock = SampleClock(RATE_HZ)

    feed(clock, 400, drift=7e-5, every_s=0.02)

    assert clock.rate_hz / RATE_HZ - 1 == pytest.approx(7e-5, abs=5e-6)
    assert clock.start_s == pytest.approx(START_S, abs=2e-3)


def test_one_long_delay_of_the_host_changes_nothing() -> None:
    clock = SampleClock(RATE_HZ)
    feed(clock, 20)

    lost = clock.arrived(2_200_000, START_S + 22.8)
    later = [clock.arrived(2_200_000 + k * 1000, START_S + 22 + k / 100) for k in range(1, 300)]

    assert not lost
    assert not any(later)
    assert abs(clock.place(START_S + 22) - 22 * RATE_HZ) < 200


def test_whole_turns_of_the_counter_that_are_lost_are_noticed() -> None:
    clock = SampleClock(RATE_HZ)
    feed(clock, 20)

    _, found = feed(clock, 20, first_s=20, missing=6400)

    assert len(found) == 1
    assert found[0] == pytest.approx(6400, abs=64)
    assert abs(clock.place(START_S + 35) - 35 * RATE_HZ) < 200


def test_a_late_beginning_is_put_right() -> None:
    clock = SampleClock(RATE_HZ)

    clock.arrived(2000, START_S + 0.12)
    early = clock.start_s
    feed(clock, 2)

    assert early == pytest.approx(START_S + 0.1)
    assert clock.start_s == pytest.approx(START_S, abs=1e-3)


def test_arrivals_that_were_all_late_are_forgotten() -> None:
    clock = SampleClock(RATE_HZ)
    for k in range(1, 1500):
        clock.arrived(k * 1000, START_S + 0.5 + k / 100)
    assert clock.start_s == pytest.approx(START_S + 0.5)

    for k in range(1500, 1900):
        clock.arrived(k * 1000, START_S + k / 100)

    assert abs(clock.place(START_S + 18.5) - 1_850_000) < 200
