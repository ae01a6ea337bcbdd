"""Making values and instructions: shapes, intervals and constants are worked out on the way."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.contents import Contents, unsupported
from hostrt.fqir.plan.evaluate import Evaluator
from hostrt.fqir.plan.ir import (
    Instruction,
    Int64s,
    Narrow,
    Reshape,
    Value,
    operands,
    results,
)
from hostrt.fqir.plan.ranges import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.graph import Array

Bits: TypeAlias = tuple[int, int]
"""Narrowest and widest storage type that a value may have in the reference."""

Described: TypeAlias = tuple[tuple[int, ...], Interval, Bits]
"""Shape, interval and storage types of a result."""

B32: Bits = (32, 32)
B64: Bits = (64, 64)

_MOST_ELEMENTS = 1 << 27
"""Largest number of elements of one value: a gigabyte."""


class Builder:
    """Collects values and instructions; what depends on constants only is computed at once.

    Attributes:
        values: everything numbered so far.
        tables: contents of look-up tables, no two equal ones.
    """

    def __init__(self, contents: Contents | None = None) -> None:
        self.contents = contents or Contents()
        self.values: list[Value] = []
        self.tables: list[Int64s] = []
        self._blocks: list[list[Instruction]] = [[]]
        self._known: list[dict[object, tuple[int, ...]]] = [{}]
        self._constants: dict[object, int] = {}
        self._tables: dict[bytes, int] = {}

    # ------------------------------------------------------------------ values

    def define(
        self, shape: tuple[int, ...], interval: Interval, bits: Bits, *, recurrent: bool = False
    ) -> int:
        """Number a new value that nothing computes: inputs, state, arguments of bodies.

        Raises:
            ProgramUnsupported: it is enormous.
        """
        low, high = interval
        if math.prod(shape) > _MOST_ELEMENTS:
            raise unsupported(f"a value of shape {shape}")
        self.values.append(Value(shape, low, high, *bits, recurrent=recurrent))
        return len(self.values) - 1

    def constant(self, array: Array, bits: Bits | None = None) -> int:
        """Give the value of an array of signed integers; the same one for the same array.

        Raises:
            ProgramUnsupported: the array holds something else.
        """
        if array.dtype.kind != "i":
            raise unsupported(f"a parameter of type {array.dtype}")
        if bits is None:
            bits = (array.dtype.itemsize * 8,) * 2
        key = (id(array), bits)
        known = self._constants.get(key)
        if known is None:
            content, (low, high) = self.contents.of(array)
            self.values.append(Value(content.shape, low, high, *bits, constant=content))
            known = self._constants[key] = len(self.values) - 1
        return known

    def number(self, number: int, bits: Bits = B64) -> int:
        """Give the value of one integer, of shape ().

        Raises:
            ProgramUnsupported: it does not fit 64 bits.
        """
        if not ranges.within((number, number), ranges.INT64):
            raise unsupported(f"the constant {number} does not fit 64 bits")
        key = ("number", number, bits)
        known = self._constants.get(key)
        if known is None:
            known = self._constants[key] = self.constant(np.array(number, np.int64), bits)
        return known

    def interval(self, number: int) -> Interval:
        """Give the interval of a value."""
        value = self.values[number]
        return value.lo, value.hi

    def bits(self, number: int) -> Bits:
        """Give the storage types of a value."""
        value = self.values[number]
        return value.min_bits, value.max_bits

    def widest(self, *numbers: int) -> Bits:
        """Give the storage types of what is promoted from some values."""
        every = [self.bits(number) for number in numbers]
        return max(low for low, _ in every), max(high for _, high in every)

    def shape(self, number: int) -> tuple[int, ...]:
        """Give the shape of a value."""
        return self.values[number].shape

    def broadcast(self, *numbers: int) -> tuple[int, ...]:
        """Give the shape of an elementwise result.

        Raises:
            ProgramUnsupported: the shapes do not fit each other.
        """
        shapes = [self.shape(number) for number in numbers]
        first = shapes[0]
        if all(shape == first or not shape for shape in shapes):
            return first
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise unsupported(f"shapes {shapes} do not fit each other") from None

    def recast(self, number: int, bits: Bits) -> int:
        """Give the same value with other storage types."""
        value = self.values[number]
        if self.bits(number) == bits:
            return number
        if value.constant is not None:
            return self.constant(value.constant, bits)
        described = (value.shape, (value.lo, value.hi), bits)
        return self.emit(Reshape(self.next, number), [described])[0]

    def table(self, content: Int64s) -> int:
        """Give the index of a look-up table."""
        key = content.tobytes()
        index = self._tables.setdefault(key, len(self.tables))
        if index == len(self.tables):
            content.flags.writeable = False
            self.tables.append(content)
        return index

    # ------------------------------------------------------------------ instructions

    @property
    def next(self) -> int:
        """Number that the next value will have."""
        return len(self.values)

    def emit(
        self,
        instruction: Instruction,
        described: Sequence[Described],
    ) -> tuple[int, ...]:
        """Append an instruction whose results are the next numbers.

        Args:
            instruction: its results must be `ids(len(described))`.
            described: shape, interval and storage types of each result.

        Returns:
            The numbers of the results: those of an equal instruction before it, or of constants
            when every operand is one.
        """
        key = _key(instruction, described)
        for known in self._known:
            if key in known:
                return known[key]
        used = operands(instruction)
        if all(self.values[number].constant is not None for number in used):
            made = self._fold(instruction, used, described)
        else:
            recurrent = any(self.values[number].recurrent for number in used)
            made = tuple(
                self.define(shape, interval, bits, recurrent=recurrent)
                for shape, interval, bits in described
            )
            self._blocks[-1].append(instruction)
        self._known[-1][key] = made
        return made

    def append(self, instruction: Instruction) -> None:
        """Append an instruction whose results have been defined already."""
        self._blocks[-1].append(instruction)

    def _fold(
        self,
        instruction: Instruction,
        used: Sequence[int],
        described: Sequence[Described],
    ) -> tuple[int, ...]:
        first = len(self.values)
        for shape, interval, bits in described:
            self.define(shape, interval, bits)
        evaluator = Evaluator(self.values, self.tables)
        arrays = {number: self._content(number)[None] for number in used}
        evaluator.execute(instruction, arrays)
        found = [arrays[number][0] for number in results(instruction)]
        del self.values[first:]
        return tuple(
            self.constant(np.ascontiguousarray(array).reshape(shape), bits)
            for array, (shape, _, bits) in zip(found, described, strict=True)
        )

    def _content(self, number: int) -> Int64s:
        content = self.values[number].constant
        if content is None:
            raise unsupported("a value is not constant")
        return content

    # ------------------------------------------------------------------ blocks

    def open_block(self) -> None:
        """Begin the body of a loop or branch."""
        self._blocks.append([])
        self._known.append({})

    def close_block(self) -> tuple[Instruction, ...]:
        """End it and give its instructions."""
        self._known.pop()
        return tuple(self._blocks.pop())

    def mark(self) -> tuple[int, int]:
        """Remember where we are, for `back_to`."""
        return len(self.values), len(self._blocks[-1])

    def back_to(self, mark: tuple[int, int]) -> None:
        """Forget everything made since a mark in the same block."""
        n_values, n_instructions = mark
        del self.values[n_values:]
        del self._blocks[-1][n_instructions:]
        for known in self._known:
            for key in [key for key, made in known.items() if max(made, default=-1) >= n_values]:
                del known[key]
        for key in [key for key, made in self._constants.items() if made >= n_values]:
            del self._constants[key]

    # ------------------------------------------------------------------ arithmetic

    def product_range(self, x: int, y: int) -> tuple[Interval, int]:
        """Work out a matrix product.

        Returns:
            The interval of x @ y, and the largest absolute value of a partial sum in any order.
        """
        for weight, other, axis in ((y, x, 0), (x, y, -1)):
            content = self.values[weight].constant
            if content is not None and content.size:
                return self.weighed(content, axis, self.interval(other))
        depth = self.shape(x)[-1]
        corners = ranges.multiply(self.interval(x), self.interval(y))
        low, high = min(corners[0], 0), max(corners[1], 0)
        return (low * depth, high * depth), ranges.largest(corners) * depth

    def weighed(self, content: Int64s, axis: int, other: Interval) -> tuple[Interval, int]:
        """Give the interval and the largest partial sum of products with a constant matrix."""
        positive, negative, bound = self.contents.sums(content, axis)
        bound *= ranges.largest(other)
        if bound > ranges.INT64[1] // 2:
            return (-bound, bound), bound
        low, high = other
        tops, bottoms = positive * high - negative * low, positive * low - negative * high
        return (int(bottoms.min()), int(tops.max())), bound

    def narrow(
        self, interval: Interval, shift: int, rounded: bool, clamp: Interval | None
    ) -> tuple[Narrow, Interval, bool]:
        """Work out how an instruction ends whose accumulator is in `interval`.

        Returns:
            The end, without what is void; the interval of results; whether 32 bits are too few for
            accumulator and intermediates.

        Raises:
            ProgramUnsupported: the shift is out of range.
        """
        if shift > 63 or (rounded and shift < -63):
            raise unsupported(f"a shift by {shift} with rounding {rounded}")
        shift = max(shift, -63)
        rounding = 1 << (-shift - 1) if rounded and shift < 0 else 0
        open_end = Narrow(shift, rounding)
        result, every = ranges.through(interval, open_end)
        lo = clamp[0] if clamp and result[0] < clamp[0] else None
        hi = clamp[1] if clamp and result[1] > clamp[1] else None
        result = ranges.clamp(result, lo, hi)
        wide = not ranges.within(every, ranges.INT32) or abs(shift) > 31
        return Narrow(shift, rounding, lo, hi), result, wide


def _key(instruction: Instruction, described: Sequence[Described]) -> object:
    """Give what makes two instructions compute the same: everything but their results' numbers."""
    skipped = {"out", "outs", "next", "test"}
    what = [
        getattr(instruction, field.name)
        for field in fields(instruction)
        if field.name not in skipped
    ]
    kinds = [(shape, bits) for shape, _, bits in described]
    return type(instruction), *what, *kinds
