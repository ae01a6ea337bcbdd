"""Convolutions, windows and products in the forms that random models rarely have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from firmware_protocol.open_isa_ops import Op
from hostrt.fasmir.lower_shares import Shares
from hostrt.fqir.graph import Tensor
from tests.fasmir.agreement import require_agreement
from tests.fqir.models import ADD, Draft, noise

if TYPE_CHECKING:
    from hostrt.fasmir.compile import Compiled
    from hostrt.fqir.graph import Model

CONV: dict[str, Any] = {
    "kernel_size_t": 2,
    "kernel_size_band": 3,
    "d_band_in": 3,
    "n_band_in": 9,
    "dilation_t": 1,
    "dilation_band": 1,
    "stride_band": 1,
    "padding_band": 0,
    "groups": 1,
    "shamt_bwred": -9,
    "shamt_bias": 4,
    "bw": 16,
}


def convolution(
    *, d_out: int = 5, bias: str = "vector", weight: str = "parameter", **changes: Any
) -> Model:
    """Give a convolution over frames and bands; weight and bias can be inputs."""
    constants = CONV | changes
    d_in, bands = constants["d_band_in"], constants["n_band_in"]
    depthwise = constants["groups"] > 1
    d_out = d_in if depthwise else d_out
    kernel = constants["kernel_size_band"], constants["kernel_size_t"]
    draft, rng = Draft(), np.random.default_rng(d_out)
    given = {"input": draft.input("x", bands * d_in)}
    shape = (d_out, 1 if depthwise else d_in, *kernel)
    if weight == "input":
        given["weight"] = draft.input("w", *shape, dtype="int8")
    else:
        given["weight"] = draft.parameter("w", rng.integers(-128, 128, shape))
    rows = (kernel[1] - 1) * constants["dilation_t"]
    if rows:
        given["buffer"] = draft.state("buffer", rows * bands * d_in, value=7)
    if bias == "vector":
        given["bias"] = draft.parameter("b", rng.integers(-(1 << 15), 1 << 15, d_out))
    elif bias == "input":
        given["bias"] = draft.input("b", d_out)
    reach = constants["dilation_band"] * (kernel[0] - 1)
    room = bands + 2 * constants["padding_band"] - reach - 1
    out = Tensor("out", "int16", ((room // constants["stride_band"] + 1) * d_out,), 0)
    draft.node("temporal_conv2d", given, [out], **constants)
    return draft.model(out)


def run(model: Model, frames: int = 5, **options: Any) -> Compiled:
    """Compare a model on noise."""
    inputs = [
        noise((frames, *tensor.shape), int(tensor.dtype.removeprefix("int")), seed)
        for seed, tensor in enumerate(model.arith.inputs)
    ]
    return require_agreement(model, inputs, **options)


def ops(compiled: Compiled, core: int = 0) -> list[Op]:
    """Give the operations of a core, in order."""
    return [line.instruction.op for line in compiled.assembly.core(core).lines]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"d_out": 8},
        {"d_out": 1, "kernel_size_t": 1},
        {"padding_band": 2, "bias": "none"},
        {"dilation_band": 3, "dilation_t": 2},
        {"stride_band": 2, "padding_band": 1, "d_out": 4},
        {"weight": "input"},
        {"weight": "input", "bias": "input", "padding_band": 1, "kernel_size_t": 1},
        {"groups": 3},
        {"groups": 3, "padding_band": 1, "stride_band": 2, "dilation_t": 3},
        {"groups": 3, "bias": "input", "dilation_band": 2},
        {"groups": 3, "weight": "input", "stride_band": 3, "bias": "none"},
        {"groups": 8, "d_band_in": 8, "n_band_in": 1, "kernel_size_band": 1, "dilation_t": 4},
        {"groups": 4, "d_band_in": 4, "kernel_size_band": 1, "kernel_size_t": 1, "bias": "none"},
        {"d_band_in": 8, "n_band_in": 1, "kernel_size_band": 1, "dilation_t": 4},
        {"d_band_in": 64, "n_band_in": 1, "kernel_size_band": 1, "dilation_t": 3, "d_out": 3},
    ],
)
def test_convolutions(changes: dict[str, Any]) -> None:
    run(convolution(**changes))


@pytest.mark.parametrize("padding", [0, 1])
def test_a_convolution_with_many_bands_is_a_loop(padding: int) -> None:
    compiled = run(convolution(n_band_in=120, d_band_in=2, padding_band=padding))

    assert ops(compiled).count(Op.MATVEC) == 1
    assert compiled.needs[0].instructions < 60


def test_a_window_of_whole_words_costs_a_copy_per_frame() -> None:
    draft = Draft()
    x, buffer = draft.input("x", 8), draft.state("buffer", 32)
    y = Tensor("y", "int16", (40,), 0)
    constants = {"kernel_size": 5, "dilation": 1, "buffer_length": 4}
    draft.node("temporal_unfold", {"x": x, "buffer": buffer}, [y], **constants)

    compiled = run(draft.model(y), frames=9)

    assert ops(compiled) == [Op.RECV, Op.SEND, Op.COPY, Op.HALT]


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_windows_whose_rows_begin_inside_words(dilation: int) -> None:
    draft = Draft()
    x, buffer = draft.input("x", 5), draft.state("buffer", 5 * 6, value=-3)
    y = Tensor("y", "int16", (5 * (6 // dilation + 1),), 0)
    constants = {"kernel_size": 6 // dilation + 1, "dilation": dilation, "buffer_length": 6}
    draft.node("temporal_unfold", {"x": x, "buffer": buffer}, [y], **constants)

    run(draft.model(y), frames=9)


def test_two_windows_of_one_buffer_do_not_disturb_each_other() -> None:
    draft = Draft()
    x, z, buffer = draft.input("x", 4), draft.input("z", 4), draft.state("buffer", 8)
    first, second = Tensor("first", "int16", (12,), 0), Tensor("second", "int16", (12,), 0)
    constants = {"kernel_size": 3, "dilation": 1, "buffer_length": 2}
    held = Tensor("held", "int16", (8,), 0)
    draft.node("copy", {"x": buffer}, [held])
    draft.node("temporal_unfold", {"x": x, "buffer": held}, [first], **constants)
    draft.node("temporal_unfold", {"x": z, "buffer": buffer}, [second], **constants)

    run(draft.model(first, second), frames=6)


@pytest.mark.parametrize(
    ("left", "right", "bias"),
    [
        ((5,), (5, 7), (7,)),
        ((7, 5), (5,), (7,)),
        ((6, 5), (5, 7), (7,)),
        ((6, 5), (5, 7), (6, 1)),
        ((6, 5), (5, 7), (6, 7)),
        ((9, 8), (8, 3), ()),
        ((1, 5), (5, 4), (4,)),
        ((5,), (5,), ()),
        ((5,), (5, 3), (2, 1, 3)),
        ((3, 1), (1, 9), (9,)),
    ],
)
@pytest.mark.parametrize("kinds", ["pi", "ip", "ii"])
def test_products_of_vectors_and_matrices(
    left: tuple[int, ...], right: tuple[int, ...], bias: tuple[int, ...], kinds: str
) -> None:
    draft, rng = Draft(), np.random.default_rng(1)

    def factor(name: str, shape: tuple[int, ...], kind: str) -> Tensor:
        if kind == "i":
            return draft.input(name, *shape, dtype="int8")
        return draft.parameter(name, rng.integers(-2000, 2000, shape))

    x, y = factor("x", left, kinds[0]), factor("y", right, kinds[1])
    b = draft.input("b", *(bias or (1,)))
    if not bias:
        b = draft.add("reshape", "flat", b, shape=())
    product = (*left[:-1], *right[1:])
    shape = product
    if len(bias) != 1 or len(product) == 1:
        shape = np.broadcast_shapes(product, bias)
    elif len(product) == 2:
        # a vector as bias runs along the first axis
        b = draft.add("reshape", "row", b, shape=(1, *bias))
        shape = np.broadcast_shapes(product, (1, *bias))
    out = Tensor("out", "int16", shape, 0)
    constants = {"shamt_bias": 2, "shamt_bwred": -3, "bw_out": 16, "rounded": True}
    draft.node("addmm", {"bias": b, "x": x, "y": y}, [out], **constants)
    plain = Tensor("plain", "int16", product, 0)
    constants = {"shamt_bwred": -4, "bw_out": 16, "rounded": False}
    draft.node("matmul", {"x": x, "y": y}, [plain], **constants)

    run(draft.model(out, plain), frames=3)


def test_a_sum_by_a_column_of_ones_needs_no_weights() -> None:
    draft = Draft()
    x, ones = draft.input("x", 20), draft.parameter("ones", np.ones((20, 1)))
    y = draft.add("matmul", "y", x, ones, shamt_bwred=-3, bw_out=16, rounded=True)
    y.shape = (1,)

    compiled = run(draft.model(y))

    assert Op.SUM in ops(compiled)
    assert compiled.needs[0].constants == 0


def test_equal_matrices_are_in_memory_once() -> None:
    draft = Draft()
    x, w = draft.input("x", 8), draft.parameter("w", np.arange(64).reshape(8, 8) - 30)
    end = {"shamt_bwred": -5, "bw_out": 16, "rounded": False}
    y = draft.add("matmul", "y", draft.add("matmul", "z", x, w, **end), w, **end)
    y.shape = (8,)

    assert run(draft.model(y)).needs[0].constants == 8


def test_independent_products_wait_for_the_other_core_once() -> None:
    draft, rng = Draft(), np.random.default_rng(0)
    x, h = draft.input("x", 40), draft.state("h", 40)
    end = {"shamt_bwred": -11, "bw_out": 16, "rounded": True}
    parts = []
    for name, vector in (("wx", x), ("uh", h)):
        matrix = draft.parameter(f"m{name}", rng.integers(-128, 128, (40, 40)))
        parts.append(draft.add("matmul", name, vector, matrix, **end))
    y = draft.add("vvadd", "y", *parts, **ADD)
    draft.assign(h, y)

    compiled = run(draft.model(y), shares=Shares((0.5, 0.5)))

    # x; then both answers, and what goes on after them
    assert ops(compiled).count(Op.POST) == 2
    assert ops(compiled).count(Op.HALT) == 4
    assert [thread.needs for thread in compiled.assembly.core(0).threads] == [2]
