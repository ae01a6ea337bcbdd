"""Convolutions of every kind, values without elements, and enormous ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.graph import Model, Tensor
from hostrt.fqir.plan.lower import compile_plan
from hostrt.fqir.plan.numpy_engine import NumpyEngine
from hostrt.fqir.reference import ReferenceEngine
from tests.fqir.models import ADD, Draft, noise


def check(model: Model, frames: int = 5) -> None:
    """Compare frames and a sequence with the reference engine."""
    inputs = [
        noise((frames, *tensor.shape), 16, seed) for seed, tensor in enumerate(model.arith.inputs)
    ]
    engine, reference = NumpyEngine(model), ReferenceEngine(model)
    for t in range(frames):
        given = [array[t] for array in inputs]
        for found, wanted in zip(engine.step(given), reference.step(given), strict=True):
            assert np.array_equal(found, wanted)
    engine.reset()
    reference.reset()
    for found, wanted in zip(engine.run(inputs), reference.run(inputs), strict=True):
        assert np.array_equal(found, wanted)


GEOMETRY = {
    "kernel_size_t": 2,
    "kernel_size_band": 3,
    "d_band_in": 2,
    "n_band_in": 5,
    "dilation_t": 1,
    "dilation_band": 1,
    "stride_band": 1,
    "padding_band": 0,
    "groups": 1,
    "shamt_bwred": -6,
    "shamt_bias": 2,
    "bw": 16,
}


def convolved(
    weight_bits: int = 8,
    bias: str = "vector",
    weight: str = "parameter",
    kinds: tuple[str, str] = ("i4", "i4"),
    **changes: Any,
) -> Model:
    """Give a convolution over two frames and several bands."""
    geometry = GEOMETRY | changes
    d_in, bands = geometry["d_band_in"], geometry["n_band_in"]
    depthwise = geometry["groups"] > 1
    d_out = d_in if depthwise else 3
    rng = np.random.default_rng(len(changes))
    draft = Draft()
    x = draft.input("x", bands * d_in)
    shape = (d_out, 1 if depthwise else d_in, 3, 2)
    high = 1 << (weight_bits - 1)
    w = draft.parameter("w", rng.integers(-high, high, shape), kinds[0])
    if weight == "state":
        held = draft.state("held", *shape, value=3)
        draft.assign(held, w)
        w = held
    given = {"input": x, "weight": w}
    rows = (geometry["kernel_size_t"] - 1) * geometry["dilation_t"]
    if rows:
        given["buffer"] = draft.state("buffer", rows * bands * d_in)
    content = rng.integers(-(1 << 20), 1 << 20, d_out)
    if bias == "vector":
        given["bias"] = draft.parameter("b", content, kinds[1])
    elif bias == "number":
        given["bias"] = draft.parameter("b", int(content[0]), kinds[1])
    elif bias == "input":
        given["bias"] = draft.input("b", d_out)
    out = Tensor("out", "int16", (1,), 0)
    draft.node("temporal_conv2d", given, [out], **geometry)
    return draft.model(out, *[tensor for name, tensor in given.items() if name == "buffer"])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"padding_band": 2},
        {"stride_band": 2, "dilation_band": 2},
        {"dilation_t": 3, "stride_band": 3, "padding_band": 1},
        {"kernel_size_t": 1},
        {"groups": 2},
        {"groups": 2, "padding_band": 2, "stride_band": 2, "dilation_t": 2},
        {"bias": "none"},
        {"bias": "number"},
        {"bias": "input", "padding_band": 1},
        {"weight": "state"},
        {"weight": "state", "groups": 2, "padding_band": 1},
        {"weight": "state", "bias": "none", "padding_band": 1},
        {"weight_bits": 24, "shamt_bwred": -16},
        {"weight_bits": 24, "bias": "none"},
        {"weight_bits": 24, "groups": 2, "shamt_bwred": 3},
        {"weight_bits": 31, "kinds": ("i8", "i8"), "shamt_bwred": -30},
        {"shamt_bwred": 12, "bias": "none"},
        {"shamt_bwred": 12, "kernel_size_t": 1},
    ],
    ids=str,
)
def test_convolutions_give_what_the_reference_engine_gives(changes: dict[str, Any]) -> None:
    check(convolved(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"d_band_in": 4},
        {"groups": 3},
        {"kernel_size_t": 3},
        {"dilation_t": 2, "kernel_size_t": 1, "kernel_size_band": 4},
    ],
    ids=str,
)
def test_convolutions_whose_sizes_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    model = convolved()
    model.arith.nodes[-1].constants.update(changes)

    with pytest.raises(ProgramUnsupported, match="cannot be planned"):
        compile_plan(model)


def test_values_without_elements_go_through() -> None:
    draft = Draft()
    x, past = draft.input("x", 2), draft.state("past", 0)
    parts = [Tensor(name, "int16", (1,), 0) for name in "abc"]
    draft.node("chunk", {"x": x}, parts, chunks=3, dim=0)
    empty = draft.add("vvadd", "empty", parts[2], past, **ADD)
    draft.assign(past, empty)
    joined = Tensor("joined", "int16", (2,), 0)
    draft.node("cat", {"x0": empty, "x1": parts[0], "x2": parts[1]}, [joined], dim=0)
    total = Tensor("total", "int16", (), 0)
    draft.node("sum", {"x": empty}, [total], dim=0, keepdim=False, shamt_bwred=0, bw=16)

    check(draft.model(joined, empty, total))


def test_a_matrix_product_over_nothing_is_zero() -> None:
    draft = Draft()
    x = draft.input("x", 0)
    y = draft.add("matmul", "y", x, draft.parameter("w", np.zeros((0, 3))), **MATMUL)

    check(draft.model(y))


MATMUL = {"shamt_bwred": 0, "bw_out": 16}


@pytest.mark.parametrize("shape", [(1 << 14, 1 << 14), (-1,), (1 << 62,)])
def test_enormous_and_impossible_values_are_refused(shape: tuple[int, ...]) -> None:
    draft = Draft()
    x = draft.input("x", 1)
    zeros = Tensor("zeros", "int16", (1,), 0)
    draft.node("constant", {}, [zeros], shape=(1 << 14, 1), value=0)
    if shape == (1 << 14, 1 << 14):
        row = Tensor("row", "int16", (1,), 0)
        draft.node("constant", {}, [row], shape=(1, 1 << 14), value=0)
        left = draft.add("vvadd", "left", zeros, x, **ADD)
        y = draft.add("vvadd", "y", left, draft.add("vvadd", "right", row, x, **ADD), **ADD)
    else:
        y = Tensor("y", "int16", (1,), 0)
        draft.node("zeros", {}, [y], shape=shape)

    with pytest.raises(ProgramUnsupported, match="cannot be planned"):
        compile_plan(draft.model(y))
