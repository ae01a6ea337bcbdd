"""Where 32 bits are not enough, and only there, a model is said to be at risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.graph import Model, Table
from hostrt.fqir.interpreter import Interpreter
from hostrt.fqir.intervals import analyze
from hostrt.fqir.overflow import overflow_risks
from hostrt.fqir.semantics.binding import bind
from tests.fqir.inspected import NAMES, golden, graph, model, node, tensor
from tests.fqir.test_golden_results import sides

if TYPE_CHECKING:
    from hostrt.fqir.graph import Node

ORDINARY = sorted(set(NAMES) - {"int32_edges"})
ADD: dict[str, Any] = {"shamt_x": 0, "shamt_y": 0, "shamt_bwred": 0, "bw": 16}


def risks(made: Model) -> dict[str, str]:
    return {risk.node: risk.why for risk in overflow_risks(made)}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_models_need_no_more_than_32_bits(name: str) -> None:
    assert risks(golden(name)) == {}


def widened(one: Node) -> Node:
    """Give a node whose constant has 64 bits."""
    y = one.constants.get("y")
    if not isinstance(y, np.integer):
        return one
    constants = {**one.constants, "y": np.int64(y)}
    return node("viadd", one.outputs, constants=constants, **one.inputs)


def test_every_node_that_computes_otherwise_in_64_bits_is_named() -> None:
    made = golden("int32_edges")
    inputs, _ = sides("int32_edges")
    interpreter, found = Interpreter(made), set()
    for t in range(len(inputs[0])):
        interpreter.step([array[t] for array in inputs])
        env = interpreter.values
        for one in made.arith.nodes:
            wide = {key: env[given.name].astype(np.int64) for key, given in one.inputs.items()}
            result = bind(widened(one)).kernel(wide)[0]
            if not np.array_equal(result, env[one.outputs[0].name]):
                found.add(one.outputs[0].name)

    named = risks(made)

    assert len(found) >= 7
    assert found <= {out.name for one in made.arith.nodes for out in one.outputs
                     if (one.name or out.name) in named}  # fmt: skip


def one_node(opname: str, bits: int = 16, constants: Any = (), **inputs: Any) -> Model:
    """Make a model of one node behind a sum, so that its arguments are stored in 32 bits."""
    x, stored, out = tensor("x", 2, dtype=f"int{bits}"), tensor("stored", 2), tensor("out", 2)
    zero = tensor("zero", 1, value=[0])
    arguments = {key: stored if given == "x" else given for key, given in inputs.items()}
    parameters = [given for given in inputs.values() if given != "x"]
    return model(
        node("vvadd", [stored], x=x, y=zero, constants={**ADD, "bw": 32}),
        node(opname, [out], constants=constants, **arguments),
        inputs=[x],
        outputs=[out],
        parameters=[zero, *parameters],
    )


@pytest.mark.parametrize(
    ("opname", "safe", "risky", "inputs"),
    [
        ("shift", {"shamt": 15, "bw": 16}, {"shamt": 17, "bw": 16}, {"x": "x"}),
        ("viadd", {**ADD, "y": np.int32(2**20), "shamt_y": 10},
         {**ADD, "y": np.int32(2**20), "shamt_y": 11}, {"x": "x"}),
        ("viadd", {**ADD, "y": 2**20, "shamt_y": 11}, {**ADD, "y": 1, "shamt_y": 63}, {"x": "x"}),
        ("temp_i24_bool_mul", {"shamt": 15, "rounded": False}, {"shamt": 17, "rounded": False},
         {"x": "x", "y_bool": tensor("one", 1, value=[1])}),
        ("vvadd", {**ADD, "bw": 32}, {**ADD, "bw": 33, "shamt_x": 17}, {"x": "x", "y": "x"}),
    ],
)  # fmt: skip
def test_nodes_are_named_only_when_their_numbers_do_not_fit(
    opname: str, safe: Any, risky: Any, inputs: Any
) -> None:
    assert risks(one_node(opname, constants=safe, **inputs)) == {}

    (risk,) = overflow_risks(one_node(opname, constants=risky, **inputs))

    assert (risk.node, risk.operator) == ("out", opname)
    assert "does not fit" in risk.why
    assert str(risk) == f"node 'out' ({opname}): {risk.why}"


def test_the_address_of_a_table_can_wrap() -> None:
    table = Table("t", np.arange(-8, 8), np.arange(16))
    constants: dict[str, Any] = {"bw_address": 4, "table": table}

    assert risks(one_node("lut", constants={**constants, "shamt_address": -12}, x="x")) == {}
    assert "out" in risks(one_node("lut", constants={**constants, "shamt_address": 17}, x="x"))


def test_a_negated_number_fits_unless_it_may_be_the_smallest() -> None:
    assert risks(one_node("vneg", constants={"bw": 16}, x="x")) == {}
    assert "out" in risks(one_node("vneg", 32, constants={"bw": 24}, x="x"))


def test_vimul_may_cut_its_argument() -> None:
    x, y = tensor("x", 1, dtype="int40"), tensor("y", 1)
    made = model(node("vimul", [y], x=x, constants={"y": 1, "shamt_bwred": 0, "bw": 16}),
                 inputs=[x], outputs=[y])  # fmt: skip

    assert "reduced to 32 bits" in risks(made)["y"]


CONV: dict[str, Any] = {
    "kernel_size_t": 1, "kernel_size_band": 1, "d_band_in": 1, "n_band_in": 1,
    "dilation_t": 1, "dilation_band": 1, "stride_band": 1, "padding_band": 0, "groups": 1,
    "shamt_bwred": -10, "shamt_bias": 0, "bw": 16,
}  # fmt: skip


def conv(n_channels: int, bias: Any) -> Model:
    x, y = tensor("x", n_channels), tensor("y", 1)
    weight = tensor("w", 1, n_channels, 1, 1, value=[127] * n_channels)
    constants = {**CONV, "d_band_in": n_channels}
    inputs = {"input": x, "weight": weight, **({} if bias is None else {"bias": bias})}
    return model(node("temporal_conv2d", [y], constants=constants, **inputs),
                 inputs=[x], outputs=[y],
                 parameters=[one for one in (weight, bias) if one is not None])  # fmt: skip


def test_a_wide_convolution_with_a_bias_is_named() -> None:
    bias = tensor("b", 1, value=[0])

    assert risks(conv(512, bias)) == {}
    assert "y" in risks(conv(517, bias))
    assert risks(conv(517, None)) == {}  # inputs have 64 bits


def test_the_bias_counts() -> None:
    bias = tensor("b", 1, value=[2**31 - 1])

    assert "y" in risks(conv(1, bias))


@pytest.mark.parametrize("groups", [1, 2])
def test_weights_that_are_not_known_can_be_anything_of_their_type(groups: int) -> None:
    x, y = tensor("x", 2, dtype="int8"), tensor("y", 2)
    weight = tensor("w", 2, 2 // groups, 1, 1, dtype="int4")
    bias = tensor("b", 2, dtype="int8")
    tensors = {"input": x, "weight": weight, "bias": bias}
    constants = {**CONV, "d_band_in": 2, "groups": groups, "shamt_bias": 1, "shamt_bwred": 0,
                 "bw": 24}  # fmt: skip
    made = model(node("temporal_conv2d", [y], constants=constants, **tensors),
                 inputs=tensors.values(), outputs=[y])  # fmt: skip

    found = analyze(made).tensors["y"]

    n_channels = 2 // groups
    assert (found.lo, found.hi) == (-127 * 8 * n_channels - 256,
                                    128 * 8 * n_channels + 254)  # fmt: skip


def counting(bw: int, shamt: int) -> Model:
    """Make a model that counts up to what `bw` bits hold and shifts the count."""
    x, held, more, out = (tensor(name, 1) for name in ("x", "held", "more", "out"))
    return model(
        node("vvadd", [more], x=held, y=x, constants={**ADD, "bw": bw}),
        node("assign", y=held, x=more),
        node("shift", [out], x=more, constants={"shamt": shamt, "bw": 24}),
        init=graph(node("zeros", [held], constants={"shape": (1,)}), name="INIT"),
        inputs=[x],
        outputs=[out],
    )


def test_state_grows_to_what_it_is_saturated_to() -> None:
    intervals = analyze(counting(20, 11))
    held = intervals.tensors["held"]

    assert (held.lo, held.hi) == (-(2**19), 2**19 - 1)
    assert intervals.notes == ()
    assert list(risks(counting(20, 13))) == ["out"]


def test_what_cannot_be_computed_is_named() -> None:
    x, y = tensor("x", 1), tensor("y", 1)
    late = model(node("copy", [y], x=tensor("late", 1)), inputs=[x], outputs=[y])

    with pytest.raises(ProgramUnsupported, match=r"node 'y' \(copy\): reads 'late' before"):
        analyze(late)
    with pytest.raises(ProgramUnsupported, match=r"node 'out' \(viadd\): .*too (large|big)"):
        analyze(one_node("viadd", constants={**ADD, "y": 2**70}, x="x"))
