"""The engine on numpy alone: frames as lists of bound calls, sequences as matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError
from hostrt.fqir.plan.evaluate import Evaluator
from hostrt.fqir.plan.frame import Frame
from hostrt.fqir.plan.lower import compile_plan
from hostrt.fqir.plan.sequence import Timeline
from hostrt.fqir.plan.tabulate import tabulated

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hostrt.fqir.graph import Array, Model
    from hostrt.fqir.plan.arrays import Arrays
    from hostrt.fqir.plan.ir import Int64s, Plan

_CHUNK_ELEMENTS = 1 << 19
"""Frames are computed together until the widest value has about so many elements."""

_CHUNK_FRAMES = 64, 4096
"""Fewest and most frames of a chunk."""


_EFFORTS = 500, 4000
"""After so many frames it is looked again which tables pay; each costs some milliseconds."""

_NEVER = 1 << 62


class NumpyEngine:
    """Runs a model's plan with numpy; see `hostrt.fqir.engine.Engine`.

    Results have the storage types of the reference, the widest where one changes between frames. A
    watched tensor inside a branch is 0, in the shape that it will have, until the branch runs for
    the first time since `watch`.
    """

    name = "numpy"

    def __init__(self, model: Model) -> None:
        """Plan a model for its declared input shapes.

        Raises:
            ProgramUnsupported: a plan cannot express the model; see `compile_plan`.
            ProgramCorrupt: a node lacks something it needs.
        """
        self._model = model
        self._frame_holds_state = False
        self._names: tuple[str, ...] = ()
        self._slots: dict[str, Int64s] = {}
        self._recorded: dict[str, Array] = {}
        self._frames = 0
        self._start(compile_plan(model))

    @property
    def plan(self) -> Plan:
        """The plan in use."""
        return self._plan

    def reset(self) -> None:
        """Bring the state to its initial values; what is watched stays watched."""
        self._frame_holds_state = False
        self._slots = {state.name: state.initial for state in self._plan.states}
        self._recorded = {}

    def watch(self, names: Sequence[str]) -> None:
        """Choose the tensors to be recorded; see `Engine.watch`."""
        self._names = tuple(names)
        self._start(compile_plan(self._model, self._shapes, watch=self._names))
        self._recorded = {}

    def internals(self) -> dict[str, Array]:
        """Give what was recorded; see `Engine.internals`."""
        return dict(self._recorded)

    # ------------------------------------------------------------------ plans

    def _start(self, plan: Plan) -> None:
        """Go on with a new plan, and forget which tables were worth it."""
        self._planned = plan
        self._effort_at = _EFFORTS[0]
        self._use(plan)

    def _use(self, plan: Plan) -> None:
        """Go on with another plan of the model, from where it stands."""
        self._release()
        known = self._slots
        self._frame: Frame | None = None
        self._plan = plan
        self._slots = {state.name: known.get(state.name, state.initial) for state in plan.states}
        self._shapes = [plan.values[number].shape for number in plan.inputs]
        self._timeline: Timeline | None = None
        self._evaluator: Evaluator | None = None

    def _release(self) -> None:
        """Take the state out of the frame's arrays."""
        if self._frame_holds_state and self._frame is not None:
            for state in self._plan.states:
                self._slots[state.name] = self._frame.array(state.read).copy()
        self._frame_holds_state = False

    def _fit(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Make a plan for other input shapes than the present one's.

        Raises:
            FrameError: the wrong number of inputs.
            ProgramUnsupported: the model does not work with these shapes.
        """
        if len(shapes) != len(self._shapes):
            raise FrameError(f"{len(shapes)} inputs found, expected {len(self._shapes)}")
        if list(shapes) != self._shapes:
            self._start(compile_plan(self._model, shapes, watch=self._names))

    def _expect(self) -> None:
        """When there are many frames, spend time on tables that make each one faster."""
        if self._frames < self._effort_at:
            return
        self._effort_at = next((count for count in _EFFORTS if count > self._frames), _NEVER)
        faster = tabulated(self._planned, self._frames)
        if faster.body != self._plan.body:
            self._use(faster)

    # ------------------------------------------------------------------ one frame

    def step(self, inputs: Sequence[Array]) -> list[Array]:
        """Run one frame; see `Engine.step`."""
        self._frames += 1
        if not self._frame_holds_state or self._frames >= self._effort_at:
            self._enter(inputs)
        for target, given in zip(self._targets, inputs, strict=True):
            if given.shape != target.shape:
                self._frames -= 1
                self._fit([array.shape for array in inputs])
                return self.step(inputs)
            np.copyto(target, given)
        for call in self._calls:
            call()
        outputs: list[Array] = [array.astype(kind) for array, kind in self._results]
        if self._names:
            self._record()
        for call in self._stores:
            call()
        return outputs

    def _enter(self, inputs: Sequence[Array]) -> None:
        """Make ready for steps: a frame with the state in it."""
        self._fit([array.shape for array in inputs])
        self._expect()
        plan = self._plan
        if self._frame is None:
            self._frame = Frame(plan.values, plan.tables, plan.body, plan.states)
        frame = self._frame
        self._calls, self._stores = frame.calls, frame.stores
        self._targets = [frame.array(number) for number in plan.inputs]
        self._results = [
            (frame.array(number), plan.values[number].storage) for number in plan.outputs
        ]
        if not self._frame_holds_state:
            for state in plan.states:
                frame.array(state.read)[...] = self._slots[state.name]
        self._frame_holds_state = True

    def _record(self) -> None:
        frame, values = self._frame, self._plan.values
        if frame is not None:
            for name, number in self._plan.watched.items():
                self._recorded[name] = frame.array(number).astype(values[number].storage)

    # ------------------------------------------------------------------ sequences

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run T frames; see `Engine.run`."""
        self._fit([array.shape[1:] for array in inputs])
        frames = len(inputs[0]) if inputs else 0
        self._frames += frames
        self._expect()
        plan = self._plan
        results: dict[int, Array] = {}
        for number in (*plan.outputs, *plan.watched.values()):
            value = plan.values[number]
            results[number] = np.empty((frames, *value.shape), value.storage)
        evaluator, timeline = self._prepared(results)
        self._release()
        size = self._chunk()
        for start in range(0, frames, size):
            stop = min(start + size, frames)
            arrays: Arrays = {}
            for number, array in zip(plan.inputs, inputs, strict=True):
                kind = evaluator.kind(number)
                arrays[number] = array[start:stop].astype(kind, copy=False)
            timeline.run(arrays, stop - start, self._slots)
            for number, target in results.items():
                target[start:stop] = evaluator.get(number, arrays)
        self._recorded = {name: results[number].copy() for name, number in plan.watched.items()}
        return _distinct([results[number] for number in plan.outputs])

    def _prepared(self, wanted: Collection[int]) -> tuple[Evaluator, Timeline]:
        if self._evaluator is None or self._timeline is None:
            plan = self._plan
            self._evaluator = Evaluator(plan.values, plan.tables, compact=True)
            self._timeline = Timeline(self._evaluator, plan.body, plan.states, wanted)
        return self._evaluator, self._timeline

    def _chunk(self) -> int:
        sizes = [value.size for value in self._plan.values if value.constant is None]
        low, high = _CHUNK_FRAMES
        return min(max(_CHUNK_ELEMENTS // max(1, *sizes, 1), low), high)


def _distinct(arrays: list[Array]) -> list[Array]:
    """Give each array memory of its own."""
    seen: set[int] = set()
    found = []
    for array in arrays:
        found.append(array.copy() if id(array) in seen else array)
        seen.add(id(array))
    return found
