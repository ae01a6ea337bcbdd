"""Samples of any number in bounded memory: intervals that double when there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LIMIT = 1 << 20
"""Intervals that are kept: 32 MB, and between 34 and 69 ms each after ten hours at any rate."""

_LOST_BLOCK = 1 << 16


class Intervals(NamedTuple):
    """Samples by interval.

    Attributes:
        folded: samples per interval; the last interval may have got fewer.
        mean: (n,) mean of the samples that came; NaN where none did.
        share: (n,) share 0..1 of `folded` that came.
        low: (n,) lowest sample.
        high: (n,) highest sample.
    """

    folded: int
    mean: NDArray[np.float32]
    share: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


class Fold:
    """Keeps means, lowest and highest of samples in at most `limit` intervals."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Keep at most `limit` intervals, an even number."""
        self._limit = limit
        self._folded = 1
        self._n = 0
        # sum, number, lowest and highest of each interval
        self._kept = np.empty((4, limit), np.float64)
        self._rest = np.empty(0, np.float32)

    def add(self, samples: NDArray[np.float32]) -> None:
        """Add samples in order; NaN for those that were lost."""
        waiting = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        at = 0
        while len(waiting) - at >= self._folded:
            if self._n == self._limit:
                self._double()
                continue
            n = min((len(waiting) - at) // self._folded, self._limit - self._n)
            stop = at + n * self._folded
            self._put(waiting[at:stop].reshape(n, self._folded))
            at = stop
        self._rest = waiting[at:].copy()

    def lose(self, n: int) -> None:
        """Add `n` samples that were lost."""
        for block in _blocks(n):
            self.add(np.full(block, np.nan, np.float32))

    def intervals(self) -> Intervals:
        """Give what was added so far, an interval that is not full included."""
        kept = self._kept[:, : self._n]
        if len(self._rest):
            kept = np.concatenate([kept, _summed(self._rest.reshape(1, -1))], axis=1)
        sums, counts, lows, highs = kept
        mean = sums / np.where(counts > 0, counts, np.nan)
        single = np.float32
        return Intervals(
            self._folded,
            mean.astype(single),
            (counts / self._folded).astype(single),
            lows.astype(single),
            highs.astype(single),
        )

    def _put(self, rows: NDArray[np.float32]) -> None:
        self._kept[:, self._n : self._n + len(rows)] = _summed(rows)
        self._n += len(rows)

    def _double(self) -> None:
        """Join neighbours; the number of intervals is even here, for `limit` is."""
        half = self._n // 2
        left, right = self._kept[:, : self._n : 2], self._kept[:, 1 : self._n : 2]
        joined = np.empty((4, half))
        joined[:2] = left[:2] + right[:2]
        joined[2] = np.fmin(left[2], right[2])
        joined[3] = np.fmax(left[3], right[3])
        self._kept[:, :half] = joined
        self._n = half
        self._folded *= 2


def _summed(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give sum, number, lowest and highest of each row, NaN left out."""
    there = np.isfinite(rows)
    found = np.empty((4, len(rows)))
    found[0] = np.where(there, rows, np.float32(0)).sum(axis=1, dtype=np.float64)
    found[1] = there.sum(axis=1)
    found[2] = np.fmin.reduce(rows, axis=1)
    found[3] = np.fmax.reduce(rows, axis=1)
    return found


def _blocks(n: int) -> Iterator[int]:
    while n > 0:
        yield min(n, _LOST_BLOCK)
        n -= _LOST_BLOCK
