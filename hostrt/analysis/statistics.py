"""Summary of a series of measurements in which some may be missing."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics over the valid values; all NaN when there are none.

    Attributes:
        min: smallest.
        mean: arithmetic mean.
        median: 50th percentile.
        p90: 90th percentile, linear between neighbours.
        p95: 95th percentile.
        p99: 99th percentile.
        max: largest.
        count: values that went into the statistics.
        excluded: values left out because they are NaN, infinite or negative (not measured).
        warm_up: values left out at the beginning because the caller said so.
    """

    min: float
    mean: float
    median: float
    p90: float
    p95: float
    p99: float
    max: float
    count: int
    excluded: int
    warm_up: int = 0

    def to_tree(self) -> dict[str, float | int]:
        """Give the statistics as plain values; without valid values only the counts."""
        tree: dict[str, float | int] = asdict(self)
        return {key: value for key, value in tree.items() if not math.isnan(value)}


def valid_values(values: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Keep the values that were really measured: finite and not negative. Shape (N,)."""
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    return array[np.isfinite(array) & (array >= 0)]


def summarise(values: ArrayLike, *, warm_up: int = 0) -> Summary:
    """Summarise measurements.

    Args:
        values: (N,) numbers; -1 and NaN mean "not measured".
        warm_up: leave out the first n values, measured or not.

    Raises:
        UsageError: negative `warm_up`.
    """
    if warm_up < 0:
        raise UsageError(f"warm-up of {warm_up} frames, expected 0 or more")
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    counted = array[warm_up:]
    valid = valid_values(counted)
    excluded = len(counted) - len(valid)
    dropped = min(warm_up, len(array))
    if not len(valid):
        return Summary(*(math.nan,) * 7, count=0, excluded=excluded, warm_up=dropped)
    median, p90, p95, p99 = (float(x) for x in np.percentile(valid, (50, 90, 95, 99)))
    return Summary(
        min=float(valid.min()),
        # rounding of the sum must not push the mean outside the values
        mean=float(np.clip(valid.mean(), valid.min(), valid.max())),
        median=median,
        p90=p90,
        p95=p95,
        p99=p99,
        max=float(valid.max()),
        count=len(valid),
        excluded=excluded,
        warm_up=dropped,
    )
