"""One frame as a list of calls with all their arguments: no look-ups, no allocation.

Every value has one int64 array for good; slices and reshapes are views of it. An instruction
becomes a few calls of numpy functions that are bound to these arrays (`functools.partial`), so
that running a frame is running down a list.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hostrt.fqir.plan.evaluate import Evaluator
from hostrt.fqir.plan.frame_ops import OPS
from hostrt.fqir.plan.ir import (
    Concat,
    Instruction,
    Int64s,
    Narrow,
    Reshape,
    Slice,
    State,
    Transpose,
    Value,
    Window,
    results,
)
from hostrt.fqir.plan.ranges import INT64

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Call: TypeAlias = "Callable[[], object]"
Buffer: TypeAlias = NDArray[Any]

_VIEWS = (Slice, Reshape, Transpose)


def _find_clip() -> np.ufunc | None:
    """Find what `np.clip` calls in the end: it takes a seventh of the time on short vectors."""
    for name in ("numpy._core.umath", "numpy.core.umath"):
        try:
            found = getattr(import_module(name), "clip", None)
        except ImportError:
            continue
        if isinstance(found, np.ufunc) and found.nin == 3:
            return found
    return None


CLIP = _find_clip()
"""Saturation in one call, None where numpy has no such function."""


class Frame:
    """The calls of one frame, and the arrays they work on.

    Attributes:
        calls: what a frame runs, in order.
        stores: what brings the state slots to the next frame; results are to be taken before, since
            they may be in the same memory.
        values: the plan's values.
        tables: the plan's tables.
    """

    def __init__(
        self,
        values: Sequence[Value],
        tables: Sequence[Int64s],
        body: Sequence[Instruction],
        states: Sequence[State] = (),
        *,
        placed: Sequence[tuple[int, Buffer]] = (),
    ) -> None:
        """Bind a plan's body, or a part of it.

        Args:
            values: the plan's values.
            tables: the plan's tables.
            body: the instructions, in order; what they use and do not make is an input.
            states: the slots that are read and stored here.
            placed: arrays that some values have to be in; never those of slices and reshapes, or
                of windows.
        """
        self.values = values
        self.tables = tables
        self.calls: list[Call] = []
        self.evaluator = Evaluator(values, tables)
        self._arrays: dict[int, Buffer] = dict(placed)
        self._floats: list[dict[tuple[int, str, int], Buffer]] = [{}]
        self._filled: dict[tuple[tuple[int, ...], int], Int64s] = {}
        self._scratch: dict[tuple[tuple[int, ...], str, int], Buffer] = {}
        self._prepared: dict[object, object] = {}
        self.registers: dict[int, Buffer] = {}
        self._place_registers(body, states)
        self.place(body)
        self.block(body)
        self.stores = self.moves(
            [(state.read, state.next) for state in states if state.read != state.next]
        )

    # ------------------------------------------------------------------ arrays

    def array(self, number: int) -> Buffer:
        """Give the array of a value; it is made when nobody has asked for it before."""
        known = self._arrays.get(number)
        if known is None:
            value = self.values[number]
            known = np.empty(value.shape, np.int64) if value.constant is None else value.constant
            self._arrays[number] = known
        return known

    def set_array(self, number: int, array: Buffer) -> None:
        """Say where a value is."""
        self._arrays[number] = array

    def known(self, number: int) -> Buffer | None:
        """Give the array of a value if it has one already."""
        return self._arrays.get(number)

    def scratch(self, shape: tuple[int, ...], kind: str = "i8", which: int = 0) -> Buffer:
        """Give an array whose content lasts until the end of an instruction."""
        key = (shape, kind, which)
        known = self._scratch.get(key)
        if known is None:
            known = self._scratch[key] = np.empty(shape, kind)
        return known

    def filled(self, shape: tuple[int, ...], number: int) -> Int64s:
        """Give an array of equal numbers: numpy compares arrays faster than array and scalar."""
        key = (shape, number)
        known = self._filled.get(key)
        if known is None:
            known = self._filled[key] = np.full(shape, number, np.int64)
        return known

    def number(self, number: int) -> Int64s:
        """Give an array of one number, without axes."""
        return self.filled((), number)

    def prepared(self, key: object, make: Callable[[], Any]) -> Any:
        """Give what depends on constants only; made once for each key."""
        if key not in self._prepared:
            self._prepared[key] = make()
        return self._prepared[key]

    def floats(self, number: int, kind: str, extra: int = 0) -> Buffer:
        """Give a value as a flat floating-point array, converted where it is first needed.

        Args:
            number: the value.
            kind: "f4" or "f8".
            extra: how many ones follow it, for factors of biases.
        """
        key = (number, kind, extra)
        for block in self._floats:
            if key in block:
                return block[key]
        source = self.array(number)
        made = np.ones(source.size + extra, kind)
        self._floats[-1][key] = made
        target = made[: source.size].reshape(source.shape)
        if self.values[number].constant is None:
            self.call(np.copyto, target, source)
        else:
            target[...] = source
        return made

    def moved(self, number: int, source: Buffer, first: int) -> Buffer:
        """Give a value minus a number, computed once; no value of the plan if `number` is -1."""
        key = (number, "moved", first)
        if number >= 0:
            for block in self._floats:
                if key in block:
                    return block[key]
            made = self._floats[-1][key] = np.empty(source.shape, np.int64)
        else:
            made = self.scratch(source.shape)
        self.call(np.subtract, source, self.number(first), made)
        return made

    # ------------------------------------------------------------------ calls

    def call(self, function: Callable[..., object], *given: object, **named: object) -> None:
        """Append a call."""
        self.calls.append(partial(function, *given, **named))

    def copy(self, target: Buffer, source: Buffer) -> None:
        """Append a copy, unless both are the same memory."""
        if target is not source:
            self.call(np.copyto, target, source)

    def shift(self, target: Buffer, source: Buffer, shift: int) -> None:
        """Append a shift, left when positive."""
        if shift > 63:
            self.call(target.fill, 0)
            return
        function = np.left_shift if shift > 0 else np.right_shift
        self.call(function, source, self.number(abs(shift)), target)

    def clamp(self, target: Buffer, source: Buffer, lo: int | None, hi: int | None) -> Buffer:
        """Append a saturation; give where the result is."""
        if lo is None and hi is None:
            return source
        if CLIP is not None:
            low, high = INT64[0] if lo is None else lo, INT64[1] if hi is None else hi
            self.call(CLIP, source, self.number(low), self.number(high), target)
            return target
        for limit, function in ((hi, np.minimum), (lo, np.maximum)):
            if limit is not None:
                self.call(function, source, self.number(limit), out=target)
                source = target
        return source

    def end(self, target: Buffer, source: Buffer, narrow: Narrow, rounding: int) -> None:
        """Append the end of an instruction, from `source` to `target`."""
        if rounding:
            self.call(np.add, source, self.number(rounding), target)
            source = target
        if narrow.shift:
            self.shift(target, source, narrow.shift)
            source = target
        self.copy(target, self.clamp(target, source, narrow.lo, narrow.hi))

    def nested(self, body: Sequence[Instruction], ends: Sequence[tuple[int, int]]) -> list[Call]:
        """Give the calls of the body of a loop or branch, and of copies (to, from) at its end."""
        outer, self.calls = self.calls, []
        self._floats.append({})
        self.place(body)
        self.block(body)
        for target, source in ends:
            self.copy(self.array(target), self.array(source))
        calls, self.calls = self.calls, outer
        self._floats.pop()
        return calls

    def moves(self, pairs: Sequence[tuple[int, int]]) -> list[Call]:
        """Give calls that copy (to, from) as if at once: all are read before any is written."""
        outer, self.calls = self.calls, []
        self._move([(self.array(target), self.array(source)) for target, source in pairs])
        calls, self.calls = self.calls, outer
        return calls

    def _move(self, pairs: Sequence[tuple[Buffer, Buffer]]) -> None:
        late = []
        for target, source in pairs:
            if any(np.may_share_memory(source, other) for other, _ in pairs if other is not target):
                kept = np.empty(source.shape, np.int64)
                self.copy(kept, source)
                late.append((target, kept))
            else:
                late.append((target, source))
        for target, source in late:
            self.copy(target, source)

    def block(self, body: Sequence[Instruction]) -> None:
        """Append the calls of some instructions."""
        for instruction in body:
            if isinstance(instruction, _VIEWS):
                self._view(instruction)
            else:
                OPS[type(instruction)](self, instruction)

    def fall_back(self, instruction: Instruction, used: Sequence[int]) -> None:
        """Append an instruction that the evaluator executes; slow, for the rare ones."""
        sources = [(number, self.array(number)) for number in used]
        targets = [(number, self.array(number)) for number in results(instruction)]
        execute = self.evaluator.execute

        def run() -> None:
            arrays = {number: array[None] for number, array in sources}
            execute(instruction, arrays)
            for number, array in targets:
                array[...] = arrays[number][0]

        self.calls.append(run)

    def _view(self, instruction: Slice | Reshape | Transpose) -> None:
        source, shape = self.array(instruction.x), self.values[instruction.out].shape
        if isinstance(instruction, Slice):
            index = [slice(None)] * instruction.axis + [slice(instruction.start, instruction.stop)]
            self.set_array(instruction.out, source[tuple(index)])
        elif isinstance(instruction, Transpose):
            self.set_array(instruction.out, source.T)
        elif source.flags.c_contiguous:
            self.set_array(instruction.out, source.reshape(shape))
        else:
            target = np.empty(shape, np.int64)
            self.set_array(instruction.out, target)
            self.copy(target.reshape(source.shape), source)

    # ------------------------------------------------------------------ placing

    def _place_registers(self, body: Sequence[Instruction], states: Sequence[State]) -> None:
        """Let a shift register's slot and its newest row be one array, so that nothing moves."""
        slots = {state.read for state in states}
        for instruction in body:
            if isinstance(instruction, Window) and instruction.buffer in slots:
                slots.discard(instruction.buffer)
                shape = self.values[instruction.buffer].shape
                size, width = self.values[instruction.buffer].size, self.values[instruction.x].size
                whole = np.empty(size + width, np.int64)
                self.registers[instruction.buffer] = whole
                self.set_array(instruction.buffer, whole[:size].reshape(shape))

    def place(self, body: Sequence[Instruction]) -> None:
        """Let parts of a concatenation be made where the whole is wanted."""
        made = {
            number: instruction
            for instruction in body
            if not isinstance(instruction, (*_VIEWS, Window))
            for number in results(instruction)
        }
        for instruction in reversed(body):
            if isinstance(instruction, Concat):
                self._place_parts(instruction, made)

    def _place_parts(self, concat: Concat, made: Mapping[int, Instruction]) -> None:
        whole, start = self.array(concat.out), 0
        for number in concat.parts:
            stop = start + self.values[number].shape[concat.axis]
            view = whole[(slice(None),) * concat.axis + (slice(start, stop),)]
            if number in made and number not in self._arrays and view.flags.c_contiguous:
                self.set_array(number, view)
            start = stop
