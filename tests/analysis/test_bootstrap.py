"""Whether one series of measurements is smaller than another, held against known truths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.analysis import bootstrap
from hostrt.analysis.bootstrap import STATISTICS, Change, Options, compare_series
from hostrt.errors import UsageError
from tests.analysis.noise import noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hostrt.analysis.bootstrap import Statistic

TRIALS = 120
MOST_MISSES = 17
"""Of 120 trials: more are one chance in 30 000 at a coverage of 95 %, and every other time at 85 %,
so that an interval that is too narrow is found."""


def quick(statistic: Statistic = "median", seed: int = 0, warm_up: int = 0) -> Options:
    """Give options that are good enough for a test."""
    return Options(statistic, resamples=400, seed=seed, warm_up=warm_up)


def runs(
    rng: np.random.Generator, n: int, change: float, correlation: float, *, shared: float = 0.7
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give latencies of two runs, the second `change` longer; some frames are hard for both."""
    common = noise(rng, n, correlation)
    own = math.sqrt(1 - shared**2)
    a, b = (np.exp(0.1 * (shared * common + own * noise(rng, n, correlation))) for _ in range(2))
    return 5e-3 * a, 5e-3 * (1 + change) * b


# -- the interval holds the truth ------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.6])
@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_intervals_hold_the_true_change_as_often_as_they_say(
    statistic: Statistic, correlation: float
) -> None:
    rng = np.random.default_rng(20)
    missed = untold = 0

    for seed in range(TRIALS):
        a, b = runs(rng, 400, -0.03, correlation)
        found = compare_series(a, b, quick(statistic, seed))
        if found.low is None or found.high is None:
            untold += 1
        else:
            missed += not found.low <= -0.03 <= found.high

    assert 0 < missed <= MOST_MISSES
    assert untold <= TRIALS // 20


@pytest.mark.slow
@pytest.mark.parametrize("is_paired", [True, False])
def test_where_there_is_no_difference_none_is_shown_most_of_the_time(is_paired: bool) -> None:
    rng = np.random.default_rng(21)
    verdicts = []

    for seed in range(TRIALS):
        a, b = runs(rng, 300, 0.0, 0.4, shared=0.7 if is_paired else 0.0)
        verdicts.append(compare_series(a, b, quick(seed=seed), is_paired=is_paired))

    shown = [found.verdict for found in verdicts]
    assert shown.count("less") + shown.count("more") <= MOST_MISSES
    assert shown.count("too few") <= TRIALS // 20


def test_ignoring_that_neighbours_are_alike_would_make_intervals_too_narrow() -> None:
    a, b = runs(np.random.default_rng(3), 2000, 0.0, 0.9)
    rng = np.random.default_rng(4)
    shuffled = rng.permutation(len(a))

    kept = compare_series(a, b, quick())
    lost = compare_series(a[shuffled], b[shuffled], quick())

    assert kept.block > 10 * lost.block
    assert width(kept) > 1.5 * width(lost)


def test_pairs_show_what_runs_as_wholes_do_not() -> None:
    a, b = runs(np.random.default_rng(5), 400, -0.005, 0.0, shared=0.999)

    paired, unpaired = (compare_series(a, b, quick(), is_paired=p) for p in (True, False))

    assert (paired.verdict, unpaired.verdict) == ("less", "no difference shown")
    assert width(paired) < width(unpaired) / 3


def width(change: Change) -> float:
    assert change.low is not None
    assert change.high is not None
    return change.high - change.low


# -- what is compared ------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_clear_difference_is_shown_in_every_statistic(statistic: Statistic) -> None:
    rng = np.random.default_rng(6)
    a = 1e-3 * (1 + 0.01 * rng.random(1500))

    found = compare_series(a, 0.9 * a, quick(statistic))

    assert found.verdict == "less"
    assert found.change == pytest.approx(-0.1)
    assert found.describe() == "faster by 10.0 % [10.0, 10.0]"
    assert compare_series(0.9 * a, a, quick(statistic)).verdict == "more"


def test_the_interval_is_that_of_the_sentence() -> None:
    found = Change("median", 1.0, 0.969, -0.031, -0.036, -0.027, 0.95, True, 9, 9, 0, 0)

    assert found.describe() == "faster by 3.1 % [2.7, 3.6]"
    slower = Change("median", 1.0, 1.05, 0.05, 0.01, 0.09, 0.95, True, 9, 9, 0, 0)
    assert slower.describe("lower", "higher") == "higher by 5 % [1, 9]"
    neither = Change("median", 1.0, 1.01, 0.01, -0.01, 0.03, 0.95, True, 9, 9, 0, 0)
    assert neither.describe() == "no difference shown [-1 %, +3 %]"


def test_frames_that_were_not_measured_are_left_out_in_pairs() -> None:
    rng = np.random.default_rng(7)
    a, b = runs(rng, 200, 0.0, 0.0)
    a[3], a[50], b[50], b[60], b[61] = -1.0, np.nan, -1.0, np.inf, np.nan

    paired = compare_series(a, b, quick())
    unpaired = compare_series(a, b, quick(), is_paired=False)

    assert (paired.n_a, paired.n_b, paired.excluded) == (196, 196, 4)
    assert (unpaired.n_a, unpaired.n_b, unpaired.excluded) == (198, 197, 5)


def test_frames_of_the_warm_up_do_not_count() -> None:
    a, b = runs(np.random.default_rng(8), 200, 0.0, 0.0)
    spoiled = a.copy()
    spoiled[:10] *= 100

    clean = compare_series(a[10:], b[10:], quick("mean"))
    found = compare_series(spoiled, b, quick("mean", warm_up=10))

    assert (found.low, found.high) == (clean.low, clean.high)
    assert (found.warm_up, found.n_a) == (10, 190)


def test_the_same_seed_gives_the_same_interval_and_another_one_about_the_same() -> None:
    a, b = runs(np.random.default_rng(9), 300, 0.0, 0.3)

    one, again, other = (compare_series(a, b, Options(seed=seed)) for seed in (1, 1, 2))

    assert (one.low, one.high) == (again.low, again.high) != (other.low, other.high)
    assert width(one) == pytest.approx(width(other), rel=0.25)


def test_more_confidence_needs_a_wider_interval() -> None:
    a, b = runs(np.random.default_rng(10), 300, 0.0, 0.0)

    widths = [width(compare_series(a, b, Options(confidence=c))) for c in (0.8, 0.95, 0.99)]

    assert widths == sorted(widths)
    assert widths[0] < widths[2]


def test_runs_that_are_constant_have_an_interval_without_width() -> None:
    same = compare_series(np.full(50, 1e-6), np.full(50, 1e-6))
    more = compare_series(np.full(50, 1e-6), np.full(50, 2e-6))

    assert (same.low, same.high, same.verdict) == (0.0, 0.0, "no difference shown")
    assert (more.low, more.high, more.verdict) == (1.0, 1.0, "more")


# -- what cannot be told ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statistic", "least"), [("median", 30), ("mean", 30), ("p95", 200), ("p99", 1000)]
)
def test_too_few_frames_get_no_number(statistic: Statistic, least: int) -> None:
    a = 1 + np.random.default_rng(11).random(least)

    short = compare_series(a[1:], a[1:], quick(statistic))
    enough = compare_series(a, a, quick(statistic))

    assert (short.verdict, short.low, short.high) == ("too few", None, None)
    assert short.describe().startswith(f"too few frames: {least - 1} measured")
    assert enough.low is not None


def test_frames_that_hang_together_over_the_whole_run_are_too_few() -> None:
    drift = 1 + np.linspace(0, 1, 200)

    found = compare_series(drift, drift[::-1], is_paired=True)

    assert found.verdict == "too few"
    assert "hang together" in found.too_few


@pytest.mark.parametrize("values", [[], [-1.0] * 40, [math.nan] * 40])
def test_runs_without_measurements_are_too_few(values: list[float]) -> None:
    found = compare_series(values, values)

    assert (found.verdict, found.value_a, found.change) == ("too few", None, None)


def test_nothing_is_a_percentage_of_zero() -> None:
    with pytest.raises(UsageError, match="is 0"):
        compare_series(np.zeros(50), np.ones(50))


def test_runs_of_different_lengths_are_no_pairs() -> None:
    with pytest.raises(UsageError, match="paired"):
        compare_series(np.ones(50), np.ones(51))


@pytest.mark.parametrize(
    "wrong",
    [
        {"statistic": "mode"},
        {"confidence": 1.0},
        {"confidence": 0.4},
        {"confidence": math.nan},
        {"resamples": 99},
        {"resamples": 10**7},
        {"resamples": 200, "confidence": 0.99},
        {"warm_up": -1},
        {"seed": -1},
    ],
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Options(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_long_runs_are_drawn_from_in_pieces_of_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "MOST_FRAMES", 4096)
    rng = np.random.default_rng(13)
    a = 1 + rng.random(50_000)
    late = a.copy()
    late[40_000:] *= 2  # only the end differs: whoever looks at the beginning alone misses it

    found = compare_series(a, late, quick("mean"))

    assert (found.n_a, found.n_drawn) == (50_000, 4096)
    assert found.verdict == "more"
    assert found.change == pytest.approx(0.2, abs=0.02)


def test_a_statistic_that_is_mostly_zero_when_drawn_again_gets_no_number() -> None:
    a = np.zeros(400)
    a[100:120] = 1.0  # just enough, and all in a row

    found = compare_series(a, a, Options("p95"))

    assert found.verdict == "too few"
    assert "is 0" in found.too_few
