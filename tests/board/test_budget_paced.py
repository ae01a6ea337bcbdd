"""Budgets against frames that really go over a paced virtual bus.

How near they come is measured by `python -m tests.bench.budget_check`: a busy computer makes frames
later, and never sooner.
"""

from __future__ import annotations

import pytest

from tests.bench.budget_check import least_disturbed

ROUNDING = 0.03
"""Part by which three frames in a row may be quicker: a slot's edge lies anywhere in their time."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("speed", "length", "n_frames"), [("full", 32, 20), ("full", 128, 10), ("high", 512, 20)]
)
@pytest.mark.parametrize("window", [1, 4])
def test_a_budget_is_what_a_paced_board_cannot_beat_and_comes_near(
    speed: str, length: int, window: int, n_frames: int
) -> None:
    row = least_disturbed(speed, length, window, n_frames)

    assert row.quickest_s >= (1 - ROUNDING) * row.budget_s
    # an answer too many per frame, or a window that is not used, costs more than a busy computer
    assert row.quickest_s < 2 * row.budget_s
