"""Shifts, rounding and saturation on integer arrays (FQIR reference 4.1).

Everything here works in the storage type of the array that it is given, and wraps as that type
does. Results are new arrays, or the given one where nothing changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array


class KernelError(ValueError):
    """An operator was given values for which FQIR defines no result."""


def width(array: Array) -> int:
    """Give the number of bits of the storage type."""
    return array.dtype.itemsize * 8


def widest(*arrays: Array) -> np.dtype[np.generic]:
    """Give the widest storage type of some arrays, without regard to their values."""
    kind = arrays[0].dtype
    for array in arrays[1:]:
        kind = np.promote_types(kind, array.dtype)
    return kind


def int64(array: Array) -> Array:
    """Give the values in 64 bits; the array itself when it has them already."""
    return array.astype(np.int64, copy=False)


def int32(array: Array) -> Array:
    """Give the values in 32 bits, modulo 2**32; the array itself when it is int32 already."""
    return array.astype(np.int32, copy=False)


def sh(array: Array, amount: int) -> Array:
    """Shift left by `amount`, right (toward minus infinity) when it is negative.

    A count of the storage width or more gives 0, or -1 for a negative value shifted right.
    """
    if amount == 0:
        return array
    count = array.dtype.type(min(abs(amount), width(array)))
    shifted: Array = (np.left_shift if amount > 0 else np.right_shift)(array, count)
    return shifted


def rsh(array: Array, amount: int, rounded: bool) -> Array:
    """Shift as `sh`; when `rounded`, a right shift rounds half up.

    Raises:
        KernelError: half a unit, 2**(-amount - 1), does not fit the storage type.
    """
    if amount < 0 and rounded:
        if -amount >= width(array):
            raise KernelError(
                f"a rounded shift by {amount} needs 2**{-amount - 1}, which does not fit "
                f"{array.dtype}"
            )
        array = np.add(array, array.dtype.type(1 << (-amount - 1)))
    return sh(array, amount)


def limits(bits: int) -> tuple[int, int]:
    """Give the smallest and the largest signed integer of so many bits."""
    half = 1 << (bits - 1)
    return -half, half - 1


def clamp(array: Array, bits: int) -> Array:
    """Saturate to the signed range of `bits` bits (FQIR reference, notation)."""
    if bits >= width(array):
        return array
    low, high = (array.dtype.type(limit) for limit in limits(bits))
    clamped: Array = np.minimum(np.maximum(array, low), high)
    return clamped


def fits_int64(value: int) -> bool:
    """Tell whether an integer is in the range of int64."""
    return -(1 << 63) <= value < 1 << 63
