"""Matrix products, convolutions and shift registers for the virtual machine."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.ir import Conv, MatMul, Narrow, Window
from hostrt.fqir.plan.ranges import INT32, within
from hostrt.fqir.plan.vm_codes import DEPTH
from hostrt.fqir.plan.vm_encoder import blocks, end_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostrt.fqir.plan.ir import Int64s
    from hostrt.fqir.plan.vm_encoder import Encoder
    from hostrt.fqir.plan.vm_places import Ref

_INT16 = ranges.signed(16)

_MOST_SEEN = 1 << 24
"""Most elements that all bands of a convolution may see together: each takes memory here."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A factor of a product, as rows that are to be multiplied and summed.

    Attributes:
        number: the value whose elements they are.
        rows: how many.
        n: their length.
        index: (rows, n), number of each element in the value, -1 for 0; None for all in order.
        content: (rows, n), if it is constant.
    """

    number: int
    rows: int
    n: int
    index: Int64s | None = None
    content: Int64s | None = None

    def place(self, e: Encoder, bits: int) -> Ref:
        """Give where the rows are, one after the other in M32 or M64."""
        if self.content is not None:
            return e.asm.constant(bits, self.content)
        source = e.operand(self.number, bits)
        return source if self.index is None else e.pick(source, self.index)


def _matrix(e: Encoder, number: int, index: Int64s) -> Matrix:
    """Give a factor with rows of picked elements."""
    (rows, n), value = index.shape, e.values[number]
    if value.constant is not None:
        picked = value.constant.reshape(-1)[np.maximum(index, 0)]
        return Matrix(number, rows, n, content=np.where(index < 0, 0, picked))
    in_order = index.size == value.size and bool((index.reshape(-1) == np.arange(value.size)).all())
    return Matrix(number, rows, n, None if in_order else index)


def _padded(n: int) -> int:
    return -(-n // DEPTH) * DEPTH


def _short(e: Encoder, x: Matrix) -> Ref:
    """Give rows in M16, with room up to a multiple of DEPTH behind each."""
    index = b"" if x.index is None else x.index.tobytes()
    key = ("short", x.number, x.rows, x.n, index)
    found = e.find(key)
    if found is not None:
        return found
    width, source = _padded(x.n), e.operand(x.number, 32)
    if x.index is None:
        found = e.asm.buffer(16, x.rows * width)
        n = width if x.rows == 1 else x.n
        e.rows(found, width, source, x.n, n, x.rows)
    else:
        wider = np.full((x.rows, width), -1, np.int64)
        wider[:, : x.n] = x.index
        found = e.pick(source, wider, 16)
    return e.remember(key, found)


def product(e: Encoder, x: Matrix, weights: Matrix, bias: Int64s, end: tuple[Narrow, bool]) -> Ref:
    """Encode END of x times the transposed weights plus a bias.

    Args:
        e: where to.
        x: rows of the result.
        weights: columns of the result.
        bias: (columns,).
        end: how it ends, and whether that takes 64 bits.

    Returns:
        (rows, columns) in row-major order.
    """
    narrow, wide = end
    kinds, chunk = _kinds(e, x, weights, wide)
    out = e.asm.buffer(kinds[0], x.rows * weights.rows)
    fields: dict[str, int | Ref] = {"n": x.n}
    if kinds[1] == 16 and weights.content is not None:
        spread = np.zeros((weights.rows, _padded(x.n)), f"i{kinds[2] // 8}")
        spread[:, : x.n] = weights.content
        fields = {"n": _padded(x.n), "x": _short(e, x)}
        fields["weights"] = e.asm.constant(kinds[2], spread)
    else:
        fields |= {"x": x.place(e, kinds[1]), "weights": weights.place(e, kinds[2])}
    if kinds[0] == 32:
        fields |= {"blocks": blocks(weights.rows), **end_fields(narrow, 32)}
    elif kinds[1] == 16:
        fields["chunk"] = chunk
    e.asm.emit(
        "product." + ".".join(map(str, kinds)),
        out=out,
        bias=e.asm.constant(kinds[0], bias),
        rows=x.rows,
        columns=weights.rows,
        **fields,
    )
    if kinds[0] == 32 or narrow.void:
        return out
    return e.scaled(out, out.buffer.size, end_fields(narrow, 64))


def _kinds(e: Encoder, x: Matrix, weights: Matrix, wide: bool) -> tuple[tuple[int, int, int], int]:
    """Give the areas of result, x and weights, and how many products fit 32 bits."""
    value, other = e.values[x.number], e.values[weights.number]
    interval, limits = (value.lo, value.hi), (other.lo, other.hi)
    if weights.content is not None and within(ranges.join(interval, limits), _INT16):
        bits = 8 if within(limits, ranges.signed(8)) else 16
        peak = ranges.largest(limits) * ranges.largest(interval)
        chunk = INT32[1] // max(peak, 1) // DEPTH * DEPTH
        if not wide:
            return (32, 16, bits), 0
        if chunk:
            return (64, 16, bits), min(chunk, _padded(x.n))
    if not wide:
        return (32, 32, 32), 0
    small = all(within((item.lo, item.hi), INT32) for item in (value, other))
    return ((64, 32, 32) if small else (64, 64, 64)), 0


# ---------------------------------------------------------------------- instructions


def matmul(e: Encoder, i: MatMul) -> None:
    """Encode a matrix product."""
    x, y = e.values[i.x], e.values[i.y]
    n = x.shape[-1]
    rows, columns = ([*x.shape[:-1], 1])[0], ([*y.shape[1:], 1])[0]
    whole = None if x.constant is None else x.constant.reshape(rows, n)
    left = Matrix(i.x, rows, n, content=whole)
    if y.constant is not None:
        right = Matrix(i.y, columns, n, content=y.constant.reshape(n, columns).T)
    elif columns == 1:
        right = Matrix(i.y, 1, n)
    else:
        right = Matrix(i.y, columns, n, np.arange(y.size).reshape(n, columns).T)
    if columns == 1 and whole is not None:
        left, right = right, left
    _with_bias(e, i, (left, right), (*x.shape[:-1], *y.shape[1:]))


def conv(e: Encoder, i: Conv) -> None:
    """Encode a convolution."""
    d_out, _, kernel_band, kernel_t = e.values[i.weight].shape
    seen = _seen(i, kernel_t, kernel_band)
    if i.depthwise:
        _depthwise(e, i, seen)
        return
    window = _matrix(e, i.window, seen.reshape(i.bands_out, -1))
    order = np.arange(e.values[i.weight].size).reshape(e.values[i.weight].shape)
    index = order.transpose(0, 3, 2, 1).reshape(d_out, -1)
    weights = _matrix(e, i.weight, index)
    _with_bias(e, i, (window, weights), (i.bands_out, d_out))


def _seen(i: Conv, kernel_t: int, kernel_band: int) -> Int64s:
    """Give what each output band sees: (bands_out, kernel_t, kernel_band, channels).

    Raises:
        ProgramUnsupported: it is too much.
    """
    count = i.bands_out * kernel_t * kernel_band * i.channels
    if count > _MOST_SEEN:
        raise ProgramUnsupported(
            f"a convolution of {count} elements found, expected at most {_MOST_SEEN}",
            hint="use the numpy engine",
        )
    starts = np.arange(i.bands_out)[:, None, None, None] * i.stride - i.padding
    bands = starts + np.arange(kernel_band)[:, None] * i.dilation
    row = np.arange(kernel_t)[:, None, None] * i.bands
    seen = (row + bands) * i.channels + np.arange(i.channels)
    return np.where((bands >= 0) & (bands < i.bands), seen, -1)


def _depthwise(e: Encoder, i: Conv, seen: Int64s) -> None:
    bits = 64 if i.wide else 32
    bands_out, kernel_t, kernel_band, channels = seen.shape
    count, n = kernel_t * kernel_band, bands_out * channels
    taps = seen.transpose(1, 2, 0, 3).reshape(count, n)
    window = _matrix(e, i.window, taps)
    order = np.arange(e.values[i.weight].size).reshape(channels, kernel_band, kernel_t)
    index = order.transpose(2, 1, 0)[:, :, None]
    index = np.broadcast_to(index, (kernel_t, kernel_band, bands_out, channels))
    weights = _matrix(e, i.weight, index.reshape(count, n))
    bias = e.asm.constant(bits, np.zeros(n, np.int64))
    if i.bias is not None:
        bias = e.spread(i.bias, (bands_out, channels), bits)
    e.asm.emit(
        f"taps.{bits}",
        out=e.define(i.out, bits),
        x=window.place(e, bits),
        weights=weights.place(e, bits),
        bias=bias,
        blocks=blocks(n),
        n=n,
        taps=count,
        **end_fields(i.narrow, bits),
    )


def _with_bias(
    e: Encoder, i: MatMul | Conv, factors: tuple[Matrix, Matrix], shape: tuple[int, ...]
) -> None:
    """Encode a product: its bias is part of it where that is one constant row, else added after.

    Args:
        e: where to.
        i: the instruction.
        factors: what is multiplied.
        shape: that of the product before the bias; it has rows * columns elements.
    """
    left, right = factors
    row = np.zeros(right.rows, np.int64)
    result = shape if i.bias is None else np.broadcast_shapes(shape, e.values[i.bias].shape)
    content = None if i.bias is None else e.values[i.bias].constant
    if content is not None and result == shape:
        every = np.broadcast_to(content, shape).reshape(left.rows, right.rows)
        row = every[0] if left.rows else row
        if bool((every == row).all()):
            e.set_home(i.out, product(e, left, right, row, (i.narrow, i.wide)))
            return
        row = np.zeros(right.rows, np.int64)
    if i.bias is None:
        e.set_home(i.out, product(e, left, right, row, (i.narrow, i.wide)))
        return
    made = product(e, left, right, row, (Narrow(), i.wide))
    n = e.values[i.out].size
    if made.buffer.size != n:
        index = np.arange(made.buffer.size).reshape(shape)
        made = e.pick(made, np.broadcast_to(index, result))
    e.asm.emit(
        f"add.{made.bits}",
        out=e.define(i.out, made.bits),
        x=made,
        y=e.spread(i.bias, result, made.bits),
        blocks=blocks(n),
        left_x=0,
        right_x=0,
        left_y=0,
        right_y=0,
        negate_y=0,
        **end_fields(i.narrow, made.bits),
    )


def window(e: Encoder, i: Window) -> None:
    """Encode a shift register: the newest row goes behind the others."""
    size, width = e.values[i.buffer].size, e.values[i.x].size
    newest = e.registers.pop(i.buffer, None)
    if newest is None:
        whole = e.asm.buffer(max(e.fitting(i.out), e.home(i.buffer).bits), size + width)
        e.move(whole, e.home(i.buffer), size)
        newest = whole.plus(size)
    whole = newest.plus(-size)
    e.move(newest, e.home(i.x), width)
    e.set_home(i.next, whole.plus(width))
    taken = e.values[i.out].size // max(width, 1)
    if i.dilation == 1 or taken <= 1:
        e.set_home(i.out, whole)
    else:
        target = e.define(i.out, whole.bits)
        e.rows(target, width, whole, i.dilation * width, width, taken)


ENCODE: Mapping[type, Callable[[Encoder, Any], None]] = MappingProxyType(
    {MatMul: matmul, Conv: conv, Window: window}
)
"""Instruction -> what encodes it."""
