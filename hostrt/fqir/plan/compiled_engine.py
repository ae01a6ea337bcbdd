"""The engine on a virtual machine that is compiled for this processor.

A model becomes a program of `hostrt.fqir.plan.vm_codes`; the machine that runs such programs is
the same for all models and compiled once. Needs the extra `compiled`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError
from hostrt.fqir.plan.lower import compile_plan
from hostrt.fqir.plan.vm_codes import CONTEXT
from hostrt.fqir.plan.vm_flow import encode
from hostrt.fqir.plan.vm_machine import machine
from hostrt.fqir.plan.vm_program import address, aligned
from hostrt.fqir.watching import require_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.graph import Array, Model
    from hostrt.fqir.plan.ir import Int64s, Plan
    from hostrt.fqir.plan.vm_places import Elements

_FRAMES = 256
"""Frames that are run before an interrupt of the process is noticed."""


class CompiledEngine:
    """Runs a model's plan on the compiled machine; see `hostrt.fqir.engine.Engine`.

    Results are int64. A watched tensor inside a branch is 0 until the branch runs for the first
    time since `watch`.
    """

    name = "compiled"

    def __init__(self, model: Model) -> None:
        """Plan a model for its declared input shapes and load the machine.

        Raises:
            ProgramUnsupported: a plan cannot express the model; see `compile_plan`.
            ProgramCorrupt: a node lacks something it needs.
        """
        self._model = model
        self._execute = machine().execute
        self._names: tuple[str, ...] = ()
        self._use(compile_plan(model), {})

    @property
    def plan(self) -> Plan:
        """The plan in use."""
        return self._plan

    def reset(self) -> None:
        """Bring the state to its initial values; what is watched stays watched."""
        for state in self._plan.states:
            self._slots[state.name][:] = state.initial.reshape(-1)
        self._recorded: dict[str, Array] = {}

    def watch(self, names: Sequence[str]) -> None:
        """Choose the tensors to be recorded; see `Engine.watch`."""
        self._names = tuple(require_known(self._model, names))
        self._replan(self._shapes)

    def internals(self) -> dict[str, Array]:
        """Give what was recorded; see `Engine.internals`."""
        return dict(self._recorded)

    def step(self, inputs: Sequence[Array]) -> list[Array]:
        """Run one frame; see `Engine.step`."""
        self._fit([array.shape for array in inputs])
        for target, given in zip(self._given, inputs, strict=True):
            np.copyto(target, given)
        self._execute(self._frame, self._program, 0, 1)
        return self._split([array.copy() for array in self._results])

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run T frames; see `Engine.run`."""
        self._fit([array.shape[1:] for array in inputs])
        frames = len(inputs[0]) if inputs else 0
        given = [np.ascontiguousarray(array, np.int64) for array in inputs]
        results = [np.empty((frames, *array.shape), np.int64) for array in self._results]
        context = self._context([*given, *results])
        for start in range(0, frames, _FRAMES):
            self._execute(address(context), self._program, start, min(start + _FRAMES, frames))
        return self._split(results)

    # ------------------------------------------------------------------ programs

    def _use(self, plan: Plan, slots: dict[str, Elements]) -> None:
        """Go on with another plan of the model.

        Args:
            plan: the plan.
            slots: content of the state slots; those not in it get their initial content.
        """
        program = encode(plan)
        self._plan = plan
        self._image = program.image
        self._program = address(program.image.program)
        self._slots = {
            state.name: program.image.slot(ref, state.initial.size)
            for state, ref in zip(plan.states, program.slots, strict=True)
        }
        self.reset()
        for name, content in slots.items():
            if name in self._slots:
                self._slots[name][:] = content
        self._shapes = [plan.values[number].shape for number in plan.inputs]
        self._given = [_room(plan, number) for number in plan.inputs]
        self._results = [_room(plan, number) for number in program.outputs]
        self._own = self._context([*self._given, *self._results])
        self._frame = address(self._own)

    def _context(self, arrays: Sequence[Array]) -> Int64s:
        """Give the context of a call; the arrays must live as long as it is used."""
        context: Int64s = aligned(len(CONTEXT) + len(arrays), "i8")
        for word, name in enumerate(CONTEXT):
            if name != "frame":
                context[word] = address(self._image.areas[int(name[1:])])
        context[len(CONTEXT) :] = [address(array) for array in arrays]
        return context

    def _fit(self, shapes: list[tuple[int, ...]]) -> None:
        """Make a program for other input shapes than those at hand.

        Raises:
            FrameError: the wrong number of inputs.
            ProgramUnsupported: the model does not work with these shapes.
        """
        if len(shapes) != len(self._shapes):
            raise FrameError(f"{len(shapes)} inputs found, expected {len(self._shapes)}")
        if shapes != self._shapes:
            self._replan(shapes)

    def _replan(self, shapes: list[tuple[int, ...]]) -> None:
        """Go on with other input shapes or watched names; the state stays."""
        kept = {name: slot.copy() for name, slot in self._slots.items()}
        self._use(compile_plan(self._model, shapes, watch=self._names), kept)

    def _split(self, results: list[Int64s]) -> list[Array]:
        """Take what was watched off the results."""
        n = len(self._plan.outputs)
        if self._names:
            self._recorded = dict(zip(self._names, results[n:], strict=True))
        return list(results[:n])


def _room(plan: Plan, number: int) -> Int64s:
    return np.zeros(plan.values[number].shape, np.int64)
