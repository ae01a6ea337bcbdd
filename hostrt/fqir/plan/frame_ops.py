"""What each instruction calls in a frame; see `hostrt.fqir.plan.frame`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.plan.frame_control import branch, counter, loop
from hostrt.fqir.plan.frame_products import conv, matmul
from hostrt.fqir.plan.ir import (
    Add,
    Branch,
    Compare,
    Concat,
    Conv,
    Counter,
    Gmac,
    Lookup,
    Loop,
    MatMul,
    Mul,
    Relation,
    Scale,
    Sum,
    Window,
    Wrap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostrt.fqir.plan.frame import Buffer, Frame

_SMALL_TABLE = 1 << 12
"""Tables up to this length are kept in 64 bits; longer ones as short as possible, for the cache."""


def _add(f: Frame, i: Add) -> None:
    out, narrow = f.array(i.out), i.narrow
    function = np.subtract if i.subtract else np.add
    x, y = f.array(i.x), f.array(i.y)
    rounding = narrow.rounding
    if f.values[i.y].constant is not None:
        # a constant takes the shift and the rounding beforehand
        y = f.prepared(
            ("add", i.y, i.shift_y, rounding, i.subtract),
            lambda: _constant(f.array(i.y), i.shift_y, -rounding if i.subtract else rounding),
        )
        rounding = 0
    elif i.shift_y:
        shifted = f.scratch(y.shape)
        f.shift(shifted, y, i.shift_y)
        y = shifted
    if i.shift_x:
        target = out if x.shape == out.shape else f.scratch(x.shape, which=1)
        f.shift(target, x, i.shift_x)
        x = target
    f.call(function, x, y, out)
    f.end(out, out, narrow, rounding)


def _constant(content: Buffer, shift: int, more: int) -> Buffer:
    shifted = content << shift if shift >= 0 else content >> -shift
    return np.asarray(shifted + np.int64(more))


def _mul(f: Frame, i: Mul) -> None:
    out = f.array(i.out)
    f.call(np.multiply, f.array(i.x), f.array(i.y), out)
    f.end(out, out, i.narrow, i.narrow.rounding)


def _scale(f: Frame, i: Scale) -> None:
    out, x = f.array(i.out), f.array(i.x)
    if i.negate:
        f.call(np.negative, x, out)
        x = out
    f.end(out, x, i.narrow, i.narrow.rounding)


def _wrap(f: Frame, i: Wrap) -> None:
    out = f.array(i.out)
    short = f.scratch(out.shape, f"i{i.bits // 8}")
    f.call(np.copyto, short, f.array(i.x), "unsafe")
    f.call(np.copyto, out, short)


_RELATIONS: Mapping[Relation, np.ufunc] = {
    Relation.GT: np.greater,
    Relation.GE: np.greater_equal,
    Relation.LT: np.less,
    Relation.LE: np.less_equal,
    Relation.EQ: np.equal,
    Relation.AND: np.logical_and,
    Relation.OR: np.logical_or,
    Relation.XOR: np.logical_xor,
    Relation.MAX: np.maximum,
    Relation.MIN: np.minimum,
}


def _compare(f: Frame, i: Compare) -> None:
    out, function = f.array(i.out), _RELATIONS[i.relation]
    x, y = f.array(i.x), f.array(i.y)
    if i.relation in {Relation.MAX, Relation.MIN}:
        f.call(function, x, y, out=out)
        return
    truth = f.scratch(out.shape, "?")
    f.call(function, x, y, truth)
    f.call(np.copyto, out, truth)


def _lookup(f: Frame, i: Lookup) -> None:
    out, index, first = f.array(i.out), f.array(i.x), i.lo
    if i.shift:
        shifted = f.scratch(index.shape)
        f.shift(shifted, index, i.shift)
        index = shifted
    if first:
        index = f.moved(i.x if not i.shift else -1, index, first)
    table = f.prepared(("table", i.table), lambda: _kept(f.tables[i.table]))
    # addresses are in range, but for those that "clip" saturates; "raise" would check them first
    if table.dtype == np.int64 and out.flags.c_contiguous:
        f.call(table.take, index, None, out, "clip")
        return
    found = f.scratch(out.shape, table.dtype.str)
    f.call(table.take, index, None, found, "clip")
    f.call(np.copyto, out, found)


def _kept(table: Buffer) -> Buffer:
    return table if len(table) <= _SMALL_TABLE else shortest(table)


def shortest(table: Buffer) -> Buffer:
    """Give integers in the shortest signed type that holds them."""
    low, high = int(table.min()), int(table.max())
    for bits in (8, 16, 32):
        if -(1 << (bits - 1)) <= low and high < 1 << (bits - 1):
            return table.astype(f"i{bits // 8}")
    return table


def _sum(f: Frame, i: Sum) -> None:
    out, x = f.array(i.out), f.array(i.x)
    if i.axes:
        kept = [1 if axis in i.axes else length for axis, length in enumerate(x.shape)]
        f.call(np.add.reduce, x, i.axes, None, out.reshape(kept), True)
        x = out
    f.end(out, x, i.narrow, i.narrow.rounding)


def _window(f: Frame, i: Window) -> None:
    x = f.array(i.x).reshape(-1) if f.array(i.x).flags.c_contiguous else f.array(i.x)
    buffer, width = f.array(i.buffer), f.values[i.x].size
    size = buffer.size
    whole = f.registers.get(i.buffer)
    if whole is None:
        whole = np.empty(size + width, np.int64)
        f.copy(whole[:size].reshape(buffer.shape), buffer)
    f.copy(whole[size:].reshape(x.shape), x)
    f.set_array(i.next, whole[width:].reshape(f.values[i.next].shape))
    rows = whole.reshape(-1, width)[:: i.dilation]
    shape = f.values[i.out].shape
    if rows.flags.c_contiguous or rows.shape == shape:
        f.set_array(i.out, rows.reshape(shape))
    else:
        f.copy(f.array(i.out).reshape(rows.shape), rows)


def _concat(f: Frame, i: Concat) -> None:
    whole, start = f.array(i.out), 0
    for number in i.parts:
        part = f.array(number)
        stop = start + part.shape[i.axis]
        view = whole[(slice(None),) * i.axis + (slice(start, stop),)]
        if f.values[number].constant is not None:
            view[...] = part
        elif part.__array_interface__ != view.__array_interface__:
            f.copy(view, part)
        start = stop


def _gmac(f: Frame, i: Gmac) -> None:
    shape = f.values[i.outs[-1]].shape
    total, product = f.scratch(shape, which=0), f.scratch(shape, which=1)
    held: Buffer = _factor(f, i.terms[0], total)
    last = i.shifts[0]
    for term, shift in zip(i.terms[1:], i.shifts[1:], strict=True):
        if shift != last:
            f.shift(total, held, max(last - shift, -63))
            held = total
        last = shift
        f.call(np.add, held, _factor(f, term, product), total)
        held = total
    held = _shifted(f, total, held, last)
    if i.drop:
        held = _shifted(f, total, held, -i.drop)
        held = _shifted(f, total, held, i.drop)
    held = f.clamp(total, held, i.lo, i.hi)
    _fields(f, i, held)


def _fields(f: Frame, i: Gmac, total: Buffer) -> None:
    low = 0
    for out, width in zip(i.outs, i.fields, strict=False):
        mask, target = f.number((1 << min(width, 63)) - 1), f.array(out)
        source = _shifted(f, target, total, -low)
        f.call(np.bitwise_and, source, mask, target)
        low += width
    last = f.array(i.outs[-1])
    f.copy(last, _shifted(f, last, total, -low))


def _factor(f: Frame, term: tuple[int, int], target: Buffer) -> Buffer:
    """Give a product, and call for it where it is none with 1."""
    x, y = (f.array(number) for number in term)
    content = f.values[term[1]].constant
    if content is not None and not content.ndim and int(content) == 1 and x.shape == target.shape:
        return x
    out = target
    if np.broadcast_shapes(x.shape, y.shape) != target.shape:
        out = f.scratch(np.broadcast_shapes(x.shape, y.shape), which=2)
    f.call(np.multiply, x, y, out)
    return out


def _shifted(f: Frame, target: Buffer, source: Buffer, shift: int) -> Buffer:
    if not shift:
        return source
    f.shift(target, source, max(shift, -63))
    return target


OPS: Mapping[type, Callable[[Frame, Any], None]] = MappingProxyType(
    {
        Add: _add,
        Mul: _mul,
        Scale: _scale,
        Wrap: _wrap,
        Compare: _compare,
        Lookup: _lookup,
        MatMul: matmul,
        Sum: _sum,
        Window: _window,
        Conv: conv,
        Gmac: _gmac,
        Concat: _concat,
        Counter: counter,
        Loop: loop,
        Branch: branch,
    }
)
"""Instruction -> what appends its calls."""
