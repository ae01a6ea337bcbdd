"""How far successive measurements hang together, and drawing them again in blocks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int32]


def block_length(series: Floats) -> int:
    """Give the length of blocks that keep what successive values have to do with each other.

    The rule of Politis and White (2004, as corrected in 2009) for circular blocks: correlations
    count up to the lag after which they stay within what chance makes of independent values, and
    the length then is that of the least mean squared error of a variance, growing with the cube
    root of the number of values. 1 for independent values, at least 1 always.

    Args:
        series: (n,) finite numbers.
    """
    n = len(series)
    centred = series - series.mean()
    variance = float(centred @ centred) / n
    quiet = max(5, math.ceil(math.sqrt(math.log10(max(n, 10)))))
    most = math.ceil(math.sqrt(n)) + quiet
    if variance <= np.finfo(np.float64).tiny or n <= most:
        return 1
    covariance = _autocovariance(centred, most)
    chance = 2 * math.sqrt(math.log10(n) / n)
    is_loud = np.abs(covariance[1:]) > chance * covariance[0]
    last = _last_loud(is_loud, quiet)
    if not last:
        return 1
    lags = np.arange(1, min(2 * last, most) + 1)
    weighted = np.clip(2 * (1 - lags / (2 * last)), 0, 1) * covariance[lags]
    spread = 2 * float(lags @ weighted)
    # neighbours that are unlike each other need no blocks, and chance must not make level vanish
    level = float(covariance[0]) + max(2 * float(weighted.sum()), 0.0)
    return max(1, math.ceil(math.cbrt(1.5 * (spread / level) ** 2 * n)))


def draw_weights(rng: np.random.Generator, n: int, length: int, n_draws: int) -> Counts:
    """Draw series of `n` values in blocks that wrap around, as how often each value was drawn.

    Args:
        rng: where chance comes from.
        n: values of the series.
        length: values of a block; the last block of a draw is cut so that `n` are drawn.
        n_draws: series to draw.

    Returns:
        int32 (n_draws, n); each row sums to `n`.
    """
    n_blocks = -(-n // length)
    starts = rng.integers(0, n, (n_draws, n_blocks))
    sizes = np.full(n_blocks, length)
    sizes[-1] = n - length * (n_blocks - 1)
    width = n + length + 1
    rows = np.arange(n_draws)[:, np.newaxis] * width
    # a block counts from its start on and no more from its end on; the sums of that are weights
    begun = np.bincount((rows + starts).ravel(), minlength=n_draws * width)
    ended = np.bincount((rows + starts + sizes).ravel(), minlength=n_draws * width)
    steps = (begun - ended).reshape(n_draws, width)
    weights = np.cumsum(steps, axis=1, dtype=np.int32)
    weights[:, :length] += weights[:, n : n + length]
    return weights[:, :n]


def _autocovariance(centred: Floats, most: int) -> Floats:
    n = len(centred)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    products: Floats = np.fft.irfft(np.abs(spectrum) ** 2, size)
    return products[: most + 1] / n


def _last_loud(is_loud: NDArray[np.bool_], quiet: int) -> int:
    """Give the lag after which `quiet` lags in a row show nothing; 0 when none shows anything."""
    run = 0
    for lag, loud in enumerate(is_loud.tolist(), 1):
        run = 0 if loud else run + 1
        if run == quiet:
            return lag - quiet
    loud_lags = np.flatnonzero(is_loud)
    return int(loud_lags[-1]) + 1 if loud_lags.size else 0
