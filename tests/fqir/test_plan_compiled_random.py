"""Random graphs over all operators: the compiled engine against the reference engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import HostrtError, ProgramUnsupported
from hostrt.fqir.graph import Model
from hostrt.fqir.reference import ReferenceEngine
from hostrt.fqir.watching import tensor_names
from tests.peer.fqir_cases import DRAWS, mixture, single

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array
    from tests.peer.fqir_sketch import Case

compiled_engine = pytest.importorskip(
    "hostrt.fqir.plan.compiled_engine", reason="the extra `compiled` is not installed"
)

SEEDS = st.integers(0, 10**6)


def alike(found: Array, value: Array) -> bool:
    """Compare; what has no value yet is zeros, in the reference engine of the declared shape."""
    none_yet = found.shape != value.shape and not found.any() and not value.any()
    return none_yet or np.array_equal(found, value)


def check(case: Case) -> None:
    """Compare frames, the sequence, a sequence in two pieces, and every tensor."""
    model = Model(case.root)
    try:
        running = compiled_engine.CompiledEngine(model)
    except ProgramUnsupported:
        return  # said so: the reference engine does it
    names = list(tensor_names(model))
    reference = ReferenceEngine(model)
    reference.watch(names)
    running.watch(names)
    wanted = []
    for t in range(len(case.inputs[0])):
        frame = [array[t] for array in case.inputs]
        try:
            wanted.append(reference.step(frame))
        except HostrtError:
            break
        for found, value in zip(running.step(frame), wanted[-1], strict=True):
            assert np.array_equal(found, value)
        for name, value in reference.internals().items():
            assert alike(running.internals()[name], value), f"{name} in frame {t}"

    running.watch([])
    running.reset()
    count, half = len(wanted), len(wanted) // 2
    pieces = [
        running.run([array[first:stop] for array in case.inputs])
        for first, stop in ((0, half), (half, count))
    ]
    for t, frame in enumerate(wanted):
        for k, value in enumerate(frame):
            found = pieces[0][k][t] if t < half else pieces[1][k][t - half]
            assert np.array_equal(found, value), f"output {k} in frame {t}"


@given(st.sampled_from(sorted(DRAWS)), SEEDS)
@settings(max_examples=150, deadline=None)
def test_nodes_of_every_operator_give_what_the_reference_engine_gives(
    opname: str, seed: int
) -> None:
    check(single(opname, seed))


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_models_of_several_nodes_give_what_the_reference_engine_gives(seed: int) -> None:
    check(mixture(seed))
