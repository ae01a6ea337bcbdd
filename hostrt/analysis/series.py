"""Series of frames and samples made small enough to look at, without losing what matters in them.

Long series are drawn from a few thousand numbers: a peak of one sample must still be seen, and the
sound between two columns of a spectrogram must still be heard in one of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hostrt.analysis.scan import CHUNK_VALUES, alike, distance
from hostrt.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_Value = TypeVar("_Value", bound=np.generic)

FLOOR_DB = -120.0
"""What a spectrogram shows at least: silence, and everything quieter than this."""

_BATCH_VALUES = 1 << 20
"""Samples that are transformed at a time."""


def envelope(
    values: NDArray[_Value], n: int
) -> tuple[NDArray[np.int64], NDArray[_Value], NDArray[_Value]]:
    """Reduce a series to the smallest and largest value of each of at most `n` stretches.

    Stretches cover the series without gaps and differ in length by at most one; a series that is
    short enough comes back as it is.

    Args:
        values: (N,) numbers; NaN are passed over unless a stretch has nothing else.
        n: number of stretches at most.

    Returns:
        Index of the first value of each stretch, smallest and largest value, (min(n, N),) each.

    Raises:
        UsageError: `n` below 1, or values with several axes.
    """
    if n < 1:
        raise UsageError(f"{n} stretches, expected 1 or more")
    if values.ndim != 1:
        raise UsageError(f"shape {values.shape}, expected a series")
    total = len(values)
    n = min(n, total)
    if not n:
        return np.zeros(0, np.int64), values.copy(), values.copy()
    starts = np.arange(n, dtype=np.int64) * total // n
    return starts, np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)


def spectrogram(
    samples: NDArray[np.generic],
    sample_rate: float,
    *,
    columns: int = 600,
    rows: int = 257,
    full_scale: float | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Give the power of a sound over time and frequency.

    Hann windows of `2 * (rows - 1)` samples that overlap by half cover all samples, the last one
    padded with zeros; each column is the mean power of the windows that fall into it.

    Args:
        samples: (N,) integers, or finite floats.
        sample_rate: in Hz.
        columns: number of columns at most.
        rows: number of frequencies, from 0 to half the sample rate.
        full_scale: amplitude that counts as 0 dB; None for the type's own, which is 1.0 for
            floats.

    Returns:
        times_s: (C,) middle of each column in seconds; none without samples.
        freqs_hz: (rows,) frequencies in Hz.
        db: (rows, C) power in dB relative to a sine of full scale, `FLOOR_DB` or more.

    Raises:
        UsageError: a number that is not positive, fewer than 2 rows, or samples with several axes.
    """
    if not sample_rate > 0 or columns < 1 or rows < 2:
        raise UsageError(
            f"spectrogram at {sample_rate} Hz of {columns} columns and {rows} rows",
            hint="give a positive rate, 1 column or more and 2 rows or more",
        )
    if samples.ndim != 1:
        raise UsageError(f"shape {samples.shape}, expected a series")
    scale = _full_scale(samples.dtype) if full_scale is None else full_scale
    hop = rows - 1
    freqs_hz = np.arange(rows, dtype=np.float64) * (sample_rate / (2 * hop))
    n_windows = max(1, math.ceil(len(samples) / hop) - 1) if len(samples) else 0
    starts, _, _ = envelope(np.arange(n_windows), columns)
    ends = np.append(starts, n_windows)[1:]
    power = _column_powers(samples, hop, starts, n_windows) / (ends - starts) / scale**2
    db: Floats = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
    middles = np.minimum((starts + ends + 1) * (hop / 2), len(samples))
    return middles / sample_rate, freqs_hz, db


def frame_differences(
    a: NDArray[np.generic], b: NDArray[np.generic]
) -> tuple[NDArray[np.generic], Floats]:
    """Give the largest and the mean difference without sign of every frame.

    Args:
        a: (T, ...) integers or booleans of any type.
        b: the same with as many axes; along each axis the shorter array decides how far.

    Returns:
        max_abs: (T,) largest difference, exact: unsigned 64-bit integers, or Python integers where
            one needs more than 64 bits.
        mean_abs: (T,) mean difference. Both are 0 for frames without values.

    Raises:
        UsageError: different numbers of axes.
    """
    if a.ndim != b.ndim or not a.ndim:
        raise UsageError(f"shape {a.shape} against {b.shape}, expected as many axes, frames first")
    n_frames, *sizes = map(min, a.shape, b.shape)
    per_frame = math.prod(sizes)
    inner = tuple(slice(size) for size in sizes)
    largest: NDArray[np.generic] = np.zeros(n_frames, np.uint64)
    mean = np.zeros(n_frames, np.float64)
    step = max(1, CHUNK_VALUES // max(per_frame, 1))
    for start in range(0, n_frames if per_frame else 0, step):
        stop = min(start + step, n_frames)
        rows = (slice(start, stop), *inner)
        magnitude = distance(*alike(a[rows], b[rows]))
        found = magnitude.max(axis=1)
        if found.dtype.kind == "O" and max(found) > np.iinfo(np.uint64).max:
            largest = largest.astype(np.object_)
        largest[start:stop] = found
        mean[start:stop] = _row_sums(magnitude) / per_frame
    return largest, mean


def _full_scale(kind: np.dtype[Any]) -> float:
    return float(np.iinfo(kind).max) + 1 if kind.kind in "iu" else 1.0


def _column_powers(
    samples: NDArray[np.generic], hop: int, starts: NDArray[np.int64], n_windows: int
) -> Floats:
    """Add up the powers of windows, 1.0 for a sine of amplitude 1.

    Args:
        samples: (N,) numbers.
        hop: half the length of a window.
        starts: (C,) first window of each column.
        n_windows: number of windows.

    Returns:
        (hop + 1, C) sums.
    """
    size = 2 * hop
    # periodic, so that windows overlapping by half add up to a constant
    window = 0.5 - 0.5 * np.cos(np.pi * np.arange(size) / hop)
    gains = np.full(hop + 1, 2 / window.sum())
    gains[[0, -1]] /= 2  # constant and half the sample rate have no mirror image
    sums = np.zeros((len(starts), hop + 1))
    step = max(1, _BATCH_VALUES // size)
    for first in range(0, n_windows, step):
        last = min(first + step, n_windows)
        padded = np.zeros((last - first + 1) * hop)
        stretch = samples[first * hop : (last + 1) * hop]
        padded[: len(stretch)] = stretch
        windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
        powers = np.abs(np.fft.rfft(windows * window) * gains) ** 2
        column = np.searchsorted(starts, np.arange(first, last), side="right") - 1
        columns, at = np.unique(column, return_index=True)
        sums[columns] += np.add.reduceat(powers, at, axis=0)
    return sums.T


def _row_sums(magnitude: NDArray[np.integer]) -> Floats:
    sums: Floats
    if magnitude.dtype.kind == "O":
        sums = magnitude.sum(axis=1).astype(np.float64)
    elif magnitude.itemsize < np.dtype(np.uint64).itemsize:
        sums = magnitude.sum(axis=1, dtype=np.uint64).astype(np.float64)
    else:
        high, low = magnitude >> np.uint64(32), magnitude & np.uint64(0xFFFF_FFFF)
        sums = high.sum(axis=1, dtype=np.uint64) * 2.0**32
        sums += low.sum(axis=1, dtype=np.uint64)
    return sums
