"""Intervals of integers, and what a storage type does to them (FQIR reference 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hostrt.fqir.semantics.integers import limits

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array

Note: TypeAlias = Callable[[str], None]
"""Called with a sentence when a result may depend on wrap-around."""

_MOST = 128
"""A shift by more than this is the same as one by this much: everything is gone."""


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """What a tensor can hold.

    Attributes:
        lo: no element is smaller.
        hi: no element is larger.
        width: bits of the narrowest storage type that it can have.
        value: what it always holds, None when that is not known.
    """

    lo: int
    hi: int
    width: int = 64
    value: Array | None = None

    @classmethod
    def full(cls, width: int = 64) -> Range:
        """Give everything that fits a storage type."""
        return cls(*limits(width), width)

    @classmethod
    def of(cls, value: Array) -> Range:
        """Give the range of a known array."""
        if not value.size:
            return cls(0, 0, value.dtype.itemsize * 8, value)
        return cls(int(np.min(value)), int(np.max(value)), value.dtype.itemsize * 8, value)

    @property
    def peak(self) -> int:
        """Largest magnitude."""
        return max(self.hi, -self.lo)

    def fits(self, bits: int) -> bool:
        """Tell whether every element is a signed integer of so many bits."""
        low, high = limits(bits)
        return low <= self.lo and self.hi <= high

    def within(self, other: Range) -> bool:
        """Tell whether `other` allows all that this allows."""
        return (
            other.lo <= self.lo
            and self.hi <= other.hi
            and other.width <= self.width
            and (other.value is None or other.value is self.value)
        )

    def join(self, other: Range) -> Range:
        """Give what either allows."""
        return Range(
            min(self.lo, other.lo),
            max(self.hi, other.hi),
            min(self.width, other.width),
            self.value if self.value is other.value else None,
        )

    def stored(self, width: int) -> Range:
        """Give the same numbers in another storage type; they must fit it."""
        return Range(self.lo, self.hi, width)

    def __add__(self, other: Range) -> Range:
        return Range(self.lo + other.lo, self.hi + other.hi)

    def __sub__(self, other: Range) -> Range:
        return Range(self.lo - other.hi, self.hi - other.lo)

    def __mul__(self, other: Range) -> Range:
        corners = [a * b for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        return Range(min(corners), max(corners))

    def clamp(self, bits: int) -> Range:
        """Saturate to so many bits."""
        low, high = limits(bits)
        return Range(max(min(self.lo, high), low), max(min(self.hi, high), low), self.width)


def reduced(numbers: Range, width: int, note: Note, what: str) -> Range:
    """Give what is left of numbers that are reduced to so many bits; notes when they do not fit."""
    if numbers.fits(width):
        return numbers.stored(width)
    note(f"{what} can reach {numbers.peak}, which does not fit {width} bits")
    return Range.full(width)


def wrapped(numbers: Range, width: int, note: Note, what: str) -> Range:
    """Give what is left of numbers in a type of at least so many bits; notes when they may not fit.

    As the type may be wider, numbers that do not fit may come out as they are.
    """
    if numbers.fits(width):
        return numbers.stored(width)
    both = reduced(numbers, width, note, what).join(numbers)
    return (both if both.fits(64) else Range.full()).stored(width)


def shifted(numbers: Range, amount: int, width: int, note: Note, rounded: bool = False) -> Range:
    """Shift in a storage type as `semantics.integers.rsh` does."""
    if amount == 0:
        return numbers.stored(width)
    if amount > 0:
        count = min(amount, _MOST)
        moved = Range(numbers.lo << count, numbers.hi << count)
        return wrapped(moved, width, note, f"a value up to {numbers.peak} shifted by {amount}")
    count = min(-amount, _MOST)
    if rounded:
        half = 1 << (count - 1)
        numbers = wrapped(numbers + Range(half, half), width, note, "a value before rounding")
    return Range(numbers.lo >> count, numbers.hi >> count, width)
