"""Elementwise instructions: arithmetic, comparisons, shifts, look-ups."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa_ops import Op, Type
from hostrt.errors import ProgramUnsupported
from hostrt.fasmir.lower_vectors import PLAIN, End, Number, as_number, copy, vector, width
from hostrt.fqir.plan.ir import Narrow, Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.fasmir.lower import Lowering
    from hostrt.fasmir.lower_draft import View
    from hostrt.fqir.plan.ir import Add, Compare, Lookup, Mul, Scale, Value, Wrap

_RELATIONS: Mapping[Relation, Op] = MappingProxyType(
    {relation: Op[relation.name] for relation in Relation}
)
_MIRRORED: Mapping[Op, Op] = MappingProxyType(
    {Op.GT: Op.LT, Op.LT: Op.GT, Op.GE: Op.LE, Op.LE: Op.GE}
)
_INT16 = (-0x8000, 0x7FFF)
_FAR = 1 << 62


@dataclass(frozen=True, slots=True)
class Finish:
    """How an instruction of the plan ends: the end of one of ours, and limits it cannot express.

    Attributes:
        end: of the instruction.
        low: lower limit that takes an instruction of its own.
        high: upper limit that takes an instruction of its own.
    """

    end: End
    low: int | None = None
    high: int | None = None


def finish(narrow: Narrow, value: Value, kind: Type) -> Finish:
    """Work out how to end with `narrow`.

    Args:
        narrow: the end of the plan's instruction.
        value: its result.
        kind: type in which the result is stored; it holds the value.
    """
    rounded = bool(narrow.rounding)
    bits = saturation(narrow, value.lo, value.hi)
    if bits is not None:
        return Finish(End(narrow.shift, rounded, bits))
    # saturating to the type first changes nothing: the limits lie inside
    return Finish(End(narrow.shift, rounded, width(kind)), narrow.lo, narrow.hi)


def saturation(narrow: Narrow, low: int, high: int) -> int | None:
    """Give the bits of a saturation that clamps like `narrow`, 0 for none, None if there is none.

    Args:
        narrow: limits of None are proven to do nothing.
        low: smallest result.
        high: largest result.
    """
    if narrow.lo is None and narrow.hi is None:
        return 0
    limit = -narrow.lo if narrow.lo is not None else (narrow.hi or 0) + 1
    if limit <= 0 or limit & (limit - 1) or limit >= 1 << 63:
        return None
    if narrow.hi not in (None, limit - 1) or low < -limit or high >= limit:
        return None
    return limit.bit_length()


def number_or_constant(low: Lowering, value: int) -> Number | View:
    """Give a number as an operand: in the instruction if it fits, else in memory."""
    return as_number(value) or low.constant(np.array([value], np.int64), f"number{value}")


def clamp(low: Lowering, z: View, ending: Finish) -> None:
    """Apply the limits that are left."""
    for op, limit in ((Op.MAX, ending.low), (Op.MIN, ending.high)):
        if limit is not None:
            low.settle(z)
            vector(low.draft, op, z, number_or_constant(low, limit), z)


def operand(low: Lowering, value: int, shape: tuple[int, ...]) -> View:
    """Give a value as an operand: as many elements as the shape has, or one."""
    number = low.uniform(value)
    if number is not None:
        return low.constant(np.array([number], np.int64), f"number{number}")
    if low.value(value).size == 1:
        return low.aligned(low.view(value))
    return low.expanded(value, shape)


def binary(
    low: Lowering,
    op: Op,
    operands: tuple[int, int],
    out: int,
    ending: Finish,
    shifts: tuple[int, int] = (0, 0),
) -> None:
    """Compute `out` from two values that broadcast against each other.

    Args:
        low: where the code goes.
        op: a vector operation whose operands may be exchanged, or SUB.
        operands: x and y.
        out: the result.
        ending: how it ends.
        shifts: of x and y.
    """
    x, y = operands
    if low.uniform(x) is not None and low.uniform(y) is None and op is not Op.SUB:
        x, y, shifts, op = y, x, (shifts[1], shifts[0]), _MIRRORED.get(op, op)
    shape, z = low.shape(out), low.target(out)
    if z.length:
        left, right = pair(low, x, y, shape, shifts[1])
        vector(low.draft, op, left, right, z, ending.end, shifts=shifts)
        clamp(low, z, ending)


def pair(
    low: Lowering, x: int, y: int, shape: tuple[int, ...], shift: int = 0
) -> tuple[View, View | Number]:
    """Give two values as operands of one instruction.

    Args:
        low: where the code goes.
        x: the first, in memory.
        y: the second, in the instruction if it is a constant that fits.
        shape: of the result; both broadcast to it.
        shift: of y, already applied if it is a constant inside the instruction.
    """
    left, right = operand(low, x, shape), _right(low, y, shape, shift)
    n = prod(shape)
    if left.length != n and (isinstance(right, Number) or right.length != n):
        left = low.expanded(x, shape)
    return left, right


def _right(low: Lowering, y: int, shape: tuple[int, ...], shift: int) -> View | Number:
    number = low.uniform(y)
    if number is not None:
        inside = as_number(shifted(number, shift))
        if inside is not None:
            return inside
    return operand(low, y, shape)


def shifted(number: int, shift: int) -> int:
    """Shift an integer as the chip does, in 64 bits."""
    moved = number << shift if shift >= 0 else number >> -shift
    return (moved + (1 << 63)) % (1 << 64) - (1 << 63)


def lower_add(low: Lowering, one: Add) -> None:
    """`narrow(sh(x, shift_x) +- sh(y, shift_y))`."""
    ending = finish(one.narrow, low.value(one.out), low.kinds.of(one.out))
    op = Op.SUB if one.subtract else Op.ADD
    binary(low, op, (one.x, one.y), one.out, ending, (one.shift_x, one.shift_y))


def lower_mul(low: Lowering, one: Mul) -> None:
    """`narrow(x * y)`."""
    ending = finish(one.narrow, low.value(one.out), low.kinds.of(one.out))
    binary(low, Op.MUL, (one.x, one.y), one.out, ending)


def lower_compare(low: Lowering, one: Compare) -> None:
    """`x relation y`."""
    binary(low, _RELATIONS[one.relation], (one.x, one.y), one.out, Finish(PLAIN))


def lower_scale(low: Lowering, one: Scale) -> None:
    """`narrow(x)` or `narrow(-x)`."""
    x, z, value = low.aligned(low.view(one.x)), low.target(one.out), low.value(one.out)
    n, ending = one.narrow, finish(one.narrow, value, z.type)
    if ending.low is not None and not one.negate and not n.rounding:
        # one instruction where the lower limit is what saturation cannot do: a rectifier
        floor = as_number(ending.low)
        rest = saturation(Narrow(hi=n.hi), value.lo, value.hi)
        if floor is not None and rest is not None:
            vector(low.draft, Op.MAX, x, floor, z, End(bits=rest), shifts=(n.shift, 0))
            return
    op, factor = (Op.MUL, Number(-1)) if one.negate else (Op.ADD, Number(0))
    vector(low.draft, op, x, factor, z, ending.end)
    clamp(low, z, ending)


def lower_wrap(low: Lowering, one: Wrap) -> None:
    """The low bits of x."""
    x, z = low.aligned(low.view(one.x)), low.target(one.out)
    kind = next(kind for kind in Type if kind.bits == one.bits)
    cut = z if z.type is kind else low.scratch(f"{low.name(one.out)}.cut", kind, z.length)
    vector(low.draft, Op.ADD, x, Number(0), cut)
    copy(low.draft, cut, z)


def lower_lookup(low: Lowering, one: Lookup) -> None:
    """`table[clamp(sh(x, shift), lo, hi) - lo]`.

    Raises:
        ProgramUnsupported: a table that no table memory holds.
    """
    x, z = low.aligned(low.view(one.x)), low.target(one.out)
    shift, first, last = one.shift, one.lo, one.hi
    known = low.value(one.x)
    if last - first > _INT16[1] or max(-known.lo, known.hi) > _FAR:
        raise ProgramUnsupported(
            f"{low.name(one.out)} looks up addresses {first} to {last} of numbers from {known.lo} "
            f"to {known.hi}, an instruction has {_INT16[1] + 1} addresses"
        )
    if first < _INT16[0] or last > _INT16[1]:
        moved = low.scratch(f"{low.name(one.out)}.address", Type.I32, z.length)
        base = number_or_constant(low, first)
        vector(low.draft, Op.SUB, x, base, moved, End(bits=32), shifts=(shift, 0))
        x, shift, first, last = moved, 0, 0, last - first
    if not z.length:
        return
    table = low.table(one.table)
    low.draft.emit(
        Op.LUT,
        n=z.length,
        a=x.place,
        b=z.place,
        xt=x.type,
        zt=z.type,
        wide=int(table.table.wide),
        table=table,
        lo=first,
        hi=last,
        sx=shift,
    )
