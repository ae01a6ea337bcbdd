"""Many frames at once: only what depends on itself through the state goes frame by frame.

The instructions and state slots are grouped by `components`. A group of its own is computed for all
frames with the `Evaluator`. Of the groups that depend on themselves, shift registers, frame
counters and graphs that run in some frames only are recognised and need no steps either.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from hostrt.fqir.plan.components import components
from hostrt.fqir.plan.ir import (
    Branch,
    Counter,
    Instruction,
    Int64s,
    State,
    Window,
    operands,
    results,
)
from hostrt.fqir.plan.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hostrt.fqir.plan.arrays import Arrays, Ints
    from hostrt.fqir.plan.evaluate import Evaluator

Slots: TypeAlias = dict[str, Int64s]
"""Slot name -> content; arrays in it are replaced, never changed."""


class Part(Protocol):
    """Computes some values of every frame."""

    def run(self, arrays: Arrays, frames: int, slots: Slots) -> None:
        """Add results to `arrays`, and bring slots to where they are after the frames."""


class Timeline:
    """A plan's body, or the body of a branch, for many frames at once."""

    def __init__(
        self,
        evaluator: Evaluator,
        body: Sequence[Instruction],
        states: Sequence[State],
        wanted: Collection[int],
    ) -> None:
        """Group the instructions.

        Args:
            evaluator: of the plan, compact.
            body: the instructions, in order.
            states: the slots.
            wanted: values to be kept.
        """
        self.parts: list[Part] = []
        groups = list(components(body, states))
        uses = [_used(group) for group in groups]
        count: dict[int, int] = {}
        for used in uses:
            for number in used:
                count[number] = count.get(number, 0) + 1
        for (instructions, slots), used in zip(groups, uses, strict=True):
            others = {
                number
                for number in (*_made(instructions), *(slot.read for slot in slots))
                if number in wanted or count.get(number, 0) > (number in used)
            }
            self.parts.append(_part(evaluator, instructions, slots, others))
        self._done = _last_uses(uses, wanted)

    def run(self, arrays: Arrays, frames: int, slots: Slots) -> None:
        """Run the frames; see `Part.run`. Of the results only what is wanted stays."""
        for part, done in zip(self.parts, self._done, strict=True):
            part.run(arrays, frames, slots)
            for number in done:
                arrays.pop(number, None)


def _used(group: tuple[list[Instruction], list[State]]) -> set[int]:
    instructions, slots = group
    used = {number for instruction in instructions for number in operands(instruction)}
    return used | {slot.next for slot in slots}


def _made(instructions: Sequence[Instruction]) -> list[int]:
    return [number for instruction in instructions for number in results(instruction)]


def _last_uses(uses: Sequence[set[int]], wanted: Collection[int]) -> list[list[int]]:
    """Give per part what nobody needs after it."""
    last: dict[int, int] = {}
    for at, used in enumerate(uses):
        last.update(dict.fromkeys(used, at))
    done: list[list[int]] = [[] for _ in uses]
    for number, at in last.items():
        if number not in wanted:
            done[at].append(number)
    return done


def _part(
    evaluator: Evaluator,
    body: Sequence[Instruction],
    states: Sequence[State],
    wanted: Collection[int],
) -> Part:
    if not states:
        return Once(evaluator, body[0])
    if not body and len(states) == 1:
        return Delay(evaluator, states[0])
    only = body[0] if len(body) == 1 else None
    if isinstance(only, Window) and len(states) == 1 and only.buffer == states[0].read:
        return Register(evaluator, states[0], only)
    if isinstance(only, Counter) and len(states) == 1:
        return Count(evaluator, states[0], only)
    if isinstance(only, Branch):
        side = Gate.side(only, states)
        if side is not None:
            return Gate(evaluator, only, states, side)
    return Steps(evaluator, body, states, wanted)


class Once:
    """One instruction without state."""

    def __init__(self, evaluator: Evaluator, instruction: Instruction) -> None:
        self._evaluator, self._instruction = evaluator, instruction

    def run(self, arrays: Arrays, frames: int, slots: Slots) -> None:
        """Run the frames; see `Part.run`."""
        del frames, slots
        self._evaluator.execute(self._instruction, arrays)


class Delay:
    """A slot whose next content does not depend on it: the frame before."""

    def __init__(self, evaluator: Evaluator, state: State) -> None:
        self._evaluator, self._state = evaluator, state

    def run(self, arrays: Arrays, frames: int, slots: Slots) -> None:
        """Run the frames; see `Part.run`."""
        if self._state.next == self._state.read:
            self._evaluator.put(self._state.read, slots[self._state.name][None], arrays)
            return
        following = self._evaluator.get(self._state.next, arrays)
        past = np.empty((frames, *following.shape[1:]), self._evaluator.kind(self._state.read))
        past[0] = slots[self._state.name]
        past[1:] = following[: frames - 1]
        arrays[self._state.read] = past
        slots[self._state.name] = following[-1].astype(np.int64)


class Register:
    """A shift register: every frame sees a part of one long list of rows."""

    def __init__(self, evaluator: Evaluator, state: State, window: Window) -> None:
        self._evaluator, self._state, self._window = evaluator, state, window

    def run(self, arrays: Arrays, frames: int, slots: Slots) -> None:
        """Run the frames; see `Part.run`."""
        window, kind = self._window, self._evaluator.kind(self._window.next)
        x = self._evaluator.get(window.x, arrays)
        width = self._evaluator.values[window.x].size
        old = slots[self._state.name]
        n_old = old.size // width
        rows = np.empty((n_old + frames, width), kind)
        rows[:n_old] = old.reshape(-1, width)
        rows[n_old:] = x.reshape(len(x), width)
        taps = n_old // window.dilation + 1
        self._see(window.out, rows, (0, taps, window.dilation), frames, arrays)
        self._see(self._state.read, rows, (0, n_old, 1), frames, arrays)
        self._see(window.next, rows, (1, n_old, 1), frames, arrays)
        slots[self._state.name] = rows[frames:].astype(np.int64).reshape(old.shape)

    def _see(
        self, number: int, rows: Ints, part: tuple[int, int, int], frames: int, arrays: Arrays
    ) -> None:
        """Give a value as some rows of every frame: first, count and distance of them."""
        first, count, step = part
        frame, element = rows.strides
        shape = (frames, count, rows.shape[1])
        seen = as_strided(rows[first:], shape, (frame, step * frame, element), writeable=False)
        arrays[number] = seen.reshape(frames, *self._evaluator.values[number].shape)


class Count:
    """A frame counter."""

    def __init__(self, evaluator: Evaluator, state: State, counter: Counter) -> None:
        self._evaluator, self._state, self._counter = evaluator, state, counter

    def run(self, arrays: Arrays, frames: int, slots: Slots) -> None:
        """Run the frames; see `Part.run`."""
        put, counter, n = self._evaluator.put, self._counter, self._counter.n
        old = slots[self._state.name]
        first = int(old.reshape(-1)[0])
        phase = (first % n + np.arange(frames + 1)) % n
        shape = (frames, *old.shape)
        count = phase[:-1].copy()
        count[0] = first
        put(self._state.read, count.reshape(shape), arrays)
        put(counter.test, (phase[:-1] == counter.k).astype(np.int64).reshape(shape), arrays)
        put(counter.next, phase[1:].reshape(shape), arrays)
        slots[self._state.name] = phase[-1:].reshape(old.shape)


class Gate:
    """A branch that changes its slots on one side only: that side runs on its frames alone."""

    def __init__(
        self, evaluator: Evaluator, branch: Branch, states: Sequence[State], side: bool
    ) -> None:
        self._evaluator, self._branch, self._states, self._side = evaluator, branch, states, side
        self._used = [n for n in operands(branch) if evaluator.values[n].constant is None]
        active, passive = branch.then, branch.otherwise
        self._ends = [(item.out, item.then, item.otherwise) for item in branch.merged]
        if not side:
            active, passive = passive, active
            self._ends = [(out, otherwise, then) for out, then, otherwise in self._ends]
        becomes = {out: made for out, made, _ in self._ends}
        inner = [replace(state, next=becomes[state.next]) for state in states]
        wanted = {made for _, made, _ in self._ends} | {state.read for state in states}
        self._active = Timeline(evaluator, active, inner, wanted)
        self._passive = passive

    @staticmethod
    def side(branch: Branch, states: Sequence[State]) -> bool | None:
        """Tell which side changes slots, None when that is not all there is to it."""
        ends = {item.out: item for item in branch.merged}
        if branch.condition in {state.read for state in states}:
            return None
        if any(state.next not in ends for state in states):
            return None
        if all(ends[state.next].otherwise == state.read for state in states):
            return True
        if all(ends[state.next].then == state.read for state in states):
            return False
        return None

    def run(self, arrays: Arrays, frames: int, slots: Slots) -> None:
        """Run the frames; see `Part.run`."""
        evaluator = self._evaluator
        condition = evaluator.get(self._branch.condition, arrays)
        taken = (condition.reshape(len(condition), -1)[:, 0] != 0) == self._side
        taken = np.broadcast_to(taken, frames)
        at, rest = np.flatnonzero(taken), np.flatnonzero(~taken)
        before = {state.name: slots[state.name] for state in self._states}
        inner = self._chosen(arrays, at)
        if len(at):
            self._active.run(inner, len(at), slots)
        # what a slot holds in a frame: what the last run of the active side has left
        runs = np.cumsum(taken) - taken
        for state in self._states:
            history = np.empty((len(at) + 1, *before[state.name].shape), np.int64)
            history[0] = before[state.name]
            if len(at):
                history[:-1] = evaluator.get(state.read, inner)
                history[-1] = slots[state.name]
            evaluator.put(state.read, history[runs], arrays)
        other = self._chosen(arrays, rest)
        if len(rest):
            for instruction in self._passive:
                evaluator.execute(instruction, other)
        for out, made, kept in self._ends:
            merged = np.empty((frames, *evaluator.values[out].shape), evaluator.kind(out))
            if len(at):
                merged[at] = evaluator.get(made, inner)
            if len(rest):
                merged[rest] = evaluator.get(kept, other)
            arrays[out] = merged

    def _chosen(self, arrays: Arrays, frames: Int64s) -> Arrays:
        """Give what the branch uses, for some frames."""
        return {
            number: array[frames] if len(array) > 1 else array
            for number in self._used
            if (array := arrays.get(number)) is not None
        }
