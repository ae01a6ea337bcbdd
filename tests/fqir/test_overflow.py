"""The interval analysis holds what models really do, and says where 32 bits are not enough."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.interpreter import Interpreter
from hostrt.fqir.intervals import Intervals, analyze
from hostrt.fqir.overflow import overflow_risks
from hostrt.fqir.ranges import Range, shifted, wrapped
from hostrt.fqir.semantics import integers
from hostrt.fqir.semantics.binding import bind
from tests.fqir.formulas import amounts
from tests.fqir.inspected import NAMES, golden, graph, model, node, tensor
from tests.fqir.test_golden_results import sides

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array, Graph, Model, Node

ORDINARY = sorted(set(NAMES) - {"int32_edges"})
ADD: dict[str, Any] = {"shamt_x": 0, "shamt_y": 0, "shamt_bwred": 0, "bw": 16}


def risks(made: Model) -> dict[str, str]:
    return {risk.node: risk.why for risk in overflow_risks(made)}


def in_bounds(intervals: Intervals, name: str, value: Array) -> bool:
    allowed = intervals.tensors[name]
    bits = value.dtype.itemsize * 8
    if allowed.value is not None and not np.array_equal(allowed.value, value):
        return False
    if not value.size:
        return bits >= allowed.width
    return bits >= allowed.width and allowed.lo <= value.min() and value.max() <= allowed.hi


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_models_need_no_more_than_32_bits(name: str) -> None:
    assert risks(golden(name)) == {}


@pytest.mark.parametrize("name", NAMES)
def test_no_golden_frame_leaves_the_intervals(name: str) -> None:
    made = golden(name)
    inputs, _ = sides(name)
    intervals, interpreter = analyze(made), Interpreter(made)

    for t in range(len(inputs[0])):
        interpreter.step([array[t] for array in inputs])
        for tensor_name, value in interpreter.values.items():
            assert in_bounds(intervals, tensor_name, value), f"{tensor_name}, frame {t}"


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
    from hostrt.fqir.graph import Table

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


def conv(n_channels: int, bias: Any) -> Model:
    x, y = tensor("x", n_channels), tensor("y", 1)
    weight = tensor("w", 1, n_channels, 1, 1, value=[127] * n_channels)
    constants: dict[str, Any] = {
        "kernel_size_t": 1, "kernel_size_band": 1, "d_band_in": n_channels, "n_band_in": 1,
        "dilation_t": 1, "dilation_band": 1, "stride_band": 1, "padding_band": 0, "groups": 1,
        "shamt_bwred": -10, "shamt_bias": 0, "bw": 16,
    }  # fmt: skip
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


def test_a_counter_stays_below_its_stride() -> None:
    made = golden("opzoo")
    (counter,) = [one.inputs["counter"].name for one in made.arith.nodes
                  if one.opname == "strided_subgraph"]  # fmt: skip

    found = analyze(made).tensors[counter]

    assert (found.lo, found.hi) == (0, 2)


def delay_line(length: int) -> Model:
    """Make a model that gives its input of `length` frames ago, shifted by 17."""
    x, out = tensor("x", 1, dtype="int8"), tensor("out", 1)
    held = [tensor(f"held{i}", 1) for i in range(length)]
    return model(
        node("shift", [out], x=held[-1], constants={"shamt": 17, "bw": 24}),
        *(node("assign", y=held[i], x=held[i - 1]) for i in range(length - 1, 0, -1)),
        node("assign", y=held[0], x=x),
        init=graph(*(node("zeros", [one], constants={"shape": (1,)}) for one in held),
                   name="INIT"),
        inputs=[x],
        outputs=[out],
    )  # fmt: skip


def test_a_delay_line_is_followed_to_its_end() -> None:
    intervals = analyze(delay_line(100))

    assert (intervals.tensors["held99"].lo, intervals.tensors["held99"].hi) == (-128, 127)
    assert intervals.notes == ()


def test_a_delay_line_too_long_to_follow_can_hold_anything() -> None:
    intervals = analyze(delay_line(300))

    assert (intervals.tensors["held299"].lo, intervals.tensors["held299"].width) == (-(2**63), 8)
    assert [one.opname for one, _ in intervals.notes] == ["shift"]


def loop(n_iter: int, body: Graph, out: Any, start: Any) -> Node:
    constants = {
        "n_iter": n_iter, "n_recurse": 1, "n_sliced": 0, "n_scope": 0, "n_concat": 0,
        "n_final": 1, "block_size_sliced": (), "reverse_sliced": (), "reverse_concat": (),
    }  # fmt: skip
    return node("loop", [out], constants=constants, x_recurse_0=start, body=body)


@pytest.mark.parametrize("n_iter", [1, 3, 40, 10**9])
def test_loops_of_every_length_are_analysed_in_no_time(n_iter: int) -> None:
    x, y, r, more = tensor("x", 1, dtype="int8"), tensor("y", 1), tensor("r", 1), tensor("more", 1)
    body = graph(node("vvadd", [more], x=r, y=r, constants={**ADD, "bw": 24}),
                 name="body", inputs=[r], outputs=[more, more])  # fmt: skip
    start = time.perf_counter()

    found = analyze(model(loop(n_iter, body, y, x), inputs=[x], outputs=[y])).tensors["y"]

    assert time.perf_counter() - start < 1
    assert found.lo <= max(-128 << min(n_iter, 30), -(2**23))
    assert found.lo >= -(2**23)
    assert found.hi < 2**23
    if n_iter == 1:
        assert (found.lo, found.hi) == (-256, 254)


def test_both_branches_count() -> None:
    x, y, into = tensor("x", 1, dtype="int8"), tensor("y", 1), tensor("into", 1)
    tall, low = tensor("tall", 1), tensor("low", 1)
    branches: dict[str, Any] = {
        "true": graph(node("constant", [tall], constants={"shape": (1,), "value": 1000}),
                      name="t", inputs=[into], outputs=[tall]),
        "false": graph(node("copy", [low], x=into), name="f", inputs=[into], outputs=[low]),
    }  # fmt: skip
    made = model(node("conditional", [y], condition=x, input_0=x, **branches),
                 inputs=[x], outputs=[y])  # fmt: skip

    found = analyze(made).tensors["y"]

    assert (found.lo, found.hi) == (-128, 1000)


def test_what_cannot_be_computed_is_named() -> None:
    x, y = tensor("x", 1), tensor("y", 1)
    late = model(node("copy", [y], x=tensor("late", 1)), inputs=[x], outputs=[y])

    with pytest.raises(ProgramUnsupported, match=r"node 'y' \(copy\): reads 'late' before"):
        analyze(late)
    with pytest.raises(ProgramUnsupported, match=r"node 'out' \(viadd\): .*too (large|big)"):
        analyze(one_node("viadd", constants={**ADD, "y": 2**70}, x="x"))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=4),
    amounts,
    st.booleans(),
    st.sampled_from([32, 64]),
)
def test_a_shifted_range_holds_every_shifted_number(
    numbers: list[int], amount: int, rounded: bool, width: int
) -> None:
    notes: list[str] = []
    array = np.array(numbers, f"i{width // 8}")
    try:
        result = integers.rsh(array, amount, rounded)
    except integers.KernelError:
        return

    allowed = shifted(Range.of(array), amount, width, notes.append, rounded)

    assert allowed.lo <= result.min()
    assert result.max() <= allowed.hi
    exact = [n << amount if amount >= 0 else (n + (rounded << -amount >> 1)) >> -amount
             for n in numbers]  # fmt: skip
    if not notes:
        assert result.tolist() == exact


def test_ranges_say_when_they_do_not_fit() -> None:
    notes: list[str] = []

    inside = wrapped(Range(-5, 100), 8, notes.append, "it")
    outside = wrapped(Range(-5, 200), 8, notes.append, "it")

    assert (inside.lo, inside.hi, inside.width) == (-5, 100, 8)
    assert (outside.lo, outside.hi, outside.width) == (-128, 127, 8)
    assert notes == ["it can reach 200, which does not fit 8 bits"]
