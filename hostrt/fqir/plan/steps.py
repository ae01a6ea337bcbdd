"""The part of a sequence that has to go frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.plan.frame import Frame
from hostrt.fqir.plan.ir import Reshape, Slice, Transpose, Window, operands, results

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hostrt.fqir.plan.arrays import Arrays
    from hostrt.fqir.plan.evaluate import Evaluator
    from hostrt.fqir.plan.ir import Instruction, Int64s, State

_VIEWS = (Slice, Reshape, Transpose, Window)


class Steps:
    """Runs instructions and slots that depend on each other; see `hostrt.fqir.plan.frame`.

    What comes from outside lies in one array of a row per frame, and what goes out too, so that a
    frame costs two copies besides the calls.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        body: Sequence[Instruction],
        states: Sequence[State],
        wanted: Collection[int],
    ) -> None:
        """Prepare a group.

        Args:
            evaluator: of the plan.
            body: the instructions, in order.
            states: the slots.
            wanted: values that are used outside, whether made here or not.
        """
        values = evaluator.values
        self._evaluator, self._states = evaluator, states
        made = {number for instruction in body for number in results(instruction)}
        reads = [state.read for state in states]
        used = [number for instruction in body for number in operands(instruction)]
        used += [state.next for state in states]
        outside = dict.fromkeys(used)
        self._inputs = [
            number
            for number in outside
            if number not in made and number not in reads and values[number].constant is None
        ]
        self._outputs = [number for number in (*reads, *made) if number in wanted]
        placed, self._row_in = _placed(evaluator, self._inputs)
        free = {
            number
            for instruction in body
            if not isinstance(instruction, _VIEWS)
            for number in results(instruction)
        }
        direct = [number for number in self._outputs if number in free]
        more, self._row_out = _placed(evaluator, direct)
        self._direct = direct
        self._frame = Frame(
            values, evaluator.tables, body, states, placed=[*placed.items(), *more.items()]
        )
        self._copied = [number for number in self._outputs if number not in free]

    def run(self, arrays: Arrays, frames: int, slots: dict[str, Int64s]) -> None:
        """Run the frames; see `Part.run`."""
        frame = self._frame
        for state in self._states:
            frame.array(state.read)[...] = slots[state.name]
        rows_in = self._gather(arrays, frames)
        rows_out = np.empty((frames, self._row_out.size), np.int64)
        copied = [
            (frame.array(number), np.empty((frames, *frame.array(number).shape), np.int64))
            for number in self._copied
        ]
        row_in, row_out, copy = self._row_in, self._row_out, np.copyto
        calls, stores = frame.calls, frame.stores
        for t, given in enumerate(rows_in):
            copy(row_in, given)
            for call in calls:
                call()
            rows_out[t] = row_out
            for source, target in copied:
                target[t] = source
            for call in stores:
                call()
        self._scatter(rows_out, arrays)
        for number, (_, target) in zip(self._copied, copied, strict=True):
            self._evaluator.put(number, target, arrays)
        for state in self._states:
            slots[state.name] = frame.array(state.read).copy()

    def _gather(self, arrays: Arrays, frames: int) -> Int64s:
        rows = np.empty((frames, self._row_in.size), np.int64)
        start = 0
        for number in self._inputs:
            array = self._evaluator.get(number, arrays)
            stop = start + self._evaluator.values[number].size
            rows[:, start:stop] = array.reshape(len(array), -1)
            start = stop
        return rows

    def _scatter(self, rows: Int64s, arrays: Arrays) -> None:
        start = 0
        for number in self._direct:
            value = self._evaluator.values[number]
            stop = start + value.size
            part = rows[:, start:stop].reshape(len(rows), *value.shape)
            self._evaluator.put(number, part, arrays)
            start = stop


def _placed(evaluator: Evaluator, numbers: Sequence[int]) -> tuple[dict[int, Int64s], Int64s]:
    """Give arrays for values that lie one after the other in one array, and that array."""
    sizes = [evaluator.values[number].size for number in numbers]
    row = np.zeros(sum(sizes), np.int64)
    placed, start = {}, 0
    for number, size in zip(numbers, sizes, strict=True):
        shape = evaluator.values[number].shape
        placed[number] = row[start : start + size].reshape(shape)
        start += size
    return placed, row
