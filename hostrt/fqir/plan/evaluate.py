"""Executing instructions on many frames at once, with plain numpy.

Every array here has the frames as its first axis; a constant has one "frame". An `Evaluator` takes
and gives int64 arrays, or, when it is `compact`, int32 ones wherever the plan's intervals prove
that the elements fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

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
    Narrow,
    Relation,
    Reshape,
    Scale,
    Slice,
    Sum,
    Transpose,
    Value,
    Window,
    Wrap,
    operands,
)
from hostrt.fqir.plan.ranges import INT32, within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Ints: TypeAlias = NDArray[np.signedinteger]
Numbers: TypeAlias = NDArray[Any]
"""Integers, or floating point that holds integers."""

Arrays: TypeAlias = dict[int, Ints]
"""Value number -> (frames or 1, *shape)."""

FLOAT32_EXACT = 1 << 24
"""Integers up to this magnitude are exact in float32, and so is every sum that stays below."""

FLOAT64_EXACT = 1 << 53
"""The same for float64."""


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

    def _work(self, wide: bool) -> np.dtype[np.signedinteger]:
        return np.dtype(np.int64 if wide or not self.compact else np.int32)

    def pair(self, x: int, y: int, wide: bool, arrays: Arrays) -> tuple[Ints, Ints]:
        """Give two operands that broadcast against each other, in the type to compute in."""
        work = self._work(wide)
        left = self.get(x, arrays).astype(work, copy=False)
        right = self.get(y, arrays).astype(work, copy=False)
        rank = max(left.ndim, right.ndim)
        return aligned(left, rank), aligned(right, rank)

    def put(self, number: int, array: Ints, arrays: Arrays) -> None:
        """Record a result."""
        arrays[number] = array.astype(self.kind(number), copy=False)

    # ------------------------------------------------------------------ matrix products

    def product(self, i: MatMul, arrays: Arrays) -> Numbers:
        """Give x @ y for every frame: floating point that holds exact integers, or integers."""
        x, y = self.get(i.x, arrays), self.get(i.y, arrays)
        kind = float_for(i.bound)
        if kind is None:
            return _matmul(x.astype(np.int64, copy=False), y.astype(np.int64, copy=False))
        return _matmul(self.floats(i.x, x, kind), self.floats(i.y, y, kind))

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


def float_for(bound: int) -> str | None:
    """Give the floating-point type that is exact for sums up to a bound (FQIR reference 8)."""
    if bound < FLOAT32_EXACT:
        return "f4"
    return "f8" if bound < FLOAT64_EXACT else None


def aligned(array: Ints, rank: int) -> Ints:
    """Insert axes after the first, so that trailing axes align as in numpy."""
    if array.ndim == rank:
        return array
    return array.reshape(array.shape[0], *(1,) * (rank - array.ndim), *array.shape[1:])


def narrowed(array: Ints, narrow: Narrow, *, own: bool) -> Ints:
    """Apply the end of an instruction; in place when the array is the caller's own."""
    out = array if own else None
    if narrow.rounding:
        out = array = np.add(array, array.dtype.type(narrow.rounding), out=out)
    if narrow.shift:
        function = np.left_shift if narrow.shift > 0 else np.right_shift
        out = array = function(array, array.dtype.type(abs(narrow.shift)), out=out)
    if narrow.lo is not None or narrow.hi is not None:
        array = _clip(array, narrow.lo, narrow.hi, out)
    return array


def _clip(array: Ints, lo: int | None, hi: int | None, out: Ints | None) -> Ints:
    if lo is None and hi is not None:
        return np.minimum(array, array.dtype.type(hi), out=out)
    if hi is None and lo is not None:
        return np.maximum(array, array.dtype.type(lo), out=out)
    return np.clip(array, lo, hi, out=out)


def shifted(array: Ints, shift: int) -> Ints:
    """Shift left by a positive count, right by a negative one."""
    if shift > 0:
        return np.left_shift(array, array.dtype.type(shift))
    return np.right_shift(array, array.dtype.type(-shift)) if shift else array


def _add(e: Evaluator, i: Add, arrays: Arrays) -> None:
    x, y = e.pair(i.x, i.y, i.wide, arrays)
    total = (np.subtract if i.subtract else np.add)(shifted(x, i.shift_x), shifted(y, i.shift_y))
    e.put(i.out, narrowed(total, i.narrow, own=True), arrays)


def _mul(e: Evaluator, i: Mul, arrays: Arrays) -> None:
    x, y = e.pair(i.x, i.y, i.wide, arrays)
    e.put(i.out, narrowed(np.multiply(x, y), i.narrow, own=True), arrays)


def _scale(e: Evaluator, i: Scale, arrays: Arrays) -> None:
    x = e.get(i.x, arrays).astype(e._work(i.wide), copy=False)
    if i.negate:
        x = np.negative(x)
    e.put(i.out, narrowed(x, i.narrow, own=i.negate), arrays)


def _wrap(e: Evaluator, i: Wrap, arrays: Arrays) -> None:
    e.put(i.out, e.get(i.x, arrays).astype(f"i{i.bits // 8}"), arrays)


_RELATIONS: Mapping[Relation, Callable[[Ints, Ints], NDArray[np.generic]]] = {
    Relation.GT: np.greater,
    Relation.GE: np.greater_equal,
    Relation.LT: np.less,
    Relation.LE: np.less_equal,
    Relation.EQ: np.equal,
    Relation.AND: np.logical_and,
    Relation.OR: np.logical_or,
    Relation.XOR: np.logical_xor,
    Relation.MAX: np.maximum,
    Relation.MIN: np.minimum,
}


def _compare(e: Evaluator, i: Compare, arrays: Arrays) -> None:
    found = _RELATIONS[i.relation](*e.pair(i.x, i.y, i.wide, arrays))
    arrays[i.out] = found.astype(e.kind(i.out), copy=False)


def _lookup(e: Evaluator, i: Lookup, arrays: Arrays) -> None:
    index = shifted(e.get(i.x, arrays), i.shift)
    if i.clamped:
        index = np.clip(index, i.lo, i.hi)
    arrays[i.out] = e.table(i).take(index - index.dtype.type(i.lo) if i.lo else index)


def _matmul(x: Numbers, y: Numbers) -> Numbers:
    """Multiply frame by frame; one matrix product where one side is the same for all frames."""
    vector_x, vector_y = x.ndim == 2, y.ndim == 2
    if len(y) == 1 and not (vector_x and vector_y):
        flat: Numbers = x.reshape(-1, x.shape[-1]) @ y[0]
        return flat.reshape(*x.shape[:-1], *y.shape[2:])
    if len(x) == 1 and vector_y and not vector_x:
        turned: Numbers = y @ x[0].T
        return turned
    if vector_x:
        x = x[:, None, :]
    if vector_y:
        y = y[:, :, None]
    product: Numbers = np.matmul(x, y)
    kept = product.shape[0], *product.shape[1 + vector_x : 3 - vector_y]
    return product.reshape(kept)


def _matmul_all(e: Evaluator, i: MatMul, arrays: Arrays) -> None:
    product: Ints = e.product(i, arrays).astype(e._work(i.wide), copy=False)
    if i.bias is not None:
        bias = e.get(i.bias, arrays).astype(product.dtype, copy=False)
        rank = max(product.ndim, bias.ndim)
        product = np.add(aligned(product, rank), aligned(bias, rank))
    e.put(i.out, narrowed(product, i.narrow, own=False), arrays)


def _sum(e: Evaluator, i: Sum, arrays: Arrays) -> None:
    x = e.get(i.x, arrays)
    axes = tuple(axis + 1 for axis in i.axes)
    summed: Ints = x.astype(np.int64)
    if axes:
        summed = np.asarray(np.sum(summed, axis=axes))
    summed = narrowed(summed, i.narrow, own=True)
    e.put(i.out, summed.reshape(len(summed), *e.values[i.out].shape), arrays)


def _window(e: Evaluator, i: Window, arrays: Arrays) -> None:
    buffer, x = e.get(i.buffer, arrays), e.get(i.x, arrays)
    frames = max(len(buffer), len(x))
    width = e.values[i.x].size
    rows = np.concatenate(
        [
            np.broadcast_to(part.reshape(len(part), -1), (frames, part[0].size))
            for part in (buffer, x)
        ],
        axis=1,
    ).reshape(frames, -1, width)
    taken = rows[:, :: i.dilation]
    e.put(i.out, taken.reshape(frames, *e.values[i.out].shape), arrays)
    e.put(i.next, rows[:, 1:].reshape(frames, *e.values[i.next].shape), arrays)


def _gmac(e: Evaluator, i: Gmac, arrays: Arrays) -> None:
    total = np.multiply(*e.pair(*i.terms[0], True, arrays))
    last = i.shifts[0]
    for term, shift in zip(i.terms[1:], i.shifts[1:], strict=True):
        product = np.multiply(*e.pair(*term, True, arrays))
        rank = max(total.ndim, product.ndim)
        total = aligned(shifted(total, max(last - shift, -63)), rank) + aligned(product, rank)
        last = shift
    total = _left(total, last) if last > 0 else shifted(total, max(last, -63))
    if i.drop:
        total = _left(shifted(total, -min(i.drop, 63)), i.drop)
    if i.lo is not None or i.hi is not None:
        total = _clip(total, i.lo, i.hi, None)
    for out, width in zip(i.outs, i.fields, strict=False):
        e.put(out, total & np.int64((1 << min(width, 63)) - 1), arrays)
        total = shifted(total, -min(width, 63))
    e.put(i.outs[-1], total, arrays)


def _left(array: Ints, count: int) -> Ints:
    return shifted(array, count) if count < 64 else np.zeros_like(array)


def _slice(e: Evaluator, i: Slice, arrays: Arrays) -> None:
    index = [slice(None)] * (i.axis + 1) + [slice(i.start, i.stop)]
    e.put(i.out, e.get(i.x, arrays)[tuple(index)], arrays)


def _reshape(e: Evaluator, i: Reshape, arrays: Arrays) -> None:
    x = e.get(i.x, arrays)
    e.put(i.out, x.reshape(len(x), *e.values[i.out].shape), arrays)


def _transpose(e: Evaluator, i: Transpose, arrays: Arrays) -> None:
    e.put(i.out, e.get(i.x, arrays).transpose(0, 2, 1), arrays)


def _concat(e: Evaluator, i: Concat, arrays: Arrays) -> None:
    kind = e.kind(i.out)
    parts = [e.get(number, arrays).astype(kind, copy=False) for number in i.parts]
    frames = max(len(part) for part in parts)
    spread = [np.broadcast_to(part, (frames, *part.shape[1:])) for part in parts]
    arrays[i.out] = np.concatenate(spread, axis=i.axis + 1)


def _counter(e: Evaluator, i: Counter, arrays: Arrays) -> None:
    count = e.get(i.counter, arrays)
    one = count.astype(np.int64)
    e.put(i.test, (np.mod(one, i.n) == i.k).astype(np.int64), arrays)
    e.put(i.next, np.mod(one + 1, i.n), arrays)


def _conv(e: Evaluator, i: Conv, arrays: Arrays) -> None:
    weight = e.get(i.weight, arrays)
    kernel_band = weight.shape[3]
    window = e.get(i.window, arrays)
    rows = window.reshape(len(window), weight.shape[4], i.bands, i.channels)
    if i.padding:
        rows = np.pad(rows, ((0, 0), (0, 0), (i.padding, i.padding), (0, 0)))
    reach = (i.bands_out - 1) * i.stride + 1
    taps = [
        rows[:, :, start : start + reach : i.stride]
        for start in range(0, kernel_band * i.dilation, i.dilation)
    ]  # per tap of the kernel: (frames, kernel_t, bands_out, channels)
    total = _depthwise(e, i, weight, taps) if i.depthwise else _dense(e, i, arrays, weight, taps)
    if i.bias is not None:
        total = total + e.get(i.bias, arrays).astype(total.dtype)[:, None]
    total = narrowed(total, i.narrow, own=True)
    e.put(i.out, total.reshape(len(total), -1), arrays)


def _dense(e: Evaluator, i: Conv, arrays: Arrays, weight: Ints, taps: Sequence[Ints]) -> Ints:
    """Give (frames, bands_out, d_out): a matrix product over taps, rows and channels."""
    _, kernel_t, bands_out, channels = taps[0].shape
    columns = np.stack(taps, axis=1).transpose(0, 3, 1, 2, 4)
    columns = columns.reshape(-1, bands_out, len(taps) * kernel_t * channels)
    kind = float_for(i.bound) or "i8"
    matrix = weight.transpose(0, 3, 4, 2, 1).reshape(len(weight), -1, weight.shape[1])
    left: Numbers = columns.astype(kind)
    if len(matrix) == 1:
        flat: Numbers = left.reshape(-1, left.shape[-1]) @ matrix[0].astype(kind)
        product = flat.reshape(*left.shape[:-1], -1)
    else:
        product = np.matmul(left, matrix.astype(kind))
    return product.astype(e._work(i.wide), copy=False)


def _depthwise(e: Evaluator, i: Conv, weight: Ints, taps: Sequence[Ints]) -> Ints:
    """Give (frames, bands_out, channels): products and sums in the order of the taps."""
    work = e._work(i.wide)
    total: Ints | None = None
    for kn, tap in enumerate(taps):
        for kt in range(tap.shape[1]):
            product = np.multiply(
                tap[:, kt], weight[:, None, :, 0, kn, kt].astype(work), dtype=work
            )
            total = product if total is None else np.add(total, product, out=total)
    if total is None:
        return np.zeros((1, i.bands_out, i.channels), work)
    return total


def _loop(e: Evaluator, i: Loop, arrays: Arrays) -> None:
    inner = dict(arrays)
    current = [e.get(item.initial, arrays) for item in i.carried]
    collected: list[list[Ints]] = [[] for _ in i.collected]
    for step in range(i.count):
        for carried, array in zip(i.carried, current, strict=True):
            e.put(carried.argument, array, inner)
        for item in i.sliced:
            k = i.count - 1 - step if item.reverse else step
            source = e.get(item.source, arrays)
            e.put(item.argument, source[:, item.block * k : item.block * (k + 1)], inner)
        for instruction in i.body:
            e.execute(instruction, inner)
        current = [e.get(item.next, inner) for item in i.carried]
        for kept, end in zip(collected, i.collected, strict=True):
            kept.append(e.get(end.value, inner))
        if step < i.count - 1:
            continue
        for final in i.finals:
            e.put(final.out, e.get(final.value, inner), arrays)
    for kept, end in zip(collected, i.collected, strict=True):
        blocks = kept[::-1] if end.reverse else kept
        frames = max(len(block) for block in blocks)
        spread = [np.broadcast_to(block, (frames, *block.shape[1:])) for block in blocks]
        e.put(end.out, np.concatenate(spread, axis=1), arrays)


def _branch(e: Evaluator, i: Branch, arrays: Arrays) -> None:
    condition = e.get(i.condition, arrays)
    taken = condition.reshape(len(condition), -1)[:, 0] != 0
    if taken.all() or not taken.any():
        block = i.then if taken.all() else i.otherwise
        inner = dict(arrays)
        for instruction in block:
            e.execute(instruction, inner)
        for merge in i.merged:
            e.put(merge.out, e.get(merge.then if taken[0] else merge.otherwise, inner), arrays)
        return
    ends = {
        merge.out: np.empty((len(taken), *e.values[merge.out].shape), e.kind(merge.out))
        for merge in i.merged
    }
    used = [number for number in operands(i) if e.values[number].constant is None]
    for truth, block in ((True, i.then), (False, i.otherwise)):
        chosen = np.flatnonzero(taken == truth)
        inner = {n: arrays[n][chosen] if len(arrays[n]) > 1 else arrays[n] for n in used}
        for instruction in block:
            e.execute(instruction, inner)
        for merge in i.merged:
            ends[merge.out][chosen] = e.get(merge.then if truth else merge.otherwise, inner)
    arrays.update(ends)


_EXECUTE: Mapping[type, Callable[[Evaluator, Any, Arrays], None]] = {
    Add: _add,
    Mul: _mul,
    Scale: _scale,
    Wrap: _wrap,
    Compare: _compare,
    Lookup: _lookup,
    MatMul: _matmul_all,
    Sum: _sum,
    Window: _window,
    Gmac: _gmac,
    Slice: _slice,
    Reshape: _reshape,
    Transpose: _transpose,
    Concat: _concat,
    Counter: _counter,
    Conv: _conv,
    Loop: _loop,
    Branch: _branch,
}
