"""Every figure of a verdict, against the same said with Python's integers, one value at a time."""

from __future__ import annotations

import math
import tracemalloc
from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.analysis import histogram, scan
from hostrt.analysis.compare import OutputVerdict, compare_outputs

KINDS = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i2", ">u8")


def bounds(kind: str) -> tuple[int, int]:
    if kind == "?":
        return 0, 1
    info = np.iinfo(np.dtype(kind))
    return int(info.min), int(info.max)


def verdict_on(a: Any, b: Any, tolerance: int = 0) -> OutputVerdict:
    return compare_outputs({"y": a}, {"y": b}, tolerance=tolerance).verdicts[0]


# -- in plain Python ------------------------------------------------------------------------------


@dataclass
class Plain:
    """The same figures, from loops over Python integers."""

    differences: dict[tuple[int, ...], int]
    beyond: list[tuple[int, ...]]
    frames: set[int]


def plainly(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], tolerance: int) -> Plain:
    common = [range(min(sizes)) for sizes in zip(a.shape, b.shape, strict=True)]
    differences = {at: int(b[at]) - int(a[at]) for at in product(*common)}
    beyond = [at for at, value in differences.items() if abs(value) > tolerance]
    longer, shorter = max(len(a), len(b)), min(len(a), len(b))
    frames = {at[0] for at in beyond} | set(range(shorter, longer))
    if a.shape[1:] != b.shape[1:]:
        frames = set(range(longer))
    return Plain(differences, beyond, frames)


def plain_bins(differences: list[int], max_values: int) -> list[tuple[int, int, int]]:
    counts = Counter(differences)
    if len(set(counts) - {0}) <= max_values:
        return sorted((value, value, count) for value, count in counts.items())
    bins: Counter[tuple[int, int]] = Counter()
    for value in differences:
        low = high = 0
        while not low <= abs(value) <= high:
            low, high = high + 1, 2 * high + 1
        bins[(low, high) if value >= 0 else (-high, -low)] += 1
    return sorted((*edges, count) for edges, count in bins.items())


# -- arrays ---------------------------------------------------------------------------------------


def values(kind: str) -> st.SearchStrategy[int]:
    low, high = bounds(kind)
    edges = [v for v in (low, low + 1, -1, 0, 1, 2, high - 1, high) if low <= v <= high]
    return st.sampled_from(edges) | st.integers(low, high)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    kinds = draw(st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)))
    shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    other = list(shape)
    if draw(st.integers(0, 3)) == 0:
        other[draw(st.integers(0, len(shape) - 1))] = draw(st.integers(0, 4))
    flat = draw(st.lists(values(kinds[0]), min_size=math.prod(shape), max_size=math.prod(shape)))
    a = np.array(flat, kinds[0]).reshape(shape)
    low, high = bounds(kinds[1])
    b = np.zeros(other, kinds[1])
    for at in np.ndindex(*other):
        inside = all(i < n for i, n in zip(at, shape, strict=True))
        same = int(a[at]) if inside else 0
        keep = low <= same <= high and draw(st.integers(0, 3)) > 0
        b[at] = same if keep else draw(values(kinds[1]))
    return a, b


@settings(max_examples=150, deadline=None)
@given(
    pairs(),
    st.sampled_from([0, 1, 2, 127, 2**31, 2**64 - 1, 2**64, 2**70]),
    st.sampled_from([1, 3, 1 << 17]),
    st.sampled_from([0, 2, 64]),
)
def test_every_figure_is_that_of_plain_python(
    pair: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]],
    tolerance: int,
    chunk: int,
    max_values: int,
) -> None:
    a, b = pair
    with (
        mock.patch.object(scan, "CHUNK_VALUES", chunk),
        mock.patch.object(scan, "PIECE_VALUES", min(chunk, 5)),
        mock.patch.object(histogram, "MAX_VALUES", max_values),
    ):
        found = verdict_on(a, b, tolerance)
    plain = plainly(a, b, tolerance)
    sizes = [abs(value) for value in plain.differences.values()]
    assert found.compared == len(sizes)
    assert found.different == len(plain.beyond)
    assert found.max_abs_diff == max(sizes, default=0)
    assert found.sum_abs_diff == sum(sizes)
    assert found.mean_abs_diff == (sum(sizes) / len(sizes) if sizes else 0.0)
    assert {f for first, last in found.frames for f in range(first, last + 1)} == plain.frames
    assert found.equal is (a.shape == b.shape and not plain.beyond)
    bins = plain_bins(list(plain.differences.values()), max_values)
    assert [tuple(item) for item in found.histogram.bins] == bins
    if plain.beyond:
        at = plain.beyond[0]
        assert found.first is not None
        assert (found.first.frame, *found.first.index) == at
        assert (found.first.a, found.first.b) == (int(a[at]), int(b[at]))
        assert found.first.element == list(np.ndindex(*a.shape[1:])).index(at[1:])
    else:
        assert found.first is None


# -- cases by hand --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind_a", "kind_b", "low", "high"),
    [
        ("i8", "i8", -(2**63), 2**63 - 1),
        ("u8", "u8", 0, 2**64 - 1),
        ("i8", "u8", -(2**63), 2**64 - 1),
        ("i8", "u8", -1, 1),
        ("i1", "u8", -1, 2**64 - 1),
        ("u1", "u1", 1, 2),
        ("i2", "i2", -(2**15), 2**15 - 1),
        ("i4", "u4", -(2**31), 2**32 - 1),
        ("?", "i8", 1, 2**63 - 1),
    ],
)
def test_distances_do_not_wrap(kind_a: str, kind_b: str, low: int, high: int) -> None:
    a, b = np.array([[low]], kind_a), np.array([[high]], kind_b)
    for left, right, sign in ((a, b, 1), (b, a, -1)):
        found = verdict_on(left, right, high - low - 1)
        assert found.max_abs_diff == found.sum_abs_diff == high - low
        assert found.different == 1
        assert [tuple(one) for one in found.histogram.bins] == [
            (sign * (high - low), sign * (high - low), 1)
        ]
        assert verdict_on(left, right, high - low).equal


def test_the_sum_of_many_large_differences_does_not_wrap() -> None:
    a = np.zeros((1000, 3), np.uint64)
    found = verdict_on(a, a + np.uint64(2**64 - 1))
    assert found.sum_abs_diff == 3000 * (2**64 - 1)
    assert found.mean_abs_diff == float(2**64 - 1)


def test_truth_values_are_compared_with_each_other_and_with_numbers() -> None:
    a = np.array([[True, False], [True, True]])
    assert verdict_on(a, a.astype(np.int16)).equal
    found = verdict_on(a, ~a)
    assert (found.different, found.max_abs_diff) == (4, 1)
    assert [tuple(one) for one in found.histogram.bins] == [(-1, -1, 3), (1, 1, 1)]


def test_the_same_values_of_different_types_are_equal() -> None:
    a = np.array([[0, 1], [100, 127]])
    for kind in KINDS[1:]:
        assert verdict_on(a.astype(kind), a).equal, kind


def test_elements_of_frames_with_several_axes_have_their_place_on_each() -> None:
    a = np.zeros((2, 3, 4), np.int16)
    b = a.copy()
    b[1, 2, 1] = 7
    found = verdict_on(a, b)
    assert found.first is not None
    assert (found.first.frame, found.first.element, found.first.index) == (1, 9, (2, 1))
    assert found.describe().startswith("y: frame 1, element [2, 1]: 0 against 7; 1 of 24")


def test_a_place_behind_a_cut_axis_is_counted_in_the_first_sides_frame() -> None:
    a, b = np.zeros((1, 2, 5), int), np.zeros((1, 2, 3), int)
    b[0, 1, 2] = 1
    first = verdict_on(a, b).first
    assert first is not None
    assert (first.element, first.index) == (7, (1, 2))


def test_frames_that_are_single_numbers_are_compared() -> None:
    found = verdict_on([1, 2, 3], [1, 2, 4])
    assert found.first is not None
    assert (found.first.frame, found.first.element, found.first.index) == (2, 0, ())


def test_frames_are_said_in_ranges() -> None:
    a = np.zeros((100, 4), np.int8)
    b = a.copy()
    b[12:41, 1] = 3
    b[77] = -3
    found = verdict_on(a, b)
    assert list(found.frames) == [(12, 40), (77, 77)]
    assert [frame in found.frames for frame in (11, 12, 40, 41, 77, 78)] == [0, 1, 1, 0, 1, 0]
    assert found.details() == [
        "in 30 of 100 frames: 12-40, 77",
        "second minus first: +3 x 29, -3 x 4",
        "mean absolute difference 0.2475",
    ]


def test_many_ranges_are_shortened_in_text_and_bounded_in_json() -> None:
    a = np.zeros((5000, 1), np.int8)
    b = a.copy()
    b[::2] = 1
    found = verdict_on(a, b)
    assert found.frames.describe(3) == "0, 2, 4, and 2497 more up to 4998"
    tree = found.frames.to_json(found.n_frames)
    assert isinstance(tree["ranges"], list)
    assert len(tree["ranges"]) + int(str(tree["ranges_left_out"])) == 2500
    assert tree["different"] == found.frames.count == 2500


def test_many_different_differences_are_counted_in_powers_of_two() -> None:
    a = np.zeros((1, 200), np.int32)
    b = np.arange(-100, 100, dtype=np.int32).reshape(1, 200)
    found = verdict_on(a, b).histogram
    assert not found.exact
    assert found.total == 200
    assert [tuple(one) for one in found.bins[:2]] == [(-127, -64, 37), (-63, -32, 32)]
    assert found.describe(2) == "-127..-64 x 37, +64..+127 x 36, 126 others"


def test_all_of_a_large_array_is_compared_in_little_memory() -> None:
    a = np.zeros((40_000, 256), np.int16)
    b = a.copy()
    b[-1, -1] = 1
    tracemalloc.start()
    try:
        found = verdict_on(a, b)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert list(found.frames) == [(39_999, 39_999)]
    assert found.histogram.total == a.size
    assert peak < a.nbytes / 8
