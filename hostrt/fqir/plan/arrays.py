"""Integer arrays with the frames as their first axis, and what is done to them everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hostrt.fqir.plan.ir import Narrow

Ints: TypeAlias = NDArray[np.signedinteger]
Numbers: TypeAlias = NDArray[Any]
"""Integers, or floating point that holds integers."""

Arrays: TypeAlias = dict[int, Ints]
"""Value number -> (frames or 1, *shape)."""

FLOAT32_EXACT = 1 << 24
"""Integers up to this magnitude are exact in float32, and so is every sum that stays below."""

FLOAT64_EXACT = 1 << 53
"""The same for float64."""


def float_for(bound: int) -> str | None:
    """Give the floating-point type that is exact for sums up to a bound (FQIR reference 8)."""
    if bound < FLOAT32_EXACT:
        return "f4"
    return "f8" if bound < FLOAT64_EXACT else None


def aligned(array: Ints, rank: int) -> Ints:
    """Insert axes after the first, so that trailing axes align as in numpy."""
    if array.ndim == rank:
        return array
    return array.reshape(array.shape[0], *(1,) * (rank - array.ndim), *array.shape[1:])


def narrowed(array: Ints, narrow: Narrow, *, own: bool) -> Ints:
    """Apply the end of an instruction; in place when the array is the caller's own."""
    out = array if own else None
    if narrow.rounding:
        out = array = np.add(array, array.dtype.type(narrow.rounding), out=out)
    if narrow.shift:
        function = np.left_shift if narrow.shift > 0 else np.right_shift
        out = array = function(array, array.dtype.type(abs(narrow.shift)), out=out)
    if narrow.lo is not None or narrow.hi is not None:
        array = clipped(array, narrow.lo, narrow.hi, out)
    return array


def clipped(array: Ints, lo: int | None, hi: int | None, out: Ints | None) -> Ints:
    """Saturate; a bound that is None is open."""
    if lo is None and hi is not None:
        return np.minimum(array, array.dtype.type(hi), out=out)
    if hi is None and lo is not None:
        return np.maximum(array, array.dtype.type(lo), out=out)
    return np.clip(array, lo, hi, out=out)


def shifted(array: Ints, shift: int) -> Ints:
    """Shift left by a positive count, right by a negative one."""
    if shift > 0:
        return np.left_shift(array, array.dtype.type(shift))
    return np.right_shift(array, array.dtype.type(-shift)) if shift else array
