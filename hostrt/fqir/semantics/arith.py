"""Addition, multiplication, shifts and their saturation (FQIR reference 4.2 to 4.5).

Constants have the names they have in files. No function changes its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.semantics.integers import (
    KernelError,
    clamp,
    fits_int64,
    int32,
    int64,
    rsh,
    sh,
    widest,
)

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array


def narrow(accumulator: Array, shamt: int, bw: int, rounded: bool) -> Array:
    """Give clamp_bw(rsh(accumulator, shamt, rounded)) as int32: how every wide result ends."""
    return int32(clamp(rsh(accumulator, shamt, rounded), bw))


def vvadd(
    x: Array,
    y: Array,
    *,
    shamt_x: int,
    shamt_y: int,
    shamt_bwred: int,
    bw: int,
    rounded: bool = False,
) -> Array:
    """Add (FQIR reference 4.2). Computed in int64, given as int32."""
    total = np.add(sh(int64(x), shamt_x), sh(int64(y), shamt_y))
    return narrow(total, shamt_bwred, bw, rounded)


def vvsub(
    x: Array,
    y: Array,
    *,
    shamt_x: int,
    shamt_y: int,
    shamt_bwred: int,
    bw: int,
    rounded: bool = False,
) -> Array:
    """Subtract (FQIR reference 4.2). Computed in int64, given as int32."""
    total = np.subtract(sh(int64(x), shamt_x), sh(int64(y), shamt_y))
    return narrow(total, shamt_bwred, bw, rounded)


def viadd(
    x: Array,
    *,
    y: int | np.integer | Array,
    shamt_x: int,
    shamt_y: int,
    shamt_bwred: int,
    bw: int,
    rounded: bool = False,
) -> Array:
    """Add a constant (FQIR reference 4.2). Computed in int64, given as int32.

    Raises:
        KernelError: the shifted constant leaves 64 bits.
    """
    total = np.add(sh(int64(x), shamt_x), shifted_constant(y, shamt_y))
    return narrow(total, shamt_bwred, bw, rounded)


def shifted_constant(y: int | np.integer | Array, shamt: int) -> Array:
    """Shift the constant of `viadd`: a numpy scalar wraps in its own type, an int never does.

    Raises:
        KernelError: the result of shifting an int leaves 64 bits.
    """
    if isinstance(y, np.generic):
        return int64(np.asarray(sh(np.asarray(y), shamt)))
    if isinstance(y, np.ndarray):
        return sh(int64(y), shamt)
    too_long = shamt > 64 and y != 0  # never make an integer of a billion bits
    value = 0 if too_long or y == 0 else y << shamt if shamt >= 0 else y >> -shamt
    if too_long or not fits_int64(value):
        raise KernelError(f"the constant {y} shifted by {shamt} does not fit 64 bits")
    return np.asarray(value, np.int64)


def vneg(x: Array, *, bw: int) -> Array:
    """Negate (FQIR reference 4.3), in the storage type of x."""
    return clamp(np.negative(x), bw)


def relu(x: Array) -> Array:
    """Give max(x, 0) (FQIR reference 4.3), in the storage type of x."""
    result: Array = np.maximum(x, x.dtype.type(0))
    return result


def shift(x: Array, *, shamt: int, bw: int, rounded: bool = False) -> Array:
    """Shift (FQIR reference 4.3), in the storage type of x.

    Raises:
        KernelError: the rounding constant does not fit that type.
    """
    return clamp(rsh(x, shamt, rounded), bw)


def temp_i24_bool_mul(x: Array, y_bool: Array, *, shamt: int, rounded: bool) -> Array:
    """Multiply without saturation (FQIR reference 4.3), in the wider of the storage types.

    Raises:
        KernelError: the rounding constant does not fit that type.
    """
    return rsh(np.multiply(x, y_bool, dtype=widest(x, y_bool)), shamt, rounded)


def vvmul(x: Array, y: Array, *, shamt_bwred: int, bw: int, rounded: bool = False) -> Array:
    """Multiply (FQIR reference 4.4). Computed in int64, given as int32."""
    return narrow(np.multiply(int64(x), int64(y)), shamt_bwred, bw, rounded)


def vimul(
    x: Array, *, y: int | np.integer, shamt_bwred: int, bw: int, rounded: bool = False
) -> Array:
    """Multiply with a constant, after reducing x to 32 bits (FQIR reference 4.4). Gives int32.

    Raises:
        KernelError: the constant leaves 64 bits.
    """
    if not fits_int64(int(y)):
        raise KernelError(f"the constant {y} does not fit 64 bits")
    product = np.multiply(int64(int32(x)), np.int64(y))
    return narrow(product, shamt_bwred, bw, rounded)


def total(
    x: Array, *, dim: int | tuple[int, ...] | None, keepdim: bool, shamt_bwred: int, bw: int
) -> Array:
    """Sum along axes (operator `sum`, FQIR reference 4.5). Gives int64; never rounded."""
    summed: Array = np.asarray(np.sum(int64(x), axis=dim, keepdims=keepdim))
    return clamp(sh(summed, shamt_bwred), bw)
