from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.power.fold import Fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = st.lists(
    st.floats(-5, 5, width=32) | st.just(float("nan")), min_size=1, max_size=200
).map(lambda values: np.array(values, np.float32))


@settings(deadline=None)
@given(SAMPLES, st.sampled_from([2, 4, 6, 16]), st.data())
def test_nothing_is_lost_by_folding(
    samples: NDArray[np.float32], limit: int, data: st.DataObject
) -> None:
    fold = Fold(limit)
    at = 0
    while at < len(samples):
        n = data.draw(st.integers(1, len(samples)))
        fold.add(samples[at : at + n])
        at += n

    found = fold.intervals()

    assert len(found.mean) <= limit + 1
    assert len(found.mean) == -(-len(samples) // found.folded)
    there = np.isfinite(samples)
    counts = found.share * found.folded
    assert counts.sum() == there.sum()
    assert np.nansum(found.mean * counts) == pytest.approx(samples[there].sum(), abs=1e-3)
    for number in range(len(found.mean)):
        part = samples[number * found.folded : (number + 1) * found.folded]
        part = part[np.isfinite(part)]
        if len(part):
            assert found.low[number] == part.min()
            assert found.high[number] == part.max()
        else:
            assert np.isnan(found.mean[number])


def test_memory_is_bounded() -> None:
    fold = Fold(64)

    for _ in range(200):
        fold.add(np.ones(1000, np.float32))

    found = fold.intervals()
    assert len(found.mean) <= 65
    assert found.folded == 4096
    assert (found.mean == 1).all()


def floats(values: list[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def test_lost_samples_take_their_place() -> None:
    fold = Fold(4)

    fold.add(floats([1, 1]))
    fold.lose(3)
    fold.add(floats([5, 5, 5]))

    found = fold.intervals()
    assert found.folded == 2
    assert found.mean.tolist()[0] == 1
    assert np.isnan(found.mean[1])
    assert found.mean.tolist()[2:] == [5, 5]
    assert found.share.tolist() == [1, 0, 0.5, 1]


def test_a_long_gap_is_lost_piece_by_piece() -> None:
    fold = Fold(16)

    fold.lose(1_000_000)

    found = fold.intervals()
    assert found.folded * len(found.mean) >= 1_000_000
    assert found.share.sum() == 0
