"""Element-wise and structural instructions for the virtual machine."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.ir import (
    Add,
    Compare,
    Concat,
    Lookup,
    Mul,
    Narrow,
    Relation,
    Reshape,
    Scale,
    Slice,
    Sum,
    Transpose,
    Wrap,
)
from hostrt.fqir.plan.ranges import INT32, within
from hostrt.fqir.plan.vm_encoder import blocks, end_fields, shifts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostrt.fqir.plan.vm_encoder import Encoder
    from hostrt.fqir.plan.vm_places import Ref


def _bits(wide: bool) -> int:
    return 64 if wide else 32


def add(e: Encoder, i: Add) -> None:
    """Encode an addition or subtraction."""
    signs = (0, -int(i.subtract))
    x, y = (i.x, i.shift_x, signs[0]), (i.y, i.shift_y, signs[1])
    out = e.define(i.out, _bits(i.wide))
    _sum_of_two(e, out, e.values[i.out].shape, (x, y), i.narrow)


def _sum_of_two(
    e: Encoder,
    out: Ref,
    shape: tuple[int, ...],
    terms: tuple[tuple[int, int, int], tuple[int, int, int]],
    narrow: Narrow,
) -> None:
    """Encode END of the sum of two values, each with its shift and sign (0 or -1)."""
    bits, n = out.bits, out.buffer.size
    (x, shift_x, sign_x), (y, shift_y, sign_y) = terms
    if e.values[x].size == 1 < n:
        (x, shift_x, sign_x), (y, shift_y, sign_y) = terms[1], terms[0]
    one = e.values[y].size == 1 and e.values[x].size == n
    left_x, right_x = shifts(shift_x)
    left_y, right_y = shifts(shift_y)
    if not one and sign_x:
        raise ValueError("only the second operand can be subtracted")
    e.asm.emit(
        f"add_one.{bits}" if one else f"add.{bits}",
        out=out,
        x=e.spread(x, shape, bits),
        y=e.operand(y, bits) if one else e.spread(y, shape, bits),
        blocks=blocks(n),
        left_x=left_x,
        right_x=right_x,
        **({"negate_x": sign_x} if one else {}),
        left_y=left_y,
        right_y=right_y,
        negate_y=sign_y,
        **end_fields(narrow, bits),
    )


def mul(e: Encoder, i: Mul) -> None:
    """Encode a product."""
    out = e.define(i.out, _bits(i.wide))
    product_of_two(e, out, e.values[i.out].shape, (i.x, i.y), i.narrow)


def product_of_two(
    e: Encoder, out: Ref, shape: tuple[int, ...], factors: tuple[int, int], narrow: Narrow
) -> None:
    """Encode END of the product of two values that are stretched to a shape."""
    bits, n = out.bits, out.buffer.size
    x, y = factors if e.values[factors[0]].size == n else factors[::-1]
    one = e.values[y].size == 1 and e.values[x].size == n
    e.asm.emit(
        f"multiply_one.{bits}" if one else f"multiply.{bits}",
        out=out,
        x=e.spread(x, shape, bits),
        y=e.operand(y, bits) if one else e.spread(y, shape, bits),
        blocks=blocks(n),
        **end_fields(narrow, bits),
    )


def scale(e: Encoder, i: Scale) -> None:
    """Encode a shift, a saturation or a negation."""
    bits = _bits(i.wide)
    n = e.values[i.out].size
    end = end_fields(i.narrow, bits)
    e.set_home(i.out, e.scaled(e.operand(i.x, bits), n, end, negate=i.negate))


def wrap(e: Encoder, i: Wrap) -> None:
    """Encode a reduction to fewer bits: the upper ones are shifted out, and the sign back in."""
    home = e.home(i.x)
    if home.bits <= i.bits:
        e.set_home(i.out, home)
        return
    lost = home.bits - i.bits
    low, high = ranges.signed(home.bits)
    end = {"left": lost, "rounding": 0, "right": lost, "lo": low, "hi": high}
    e.set_home(i.out, e.scaled(home, e.values[i.out].size, end))


_COMPARISONS: Mapping[Relation, tuple[str, bool]] = MappingProxyType(
    {
        Relation.GT: ("greater", False),
        Relation.GE: ("greater_equal", False),
        Relation.LT: ("greater", True),
        Relation.LE: ("greater_equal", True),
        Relation.EQ: ("equal", False),
        Relation.AND: ("both", False),
        Relation.OR: ("either", False),
        Relation.XOR: ("one_of", False),
        Relation.MAX: ("largest", False),
        Relation.MIN: ("smallest", False),
    }
)
"""Instruction, and whether its operands change places."""


def compare(e: Encoder, i: Compare) -> None:
    """Encode a comparison."""
    bits, shape = _bits(i.wide), e.values[i.out].shape
    name, swapped = _COMPARISONS[i.relation]
    x, y = (i.y, i.x) if swapped else (i.x, i.y)
    left, right = e.spread(x, shape, bits), e.spread(y, shape, bits)
    n = e.values[i.out].size
    e.asm.emit(f"{name}.{bits}", out=e.define(i.out, bits), x=left, y=right, blocks=blocks(n))


def lookup(e: Encoder, i: Lookup) -> None:
    """Encode a look-up."""
    n, table = e.values[i.out].size, e.tables[i.table]
    bits = 32 if within((int(table.min()), int(table.max())), INT32) else 64
    lo, hi, right = i.lo, i.hi, -i.shift
    if i.wide or i.shift > 0:
        # the address, counted from the first, is small
        lo, hi, right = 0, i.hi - i.lo, 0
        end = end_fields(Narrow(0, 0, lo, hi), 64)
        address = e.scaled(e.operand(i.x, 64), n, end, shift=i.shift, plus=-i.lo)
        x = e.asm.buffer(32, n)
        e.move(x, address, n)
    else:
        x = e.operand(i.x, 32)
    e.asm.emit(
        f"look_up.{bits}",
        out=e.define(i.out, bits),
        x=x,
        table=e.asm.constant(bits, table),
        blocks=blocks(n),
        right=right,
        lo=lo,
        hi=hi,
    )


def total(e: Encoder, i: Sum) -> None:
    """Encode a sum: the axes that are summed go last."""
    bits, shape = _bits(i.wide), e.values[i.x].shape
    axes = tuple(axis % len(shape) for axis in i.axes)
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    n = int(np.prod([shape[axis] for axis in axes], dtype=np.int64))
    source = e.operand(i.x, bits)
    if (*kept, *axes) != tuple(range(len(shape))):
        index = np.arange(e.values[i.x].size).reshape(shape).transpose(*kept, *axes)
        source = e.pick(source, index)
    count = e.values[i.out].size
    e.asm.emit(
        f"sum.{bits}",
        out=e.define(i.out, bits),
        x=source,
        n=n,
        count=count,
        blocks=blocks(count),
        **end_fields(i.narrow, bits),
    )


# ---------------------------------------------------------------------- structure


def part(e: Encoder, i: Slice) -> None:
    """Encode a slice: nothing to do where its elements stand together."""
    shape = e.values[i.x].shape
    outer = int(np.prod(shape[: i.axis], dtype=np.int64))
    inner = int(np.prod(shape[i.axis + 1 :], dtype=np.int64))
    home, n = e.home(i.x), (i.stop - i.start) * inner
    if outer == 1:
        e.set_home(i.out, home.plus(i.start * inner))
        return
    target = e.define(i.out, home.bits)
    e.rows(target, n, home.plus(i.start * inner), shape[i.axis] * inner, n, outer)


def reshape(e: Encoder, i: Reshape) -> None:
    """Encode a change of shape: nothing to do."""
    e.set_home(i.out, e.home(i.x))


def transpose(e: Encoder, i: Transpose) -> None:
    """Encode a transposition."""
    shape = e.values[i.x].shape
    index = np.arange(e.values[i.x].size).reshape(shape).T
    e.set_home(i.out, e.pick(e.home(i.x), index))


def concat(e: Encoder, i: Concat) -> None:
    """Encode a concatenation."""
    shape = e.values[i.out].shape
    outer = int(np.prod(shape[: i.axis], dtype=np.int64))
    whole = int(np.prod(shape[i.axis :], dtype=np.int64))
    target, start = e.define(i.out), 0
    for number in i.parts:
        n = int(np.prod(e.values[number].shape[i.axis :], dtype=np.int64))
        e.rows(target.plus(start), whole, e.home(number), n, n, outer)
        start += n


ENCODE: Mapping[type, Callable[[Encoder, Any], None]] = MappingProxyType(
    {
        Add: add,
        Mul: mul,
        Scale: scale,
        Wrap: wrap,
        Compare: compare,
        Lookup: lookup,
        Sum: total,
        Slice: part,
        Reshape: reshape,
        Transpose: transpose,
        Concat: concat,
    }
)
"""Instruction -> what encodes it."""
