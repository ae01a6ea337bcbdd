"""Random graphs over all operators: the numpy engine against the reference engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import HostrtError, ProgramUnsupported
from hostrt.fqir.graph import Model
from hostrt.fqir.plan import frame_products, numpy_engine, tabulate
from hostrt.fqir.plan.numpy_engine import NumpyEngine
from hostrt.fqir.reference import ReferenceEngine
from hostrt.fqir.watching import tensor_names
from tests.fqir.models import require_order
from tests.peer.fqir_cases import DRAWS, mixture, single

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.fqir.graph import Array
    from tests.peer.fqir_sketch import Case

SEEDS = st.integers(0, 10**6)


@pytest.fixture(
    scope="module", params=["as it is", "as for long sequences of large models"], autouse=True
)
def worth(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run everything as it is, and again with all that long sequences are worth."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "as it is":
            patch.setattr(numpy_engine, "_EFFORTS", (1,))
            patch.setattr(numpy_engine, "_CHUNK_FRAMES", (2, 2))
            patch.setattr(tabulate, "_PER_FRAME", 10**6)
            patch.setattr(tabulate, "_WORTH", -9)
            patch.setattr(frame_products, "_FEW_PRODUCTS", 0)
            patch.setattr(frame_products, "_MANY_PRODUCTS", 8)
            patch.setattr(frame_products, "_BLOCK", 12)
        yield


def expected(case: Case, names: list[str]) -> tuple[list[list[Array]], list[dict[str, Array]]]:
    """Give what the reference engine makes of a case, up to the frame that it refuses."""
    engine = ReferenceEngine(Model(case.root))
    engine.watch(names)
    frames, seen = [], []
    for t in range(len(case.inputs[0])):
        try:
            frames.append(engine.step([array[t] for array in case.inputs]))
        except HostrtError:
            break
        seen.append(engine.internals())
    return frames, seen


def check(case: Case) -> None:
    model = Model(case.root)
    try:
        engine = NumpyEngine(model)
    except ProgramUnsupported:
        return  # said so: the reference engine does it
    require_order(engine.plan)
    names = list(tensor_names(model))
    wanted, seen = expected(case, names)
    inputs = [array[: len(wanted)] for array in case.inputs]

    check_outputs(engine, inputs, wanted)
    engine.watch(names)
    engine.reset()
    for t, frame in enumerate(seen):
        engine.step([array[t] for array in inputs])
        found = engine.internals()
        assert list(found) == names
        for name, value in frame.items():
            assert alike(found[name], value), f"{name} in frame {t}"
    engine.reset()
    engine.run(inputs)
    for name, values in engine.internals().items():
        for t, frame in enumerate(seen):
            assert alike(values[t], frame[name]), f"{name} in frame {t}"


def alike(found: Array, value: Array) -> bool:
    """Compare; what has no value yet is zeros, in the reference engine of the declared shape."""
    none_yet = found.shape != value.shape and not found.any() and not value.any()
    return none_yet or np.array_equal(found, value)


def check_outputs(engine: NumpyEngine, inputs: list[Array], wanted: list[list[Array]]) -> None:
    """Check frames, the sequence, and a sequence in pieces."""
    count, half = len(wanted), len(wanted) // 2
    stepped = [engine.step([array[t] for array in inputs]) for t in range(count)]
    engine.reset()
    whole = engine.run(inputs)
    engine.reset()
    early = engine.run([array[:half] for array in inputs])
    middle = [engine.step([array[t] for array in inputs]) for t in range(half, count)[:1]]
    late = engine.run([array[half + 1 :] for array in inputs])
    for t, frame in enumerate(wanted):
        for k, value in enumerate(frame):
            assert np.array_equal(stepped[t][k], value), f"output {k} in frame {t}"
            assert np.array_equal(whole[k][t], value), f"output {k} in frame {t} of the sequence"
    for k in range(len(whole) if count else 0):
        pieces = np.concatenate([early[k], *(step[k][None] for step in middle), late[k]])
        assert np.array_equal(pieces, whole[k])


@given(st.sampled_from(sorted(DRAWS)), SEEDS)
@settings(max_examples=150, deadline=None)
def test_nodes_of_every_operator_give_what_the_reference_engine_gives(
    opname: str, seed: int
) -> None:
    check(single(opname, seed))


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_models_of_several_nodes_give_what_the_reference_engine_gives(seed: int) -> None:
    check(mixture(seed))


@pytest.mark.parametrize("opname", sorted(DRAWS))
def test_every_operator_is_planned_for_most_of_its_random_nodes(opname: str) -> None:
    refused = 0
    for seed in range(20):
        try:
            NumpyEngine(Model(single(opname, seed).root))
        except ProgramUnsupported:
            refused += 1

    assert refused <= 10
