"""Long signals made small enough for a page without losing what stands out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

AROUND = 1000
"""Samples before and after a place of interest that are kept, every one of them."""


def pick(values: NDArray[np.generic], limit: int, focus: tuple[int, ...] = ()) -> NDArray[np.int64]:
    """Choose the samples that a plot of a signal needs.

    Args:
        values: (n,) numbers; NaN is a gap, kept only where a whole stretch is one.
        limit: number of samples up to which all are kept; of more, the smallest and the largest of
            every stretch are, about `limit` in all.
        focus: indices around which every sample is kept.

    Returns:
        (m,) rising indices; first and last sample are among them.
    """
    n = len(values)
    if n <= limit:
        return np.arange(n, dtype=np.int64)
    stretch = -(-2 * n // max(limit, 2))
    whole = n - n % stretch
    kept = [_extremes(values[:whole].reshape(-1, stretch)), np.array([0, n - 1], np.int64)]
    if whole < n:
        kept.append(whole + _extremes(values[whole:].reshape(1, -1)))
    kept += [
        np.arange(max(0, place - AROUND), min(n, place + AROUND), dtype=np.int64) for place in focus
    ]
    return np.unique(np.concatenate(kept))


def _extremes(rows: NDArray[np.generic]) -> NDArray[np.int64]:
    """Give the flat indices of each row's smallest and largest value."""
    low = high = rows
    if rows.dtype.kind == "f":
        gap = np.isnan(rows)
        low, high = np.where(gap, np.inf, rows), np.where(gap, -np.inf, rows)
    starts = np.arange(len(rows), dtype=np.int64) * rows.shape[1]
    return np.concatenate([starts + low.argmin(axis=1), starts + high.argmax(axis=1)])


def thin(places: NDArray[np.int64], n: int, limit: int) -> NDArray[np.int64]:
    """Choose at most `limit` of some places among `n`, one for each part that has any."""
    if len(places) <= limit:
        return places
    parts = places * limit // max(n, 1)
    return places[np.unique(parts, return_index=True)[1]]


def pool(table: NDArray[np.generic], rows: int, columns: int) -> NDArray[np.float32]:
    """Make a table smaller; each cell becomes its value that is furthest from zero.

    Args:
        table: (T, L) numbers.
        rows: rows at most.
        columns: columns at most.
    """
    smaller = table.astype(np.uint8) if table.dtype.kind == "b" else table
    for axis, limit in enumerate((rows, columns)):
        if smaller.shape[axis] > limit:
            edges = np.linspace(0, smaller.shape[axis], limit, endpoint=False).astype(np.intp)
            low = np.minimum.reduceat(smaller, edges, axis=axis).astype(np.float64)
            high = np.maximum.reduceat(smaller, edges, axis=axis).astype(np.float64)
            smaller = np.where(-low > high, low, high)
    return smaller.astype(np.float32)
