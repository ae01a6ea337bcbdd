"""How long comparing takes. Nothing here fails for being slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt.analysis.compare import compare_outputs

if TYPE_CHECKING:
    from collections.abc import Callable

    Timed = Callable[..., Any]

N_FRAMES, LENGTH = 20_000, 256


@pytest.fixture(scope="module")
def outputs() -> np.ndarray[Any, np.dtype[np.int16]]:
    """Frames of random numbers."""
    random = np.random.default_rng(5)
    return random.integers(-(2**15), 2**15, (N_FRAMES, LENGTH)).astype(np.int16)


@pytest.mark.parametrize("dtype", [np.int16, np.int64])
def test_comparing_equal_outputs(timed: Timed, outputs: Any, dtype: type) -> None:
    a, b = outputs.astype(dtype), outputs.astype(dtype)
    assert timed(compare_outputs, {"y": a}, {"y": b}).equal


def test_comparing_outputs_of_different_types(timed: Timed, outputs: Any) -> None:
    assert timed(compare_outputs, {"y": outputs}, {"y": outputs.astype(np.int32)}).equal


def test_comparing_outputs_that_differ_in_one_value(timed: Timed, outputs: Any) -> None:
    other = outputs.copy()
    other[N_FRAMES // 2, 3] ^= 1
    assert timed(compare_outputs, {"y": outputs}, {"y": other}).verdicts[0].different == 1


def test_comparing_outputs_that_differ_everywhere(timed: Timed, outputs: Any) -> None:
    found = timed(compare_outputs, {"y": outputs}, {"y": outputs[::-1]}, rounds=3).verdicts[0]
    assert found.frames.count == N_FRAMES
