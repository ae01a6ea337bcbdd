"""The interval analysis holds everything that models really do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.graph import Model
from hostrt.fqir.interpreter import Interpreter
from hostrt.fqir.intervals import Intervals, analyze
from hostrt.fqir.ranges import Range, reduced, shifted, wrapped
from hostrt.fqir.semantics import integers
from tests.fqir.formulas import amounts
from tests.fqir.inspected import NAMES, golden, graph, model, node, tensor
from tests.fqir.test_golden_results import sides
from tests.peer.fqir_cases import DRAWS, mixture, single

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array, Graph, Node
    from tests.peer.fqir_sketch import Case

ADD: dict[str, Any] = {"shamt_x": 0, "shamt_y": 0, "shamt_bwred": 0, "bw": 16}


def in_bounds(intervals: Intervals, name: str, value: Array) -> bool:
    allowed = intervals.tensors[name]
    bits = value.dtype.itemsize * 8
    if allowed.value is not None and not np.array_equal(allowed.value, value):
        return False
    if not value.size:
        return bits >= allowed.width
    return bits >= allowed.width and allowed.lo <= value.min() and value.max() <= allowed.hi


@pytest.mark.parametrize("name", NAMES)
def test_no_golden_frame_leaves_the_intervals(name: str) -> None:
    made = golden(name)
    inputs, _ = sides(name)
    intervals, interpreter = analyze(made), Interpreter(made)

    for t in range(len(inputs[0])):
        interpreter.step([array[t] for array in inputs])
        for tensor_name, value in interpreter.values.items():
            assert in_bounds(intervals, tensor_name, value), f"{tensor_name}, frame {t}"


@pytest.mark.parametrize("opname", DRAWS)
def test_no_frame_of_a_random_model_leaves_the_intervals(opname: str) -> None:
    for case in (single(opname, seed) for seed in range(3)):
        assert_in_bounds(case)


def test_no_frame_of_mixed_random_models_leaves_the_intervals() -> None:
    for case in (mixture(seed) for seed in range(150, 190)):
        assert_in_bounds(case)


def assert_in_bounds(case: Case) -> None:
    """Run a case for as long as its results are defined, and look at every value."""
    made = Model(case.root)
    intervals = analyze(made)
    try:
        interpreter = Interpreter(made)
        for t in range(len(case.inputs[0])):
            interpreter.step([array[t] for array in case.inputs])
            for name, value in interpreter.values.items():
                assert in_bounds(intervals, name, value), f"{case.name}: {name}, frame {t}"
    except ProgramUnsupported:
        return


def test_known_values_that_give_no_integers_are_no_obstacle() -> None:
    w, real, y = tensor("w", 1, value=[5]), tensor("real", 1), tensor("y", 1)
    made = model(
        node("dequantize", [real], x=w, constants={"quanta": -1}),
        node("shift", [y], x=w, constants={"shamt": -40, "bw": 8, "rounded": True}),
        outputs=[y],
        parameters=[w],
    )

    found = analyze(made)

    assert (found.tensors["real"].lo, found.tensors["real"].value) == (-(2**63), None)
    assert [one.opname for one, _ in found.notes] == ["shift"]


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
    intervals = analyze(delay_line(210))

    assert (intervals.tensors["held209"].lo, intervals.tensors["held209"].width) == (-(2**63), 8)
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


def test_a_loop_too_long_to_follow_can_give_anything() -> None:
    x, y, n = tensor("x", 1, dtype="int8"), tensor("y", 1), 80
    held = [tensor(f"held{i}", 1) for i in range(n)]
    zero = tensor("zero", 1, value=[0])
    # every turn moves all values by one place
    body = graph(name="body", inputs=held, outputs=[held[0], *held[:-1], held[-1]])
    made = loop(10**9, body, y, x)
    made.constants["n_recurse"] = n
    made.inputs.update((f"x_recurse_{i}", zero) for i in range(1, n))

    found = analyze(model(made, inputs=[x], outputs=[y], parameters=[zero])).tensors["y"]

    assert (found.lo, found.hi) == (-(2**63), 2**63 - 1)


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

    def bounds(make: Any, lo: int, hi: int) -> tuple[int, int, int]:
        made = make(Range(lo, hi), 8, notes.append, "it")
        return made.lo, made.hi, made.width

    assert bounds(wrapped, -5, 100) == bounds(reduced, -5, 100) == (-5, 100, 8)
    assert notes == []
    assert bounds(reduced, -5, 200) == (-128, 127, 8)
    assert bounds(wrapped, -5, 200) == (-128, 200, 8)
    assert bounds(wrapped, -5, 2**70) == (-(2**63), 2**63 - 1, 8)
    assert notes[0] == "it can reach 200, which does not fit 8 bits"
    assert len(notes) == 3
