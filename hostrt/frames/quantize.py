"""From floats to the model's int8 or int16.

Full scale is [-1, 1): x becomes x * 2**(precision - 1), rounded to nearest even, saturated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError, UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_TYPES: dict[int, type[np.signedinteger]] = {8: np.int8, 16: np.int16}


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """Quantized samples.

    Attributes:
        values: int8 or int16, the shape of what was given.
        clipped: how many samples lay outside and were saturated; full scale itself (+1.0) counts.
    """

    values: NDArray[np.signedinteger]
    clipped: int


def quantize_float(values: ArrayLike, precision: int) -> Quantized:
    """Quantize floats in [-1, 1) to signed integers.

    Args:
        values: floats of any shape; infinities saturate.
        precision: 8 or 16 bits.

    Raises:
        FrameError: a value is NaN, or the values are not floats.
        UsageError: another precision.
    """
    array = np.asarray(values)
    if array.dtype.kind != "f":
        raise FrameError(f"samples of type {array.dtype}, expected floats in [-1, 1)")
    if bool(np.isnan(array).any()):
        index = int(np.flatnonzero(np.isnan(array))[0])
        raise FrameError(f"sample {index}: found nan, expected a number in [-1, 1)")
    return _saturate(np.rint(array.astype(np.float64) * _full_scale(precision)), precision)


def _full_scale(precision: int) -> float:
    if precision not in _TYPES:
        raise UsageError(f"precision {precision} bits, expected 8 or 16")
    return float(1 << (precision - 1))


def _saturate(scaled: NDArray[np.float64], precision: int) -> Quantized:
    half = _full_scale(precision)
    clipped = int(np.count_nonzero((scaled < -half) | (scaled > half - 1)))
    values = np.clip(scaled, -half, half - 1).astype(_TYPES[precision])
    return Quantized(values, clipped)
