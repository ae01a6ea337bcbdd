"""Matrix products and convolutions in a frame; see `hostrt.fqir.plan.frame`.

Integers are multiplied in floating point wherever every partial sum is exact there (FQIR reference
8): in float32 up to 2**24, in float64 up to 2**53. A vector of 16 bits times a large matrix is done
as two vectors of 8 bits in float32, which reads half as much memory as float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.plan.arrays import FLOAT32_EXACT, float_for
from hostrt.fqir.plan.ir import Conv, MatMul, operands

if TYPE_CHECKING:
    from hostrt.fqir.plan.frame import Buffer, Frame
    from hostrt.fqir.plan.ir import Int64s

_FEW_PRODUCTS = 512
"""Up to so many products integers are as fast as conversion and BLAS."""

_MANY_PRODUCTS = 100_000
"""From so many products on the matrix is split, see `_split_product`."""

_BLOCK = 150_000
"""Products in one block of a split matrix: BLAS does small ones without copying the matrix."""


def matmul(f: Frame, i: MatMul) -> None:
    """Append a matrix product."""
    x, y = f.values[i.x], f.values[i.y]
    if len(x.shape) == 1 and y.constant is not None:
        _vector_matrix(f, i, i.x, y.constant if y.constant.ndim == 2 else y.constant[:, None])
    elif len(y.shape) == 1 and x.constant is not None:
        _vector_matrix(f, i, i.y, x.constant.T if x.constant.ndim == 2 else x.constant[:, None])
    else:
        _general(f, i)


def _vector_matrix(f: Frame, i: MatMul, vector: int, matrix: Int64s) -> None:
    """Append vector times constant matrix (n, m); the bias becomes a row of the matrix."""
    out = f.array(i.out)
    bias = f.values[i.bias].constant if i.bias is not None else np.zeros((), np.int64)
    inside = bias is not None and bias.size in (1, matrix.shape[1]) and out.size == matrix.shape[1]
    row = np.zeros(matrix.shape[1], np.int64)
    if inside and bias is not None:
        row = row + bias.reshape(-1) + np.int64(i.narrow.rounding)
    target = out if out.size == matrix.shape[1] else f.scratch((matrix.shape[1],))
    _product(f, vector, matrix, row, (i.bound, target.reshape(-1)))
    if inside:
        f.end(out, out, i.narrow, 0)
        return
    if i.bias is not None:
        f.call(np.add, target.reshape(_product_shape(f, i)), f.array(i.bias), out)
    f.end(out, out, i.narrow, i.narrow.rounding)


def _product_shape(f: Frame, i: MatMul) -> tuple[int, ...]:
    x, y = f.values[i.x].shape, f.values[i.y].shape
    return (*x[:-1], *y[1:])


def _product(f: Frame, vector: int, matrix: Int64s, row: Int64s, end: tuple[int, Buffer]) -> None:
    """Append target = vector @ matrix + row, exactly."""
    bound, target = end
    kind = float_for(bound)
    if matrix.size <= _FEW_PRODUCTS or kind is None or matrix.size == 0:
        x = f.array(vector).reshape(-1)
        whole = np.ascontiguousarray(matrix)
        if target.flags.c_contiguous:
            f.call(x.dot, whole, target)
        else:
            made = f.scratch(target.shape)
            f.call(x.dot, whole, made)
            f.call(np.copyto, target, made)
        if row.any():
            f.call(np.add, target, row, target)
        return
    if kind == "f8" and matrix.size >= _MANY_PRODUCTS and _splits(f, vector, matrix, row):
        _split_product(f, vector, matrix, row, target)
        return
    extra = int(row.any())
    whole = np.vstack([matrix, row[None]])[: len(matrix) + extra].astype(kind, order="C")
    made = f.scratch(target.shape, kind)
    f.call(f.floats(vector, kind, extra).dot, whole, made)
    f.call(np.copyto, target, made, "unsafe")


def _splits(f: Frame, vector: int, matrix: Int64s, row: Int64s) -> bool:
    """Say whether the halves of the vector's elements are exact in float32."""
    value = f.values[vector]
    if value.lo < -(1 << 15) or value.hi >= 1 << 15:
        return False
    peak = int(np.abs(matrix).sum(axis=0).max()) * 255 + int(np.abs(row).max())
    return peak < FLOAT32_EXACT


def _split_product(f: Frame, vector: int, matrix: Int64s, row: Int64s, target: Buffer) -> None:
    """Append target = 256 * (high @ matrix) + low @ matrix + row, with bytes high and low."""
    x = f.array(vector).reshape(-1)
    n, m = matrix.shape
    halves, part = np.zeros((2, n + 1), np.float32), f.scratch((n,))
    halves[1, n] = 1  # the row is added once, with the low halves
    f.call(np.right_shift, x, f.number(8), part)
    f.call(np.copyto, halves[0, :n], part)
    f.call(np.bitwise_and, x, f.number(255), part)
    f.call(np.copyto, halves[1, :n], part)
    width = max(_BLOCK // (n + 1), 16)
    both = np.empty((2, m))
    for start in range(0, m, width):
        block = np.vstack([matrix[:, start : start + width], row[None, start : start + width]])
        made = np.empty((2, block.shape[1]), np.float32)
        f.call(halves.dot, block.astype(np.float32, order="C"), made)
        f.call(np.copyto, both[:, start : start + width], made)
    f.call(np.multiply, both[0], np.float64(256), both[0])
    f.call(np.add, both[0], both[1], both[0])
    f.call(np.copyto, target, both[0], "unsafe")


def _general(f: Frame, i: MatMul) -> None:
    """Append a product of any two operands."""
    out, shape = f.array(i.out), _product_shape(f, i)
    size = f.values[i.x].size * f.values[i.y].size // max(f.values[i.x].shape[-1], 1)
    kind = float_for(i.bound) if size > _FEW_PRODUCTS else None
    made = f.scratch(shape, kind or "i8")
    x, y = (
        f.array(number) if kind is None else f.floats(number, kind).reshape(f.values[number].shape)
        for number in (i.x, i.y)
    )
    f.call(np.dot, x, y, made)
    if i.bias is None:
        f.call(np.copyto, out, made, "unsafe")
    else:
        integers = made
        if kind is not None:
            integers = f.scratch(shape)
            f.call(np.copyto, integers, made, "unsafe")
        f.call(np.add, integers, f.array(i.bias), out)
    f.end(out, out, i.narrow, i.narrow.rounding)


# ---------------------------------------------------------------------- convolutions


def conv(f: Frame, i: Conv) -> None:
    """Append a convolution: a matrix product of what the kernel sees, or sums per channel."""
    weight = f.values[i.weight].constant
    bias = f.values[i.bias].constant if i.bias is not None else np.zeros((), np.int64)
    if weight is None or bias is None:
        f.fall_back(i, operands(i))
    elif i.depthwise:
        _depthwise(f, i, weight, bias)
    else:
        _dense(f, i, weight, bias)


def _padded(f: Frame, i: Conv) -> Buffer:
    """Give the window as (kernel_t, padded bands, channels)."""
    window = f.array(i.window)
    rows = window.reshape(len(window), i.bands, i.channels)
    if not i.padding:
        return rows
    padded = np.zeros((len(rows), i.bands + 2 * i.padding, i.channels), np.int64)
    f.copy(padded[:, i.padding : i.padding + i.bands], rows)
    return padded


def _tap(i: Conv, rows: Buffer, kn: int) -> Buffer:
    """Give what tap `kn` of the kernel sees: (kernel_t, bands_out, channels), a view."""
    start = kn * i.dilation
    return rows[:, start : start + (i.bands_out - 1) * i.stride + 1 : i.stride]


def _dense(f: Frame, i: Conv, weight: Int64s, bias: Int64s) -> None:
    d_out, _, kernel_band, kernel_t = weight.shape
    kind = float_for(i.bound) or "i8"
    rows = _padded(f, i)
    # by output band: frame of the kernel, tap, channel, and a one for the bias
    seen = np.ones((i.bands_out, kernel_t * kernel_band * i.channels + 1), kind)
    parts = seen[:, :-1].reshape(i.bands_out, kernel_t, kernel_band, i.channels)
    for kn in range(kernel_band):
        f.call(np.copyto, parts[:, :, kn], _tap(i, rows, kn).transpose(1, 0, 2))
    row = np.broadcast_to(bias.reshape(-1) + np.int64(i.narrow.rounding), (d_out,))
    matrix = np.vstack([weight.transpose(3, 2, 1, 0).reshape(-1, d_out), row[None]])
    made = f.scratch((i.bands_out, d_out), kind)
    f.call(seen.dot, matrix.astype(kind, order="C"), made)
    out = f.array(i.out)
    f.call(np.copyto, out.reshape(i.bands_out, d_out), made, "unsafe")
    f.end(out, out, i.narrow, 0)


def _depthwise(f: Frame, i: Conv, weight: Int64s, bias: Int64s) -> None:
    rows, out = _padded(f, i), f.array(i.out)
    total = out.reshape(i.bands_out, i.channels)
    _, _, kernel_band, kernel_t = weight.shape
    products = f.scratch((kernel_t, i.bands_out, i.channels))
    row = bias.reshape(-1) + np.int64(i.narrow.rounding)
    first = True
    for kn in range(kernel_band):
        factors = np.ascontiguousarray(weight[:, 0, kn].T)[:, None]
        f.call(np.multiply, _tap(i, rows, kn), factors, products)
        for kt in range(kernel_t):
            if first:
                f.call(np.add, products[kt], np.broadcast_to(row, (i.channels,)).copy(), total)
            else:
                f.call(np.add, total, products[kt], total)
            first = False
    f.end(out, out, i.narrow, 0)
