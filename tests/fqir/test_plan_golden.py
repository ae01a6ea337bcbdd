"""The numpy engine gives the golden models' results bit for bit, in the same storage types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.fqir.plan import numpy_engine, tabulate
from hostrt.fqir.plan.numpy_engine import NumpyEngine
from tests.fqir.inspected import NAMES, golden, meta_of
from tests.fqir.models import sides

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array


@pytest.fixture(params=["as it is", "tables at once, small chunks"])
def engine_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test as it is, and again with everything done that long sequences are worth."""
    if request.param != "as it is":
        monkeypatch.setattr(numpy_engine, "_EFFORTS", (1,))
        monkeypatch.setattr(numpy_engine, "_CHUNK_FRAMES", (7, 7))
        monkeypatch.setattr(tabulate, "_PER_FRAME", 10**6)


def types(outputs: list[Array]) -> list[str]:
    return [str(array.dtype) for array in outputs]


def stepped(engine: NumpyEngine, inputs: list[Array]) -> list[list[Array]]:
    return [engine.step([array[t] for array in inputs]) for t in range(len(inputs[0]))]


@pytest.mark.usefixtures("engine_of")
@pytest.mark.parametrize("name", NAMES)
def test_every_frame_gives_the_golden_integers(name: str) -> None:
    inputs, expected = sides(name)
    engine = NumpyEngine(golden(name))

    results = stepped(engine, inputs)

    for k, wanted in enumerate(expected):
        assert np.array_equal(np.stack([result[k] for result in results]), wanted)
    declared = [output["runtime_dtype"] for output in meta_of(name)["outputs"]]
    assert types(results[0]) == types(results[-1]) == declared


@pytest.mark.usefixtures("engine_of")
@pytest.mark.parametrize("name", NAMES)
def test_a_sequence_gives_the_golden_integers_again_after_a_reset(name: str) -> None:
    inputs, expected = sides(name)
    engine = NumpyEngine(golden(name))

    declared = [output["runtime_dtype"] for output in meta_of(name)["outputs"]]

    for _ in range(2):
        results = engine.run(inputs)
        for result, wanted in zip(results, expected, strict=True):
            assert np.array_equal(result, wanted)
        assert types(results) == declared
        engine.reset()


@pytest.mark.usefixtures("engine_of")
@pytest.mark.parametrize("name", NAMES)
def test_pieces_and_steps_in_any_order_are_one_sequence(name: str) -> None:
    inputs, expected = sides(name)
    engine = NumpyEngine(golden(name))

    pieces = [engine.run([array[a:b] for array in inputs]) for a, b in ((0, 1), (1, 1), (1, 30))]
    steps = stepped(engine, [array[30:41] for array in inputs])
    pieces += [[np.stack(one) for one in zip(*steps, strict=True)]]
    pieces += [engine.run([array[41:] for array in inputs])]

    for whole, wanted in zip(zip(*pieces, strict=True), expected, strict=True):
        assert np.array_equal(np.concatenate(whole), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_results_stay_as_they_are_when_the_engine_goes_on(name: str) -> None:
    inputs, expected = sides(name)
    engine = NumpyEngine(golden(name))

    first = engine.step([array[0] for array in inputs])
    sequence = engine.run([array[1:9] for array in inputs])
    engine.step([array[9] for array in inputs])
    engine.run([array[10:20] for array in inputs])

    for one, many, wanted in zip(first, sequence, expected, strict=True):
        assert np.array_equal(one, wanted[0])
        assert np.array_equal(many, wanted[1:9])
