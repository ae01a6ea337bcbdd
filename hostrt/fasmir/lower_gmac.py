"""Sums of shifted products, split into fields (FQIR reference 4.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.open_isa_ops import Op
from hostrt.fasmir.lower_draft import View, type_for
from hostrt.fasmir.lower_elementwise import Finish, clamp, pair, saturation
from hostrt.fasmir.lower_vectors import PLAIN, End, Number, vector, width
from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.ir import Narrow

if TYPE_CHECKING:
    from hostrt.fasmir.lower import Lowering
    from hostrt.fqir.plan.ir import Gmac
    from hostrt.fqir.plan.ranges import Interval

_MOST_SHIFT = 63


def lower_gmac(low: Lowering, one: Gmac) -> None:
    """The sum, clamped; then its fields from the lowest on."""
    sums, interval = _summed(low, one)
    shift, drop = one.shifts[-1], min(one.drop, _MOST_SHIFT)
    name = low.name(one.outs[-1])
    while shift > (0 if drop else _MOST_SHIFT):
        step = min(shift, _MOST_SHIFT)
        shift -= step
        interval = ranges.in_64_bits(ranges.shift(interval, step))
        moved = low.scratch(f"{name}.moved", type_for(*interval), sums.length)
        vector(low.draft, Op.ADD, sums, Number(0), moved, End(shift=step))
        sums = moved
    before = max(shift - drop, -_MOST_SHIFT) if drop else 0
    after = drop or max(shift, -_MOST_SHIFT)
    interval = ranges.in_64_bits(ranges.shift(ranges.shift(interval, before), after))
    interval = ranges.clamp(interval, one.lo, one.hi)
    total = low.target(one.outs[-1]) if not one.fields else None
    if total is None:
        total = low.scratch(f"{name}.total", type_for(*interval), sums.length)
    bits = saturation(Narrow(lo=one.lo, hi=one.hi), *interval)
    limits = (None, None) if bits is not None else (one.lo, one.hi)
    ending = Finish(End(shift=after, bits=width(total.type) if bits is None else bits), *limits)
    vector(low.draft, Op.ADD, sums, Number(0), total, ending.end, shifts=(before, 0))
    clamp(low, total, ending)
    _split(low, one, total, interval)


def _summed(low: Lowering, one: Gmac) -> tuple[View, Interval]:
    """Add the products up in order; what is summed is shifted to meet the next shift."""
    shape = low.shape(one.outs[0])
    total, every, last = (0, 0), (0, 0), one.shifts[0]
    for (x, y), shift in zip(one.terms, one.shifts, strict=True):
        factors = [(low.value(v).lo, low.value(v).hi) for v in (x, y)]
        product = ranges.in_64_bits(ranges.multiply(*factors))
        moved = ranges.shift(total, max(last - shift, -_MOST_SHIFT))
        total, last = ranges.in_64_bits(ranges.add(moved, product)), shift
        every = ranges.join(every, product, total)
    n = low.value(one.outs[0]).size
    sums = low.scratch(f"{low.name(one.outs[-1])}.sums", type_for(*every), n)
    following = (*one.shifts[1:], one.shifts[-1])
    for number, (x, y) in enumerate(one.terms):
        left, right = pair(low, x, y, shape)
        shift = max(one.shifts[number] - following[number], -_MOST_SHIFT)
        end = End(shift=shift) if shift else PLAIN
        vector(low.draft, Op.MAC if number else Op.MUL, left, right, sums, end)
    return sums, total


def _split(low: Lowering, one: Gmac, total: View, interval: Interval) -> None:
    for number, bits in enumerate(min(bits, _MOST_SHIFT) for bits in one.fields):
        interval = ranges.shift(interval, -bits)
        if number + 1 == len(one.fields):
            above = low.target(one.outs[-1])
        else:
            above = low.scratch(f"{total.buffer.name}.above", type_for(*interval), total.length)
        vector(low.draft, Op.ADD, total, Number(0), above, End(shift=-bits))
        # the field is what the part above it leaves over
        field = low.target(one.outs[number])
        vector(low.draft, Op.SUB, total, above, field, shifts=(0, bits))
        total = above
