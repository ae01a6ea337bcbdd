"""Drawing series again in blocks, and the statistics of what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.analysis.blocks import block_length, draw_weights
from hostrt.analysis.bootstrap import STATISTICS, Statistic, _Side
from tests.analysis.noise import noise


@given(
    n=st.integers(1, 60), length=st.integers(1, 60), n_draws=st.integers(1, 5), seed=st.integers(0)
)
def test_draws_are_whole_blocks_that_add_up_to_the_series(
    n: int, length: int, n_draws: int, seed: int
) -> None:
    length = min(length, n)
    rng, same = (np.random.default_rng(seed) for _ in range(2))

    weights = draw_weights(rng, n, length, n_draws)

    starts = same.integers(0, n, (n_draws, -(-n // length)))
    for row, first in zip(weights, starts, strict=True):
        drawn = [(start + i) % n for start in first for i in range(length)][:n]
        np.testing.assert_array_equal(row, np.bincount(drawn, minlength=n))


@settings(deadline=None)
@given(
    values=st.lists(st.floats(0, 1e6), min_size=1, max_size=60),
    statistic=st.sampled_from(STATISTICS),
    seed=st.integers(0, 1000),
)
def test_the_statistic_of_weights_is_that_of_the_drawn_values(
    values: list[float], statistic: Statistic, seed: int
) -> None:
    series = np.array(values)
    weights = draw_weights(np.random.default_rng(seed), len(series), 1, 3)

    found = _Side(series, statistic).of(weights)

    for row, value in zip(weights, found, strict=True):
        drawn = np.repeat(series, row)
        q = {"median": 50, "p95": 95, "p99": 99}.get(statistic)
        expected = drawn.mean() if q is None else np.percentile(drawn, q)
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_blocks_grow_with_what_neighbours_have_in_common() -> None:
    rng = np.random.default_rng(12)
    lengths = [
        float(np.mean([block_length(noise(rng, 500, c)) for _ in range(10)]))
        for c in (0.0, 0.5, 0.9)
    ]

    assert lengths[0] < 2 < lengths[1] < lengths[2] < 80


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=80))
def test_a_block_has_a_length_whatever_the_series(values: list[float]) -> None:
    assert block_length(np.array(values)) >= 1
