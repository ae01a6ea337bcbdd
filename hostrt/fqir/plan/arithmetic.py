"""Making arithmetic instructions: storage-type wrap-around is explicit or proven absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.builder import B32, B64, Bits, Builder
from hostrt.fqir.plan.contents import unsupported
from hostrt.fqir.plan.ir import (
    Add,
    Compare,
    Gmac,
    Lookup,
    MatMul,
    Mul,
    Narrow,
    Relation,
    Scale,
    Sum,
    Wrap,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.graph import Array
    from hostrt.fqir.plan.ranges import Interval

MOST_ADDRESSES = 1 << 20
"""Longest table that is laid out for a look-up."""


def wrap(b: Builder, x: int, bits: Bits) -> int:
    """Reduce to a storage type.

    Raises:
        ProgramUnsupported: it matters which type, and that differs between frames.
    """
    if ranges.within(b.interval(x), ranges.signed(bits[0])):
        return x
    if bits[0] != bits[1]:
        raise unsupported("it depends on wrap-around in a storage type that changes")
    if bits[0] >= 64:
        return x
    return b.emit(Wrap(b.next, x, bits[0]), [(b.shape(x), ranges.signed(bits[0]), bits)])[0]


def clamp_of(bits: int) -> Interval | None:
    """Give the limits of a saturation to so many bits, None when it is void."""
    return ranges.signed(bits) if bits < 64 else None


def add(
    b: Builder,
    x: int,
    y: int,
    shifts: tuple[int, int],
    end: tuple[int, bool, Interval | None],
    *,
    subtract: bool = False,
) -> int:
    """Make an addition or subtraction; `end` is shift, rounded, clamp. Gives int32."""
    shape = b.broadcast(x, y)
    (x, shift_x), (y, shift_y) = _limited(b, x, shifts[0]), _limited(b, y, shifts[1])
    left = ranges.in_64_bits(ranges.shift(b.interval(x), shift_x))
    right = ranges.in_64_bits(ranges.shift(b.interval(y), shift_y))
    total = ranges.in_64_bits((ranges.subtract if subtract else ranges.add)(left, right))
    narrow, result, wide = b.narrow(total, *end)
    operands = ranges.join(b.interval(x), b.interval(y), left, right)
    wide = wide or _is_wide(operands, shift_x, shift_y)
    return _int32(b, Add(b.next, x, y, shift_x, shift_y, subtract, narrow, wide), shape, result)


def multiply(b: Builder, x: int, y: int, end: tuple[int, bool, Interval | None]) -> int:
    """Make a product; `end` is shift, rounded, clamp. Gives int32."""
    product = ranges.in_64_bits(ranges.multiply(b.interval(x), b.interval(y)))
    narrow, result, wide = b.narrow(product, *end)
    wide = wide or _is_wide(ranges.join(b.interval(x), b.interval(y)))
    return _int32(b, Mul(b.next, x, y, narrow, wide), b.broadcast(x, y), result)


def multiply_in_storage(b: Builder, x: int, y: int, shift: int, rounded: bool) -> int:
    """Make a product in the wider storage type, then shift it there; no saturation."""
    bits = b.widest(x, y)
    interval = ranges.in_64_bits(ranges.multiply(b.interval(x), b.interval(y)))
    wide = _is_wide(ranges.join(interval, b.interval(x), b.interval(y)))
    made = Mul(b.next, x, y, Narrow(), wide)
    product = b.emit(made, [(b.broadcast(x, y), interval, bits)])[0]
    return scale(b, wrap(b, product, bits), shift, rounded, None)


def scale(
    b: Builder, x: int, shift: int, rounded: bool, clamp: Interval | None, *, negate: bool = False
) -> int:
    """Make a shift with saturation in the storage type of x, which wraps (FQIR reference 4.1).

    Raises:
        ProgramUnsupported: a rounding constant that does not fit, or wrap-around in a type that
            changes between frames.
    """
    bits = b.bits(x)
    if rounded and -shift >= bits[0]:
        raise unsupported(f"a rounded shift by {shift} of a value of {bits[0]} bits")
    if negate:
        negated = ranges.in_64_bits(ranges.subtract((0, 0), b.interval(x)))
        if not ranges.within(negated, ranges.signed(bits[0])):
            x = wrap(b, _scaled(b, x, 0, False, None, negate=True), bits)
            negate = False
    if shift > 0 and not ranges.within(
        ranges.shift(b.interval(x), min(shift, 64)), ranges.signed(bits[0])
    ):
        x, shift = _limited(b, x, shift, bits)
        x, shift = wrap(b, _scaled(b, x, shift, False, None), bits), 0
    elif shift < 0 and rounded:
        half = 1 << (-shift - 1)
        room = ranges.add(b.interval(x), (half, half))
        if not ranges.within(room, ranges.signed(bits[0])):
            unit = b.number(half)
            made = Add(b.next, x, unit, 0, 0, False, Narrow(), True)
            x = wrap(b, b.emit(made, [(b.shape(x), ranges.in_64_bits(room), bits)])[0], bits)
            rounded = False
    return _scaled(b, x, shift, rounded, clamp, negate=negate)


def _scaled(
    b: Builder, x: int, shift: int, rounded: bool, clamp: Interval | None, *, negate: bool = False
) -> int:
    interval = b.interval(x)
    wide = _is_wide(interval)
    if negate:
        interval = ranges.in_64_bits(ranges.subtract((0, 0), interval))
        wide = wide or _is_wide(interval)
    narrow, result, wide_end = b.narrow(interval, shift, rounded, clamp)
    if narrow.void and not negate:
        return x
    made = Scale(b.next, x, negate, narrow, wide or wide_end)
    return b.emit(made, [(b.shape(x), result, b.bits(x))])[0]


def relu(b: Builder, x: int) -> int:
    """Make max(x, 0)."""
    return _scaled(b, x, 0, False, (0, ranges.INT64[1]))


def compare(b: Builder, x: int, y: int, relation: Relation) -> int:
    """Make a comparison, a logical operation or an extreme."""
    left, right = b.interval(x), b.interval(y)
    wide = _is_wide(ranges.join(left, right))
    interval, bits = (0, 1), B64
    if relation is Relation.MAX:
        interval, bits = (max(left[0], right[0]), max(left[1], right[1])), b.widest(x, y)
    elif relation is Relation.MIN:
        interval, bits = (min(left[0], right[0]), min(left[1], right[1])), b.widest(x, y)
    made = Compare(b.next, x, y, relation, wide)
    return b.emit(made, [(b.broadcast(x, y), interval, bits)])[0]


def lookup(b: Builder, x: int, shift: int, address_bits: int, first: int, values: Array) -> int:
    """Make a look-up; `first` is the address of the first of the values (FQIR reference 4.6).

    Raises:
        ProgramUnsupported: an address may be outside the table, or the table is enormous.
    """
    bits = (values.dtype.itemsize * 8,) * 2
    if shift > 0:
        x, shift = scale(b, x, shift, False, None), 0
    address = ranges.shift(b.interval(x), max(shift, -63))
    limits = clamp_of(address_bits)
    lo, hi = ranges.clamp(address, *limits) if limits else address
    if lo - first < -len(values) or hi - first >= len(values) or hi - lo >= MOST_ADDRESSES:
        raise unsupported(f"addresses {lo} to {hi} of a table of {len(values)} from {first} on")
    laid_out = values.astype(np.int64)[np.arange(lo, hi + 1) - first]
    interval = int(laid_out.min()), int(laid_out.max())
    wide = _is_wide(b.interval(x)) or shift < -31
    clamped = not ranges.within(address, (lo, hi))
    made = Lookup(b.next, x, b.table(laid_out), max(shift, -63), lo, hi, clamped, wide)
    return b.emit(made, [(b.shape(x), interval, bits)])[0]


def gmac(
    b: Builder,
    terms: Sequence[tuple[int, int, int]],
    drop: int,
    fields: Sequence[int],
    clamp: Interval | None,
) -> tuple[int, ...]:
    """Make a sum of products.

    Args:
        b: where to.
        terms: shift, factor, factor; in ascending order of shifts, not empty.
        drop: number of low bits to clear.
        fields: bits of each unsigned field below the last result.
        clamp: saturation of the sum.

    Raises:
        ProgramUnsupported: a later product is longer than the sum before it.
    """
    shape = b.broadcast(*terms[0][1:])
    total, last = (0, 0), terms[0][0]
    for shift, x, y in terms:
        if np.broadcast_shapes(shape, b.broadcast(x, y)) != shape:
            raise unsupported("a sum of products that grows on the way")
        product = ranges.in_64_bits(ranges.multiply(b.interval(x), b.interval(y)))
        moved = ranges.shift(total, max(last - shift, -63))
        total, last = ranges.in_64_bits(ranges.add(moved, product)), shift
    total = ranges.in_64_bits(ranges.shift(total, max(min(last, 64), -63)))
    if drop:
        total = ranges.in_64_bits(ranges.shift(ranges.shift(total, -min(drop, 63)), min(drop, 63)))
    lo = clamp[0] if clamp and total[0] < clamp[0] else None
    hi = clamp[1] if clamp and total[1] > clamp[1] else None
    total = ranges.clamp(total, lo, hi)
    described = []
    for width in fields:
        described.append((shape, (0, (1 << min(width, 63)) - 1), B64))
        total = ranges.shift(total, -min(width, 63))
    described.append((shape, total, B64))
    made = Gmac(
        tuple(range(b.next, b.next + len(described))),
        tuple((x, y) for _, x, y in terms),
        tuple(shift for shift, _, _ in terms),
        drop,
        lo,
        hi,
        tuple(fields),
    )
    return b.emit(made, described)


def product_shape(x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape of x @ y.

    Raises:
        ProgramUnsupported: other than vectors and matrices, or they do not fit each other.
    """
    if not (len(x) in {1, 2} and len(y) in {1, 2}) or x[-1] != y[0]:
        raise unsupported(f"a matrix product of {x} and {y}")
    return (*x[:-1], *y[1:])


def matmul(
    b: Builder, x: int, y: int, bias: int | None, end: tuple[int, bool, Interval | None]
) -> int:
    """Make a matrix product, plus a bias that broadcasts against it. Gives int32."""
    shape = product_shape(b.shape(x), b.shape(y))
    product, bound = b.product_range(x, y)
    if bias is not None:
        product = ranges.add(product, b.interval(bias))
        bound += ranges.largest(b.interval(bias))
        shape = np.broadcast_shapes(shape, b.shape(bias))
    narrow, result, wide = b.narrow(ranges.in_64_bits(product), *end)
    wide = wide or bound + narrow.rounding > ranges.INT32[1]
    made = MatMul(b.next, x, y, bias, narrow, bound + narrow.rounding, wide)
    return _int32(b, made, shape, result)


def total(b: Builder, x: int, axes: tuple[int, ...], keepdim: bool, shift: int, bits: int) -> int:
    """Make a sum along axes. Gives int64."""
    shape = b.shape(x)
    count = 1
    for axis in axes:
        count *= shape[axis]
    low, high = b.interval(x)
    interval = ranges.in_64_bits((low * count, high * count))
    narrow, result, wide = b.narrow(interval, shift, False, clamp_of(bits))
    wide = wide or _is_wide(ranges.join((0, 0), (low, high), interval))
    kept = [
        1 if axis in axes else length
        for axis, length in enumerate(shape)
        if keepdim or axis not in axes
    ]
    return b.emit(Sum(b.next, x, axes, narrow, wide), [(tuple(kept), result, B64)])[0]


def _int32(b: Builder, made: Add | Mul | MatMul, shape: tuple[int, ...], result: Interval) -> int:
    """Append what the reference computes in 64 bits and stores in 32."""
    if ranges.within(result, ranges.INT32):
        return b.emit(made, [(shape, result, B32)])[0]
    return wrap(b, b.emit(made, [(shape, result, B64)])[0], B32)


def _is_wide(interval: Interval, *shifts: int) -> bool:
    return not ranges.within(interval, ranges.INT32) or any(abs(shift) > 31 for shift in shifts)


def _limited(b: Builder, x: int, shift: int, bits: Bits | None = None) -> tuple[int, int]:
    """Give operand and shift with a shift that every machine can do."""
    if shift > 63:
        return b.constant(np.zeros(b.shape(x), np.int64), bits), 0
    return x, max(shift, -63)
