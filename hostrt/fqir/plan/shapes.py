"""Making instructions that only move elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.contents import unsupported
from hostrt.fqir.plan.ir import Concat, Reshape, Slice, Transpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.plan.builder import Builder


def reshape(b: Builder, x: int, shape: tuple[int, ...]) -> int:
    """Give the elements in another shape."""
    if b.shape(x) == shape:
        return x
    return b.emit(Reshape(b.next, x), [(shape, b.interval(x), b.bits(x))])[0]


def transpose(b: Builder, x: int) -> int:
    """Exchange the axes of a matrix."""
    shape = b.shape(x)
    return b.emit(Transpose(b.next, x), [((shape[1], shape[0]), b.interval(x), b.bits(x))])[0]


def part(b: Builder, x: int, axis: int, start: int, stop: int) -> int:
    """Cut a piece off."""
    shape = list(b.shape(x))
    stop = min(stop, shape[axis])
    if start == 0 and stop == shape[axis]:
        return x
    shape[axis] = max(stop - start, 0)
    made = Slice(b.next, x, axis, start, max(stop, start))
    return b.emit(made, [(tuple(shape), b.interval(x), b.bits(x))])[0]


def concat(b: Builder, parts: Sequence[int], axis: int) -> int:
    """Join pieces.

    Raises:
        ProgramUnsupported: their shapes do not fit.
    """
    bits = b.widest(*parts)
    shapes = [list(b.shape(number)) for number in parts]
    length = sum(shape[axis] for shape in shapes)
    for shape in shapes:
        shape[axis] = length
    if any(shape != shapes[0] for shape in shapes):
        raise unsupported("pieces that cannot be joined")
    if len(parts) == 1:
        return parts[0]
    interval = ranges.join(*(b.interval(number) for number in parts))
    return b.emit(Concat(b.next, tuple(parts), axis), [(tuple(shapes[0]), interval, bits)])[0]
