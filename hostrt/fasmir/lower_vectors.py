"""Moving and computing vectors: which instruction does it with the fewest cycles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_protocol.open_isa_ops import Mode, Op, Type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fasmir.lower_draft import Draft, Field, View

_MOST_STRIDE = 0x7FFF
_MOST_ROWS_APART = 16
"""Rows that are moved by an instruction each, when that is faster than one by elements."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant operand: `number * 2**shift`."""

    number: int
    shift: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """How an instruction ends (open-isa 2.2)."""

    shift: int = 0
    rounded: bool = False
    bits: int = 0

    def fields(self) -> dict[str, int]:
        """Give the fields of the instruction."""
        return {"shift": self.shift, "rounded": int(self.rounded), "bits": self.bits}


PLAIN = End()


def as_number(value: int) -> Number | None:
    """Give a constant as an operand inside the instruction, None where it does not fit."""
    shift = 0
    while not -0x8000 <= value <= 0x7FFF:
        if value & 1:
            return None
        value >>= 1
        shift += 1
    return Number(value, shift)


def copy(draft: Draft, x: View, z: View) -> None:
    """Put the elements of x into z, of the same length; types may differ."""
    n = x.length
    if not n or (x.buffer is z.buffer and x.start == z.start):
        return
    if not (x.is_aligned and z.is_aligned):
        _move(draft, x, z, (1, n), (0, 0), (1, 1))
    elif x.type != z.type:
        vector(draft, Op.ADD, x, Number(0), z)
    elif n % x.type.lanes == 0:
        draft.emit(Op.COPY, n=n // x.type.lanes, a=x.place, b=z.place)
    else:
        _move(draft, x, z, (1, n), (0, 0), (1, 1))


def move(
    draft: Draft,
    x: View,
    z: View,
    shape: Sequence[int],
    x_strides: Sequence[int],
    z_strides: Sequence[int],
) -> None:
    """Move the elements of a block.

    Args:
        draft: where the code goes.
        x: from its first element on.
        z: to its first element on.
        shape: of the block.
        x_strides: distance in x of neighbours along each axis, 0 repeats.
        z_strides: the same in z.
    """
    if 0 in shape:
        return
    axes = _merged(shape, x_strides, z_strides)
    far = _unrolled_axis(axes)
    if far is not None:
        count, xs, zs = axes.pop(far)
        lengths, inner_x, inner_z = ([axis[i] for axis in axes] for i in range(3))
        for i in range(count):
            move(draft, x.part(i * xs, 1), z.part(i * zs, 1), lengths, inner_x, inner_z)
        return
    while len(axes) < 2:
        axes.insert(0, (1, 0, 0))
    (outer, xs, zs), (n, xi, zi) = axes
    if outer == 1 and xi == zi == 1:
        copy(draft, x.part(0, n), z.part(0, n))
        return
    lanes = x.type.lanes
    by_words = xi == zi == 1 and x.type == z.type and x.is_aligned and z.is_aligned
    by_words = by_words and xs % lanes == 0 and zs % lanes == 0 and outer <= _MOST_ROWS_APART
    if by_words and outer * (3 + -(-n // lanes)) < 3 + outer * n:
        for o in range(outer):
            copy(draft, x.part(o * xs, n), z.part(o * zs, n))
        return
    _move(draft, x, z, (outer, n), (xs, zs), (xi, zi))


def _unrolled_axis(axes: list[tuple[int, int, int]]) -> int | None:
    """Give the axis that gets instructions of its own, None when one instruction does it."""
    for number, (_, *strides) in enumerate(axes):
        if max(map(abs, strides)) > _MOST_STRIDE:
            return number
    if len(axes) <= 2:
        return None
    return min(range(len(axes) - 1), key=lambda number: axes[number][0])


def _merged(
    shape: Sequence[int], x_strides: Sequence[int], z_strides: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Give length and both strides per axis; axes that continue each other are one."""
    axes: list[tuple[int, int, int]] = []
    for length, xs, zs in zip(shape, x_strides, z_strides, strict=True):
        if length == 1:
            continue
        if axes and axes[-1][1] == xs * length and axes[-1][2] == zs * length:
            axes[-1] = (axes[-1][0] * length, xs, zs)
        else:
            axes.append((length, xs, zs))
    return axes


def _move(
    draft: Draft,
    x: View,
    z: View,
    counts: tuple[int, int],
    outer_strides: tuple[int, int],
    strides: tuple[int, int],
) -> None:
    outer, n = counts
    draft.emit(
        Op.MOVE,
        n=n,
        a=x.place,
        b=z.place,
        xt=x.type,
        zt=z.type,
        outer=outer,
        xo=x.lane,
        zo=z.lane,
        xi=strides[0],
        zi=strides[1],
        xs=outer_strides[0],
        zs=outer_strides[1],
    )


def vector(
    draft: Draft,
    op: Op,
    x: View,
    y: View | Number,
    z: View,
    end: End = PLAIN,
    *,
    shifts: tuple[int, int] = (0, 0),
) -> None:
    """Compute `z = narrow(x op y)`; all views begin at a word.

    Args:
        draft: where the code goes.
        op: a vector operation.
        x: as long as z, or one element.
        y: as long as z, or one element, or a number; not both x and y one element unless z is.
        z: the result.
        end: how it ends.
        shifts: of x and y, before the operation; that of a number must be 0.
    """
    n = z.length
    if not n:
        return
    fields: dict[str, Field] = {"xt": x.type, "a": x.place, "zt": z.type, "b": z.place}
    sy = shifts[1]
    if isinstance(y, Number):
        fields |= {"mode": Mode.IMMEDIATE, "y": y.number}
        sy = y.shift
    else:
        mode = Mode.VECTOR
        if n > 1 and y.length == 1:
            mode = Mode.SCALAR
        elif n > 1 and x.length == 1:
            mode = Mode.SCALAR_X
        fields |= {"mode": mode, "y": y.place, "yt": y.type}
    draft.emit(op, n=n, **fields, sx=shifts[0], sy=sy, **end.fields())


def dense(shape: Sequence[int]) -> list[int]:
    """Give the strides of a row-major block."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return strides[::-1]


def spread(shape: Sequence[int], to: Sequence[int]) -> list[int]:
    """Give the strides with which a row-major block broadcasts to another shape."""
    padded = [1] * (len(to) - len(shape)) + list(shape)
    return [0 if length == 1 else step for length, step in zip(padded, dense(padded), strict=True)]


def width(kind: Type) -> int:
    """Give the number of bits that saturation to a type takes, 0 where it does nothing."""
    return 0 if kind is Type.I64 else kind.bits
