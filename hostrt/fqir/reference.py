"""The interpreter as an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.interpreter import Interpreter
from hostrt.fqir.watching import require_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.graph import Array, Model, Tensor


class ReferenceEngine:
    """Runs a model node by node: exact for every model, and the slowest."""

    name = "reference"

    def __init__(self, model: Model) -> None:
        """Prepare a model; see `Interpreter`."""
        self._model = model
        self._interpreter = Interpreter(model)
        self._watched: dict[str, Tensor] = {}
        self._internals: dict[str, Array] = {}

    def reset(self) -> None:
        """Bring the state to its initial values."""
        self._interpreter.reset()
        self._internals = {}

    def watch(self, names: Sequence[str]) -> None:
        """Choose the tensors to be recorded; see `Engine.watch`."""
        self._watched = require_known(self._model, names)
        self._internals = {}

    def internals(self) -> dict[str, Array]:
        """Give what was recorded; see `Engine.internals`."""
        return dict(self._internals)

    def step(self, inputs: Sequence[Array]) -> list[Array]:
        """Run one frame; see `Engine.step`."""
        outputs = self._interpreter.run_frame(inputs)
        self._internals = {
            name: np.zeros(tensor.shape, np.int64) if value is None else value
            for (name, tensor), value in zip(self._watched.items(), self._look(), strict=True)
        }
        return outputs

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run T frames; see `Engine.run`."""
        outputs: list[list[Array | None]] = []
        seen: list[list[Array | None]] = []
        for frame in zip(*inputs, strict=True):
            outputs.append(list(self._interpreter.run_frame(frame)))
            seen.append(self._look())
        self._internals = {
            tensor.name: _stacked([row[i] for row in seen], tensor)
            for i, tensor in enumerate(self._watched.values())
        }
        return [
            _stacked([row[i] for row in outputs], tensor)
            for i, tensor in enumerate(self._model.arith.outputs)
        ]

    def _look(self) -> list[Array | None]:
        return [self._interpreter.values.get(name) for name in self._watched]


def _stacked(values: list[Array | None], tensor: Tensor) -> Array:
    """Give (T, *shape); None stands for zeros."""
    known = [value for value in values if value is not None]
    empty = np.zeros_like(known[0]) if known else np.zeros(tensor.shape, np.int64)
    if any(value.shape != empty.shape for value in known):
        shapes = sorted({value.shape for value in known})
        raise ProgramUnsupported(
            f"tensor {tensor.name!r} changes its shape between frames: {shapes}",
            hint="run the model frame by frame",
        )
    if not values:
        return np.zeros((0, *empty.shape), empty.dtype)
    return np.stack([empty if value is None else value for value in values])
