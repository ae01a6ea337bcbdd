"""Intervals hold every number that the arithmetic can give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.ir import Narrow

if TYPE_CHECKING:
    from hostrt.fqir.plan.ranges import Interval

NUMBERS = st.integers(-(2**40), 2**40)
PAIRS = st.tuples(NUMBERS, NUMBERS).map(lambda pair: (min(pair), max(pair)))
PICK = st.floats(0, 1)


def inside(interval: Interval, share: float) -> int:
    low, high = interval
    return low + int((high - low) * share)


@given(PAIRS, PAIRS, PICK, PICK)
def test_sums_differences_and_products(x: Interval, y: Interval, p: float, q: float) -> None:
    a, b = inside(x, p), inside(y, q)

    for function, number in (
        (ranges.add, a + b),
        (ranges.subtract, a - b),
        (ranges.multiply, a * b),
    ):
        low, high = function(x, y)
        assert low <= number <= high


@given(PAIRS, PICK, st.integers(-63, 20), st.booleans(), st.none() | NUMBERS, st.none() | NUMBERS)
def test_ends_of_instructions(
    x: Interval, p: float, shift: int, rounded: bool, lo: int | None, hi: int | None
) -> None:
    if lo is not None and hi is not None and lo > hi:
        lo, hi = hi, lo
    rounding = 1 << (-shift - 1) if rounded and shift < 0 else 0
    moved = inside(x, p) + rounding
    number = moved << shift if shift > 0 else moved >> -shift
    number = number if lo is None else max(number, lo)
    number = number if hi is None else min(number, hi)

    result, every = ranges.through(x, Narrow(shift, rounding, lo, hi))

    assert result[0] <= number <= result[1]
    assert every[0] <= moved <= every[1]
    assert ranges.within(x, every)


@given(PAIRS)
def test_widening_comes_to_an_end_however_little_is_added(x: Interval) -> None:
    known, count = (0, 0), 0
    while known != ranges.INT64:
        wider = ranges.widened(known, (known[0] - 1, known[1] + 1))
        assert ranges.within(known, wider)
        known, count = wider, count + 1

    assert count < 15
    assert ranges.within(x, ranges.widened((0, 0), x))


def test_what_leaves_64_bits_can_be_anything() -> None:
    assert ranges.in_64_bits((0, 2**63)) == ranges.INT64
    assert ranges.in_64_bits((0, 2**63 - 1)) == (0, 2**63 - 1)
