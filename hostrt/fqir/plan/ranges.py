"""Intervals of integers through the arithmetic of FQIR (reference 4.1); bounds are inclusive."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from hostrt.fqir.plan.ir import Narrow

Interval: TypeAlias = tuple[int, int]

INT32: Interval = (-(2**31), 2**31 - 1)
INT64: Interval = (-(2**63), 2**63 - 1)
_STEPS = (1, 7, 8, 12, 15, 16, 23, 24, 31, 47)


def signed(bits: int) -> Interval:
    """Give the range of signed integers of so many bits."""
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def within(inner: Interval, outer: Interval) -> bool:
    """Say whether every number of `inner` is one of `outer`."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def join(*intervals: Interval) -> Interval:
    """Give the smallest interval that holds all of them."""
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def in_64_bits(interval: Interval) -> Interval:
    """Give what is left after a reduction to 64 bits: all of them when it can wrap."""
    return interval if within(interval, INT64) else INT64


def add(x: Interval, y: Interval) -> Interval:
    """Sums."""
    return x[0] + y[0], x[1] + y[1]


def subtract(x: Interval, y: Interval) -> Interval:
    """Differences."""
    return x[0] - y[1], x[1] - y[0]


def multiply(x: Interval, y: Interval) -> Interval:
    """Products."""
    corners = [a * b for a in x for b in y]
    return min(corners), max(corners)


def shift(x: Interval, count: int) -> Interval:
    """Shifts, left when positive; counts of 64 and more are limited by whoever builds them."""
    if count >= 0:
        return x[0] << count, x[1] << count
    return x[0] >> -count, x[1] >> -count


def clamp(x: Interval, lo: int | None, hi: int | None) -> Interval:
    """Saturation to lo..hi."""
    low, high = x
    if lo is not None:
        low, high = max(low, lo), max(high, lo)
    if hi is not None:
        low, high = min(low, hi), min(high, hi)
    return low, high


def largest(x: Interval) -> int:
    """Give the largest absolute value."""
    return max(abs(x[0]), abs(x[1]))


def through(x: Interval, narrow: Narrow) -> tuple[Interval, Interval]:
    """Follow an interval through the end of an instruction.

    Returns:
        The interval of results, and one that holds every intermediate too.
    """
    rounded = in_64_bits(add(x, (narrow.rounding, narrow.rounding)))
    shifted = in_64_bits(shift(rounded, narrow.shift))
    return clamp(shifted, narrow.lo, narrow.hi), join(x, rounded, shifted)


def widened(old: Interval, new: Interval) -> Interval:
    """Give an interval that holds both, and grows only a few times however often it is asked."""
    low, high = join(old, new)
    if low < old[0]:
        low = next((-(2**bits) for bits in _STEPS if -(2**bits) <= low), INT64[0])
    if high > old[1]:
        high = next((2**bits - 1 for bits in _STEPS if 2**bits - 1 >= high), INT64[1])
    return low, high
