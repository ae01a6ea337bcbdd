"""Elementwise instructions on many frames; see `hostrt.fqir.plan.evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.plan.arrays import aligned, clipped, narrowed, shifted
from hostrt.fqir.plan.ir import Relation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from hostrt.fqir.plan.arrays import Arrays, Ints
    from hostrt.fqir.plan.evaluate import Evaluator
    from hostrt.fqir.plan.ir import Add, Compare, Gmac, Lookup, Mul, Scale, Sum, Wrap


def add(e: Evaluator, i: Add, arrays: Arrays) -> None:
    """Add or subtract."""
    x, y = e.pair(i.x, i.y, i.wide, arrays)
    total = (np.subtract if i.subtract else np.add)(shifted(x, i.shift_x), shifted(y, i.shift_y))
    e.put(i.out, narrowed(total, i.narrow, own=True), arrays)


def mul(e: Evaluator, i: Mul, arrays: Arrays) -> None:
    """Multiply."""
    x, y = e.pair(i.x, i.y, i.wide, arrays)
    e.put(i.out, narrowed(np.multiply(x, y), i.narrow, own=True), arrays)


def scale(e: Evaluator, i: Scale, arrays: Arrays) -> None:
    """Shift, saturate, negate."""
    x = e.get(i.x, arrays).astype(e.work(i.wide), copy=False)
    if i.negate:
        x = np.negative(x)
    e.put(i.out, narrowed(x, i.narrow, own=i.negate), arrays)


def wrap(e: Evaluator, i: Wrap, arrays: Arrays) -> None:
    """Reduce to fewer bits."""
    e.put(i.out, e.get(i.x, arrays).astype(f"i{i.bits // 8}"), arrays)


_RELATIONS: Mapping[Relation, Callable[[Ints, Ints], NDArray[np.generic]]] = {
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


def compare(e: Evaluator, i: Compare, arrays: Arrays) -> None:
    """Compare."""
    found = _RELATIONS[i.relation](*e.pair(i.x, i.y, i.wide, arrays))
    arrays[i.out] = found.astype(e.kind(i.out), copy=False)


def lookup(e: Evaluator, i: Lookup, arrays: Arrays) -> None:
    """Look up."""
    index = shifted(e.get(i.x, arrays), i.shift)
    if i.clamped:
        index = np.clip(index, i.lo, i.hi)
    arrays[i.out] = e.table(i).take(index - index.dtype.type(i.lo) if i.lo else index)


def total(e: Evaluator, i: Sum, arrays: Arrays) -> None:
    """Sum along axes."""
    x = e.get(i.x, arrays)
    axes = tuple(axis + 1 for axis in i.axes)
    summed: Ints = x.astype(np.int64)
    if axes:
        summed = np.asarray(np.sum(summed, axis=axes))
    summed = narrowed(summed, i.narrow, own=True)
    e.put(i.out, summed.reshape(len(summed), *e.values[i.out].shape), arrays)


def gmac(e: Evaluator, i: Gmac, arrays: Arrays) -> None:
    """Sum shifted products and split the sum."""
    total = np.multiply(*e.pair(*i.terms[0], True, arrays))
    last = i.shifts[0]
    for term, shift in zip(i.terms[1:], i.shifts[1:], strict=True):
        product = np.multiply(*e.pair(*term, True, arrays))
        rank = max(total.ndim, product.ndim)
        total = aligned(shifted(total, max(last - shift, -63)), rank) + aligned(product, rank)
        last = shift
    total = _left(total, last) if last > 0 else shifted(total, max(last, -63))
    if i.drop:
        total = _left(shifted(total, -min(i.drop, 63)), i.drop)
    if i.lo is not None or i.hi is not None:
        total = clipped(total, i.lo, i.hi, None)
    for out, width in zip(i.outs, i.fields, strict=False):
        e.put(out, total & np.int64((1 << min(width, 63)) - 1), arrays)
        total = shifted(total, -min(width, 63))
    e.put(i.outs[-1], total, arrays)


def _left(array: Ints, count: int) -> Ints:
    return shifted(array, count) if count < 64 else np.zeros_like(array)
