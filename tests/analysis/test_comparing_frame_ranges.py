"""Ranges of frames are sets of frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.analysis.frame_ranges import FrameRanges

FRAMES = st.sets(st.integers(0, 30))


def ranges(frames: set[int]) -> FrameRanges:
    mask = np.zeros(31, np.bool_)
    mask[list(frames)] = True
    return FrameRanges.from_mask(mask)


def members(found: FrameRanges) -> set[int]:
    return {frame for first, last in found for frame in range(first, last + 1)}


@settings(max_examples=100, deadline=None)
@given(FRAMES, FRAMES)
def test_ranges_behave_as_the_sets_they_stand_for(a: set[int], b: set[int]) -> None:
    left, right = ranges(a), ranges(b)
    assert members(left) == a
    assert left.count == len(a)
    assert left.first == min(a, default=None)
    assert bool(left) is bool(a)
    assert {frame for frame in range(-1, 33) if frame in left} == a
    assert np.flatnonzero(left.to_mask(31)).tolist() == sorted(a)
    assert np.flatnonzero(left.to_mask(9)).tolist() == sorted(f for f in a if f < 9)
    assert FrameRanges.union(left, right) == ranges(a | b)
    assert (left == right) is (a == b)
    assert (hash(left) == hash(right)) >= (a == b)
    gaps = [after[0] - before[1] for before, after in zip(list(left), list(left)[1:], strict=False)]
    assert all(gap > 1 for gap in gaps)


def test_a_span_is_one_range_or_none() -> None:
    assert list(FrameRanges.span(3, 5)) == [(3, 4)]
    assert list(FrameRanges.span(5, 5)) == []
    assert not FrameRanges.union()
    assert FrameRanges.span(3, 5) != (3, 4)


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        (set(), ""),
        ({5}, "5"),
        ({0, 1}, "0-1"),
        ({0, 2, 3, 4, 30}, "0, 2-4, 30"),
        ({0, 2, 4, 6, 8}, "0, 2, 4, and 2 more up to 8"),
    ],
)
def test_ranges_are_written_shortly(frames: set[int], text: str) -> None:
    assert ranges(frames).describe(3) == text
