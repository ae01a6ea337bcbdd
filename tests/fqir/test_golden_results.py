"""The interpreter gives the golden models' results bit for bit, and in the same storage types."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.fqir.interpreter import Interpreter
from hostrt.fqir.quantize import run_main
from hostrt.fqir.reference import ReferenceEngine
from tests.fqir.inspected import NAMES, VECTORS, golden, meta_of

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array

FILES = [(name, file) for name in NAMES for file in meta_of(name)["files"]]
WITH_REALS = sorted(path.parent.name for path in VECTORS.glob("*/float_io.npz"))


@cache
def vectors(name: str, kind: str) -> dict[str, Array]:
    """Read the golden "inputs", "outputs" or "float_io"."""
    with np.load(VECTORS / name / f"{kind}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def sides(name: str) -> tuple[list[Array], list[Array]]:
    """Give inputs and outputs in the order of ARITH."""
    meta = meta_of(name)
    inputs, outputs = vectors(name, "inputs"), vectors(name, "outputs")
    return [inputs[i["key"]] for i in meta["inputs"]], [outputs[o["key"]] for o in meta["outputs"]]


@pytest.mark.parametrize(("name", "file"), FILES)
def test_every_frame_gives_the_golden_integers(name: str, file: str) -> None:
    inputs, outputs = sides(name)
    interpreter = Interpreter(golden(name, file))

    for t in range(len(inputs[0])):
        results = interpreter.step([array[t] for array in inputs])
        for result, expected in zip(results, outputs, strict=True):
            assert np.array_equal(result, expected[t]), f"frame {t}"
        if t == 0:
            types = [str(result.dtype) for result in results]
            assert types == [output["runtime_dtype"] for output in meta_of(name)["outputs"]]


@pytest.mark.parametrize(("name", "file"), FILES)
def test_the_whole_sequence_gives_the_golden_integers(name: str, file: str) -> None:
    inputs, outputs = sides(name)
    engine = ReferenceEngine(golden(name, file))

    half = len(inputs[0]) // 2
    first = engine.run([array[:half] for array in inputs])
    second = engine.run([array[half:] for array in inputs])

    for early, late, expected in zip(first, second, outputs, strict=True):
        assert np.array_equal(np.concatenate([early, late]), expected)


@pytest.mark.parametrize("name", ["gru2", "opzoo"])
def test_a_reset_starts_the_sequence_anew(name: str) -> None:
    inputs, outputs = sides(name)
    interpreter = Interpreter(golden(name))
    for t in range(5):
        interpreter.step([array[t] for array in inputs])

    interpreter.reset()

    assert interpreter.frame == 0
    results = interpreter.step([array[0] for array in inputs])
    for result, expected in zip(results, outputs, strict=True):
        assert np.array_equal(result, expected[0])


@pytest.mark.parametrize("name", WITH_REALS)
def test_real_numbers_go_through_the_main_graph(name: str) -> None:
    model, known = golden(name), vectors(name, "float_io")
    x = known["x0"]

    for dequantize, key, kind in ((False, "y_int", np.int32), (True, "y_float", np.float64)):
        if model.init is None:
            frames = [run_main(model, [frame], dequantize=dequantize) for frame in x]
            result = np.stack([frame[0] for frame in frames])
        else:
            (result,) = run_main(model, [x], dequantize=dequantize)
        assert np.array_equal(result, known[key])
        assert result.dtype == known[key].dtype == kind


@pytest.mark.parametrize("name", ["control_flow"])
def test_integers_go_through_the_main_graph_unchanged(name: str) -> None:
    inputs, outputs = sides(name)

    results = run_main(golden(name), inputs)

    for result, expected in zip(results, outputs, strict=True):
        assert np.array_equal(result, expected)


def test_time_is_the_axis_that_the_model_says() -> None:
    inputs, outputs = sides("tdnn_dw")
    model = golden("tdnn_dw")

    (result,) = run_main(model, [inputs[0].T])

    assert model.root.unbind_dim == 1
    assert np.array_equal(result, outputs[0].T)
