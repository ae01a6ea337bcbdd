"""Plans on the compiled engine, beside others; whoever imports this is skipped without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array, Model
    from hostrt.fqir.plan.compiled_engine import CompiledEngine
    from hostrt.fqir.reference import ReferenceEngine

compiled_engine = pytest.importorskip(
    "hostrt.fqir.plan.compiled_engine", reason="the extra `compiled` is not installed"
)


def engine(model: Model) -> CompiledEngine:
    """Plan and compile a model."""
    made: CompiledEngine = compiled_engine.CompiledEngine(model)
    return made


def stepped(running: CompiledEngine | ReferenceEngine, inputs: list[Array]) -> list[Array]:
    """Give each output of all frames, run one by one."""
    frames = [running.step([array[t] for array in inputs]) for t in range(len(inputs[0]))]
    return [np.stack(output) for output in zip(*frames, strict=True)]


def same(found: list[Array], wanted: list[Array]) -> bool:
    """Tell whether all outputs are equal."""
    return all(np.array_equal(x, y) for x, y in zip(found, wanted, strict=True))
