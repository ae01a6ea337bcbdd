"""Whether one run is faster than another, and by how much: a bootstrap over their frames.

Frames are drawn again many times, in blocks, because successive frames are not independent; each
draw gives a ratio of the two runs' statistics, and the middle part of all ratios is the interval.
Runs on the same frames are paired: both lose and win with the same frames, and what is hard in a
frame cancels out.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from hostrt.analysis.blocks import block_length, draw_weights
from hostrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from hostrt.analysis.blocks import Counts, Floats

Statistic = Literal["median", "mean", "p95", "p99"]
"""What of a run's frames is compared."""

STATISTICS: tuple[Statistic, ...] = get_args(Statistic)

MOST_FRAMES = 1 << 15
"""Of longer runs this many frames are drawn from, in pieces that are spread evenly over the run."""

_QUANTILES = {"median": 0.5, "p95": 0.95, "p99": 0.99}
_LEAST_FRAMES = {"median": 30, "mean": 30, "p95": 200, "p99": 1000}
"""Below this many frames an interval would promise more than it holds: ten frames in the tail."""

_LEAST_BLOCKS = 10
_NO_WIDTH = 1e-6
_PIECE = 1024
_CHUNK_VALUES = 1 << 18


@dataclass(frozen=True, slots=True)
class Options:
    """How two runs are compared.

    Attributes:
        statistic: what of their frames.
        confidence: share of such intervals that hold the true change.
        resamples: draws.
        seed: of the draws; the same seed gives the same interval.
        warm_up: frames at the beginning of each run that are left out.
    """

    statistic: Statistic = "median"
    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 0
    warm_up: int = 0

    def __post_init__(self) -> None:
        if self.statistic not in STATISTICS:
            known = ", ".join(STATISTICS)
            raise UsageError(f"statistic {self.statistic!r}, expected one of {known}")
        if not 0.5 <= self.confidence < 1:
            raise UsageError(f"confidence {self.confidence}, expected 0.5 to less than 1")
        if not 100 <= self.resamples <= 1_000_000:
            raise UsageError(f"{self.resamples} resamples, expected 100 to 1000000")
        if self.resamples * (1 - self.confidence) < 10:
            raise UsageError(
                f"{self.resamples} resamples cannot show a confidence of {self.confidence}",
                hint=f"take {math.ceil(10 / (1 - self.confidence))} or more",
            )
        if self.warm_up < 0 or self.seed < 0:
            raise UsageError(f"warm-up {self.warm_up}, seed {self.seed}, expected 0 or more")


@dataclass(frozen=True, slots=True)
class Change:
    """What changed from a run A to a run B.

    Attributes:
        statistic: what was compared.
        value_a, value_b: the statistic of each run, None without frames.
        change: of B relative to A, -0.03 for 3 % less; None when it cannot be told.
        low, high: ends of the interval, None when too few frames were measured.
        confidence: share of such intervals that hold the true change.
        is_paired: frames were compared one by one.
        n_a, n_b: frames that went into it.
        excluded: frames left out because they were not measured; a pair counts once.
        warm_up: frames left out at the beginning of each run.
        block: frames drawn together, the longer of both runs.
        n_drawn: frames of the longer run that were drawn from; fewer than there are in very long
            runs.
        too_few: why no interval can be given, "" when there is one.
    """

    statistic: Statistic
    value_a: float | None
    value_b: float | None
    change: float | None
    low: float | None
    high: float | None
    confidence: float
    is_paired: bool
    n_a: int
    n_b: int
    excluded: int
    warm_up: int
    block: int = 1
    n_drawn: int = 0
    too_few: str = ""

    @property
    def verdict(self) -> str:
        """`less`, `more`, `no difference shown` or `too few`: of B against A."""
        if self.low is None or self.high is None:
            return "too few"
        if self.high < 0:
            return "less"
        return "more" if self.low > 0 else "no difference shown"

    def describe(self, less: str = "faster", more: str = "slower") -> str:
        """Say the verdict with its interval: "faster by 3.1 % [2.7, 3.6]"."""
        if self.change is None or self.low is None or self.high is None:
            return f"too few frames: {self.too_few}"
        if self.verdict == "no difference shown":
            return f"no difference shown [{100 * self.low:+.2g} %, {100 * self.high:+.2g} %]"
        sign, word = (-1, less) if self.verdict == "less" else (1, more)
        near, far = sorted((sign * self.low, sign * self.high))
        digits = _digits(100 * (far - near))
        value, first, last = (f"{100 * x:.{digits}f}" for x in (sign * self.change, near, far))
        return f"{word} by {value} % [{first}, {last}]"

    def to_tree(self) -> dict[str, object]:
        """Give everything as plain values."""
        return {"verdict": self.verdict, **asdict(self)}


def compare_series(
    a: ArrayLike, b: ArrayLike, options: Options | None = None, *, is_paired: bool = True
) -> Change:
    """Compare the measurements of two runs.

    Args:
        a: (n,) one number per frame; NaN, infinite and negative ones mean "not measured".
        b: (m,) the same of the other run.
        options: how; the median at 95 % by default.
        is_paired: frame i of both runs is the same frame; they then have as many frames.

    Raises:
        UsageError: paired runs of different lengths, or a first run whose statistic is 0.
    """
    options = options or Options()
    first, second = (np.asarray(x, np.float64).reshape(-1) for x in (a, b))
    if is_paired and len(first) != len(second):
        raise UsageError(f"{len(first)} and {len(second)} frames cannot be paired")
    longest = max(len(first), len(second))
    counted = [x[options.warm_up :] for x in (first, second)]
    series, excluded = _valid(counted, is_paired=is_paired)
    values = [_statistic(x, options.statistic) for x in series]
    thin = [_thinned(x) for x in series]
    blocks = [_block(x, options.statistic) for x in thin]
    if values[0] == 0:
        raise UsageError(
            f"the {options.statistic} of the first run is 0, of which nothing is a percentage",
            hint="compare another clock or statistic",
        )
    too_few = _too_few(options.statistic, thin, blocks)
    change = low = high = None
    if values[0] and values[1] is not None:
        change = values[1] / values[0] - 1
    if not too_few:
        ratios = _ratios(thin, max(blocks) if is_paired else blocks, options)
        if 2 * len(ratios) < options.resamples:
            too_few = f"in most draws the {options.statistic} of the first run is 0"
        else:
            low, high = _interval(ratios, thin, blocks, options.confidence)
    return Change(
        statistic=options.statistic,
        value_a=values[0],
        value_b=values[1],
        change=change,
        low=low,
        high=high,
        confidence=options.confidence,
        is_paired=is_paired,
        n_a=len(series[0]),
        n_b=len(series[1]),
        excluded=excluded,
        warm_up=min(options.warm_up, longest),
        block=max(blocks),
        n_drawn=max(map(len, thin)),
        too_few=too_few,
    )


def _digits(width_percent: float) -> int:
    """Give the decimals with which the first digit of an interval's width shows."""
    if width_percent < _NO_WIDTH:
        return 1
    return max(-math.floor(math.log10(width_percent)), 0)


def _valid(series: Sequence[Floats], *, is_paired: bool) -> tuple[list[Floats], int]:
    measured = [np.isfinite(x) & (x >= 0) for x in series]
    if is_paired:
        measured = [measured[0] & measured[1]] * 2
        excluded = int(np.count_nonzero(~measured[0]))
    else:
        excluded = sum(int(np.count_nonzero(~x)) for x in measured)
    return [x[keep] for x, keep in zip(series, measured, strict=True)], excluded


def _thinned(series: Floats) -> Floats:
    """Keep at most MOST_FRAMES frames, in pieces from all over the run."""
    if len(series) <= MOST_FRAMES:
        return series
    n_pieces = MOST_FRAMES // _PIECE
    starts = np.linspace(0, len(series) - _PIECE, n_pieces).astype(np.int64)
    kept: Floats = series[(starts[:, np.newaxis] + np.arange(_PIECE)).ravel()]
    return kept


def _statistic(series: Floats, statistic: Statistic) -> float | None:
    if not len(series):
        return None
    if statistic == "mean":
        return float(series.mean())
    return float(np.quantile(series, _QUANTILES[statistic]))


def _block(series: Floats, statistic: Statistic) -> int:
    """Give the block length for what the statistic looks at: values, or on which side they lie."""
    if not len(series):
        return 1
    if statistic == "mean":
        return block_length(series)
    side = series <= np.quantile(series, _QUANTILES[statistic])
    return block_length(side.astype(np.float64))


def _too_few(
    statistic: Statistic,
    series: Sequence[Floats],
    blocks: Sequence[int],
) -> str:
    """Say why there can be no interval, "" if there can."""
    n = min(map(len, series))
    least = _LEAST_FRAMES[statistic]
    if n < least:
        return f"{n} measured, {least} are needed for the {statistic}"
    for x, length in zip(series, blocks, strict=True):
        if len(x) < _LEAST_BLOCKS * length:
            return (
                f"{len(x)} measured, and they hang together over {length}: "
                f"{_LEAST_BLOCKS * length} are needed"
            )
    return ""


def _ratios(series: Sequence[Floats], blocks: int | Sequence[int], options: Options) -> Floats:
    """Draw again: the ratio of both statistics in each draw in which there is one.

    Args:
        series: values of both runs.
        blocks: length of blocks of both, or one length for blocks of pairs.
        options: how often, and from which seed.
    """
    rng = np.random.default_rng(options.seed)
    sides = [_Side(x, options.statistic) for x in series]
    step = max(1, _CHUNK_VALUES // max(map(len, series)))
    ratios = np.empty(options.resamples)
    for start in range(0, options.resamples, step):
        n_draws = min(step, options.resamples - start)
        if isinstance(blocks, int):
            weights = [draw_weights(rng, len(series[0]), blocks, n_draws)] * 2
        else:
            weights = [
                draw_weights(rng, len(x), length, n_draws)
                for x, length in zip(series, blocks, strict=True)
            ]
        below, above = (side.of(drawn) for side, drawn in zip(sides, weights, strict=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios[start : start + n_draws] = above / below
    return ratios[np.isfinite(ratios)]


def _interval(
    ratios: Floats, series: Sequence[Floats], blocks: Sequence[int], confidence: float
) -> tuple[float, float]:
    """Give the middle part of the changes."""
    n_blocks = min(len(x) // length for x, length in zip(series, blocks, strict=True))
    tail = _tail(confidence, n_blocks)
    low, high = np.quantile(ratios, (tail, 1 - tail))
    return float(low) - 1, float(high) - 1


def _tail(confidence: float, n_blocks: int) -> float:
    """Give the share of draws to leave out on each side.

    Less than half of what the confidence leaves: drawing from few blocks spreads less than those
    were spread themselves. Corrected as Student's distribution and the factor n / (n - 1) would a
    mean (Hesterberg's expanded percentile interval); the quantile of Student's distribution is
    the beginning of its series around the normal one, good to a percent from 10 blocks on.
    """
    normal = NormalDist()
    z = normal.inv_cdf((1 + confidence) / 2)
    free = n_blocks - 1
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return normal.cdf(-t * math.sqrt(n_blocks / free))


class _Side:
    """One run's values, ready for the statistic of many draws."""

    def __init__(self, series: Floats, statistic: Statistic) -> None:
        self._q = _QUANTILES.get(statistic)
        self._order = np.argsort(series, kind="stable")
        self._sorted = series[self._order]
        self._series = series

    def of(self, weights: Counts) -> Floats:
        """Give the statistic of each draw: of the values, each as often as its weight says."""
        n = len(self._series)
        if self._q is None:
            means: Floats = weights @ self._series / n
            return means
        # between which values of the drawn and sorted series the quantile lies
        place = self._q * (n - 1)
        below = math.floor(place)
        counts = np.cumsum(weights[:, self._order], axis=1, dtype=np.int32)
        wanted = np.array([below, min(below + 1, n - 1)], np.int32)
        at: NDArray[np.int64] = np.array([row.searchsorted(wanted, "right") for row in counts])
        low, high = self._sorted[at[:, 0]], self._sorted[at[:, 1]]
        found: Floats = low + (place - below) * (high - low)
        return found
