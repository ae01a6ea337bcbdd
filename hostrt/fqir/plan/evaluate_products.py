"""Matrix products and convolutions on many frames; see `hostrt.fqir.plan.evaluate`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.plan.arrays import aligned, float_for, narrowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.plan.arrays import Arrays, Ints, Numbers
    from hostrt.fqir.plan.evaluate import Evaluator
    from hostrt.fqir.plan.ir import Conv, MatMul


def _by_frame(x: Numbers, y: Numbers) -> Numbers:
    """Multiply frame by frame; one matrix product where one side is the same for all frames."""
    vector_x, vector_y = x.ndim == 2, y.ndim == 2
    if len(y) == 1 and not (vector_x and vector_y):
        flat: Numbers = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]) @ y[0]
        return flat.reshape(*x.shape[:-1], *y.shape[2:])
    if len(x) == 1 and vector_y and not vector_x:
        turned: Numbers = y @ x[0].T
        return turned
    if vector_x:
        x = x[:, None, :]
    if vector_y:
        y = y[:, :, None]
    product: Numbers = np.matmul(x, y)
    kept = product.shape[0], *product.shape[1 + vector_x : 3 - vector_y]
    return product.reshape(kept)


def matmul(e: Evaluator, i: MatMul, arrays: Arrays) -> None:
    """Multiply matrices."""
    x, y = e.get(i.x, arrays), e.get(i.y, arrays)
    kind = float_for(i.bound)
    if kind is None:
        made = _by_frame(x.astype(np.int64, copy=False), y.astype(np.int64, copy=False))
    else:
        made = _by_frame(e.floats(i.x, x, kind), e.floats(i.y, y, kind))
    product: Ints = made.astype(e.work(i.wide), copy=False)
    if i.bias is not None:
        bias = e.get(i.bias, arrays).astype(product.dtype, copy=False)
        rank = max(product.ndim, bias.ndim)
        product = np.add(aligned(product, rank), aligned(bias, rank))
    e.put(i.out, narrowed(product, i.narrow, own=True), arrays)


def conv(e: Evaluator, i: Conv, arrays: Arrays) -> None:
    """Convolve."""
    weight = e.get(i.weight, arrays)
    kernel_band = weight.shape[3]
    window = e.get(i.window, arrays)
    rows = window.reshape(len(window), weight.shape[4], i.bands, i.channels)
    if i.padding:
        rows = np.pad(rows, ((0, 0), (0, 0), (i.padding, i.padding), (0, 0)))
    reach = (i.bands_out - 1) * i.stride + 1
    taps = [
        rows[:, :, start : start + reach : i.stride]
        for start in range(0, kernel_band * i.dilation, i.dilation)
    ]  # per tap of the kernel: (frames, kernel_t, bands_out, channels)
    total = _depthwise(e, i, weight, taps) if i.depthwise else _dense(e, i, arrays, weight, taps)
    if i.bias is not None:
        total = total + e.get(i.bias, arrays).astype(total.dtype)[:, None]
    total = narrowed(total, i.narrow, own=True)
    e.put(i.out, total.reshape(len(total), -1), arrays)


def _dense(e: Evaluator, i: Conv, arrays: Arrays, weight: Ints, taps: Sequence[Ints]) -> Ints:
    """Give (frames, bands_out, d_out): a matrix product over taps, rows and channels."""
    _, kernel_t, bands_out, channels = taps[0].shape
    columns = np.stack(taps, axis=1).transpose(0, 3, 1, 2, 4)
    columns = columns.reshape(-1, bands_out, len(taps) * kernel_t * channels)
    kind = float_for(i.bound) or "i8"
    matrix = weight.transpose(0, 3, 4, 2, 1).reshape(len(weight), -1, weight.shape[1])
    left: Numbers = columns.astype(kind)
    if len(matrix) == 1:
        flat: Numbers = left.reshape(-1, left.shape[-1]) @ matrix[0].astype(kind)
        product = flat.reshape(*left.shape[:-1], -1)
    else:
        product = np.matmul(left, matrix.astype(kind))
    return product.astype(e.work(i.wide), copy=False)


def _depthwise(e: Evaluator, i: Conv, weight: Ints, taps: Sequence[Ints]) -> Ints:
    """Give (frames, bands_out, channels): products and sums in the order of the taps."""
    work = e.work(i.wide)
    total: Ints | None = None
    for kn, tap in enumerate(taps):
        for kt in range(tap.shape[1]):
            product = np.multiply(
                tap[:, kt], weight[:, None, :, 0, kn, kt].astype(work), dtype=work
            )
            total = product if total is None else np.add(total, product, out=total)
    if total is None:
        return np.zeros((1, i.bands_out, i.channels), work)
    return total
