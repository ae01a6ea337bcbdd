"""Budgets against frames that really go over a paced virtual bus."""

from __future__ import annotations

import pytest

from tests.bench.budget_check import GOAL, least_disturbed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("speed", "length", "n_frames"), [("full", 32, 20), ("full", 128, 10), ("high", 512, 20)]
)
@pytest.mark.parametrize("window", [1, 4])
def test_a_paced_board_carries_what_the_budget_says(
    speed: str, length: int, window: int, n_frames: int
) -> None:
    row = least_disturbed(speed, length, window, n_frames)

    assert abs(row.quickest_off) <= GOAL
