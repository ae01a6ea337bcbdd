"""A result as a short list of numpy calls, the last of which writes to data memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hostrt.sim.isa import bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostrt.sim.isa.bounds import Bounds
    from hostrt.sim.isa.scratch import Array, Scratch

Call: TypeAlias = "Callable[[], object]"
"""Part of what an instruction does."""

_RESULTS = ("result", "next result")
_MOVED = "moved"
LESSER, GREATER = np.fmin, np.fmax
"""Of integers the same as minimum and maximum; but a result that is given by position, which is
faster than by name, is not deprecated for these."""


def stored(there: Array, value: Array) -> Call:
    """Give the call that writes values, cut to the bits that there is room for.

    The two must not overlap.
    """
    return partial(there.__setitem__, Ellipsis, value)


def number_like(value: int, other: Array) -> Array:
    """Give a number to calculate with: of the same dtype, and of a shape that makes it fast."""
    return np.full(other.shape if other.size == 1 else (), value, other.dtype)


def moved(there: Array, value: Array, scratch: Scratch) -> list[Call]:
    """Give the calls that write values where they may overlap."""
    if not np.may_share_memory(there, value):
        return [stored(there, value)]
    room = scratch.view(_MOVED, value.dtype, value.size).reshape(value.shape)
    return [stored(room, value), stored(there, room)]


def narrowing(value: Bounds, f: Mapping[str, int]) -> list[Bounds]:
    """Give what values come up when a result is narrowed, itself included."""
    steps = [value]
    if f["rounded"]:
        half = 1 << (-f["shift"] - 1)
        steps += [(half, half), bounds.wrapped(value[0] + half, value[1] + half)]
    return [*steps, bounds.shifted(steps[-1], f["shift"])]


class Chain:
    """Operations on a vector, one after the other.

    Attributes:
        calls: what has to be called so far, without the last operation.
        value: result of all operations so far.
        bounds: what the elements of `value` can be.
    """

    def __init__(self, value: Array, value_bounds: Bounds, dtype: str, scratch: Scratch) -> None:
        """Begin with a value.

        Args:
            value: (n,).
            value_bounds: what its elements can be.
            dtype: what is worked with; every result must fit.
            scratch: room for results.
        """
        self.calls: list[Call] = []
        self.value = value
        self.bounds = value_bounds
        self._dtype = np.dtype(dtype)
        # operations in place are slow on vectors of one element
        self._rooms = [scratch.view(slot, dtype, value.size) for slot in _RESULTS]
        self._last: tuple[Callable[..., object], tuple[Array, ...]] | None = None

    def apply(self, operation: np.ufunc, *operands: Array, result: Bounds) -> None:
        """Add an operation; its operands may be `value`."""
        self._flush()
        self._last = operation, operands
        self.value = self._other_room()
        self.bounds = result

    def add(self, number: int) -> None:
        """Add a number."""
        result = bounds.wrapped(self.bounds[0] + number, self.bounds[1] + number)
        self.apply(np.add, self.loaded(), number_like(number, self._rooms[0]), result=result)

    def shift(self, by: int) -> None:
        """Give sh(value, by)."""
        if by:
            operation = np.left_shift if by > 0 else np.right_shift
            amount = min(abs(by), 8 * self._dtype.itemsize - 1)
            result = bounds.shifted(self.bounds, by)
            self.apply(operation, self.loaded(), number_like(amount, self._rooms[0]), result=result)

    def saturate(self, bits: int) -> None:
        """Clamp to a number of bits; 0 does nothing."""
        if not bits:
            return
        limits = bounds.of_bits(bits)
        result = bounds.clamped(self.bounds, limits)
        if self.bounds[1] > limits[1]:
            upper = (min(self.bounds[0], limits[1]), limits[1])
            self.apply(LESSER, self.loaded(), number_like(limits[1], self._rooms[0]), result=upper)
        if self.bounds[0] < limits[0]:
            self.apply(
                GREATER, self.loaded(), number_like(limits[0], self._rooms[0]), result=result
            )

    def narrow(self, f: Mapping[str, int]) -> None:
        """Do what every result ends with (open-isa.md, 2.2), apart from storing it."""
        if f["rounded"]:
            self.add(1 << (-f["shift"] - 1))
        self.shift(f["shift"])
        self.saturate(f["bits"])

    def finish(self, there: Array) -> list[Call]:
        """Give all calls; the last one writes the elements of `there`, (n,)."""
        if self._last and there.dtype == self._dtype:
            operation, operands = self._last
            self.calls.append(partial(operation, *operands, there))
        else:
            self._flush()
            self.calls.append(stored(there, self.value))
        return self.calls

    def loaded(self) -> Array:
        """Give the value in the dtype that is worked with."""
        if self.value.dtype != self._dtype:
            self._flush()
            room = self._other_room()
            self.calls.append(stored(room, self.value))
            self.value = room
        return self.value

    def _flush(self) -> None:
        if self._last:
            operation, operands = self._last
            self.calls.append(partial(operation, *operands, self.value))
            self._last = None

    def _other_room(self) -> Array:
        return self._rooms[self.value is self._rooms[0]]
