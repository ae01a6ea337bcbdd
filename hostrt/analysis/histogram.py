"""How often which difference occurs: value by value, or in ranges when there are many values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MAX_VALUES = 64
"""Distinct differences other than 0 up to which each is counted by itself."""

SHOWN_BINS = 6
"""Bins that a line of text shows."""

_COUNTED_BELOW = 1 << 17
"""Magnitudes below this are counted in a table; larger ones are sorted."""


class Bin(NamedTuple):
    """Differences from `low` to `high`, both included, and how many values have one of them."""

    low: int
    high: int
    n_values: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Differences second side minus first side, counted.

    With at most 64 distinct differences (0 aside) every bin is one of them. With more, bins are
    powers of two on either side of zero: ..., -3..-2, -1, 0, 1, 2..3, 4..7, ... Bins without values
    are left out; the counts add up to the number of values compared.

    Attributes:
        bins: ascending.
    """

    bins: tuple[Bin, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether every bin is a single difference."""
        return all(item.low == item.high for item in self.bins)

    @property
    def total(self) -> int:
        """Number of values counted."""
        return sum(item.n_values for item in self.bins)

    def describe(self, limit: int = SHOWN_BINS) -> str:
        """Write the most frequent differences other than 0, as `+1 x 30, -3..-2 x 7`."""
        found = sorted((item for item in self.bins if item.low or item.high), key=_by_frequency)
        parts = [f"{_range_text(item)} x {item.n_values}" for item in found[:limit]]
        left = found[limit:]
        if left:
            parts.append(f"{sum(item.n_values for item in left)} others")
        return ", ".join(parts)

    def to_json(self) -> dict[str, object]:
        """Give everything as JSON-compatible values."""
        return {"exact": self.exact, "bins": [list(item) for item in self.bins]}


class HistogramBuilder:
    """Counts differences chunk by chunk, in memory that does not grow with their number."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._values: Counter[int] = Counter()
        # signed number of bits -> count, once there are too many values
        self._lengths: Counter[int] = Counter()

    def add(self, magnitudes: NDArray[np.integer], negative: NDArray[np.bool_]) -> None:
        """Count differences; those that are 0 are left to `finish`.

        Args:
            magnitudes: (N,) unsigned integers of any width, or Python integers.
            negative: (N,) whether the difference is below 0.
        """
        if not self._lengths:
            for value, count in _occurrences(magnitudes, negative):
                self._values[value] += count
            del self._values[0]
            if len(self._values) <= MAX_VALUES:
                return
            for value, count in self._values.items():
                self._lengths[_signed_length(value)] += count
            self._values.clear()
        else:
            for length, count in _count_signed(_bit_lengths(magnitudes), negative):
                self._lengths[length] += count
            del self._lengths[0]

    def finish(self, compared: int) -> Histogram:
        """Give the histogram of `compared` values; those that were not added are equal."""
        bins = [Bin(value, value, count) for value, count in self._values.items()]
        bins += [Bin(*_bounds(length), count) for length, count in self._lengths.items()]
        equal = compared - sum(item.n_values for item in bins)
        if equal:
            bins.append(Bin(0, 0, equal))
        return Histogram(tuple(sorted(bins)))


def _occurrences(
    magnitudes: NDArray[np.integer], negative: NDArray[np.bool_]
) -> Iterator[tuple[int, int]]:
    """Give values that occur, each with a count; 0 may come twice."""
    if int(magnitudes.max()) < _COUNTED_BELOW:
        yield from _count_signed(magnitudes.astype(np.intp), negative)
        return
    for part, sign in ((magnitudes[negative], -1), (magnitudes[~negative], 1)):
        values, counts = np.unique(part, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            yield sign * value, count


def _count_signed(
    magnitudes: NDArray[np.intp], negative: NDArray[np.bool_]
) -> Iterator[tuple[int, int]]:
    """Give values that occur, each once with its count; they must be few thousands."""
    # the sign goes into the lowest bit: picking by sign would cost several times more
    coded = magnitudes << 1
    coded |= negative
    counts = np.bincount(coded)
    for code in np.flatnonzero(counts).tolist():
        yield (-(code >> 1) if code & 1 else code >> 1), int(counts[code])


def _bit_lengths(magnitudes: NDArray[np.integer]) -> NDArray[np.intp]:
    if magnitudes.dtype.kind == "O":
        return np.array([value.bit_length() for value in magnitudes.tolist()], np.intp)
    if magnitudes.dtype.itemsize < np.dtype(np.uint64).itemsize:
        return _bit_lengths_of_32(magnitudes)
    high = magnitudes >> np.uint64(32)
    low = magnitudes & np.uint64(0xFFFF_FFFF)
    return np.where(high != 0, 32 + _bit_lengths_of_32(high), _bit_lengths_of_32(low))


def _bit_lengths_of_32(magnitudes: NDArray[np.integer]) -> NDArray[np.intp]:
    # 32 bits fit into a double exactly, and its exponent is the number of bits
    return np.frexp(magnitudes.astype(np.float64))[1].astype(np.intp)


def _signed_length(value: int) -> int:
    return value.bit_length() if value > 0 else -value.bit_length()


def _bounds(length: int) -> tuple[int, int]:
    low, high = 1 << abs(length) - 1, (1 << abs(length)) - 1
    return (low, high) if length > 0 else (-high, -low)


def _range_text(item: Bin) -> str:
    return f"{item.low:+}" if item.low == item.high else f"{item.low:+}..{item.high:+}"


def _by_frequency(item: Bin) -> tuple[int, int, int]:
    return -item.n_values, abs(item.low), item.low
