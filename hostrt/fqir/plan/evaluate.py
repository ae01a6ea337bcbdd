"""Executing instructions on many frames at once, with plain numpy.

Every array here has the frames as its first axis; a constant has one "frame". An `Evaluator` takes
and gives int64 arrays, or, when it is `compact`, int32 ones wherever the plan's intervals prove
that the elements fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.plan import evaluate_elements as elements
from hostrt.fqir.plan import evaluate_products as products
from hostrt.fqir.plan import evaluate_structure as structure
from hostrt.fqir.plan.arrays import aligned
from hostrt.fqir.plan.ir import (
    Add,
    Branch,
    Compare,
    Concat,
    Conv,
    Counter,
    Gmac,
    Instruction,
    Int64s,
    Lookup,
    Loop,
    MatMul,
    Mul,
    Reshape,
    Scale,
    Slice,
    Sum,
    Transpose,
    Value,
    Window,
    Wrap,
)
from hostrt.fqir.plan.ranges import INT32, within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from hostrt.fqir.plan.arrays import Arrays, Ints


class Evaluator:
    """Executes instructions of one plan.

    Attributes:
        values: the plan's values.
        tables: the plan's tables.
        compact: whether to use int32 where it suffices.
    """

    def __init__(
        self, values: Sequence[Value], tables: Sequence[Int64s], *, compact: bool = False
    ) -> None:
        self.values = values
        self.tables = tables
        self.compact = compact
        self._constants: dict[int, Ints] = {}
        self._floats: dict[tuple[int, str], NDArray[np.floating]] = {}
        self._short: dict[int, Ints] = {}

    # ------------------------------------------------------------------ access

    def execute(self, instruction: Instruction, arrays: Arrays) -> None:
        """Execute one instruction: its operands are in `arrays`, or constants of the plan."""
        _EXECUTE[type(instruction)](self, instruction, arrays)

    def get(self, number: int, arrays: Arrays) -> Ints:
        """Give a value's array."""
        found = arrays.get(number)
        return self.constant(number) if found is None else found

    def constant(self, number: int) -> Ints:
        """Give the array of a constant: (1, *shape)."""
        known = self._constants.get(number)
        if known is None:
            content = self.values[number].constant
            if content is None:
                raise KeyError(number)
            known = content[None].astype(self.kind(number), copy=False)
            self._constants[number] = known
        return known

    def kind(self, number: int) -> np.dtype[np.signedinteger]:
        """Give the type that a value's elements are held in here."""
        value = self.values[number]
        narrow = self.compact and within((value.lo, value.hi), INT32)
        return np.dtype(np.int32 if narrow else np.int64)

    def work(self, wide: bool) -> np.dtype[np.signedinteger]:
        """Give the type to compute in."""
        return np.dtype(np.int64 if wide or not self.compact else np.int32)

    def pair(self, x: int, y: int, wide: bool, arrays: Arrays) -> tuple[Ints, Ints]:
        """Give two operands that broadcast against each other, in the type to compute in."""
        work = self.work(wide)
        left = self.get(x, arrays).astype(work, copy=False)
        right = self.get(y, arrays).astype(work, copy=False)
        rank = max(left.ndim, right.ndim)
        return aligned(left, rank), aligned(right, rank)

    def put(self, number: int, array: Ints, arrays: Arrays) -> None:
        """Record a result."""
        arrays[number] = array.astype(self.kind(number), copy=False)

    def floats(self, number: int, array: Ints, kind: str) -> NDArray[np.floating]:
        """Give an operand in floating point; constants are converted once."""
        if self.values[number].constant is None:
            return array.astype(kind)
        known = self._floats.get((number, kind))
        if known is None:
            known = self._floats[number, kind] = self.constant(number).astype(kind)
        return known

    def table(self, i: Lookup) -> Ints:
        """Give a look-up table in the type of the result."""
        known = self._short.get(i.table)
        if known is None:
            known = self._short[i.table] = self.tables[i.table].astype(self.kind(i.out))
        return known


_EXECUTE: Mapping[type, Callable[[Evaluator, Any, Arrays], None]] = {
    Add: elements.add,
    Mul: elements.mul,
    Scale: elements.scale,
    Wrap: elements.wrap,
    Compare: elements.compare,
    Lookup: elements.lookup,
    MatMul: products.matmul,
    Sum: elements.total,
    Window: structure.window,
    Gmac: elements.gmac,
    Slice: structure.cut,
    Reshape: structure.reshaped,
    Transpose: structure.transposed,
    Concat: structure.joined,
    Counter: structure.counter,
    Conv: products.conv,
    Loop: structure.loop,
    Branch: structure.branch,
}
