"""Quantization: rounding, saturation and exact rescaling."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import FrameError, UsageError
from hostrt.frames.quantize import quantize_float

PRECISIONS = st.sampled_from([8, 16])
FLOATS = st.floats(allow_nan=False, width=32)


def test_halves_round_to_even_and_full_scale_saturates() -> None:
    lsb = 2.0**-15
    result = quantize_float([0.5 * lsb, 1.5 * lsb, -0.5 * lsb, -1.5 * lsb, -1.0, 1.0], 16)
    assert result.values.tolist() == [0, 2, 0, -2, -32768, 32767]
    assert result.values.dtype == np.int16
    assert result.clipped == 1


def test_infinities_saturate_and_nan_is_refused() -> None:
    assert quantize_float([np.inf, -np.inf], 8).values.tolist() == [127, -128]
    with pytest.raises(FrameError, match="sample 1: found nan"):
        quantize_float([0.0, np.nan], 16)


def test_other_precisions_and_integers_are_refused() -> None:
    with pytest.raises(UsageError, match="precision 12"):
        quantize_float([0.0], 12)
    with pytest.raises(FrameError, match="type int64, expected floats"):
        quantize_float(np.array([0]), 16)


@settings(max_examples=60, deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=20), PRECISIONS)
def test_quantization_is_bounded_monotone_and_nearest(values: list[float], precision: int) -> None:
    ordered = np.sort(np.array(values, np.float32))
    result = quantize_float(ordered, precision)
    half = 1 << (precision - 1)
    assert np.all(np.diff(result.values.astype(int)) >= 0)
    exact = [_exact(float(value), half) for value in ordered]
    assert result.clipped == sum(not -half <= value < half for value in exact)
    assert result.values.tolist() == [min(max(value, -half), half - 1) for value in exact]


def _exact(value: float, half: int) -> int:
    if math.isinf(value):
        return int(math.copysign(10**9, value))
    return round(Fraction(value) * half)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=50))
def test_16_bit_samples_survive_the_way_through_floats(samples: list[int]) -> None:
    floats = np.array(samples) / 32768
    assert quantize_float(floats, 16).values.tolist() == samples
