"""What is known about arrays of a model: as int64, their range, their sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.plan import ranges

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.graph import Array
    from hostrt.fqir.plan.ir import Int64s
    from hostrt.fqir.plan.ranges import Interval


def unsupported(found: str) -> ProgramUnsupported:
    """Make the error of a model that a plan cannot express."""
    return ProgramUnsupported(
        f"this model cannot be planned ahead: {found}", hint="use the reference engine"
    )


class Contents:
    """What has been found out about arrays; outlives the builders that make one plan."""

    def __init__(self) -> None:
        self._arrays: dict[int, tuple[Array, Int64s, Interval]] = {}
        self._derived: dict[tuple[int, str], Int64s] = {}
        self._sums: dict[tuple[int, int], tuple[Int64s, Int64s, int]] = {}

    def of(self, array: Array) -> tuple[Int64s, Interval]:
        """Give an array as a read-only one of int64, and its interval."""
        known = self._arrays.get(id(array))
        if known is None:
            content = np.array(array, np.int64, order="C")
            content.flags.writeable = False
            low = int(content.min()) if content.size else 0
            high = int(content.max()) if content.size else 0
            # the array is kept, so that its id stays its own
            known = self._arrays[id(array)] = (array, content, (low, high))
            self._arrays[id(content)] = (content, content, (low, high))
        return known[1], known[2]

    def derived(self, content: Int64s, key: str, make: Callable[[Int64s], Int64s]) -> Int64s:
        """Give what a function makes of an array that `of` gave, always the same array."""
        known = self._derived.get((id(content), key))
        if known is None:
            known = self._derived[id(content), key] = self.of(make(content))[0]
        return known

    def sums(self, content: Int64s, axis: int) -> tuple[Int64s, Int64s, int]:
        """Give the sums of positive and of negated negative elements, and the largest of both.

        Args:
            content: an array that `of` gave.
            axis: along which.

        Raises:
            ProgramUnsupported: they may leave 64 bits.
        """
        known = self._sums.get((id(content), axis))
        if known is None:
            if ranges.largest(self.of(content)[1]) * content.shape[axis] > ranges.INT64[1]:
                raise unsupported("weights beyond 64 bits")
            positive = np.atleast_1d(np.maximum(content, 0).sum(axis))
            negative = np.atleast_1d(positive - content.sum(axis))
            known = positive, negative, int((positive + negative).max())
            self._sums[id(content), axis] = known
        return known
