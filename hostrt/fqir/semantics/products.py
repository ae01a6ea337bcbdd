"""Matrix products: exact, and fast where floating point is exact too (FQIR reference 4.5 and 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.semantics.arith import narrow
from hostrt.fqir.semantics.integers import clamp, int64, rsh

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.graph import Array

EXACT = 1 << 53
"""Integers up to this magnitude are exact in float64, and so is every sum that stays below."""

_SMALL = 1 << 12
"""Products with fewer multiplications than this are not worth the conversion."""


class Factors:
    """Multiplies matrices, and remembers how the last ones look in floating point.

    Weights are the same array in every frame: values are never changed in place, so an array that
    is met again needs neither a second look nor a second conversion.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[Array, Array, int]] = {}
        self._derived: tuple[Array, Array] | None = None

    def product(self, x: Array, y: Array) -> Array:
        """Give x @ y exactly, modulo 2**64, as int64; shapes as in numpy.

        Raises:
            ValueError: the shapes do not fit each other.
        """
        depth = x.shape[-1] if x.ndim else 0
        if depth == 0 or x.size * y.size // depth < _SMALL or x.shape[-1] != _rows(y):
            return np.asarray(np.matmul(int64(x), int64(y)))
        float_x, peak_x = self._float(0, x)
        float_y, peak_y = self._float(1, y)
        if peak_x * peak_y * depth >= EXACT:
            return np.asarray(np.matmul(int64(x), int64(y)))
        return np.asarray(np.matmul(float_x, float_y)).astype(np.int64)

    def derived(self, array: Array, make: Callable[[], Array]) -> Array:
        """Give what `make` makes of an array; made anew only when the array is another one."""
        if self._derived is None or self._derived[0] is not array:
            self._derived = (array, make())
        return self._derived[1]

    def _float(self, side: int, array: Array) -> tuple[Array, int]:
        known = self._last.get(side)
        if known is None or known[0] is not array:
            known = (array, array.astype(np.float64), peak(array))
            self._last[side] = known
        return known[1], known[2]


def _rows(y: Array) -> int:
    return y.shape[max(y.ndim - 2, 0)] if y.ndim else 0


def peak(array: Array) -> int:
    """Give the largest magnitude in an integer array, 0 when it is empty."""
    if not array.size:
        return 0
    return max(int(np.max(array)), -int(np.min(array)))


def matmul(
    x: Array,
    y: Array,
    *,
    shamt_bwred: int,
    bw_out: int,
    rounded: bool = False,
    factors: Factors | None = None,
) -> Array:
    """Multiply matrices (FQIR reference 4.5). Gives int32."""
    product = (factors or Factors()).product(x, y)
    return narrow(product, shamt_bwred, bw_out, rounded)


def addmm(
    bias: Array,
    x: Array,
    y: Array,
    *,
    shamt_bias: int,
    shamt_bwred: int,
    bw_out: int,
    rounded: bool = False,
    factors: Factors | None = None,
) -> Array:
    """Multiply matrices and add a bias (FQIR reference 4.5). Gives int32.

    The bias is shifted in its own storage type, unless it is a vector and the product is not.

    Raises:
        KernelError: a rounding constant does not fit.
        ValueError: the shapes do not fit each other.
    """
    product = (factors or Factors()).product(x, y)
    if bias.ndim == 1 and product.ndim > 1:
        bias = int64(bias).reshape((-1,) + (1,) * (product.ndim - 1))
    bias = clamp(rsh(bias, shamt_bias, rounded), 32)
    return narrow(np.add(product, int64(bias)), shamt_bwred, bw_out, rounded)
