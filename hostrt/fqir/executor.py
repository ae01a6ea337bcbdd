"""Runs a model's ARITH graph by names, on the engine that suits it."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import numpy as np

from hostrt.errors import ExtraMissing, FrameError, ProgramUnsupported, UsageError
from hostrt.fqir.inputs import FrameDoor, check_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from hostrt.fqir.engine import Engine
    from hostrt.fqir.graph import Array, Model

ENGINES: Mapping[str, str] = MappingProxyType(
    {
        "compiled": "hostrt.fqir.plan.compiled_engine:CompiledEngine",
        "numpy": "hostrt.fqir.plan.numpy_engine:NumpyEngine",
        "reference": "hostrt.fqir.reference:ReferenceEngine",
    }
)
"""Engine name -> class, the fastest first: "auto" takes the first that can run the model."""


class Executor:
    """Runs a model frame by frame or a whole sequence at once, with the same results.

    Inputs and outputs go by name. Latched inputs are no matter here: every frame has a value for
    every input.

    Attributes:
        model: what it runs.
        engine: what runs it.
        notes: why "auto" did not take a faster engine, a line each.
        input_names: ARITH's inputs in order.
        output_names: ARITH's outputs in order.
    """

    def __init__(self, model: Model, *, engine: str = "auto") -> None:
        """Prepare a model and bring it to its initial state.

        Args:
            model: what to run.
            engine: "reference", "numpy", "compiled", or "auto" for the fastest that can.

        Raises:
            UsageError: no such engine.
            ExtraMissing: the engine needs a package that is not installed.
            ProgramCorrupt: a node of the model lacks something it needs.
            ProgramUnsupported: the engine cannot run the model.
        """
        self.model = model
        self.notes: list[str] = []
        self.engine = self._choose(engine)
        self._door = FrameDoor(model.arith.inputs)
        self.input_names = tuple(tensor.name for tensor in model.arith.inputs)
        self.output_names = tuple(tensor.name for tensor in model.arith.outputs)

    def reset(self) -> None:
        """Bring the state to its initial values."""
        self.engine.reset()

    def step(self, frame: Mapping[str, ArrayLike]) -> dict[str, Array]:
        """Run one frame.

        Args:
            frame: name -> integers of the input's shape, every input.

        Returns:
            Name -> value, in the order of `output_names`.

        Raises:
            FrameError: an input is missing, unknown, or of the wrong type, shape or range.
            ProgramUnsupported: the model does something that has no defined result.
        """
        inputs = self._door.check(self._by_position(frame))
        # an engine may give its own state away
        outputs = [np.array(value) for value in self.engine.step(inputs)]
        return dict(zip(self.output_names, outputs, strict=True))

    def run(self, frames: Mapping[str, ArrayLike]) -> dict[str, Array]:
        """Run T frames from where the model stands.

        Args:
            frames: name -> (T, *shape) integers, every input.

        Returns:
            Name -> (T, *shape), in the order of `output_names`.

        Raises:
            FrameError: an input is missing, unknown, or of the wrong type, shape or range, or the
                inputs have different lengths.
            ProgramUnsupported: the model does something that has no defined result.
        """
        inputs = check_frames(self._by_position(frames), self.model.arith.inputs)
        return dict(zip(self.output_names, self.engine.run(inputs), strict=True))

    def watch(self, names: Sequence[str]) -> None:
        """Choose internal tensors to be recorded; see `Engine.watch`."""
        self.engine.watch(names)

    def internals(self) -> dict[str, Array]:
        """Give what was recorded; see `Engine.internals`."""
        return self.engine.internals()

    def _by_position(self, values: Mapping[str, ArrayLike]) -> list[ArrayLike]:
        if len(values) == len(self.input_names):
            try:
                return [values[name] for name in self.input_names]
            except KeyError:
                pass  # said below, with what is missing and what is unknown
        known = ", ".join(map(repr, self.input_names)) or "none"
        unknown = [name for name in values if name not in self.input_names]
        if unknown:
            raise FrameError(f"unknown input {unknown[0]!r}, the model's inputs are {known}")
        missing = [name for name in self.input_names if name not in values]
        if missing:
            raise FrameError(f"input {missing[0]!r} is missing, expected {known}")
        return [values[name] for name in self.input_names]

    def _choose(self, name: str) -> Engine:
        if name != "auto":
            return _load(name)(self.model)
        *faster, last = ENGINES
        for candidate in faster:
            try:
                return _load(candidate)(self.model)
            except ExtraMissing:
                continue  # an option that nobody chose is nothing to remark on
            except ProgramUnsupported as refusal:
                self.notes.append(f"engine {candidate}: {refusal}")
        return _load(last)(self.model)


def _load(name: str) -> Callable[[Model], Engine]:
    if name not in ENGINES:
        raise UsageError(f"no engine {name!r}", hint=f"engines: auto, {', '.join(ENGINES)}")
    module, _, attribute = ENGINES[name].partition(":")
    try:
        return cast("Callable[[Model], Engine]", getattr(import_module(module), attribute))
    except ModuleNotFoundError as missing:
        raise ExtraMissing(
            f"engine {name!r} needs {missing.name}, which is not installed",
            hint="pip install 'hostrt[compiled]', or take another engine",
        ) from missing
