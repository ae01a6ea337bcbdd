"""Between real numbers and integers (FQIR reference 4.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.semantics.integers import KernelError, int64, limits

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array


def quantize(x: Array, *, quanta: int, bw: int) -> Array:
    """Give clamp_bw(floor(x / 2**quanta)) as int64; integers pass when they are in range.

    Raises:
        KernelError: an integer outside the range, or a value that is not a number.
    """
    low, high = limits(bw)
    if x.dtype.kind in "iu":
        if x.size and not (low <= int(np.min(x)) and int(np.max(x)) <= high):
            raise KernelError(
                f"integers {np.min(x)}..{np.max(x)} to be quantized, expected {low}..{high}"
            )
        return int64(x)
    if np.isnan(x).any():
        raise KernelError("a value that is not a number is to be quantized")
    scaled = np.floor(np.ldexp(x.astype(np.float64), -quanta))
    return np.clip(scaled, low, high).astype(np.int64)


def dequantize(x: Array, *, quanta: int) -> Array:
    """Give x * 2**quanta as float64."""
    return np.asarray(np.ldexp(x.astype(np.float64), quanta))
