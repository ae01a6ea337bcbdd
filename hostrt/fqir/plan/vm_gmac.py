"""Sums of shifted products, cut into fields, for the virtual machine (FQIR reference 4.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.ir import Gmac, Narrow
from hostrt.fqir.plan.ranges import INT32, within
from hostrt.fqir.plan.vm_elements import product_of_two
from hostrt.fqir.plan.vm_encoder import blocks, end_fields, shifts

if TYPE_CHECKING:
    from hostrt.fqir.plan.ranges import Interval
    from hostrt.fqir.plan.vm_encoder import Encoder
    from hostrt.fqir.plan.vm_places import Ref


def gmac(e: Encoder, i: Gmac) -> None:
    """Encode a sum of shifted products: in 32 bits where nothing leaves them."""
    interval, bits = _gmac_range(e, i)
    if not (within(interval, INT32) and bits == 32):
        bits = 64
    shape = e.values[i.outs[-1]].shape
    n, held, last = e.values[i.outs[-1]].size, None, i.shifts[0]
    for (x, y), shift in zip(i.terms, i.shifts, strict=True):
        product = e.asm.buffer(bits, n)
        product_of_two(e, product, shape, (x, y), Narrow())
        held = product if held is None else _added(e, held, max(last - shift, -63), product)
        last = shift
    if held is None:
        raise ValueError("a sum of no products")
    _fields(e, i, _end_of_gmac(e, i, held, n), n)


def _added(e: Encoder, total: Ref, shift: int, product: Ref) -> Ref:
    bits, n = total.bits, total.buffer.size
    left, right = shifts(shift)
    target = e.asm.buffer(bits, n)
    e.asm.emit(
        f"add.{bits}",
        out=target,
        x=total,
        y=product,
        blocks=blocks(n),
        left_x=left,
        right_x=right,
        left_y=0,
        right_y=0,
        negate_y=0,
        **end_fields(Narrow(), bits),
    )
    return target


def _end_of_gmac(e: Encoder, i: Gmac, total: Ref, n: int) -> Ref:
    last = i.shifts[-1]
    if max(last, i.drop) >= 64:
        total = e.scaled(total, n, end_fields(Narrow(0, 0, 0, 0), total.bits))
        last = 0
    lost = min(i.drop, 63)
    if last > 0:
        total = e.scaled(total, n, end_fields(Narrow(last), total.bits))
        last = 0
    narrow = Narrow(lost if i.drop < 64 else 0, 0, i.lo, i.hi)
    if last or not narrow.void:
        down = max(last - lost, -63)
        total = e.scaled(total, n, end_fields(narrow, total.bits), shift=down)
    return total


def _fields(e: Encoder, i: Gmac, total: Ref, n: int) -> None:
    below = 0
    for out, width in zip(i.outs, i.fields, strict=False):
        e.asm.emit(
            f"mask.{total.bits}",
            out=e.define(out, total.bits),
            x=total,
            blocks=blocks(n),
            right=below,
            mask=(1 << min(width, 63)) - 1,
        )
        below = min(below + min(width, 63), 63)
    if below:
        total = e.scaled(total, n, end_fields(Narrow(), total.bits), shift=-below)
    e.set_home(i.outs[-1], total)


def _gmac_range(e: Encoder, i: Gmac) -> tuple[Interval, int]:
    """Give an interval that holds every intermediate, and the bits that the shifts need."""
    total, every, last = (0, 0), (0, 0), i.shifts[0]
    small = i.drop < 32 and sum(i.fields) < 32 and abs(i.shifts[-1]) + i.drop < 32
    for (x, y), shift in zip(i.terms, i.shifts, strict=True):
        pair = [(e.values[number].lo, e.values[number].hi) for number in (x, y)]
        product = ranges.multiply(*pair)
        total = ranges.add(ranges.shift(total, max(last - shift, -63)), product)
        every = ranges.join(every, product, total, *pair)
        small, last = small and last - shift > -32, shift
    total = ranges.shift(total, max(min(last, 64), -63))
    return ranges.join(every, total), 32 if small else 64
