"""From a model to a plan: names, state, intervals, wrap-around, and what a plan refuses."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from hostrt.errors import ProgramUnsupported, UsageError
from hostrt.fqir.graph import Graph, Model, Node, Tensor
from hostrt.fqir.operators import OPERATORS
from hostrt.fqir.plan.ir import Add, Branch, Loop, MatMul, Scale, Value, Wrap, operands
from hostrt.fqir.plan.lower import compile_plan
from hostrt.fqir.plan.numpy_engine import NumpyEngine
from hostrt.fqir.reference import ReferenceEngine
from tests.fqir.inspected import NAMES, golden
from tests.fqir.models import ADD, Draft, accumulator, noise, recurrent, require_order, table
from tests.fqir.write_model import wrap

ONE = {"num_inputs": 1, "num_outputs": 1}


def interval(value: Value) -> tuple[int, int]:
    return value.lo, value.hi


def test_the_interval_of_a_state_grows_until_no_frame_leaves_it() -> None:
    plan = compile_plan(accumulator(bits=16))

    (state,) = plan.states
    assert interval(plan.values[state.read]) == (-32768, 32767)
    assert interval(plan.values[plan.outputs[0]]) == (-32768, 32767)
    assert plan.values[state.read].recurrent


def test_what_init_makes_and_nobody_writes_is_a_constant() -> None:
    draft = Draft()
    x, offset = draft.input("x", 3), draft.state("offset", 3, value=5)
    plan = compile_plan(draft.model(draft.add("vvadd", "y", x, offset, **ADD)))

    assert not plan.states
    (addition,) = plan.body
    assert isinstance(addition, Add)
    assert plan.values[addition.y].constant is not None
    assert not plan.values[addition.out].recurrent


def test_a_storage_type_that_changes_after_the_first_frame_is_known() -> None:
    plan = compile_plan(accumulator())

    (state,) = plan.states
    read, result = plan.values[state.read], plan.values[plan.outputs[0]]
    assert (read.min_bits, read.max_bits) == (32, 64)  # zeros are int64, sums int32
    assert (result.min_bits, result.max_bits, str(result.storage)) == (32, 32, "int32")


def test_nodes_on_constants_leave_no_instruction() -> None:
    draft = Draft()
    x, p, q = draft.input("x", 2), draft.parameter("p", [3, 4]), draft.parameter("q", [10, -20])
    total = draft.add("vvadd", "t", p, q, **ADD)
    look = {"shamt_address": 0, "bw_address": 8, "table": table(range(256))}
    looked = draft.add("lut", "l", total, **look)
    plan = compile_plan(draft.model(draft.add("vvmax", "y", x, looked)))

    (extreme,) = plan.body
    constant = plan.values[operands(extreme)[1]].constant
    assert constant is not None
    assert constant.tolist() == [141, 112]


def test_a_parameter_that_is_assigned_is_itself_again_in_the_next_frame() -> None:
    draft = Draft()
    x, p = draft.input("x", 2), draft.parameter("p", [1, 2])
    before = draft.add("vvadd", "before", x, p, **ADD)
    draft.assign(p, x)
    model = draft.model(before, draft.add("vvadd", "after", x, p, **ADD))

    engine = NumpyEngine(model)

    for _ in range(2):
        before_found, after_found = engine.step([np.array([10, 20])])
        assert before_found.tolist() == [11, 22]
        assert after_found.tolist() == [20, 40]


def test_tensors_of_one_name_are_one_variable() -> None:
    draft = Draft()
    x = draft.input("x", 2)
    first = draft.add("relu", "same", x)
    kept = draft.add("vneg", "kept", first, bw=16)
    draft.add("vneg", "same", x, bw=16)
    model = draft.model(kept, Tensor("same", "int16", (2,), 0))

    kept_found, same_found = NumpyEngine(model).step([np.array([7, -7])])

    assert kept_found.tolist() == [-7, 0]
    assert same_found.tolist() == [-7, 7]


def test_wrap_around_is_explicit_where_it_can_happen_and_nowhere_else() -> None:
    draft = Draft()
    x, narrow = draft.input("x", 2), draft.parameter("p", [1, 1])
    y = draft.add("vvmul", "y", x, narrow, shamt_bwred=0, bw=16)
    short = draft.add("shift", "short", y, shamt=15, bw=16)
    long = draft.add("shift", "long", y, shamt=17, bw=16)
    plan = compile_plan(draft.model(short, long))

    wraps = [one for one in plan.body if isinstance(one, Wrap)]
    scales = [one for one in plan.body if isinstance(one, Scale)]
    assert [one.bits for one in wraps] == [32]
    assert [one.narrow.shift for one in scales] == [15, 17, 0]
    assert scales[0].narrow.lo == -32768


def test_rounding_that_can_wrap_is_an_addition_of_its_own() -> None:
    draft = Draft()
    x = draft.input("x", 2)
    p = draft.parameter("p", [-(1 << 62), (1 << 63) - 1], "i8")
    y = draft.add("temp_i24_bool_mul", "y", x, p, shamt=-8, rounded=True)
    model = draft.model(y)

    require_order(compile_plan(model))
    given = [np.array([3, 1])]
    found, wanted = NumpyEngine(model).step(given), ReferenceEngine(model).step(given)
    assert np.array_equal(found[0], wanted[0])


def test_saturation_that_cannot_happen_is_left_out() -> None:
    draft = Draft()
    x = draft.input("x", 2, dtype="int8")
    small = draft.add("vvadd", "a", x, x, **ADD)
    large = draft.add("vvadd", "b", x, x, **ADD | {"shamt_y": 9})
    plan = compile_plan(draft.model(small, large))

    ends = [one.narrow for one in plan.body if isinstance(one, Add)]
    assert ends[0].void
    assert (ends[1].lo, ends[1].hi) == (-32768, 32767)


def test_the_bound_of_a_matrix_product_counts_the_weights_there_are() -> None:
    draft = Draft()
    x = draft.input("x", 2, dtype="int8")
    w = draft.parameter("w", [[1, -3], [2, 0]])
    y = draft.add("matmul", "y", x, w, shamt_bwred=0, bw_out=24)
    plan = compile_plan(draft.model(y))

    (product,) = plan.body
    assert isinstance(product, MatMul)
    assert product.bound == 3 * 128
    assert interval(plan.values[product.out]) == (-384, 384)


def test_every_value_is_made_once_and_before_it_is_used() -> None:
    for name in NAMES:
        require_order(compile_plan(golden(name)))


def test_input_shapes_are_those_that_are_given() -> None:
    engine = NumpyEngine(accumulator(4))
    engine.step([np.array([1, 2, 3, 4])])

    with pytest.raises(ProgramUnsupported, match="shape"):
        engine.step([np.ones((2, 4), np.int64)])  # the state would change its shape


def test_an_engine_takes_another_input_shape_from_one_frame_to_the_next() -> None:
    draft = Draft()
    x = draft.input("x", 4)
    engine = NumpyEngine(draft.model(draft.add("vvadd", "y", x, x, **ADD)))

    assert engine.step([np.array([1, 2, 3, 4])])[0].tolist() == [2, 4, 6, 8]
    assert engine.step([np.array([[5, 6]])])[0].tolist() == [[10, 12]]
    assert engine.run([np.array([[7], [8]])])[0].tolist() == [[14], [16]]


def test_the_work_on_a_model_with_few_graphs_and_many_paths_is_bounded() -> None:
    x, y = (Tensor(name, "int16", (2,), 0) for name in "xy")
    graph = Graph("bottom", [x], [y], [], [Node("", OPERATORS["relu"], {"x": x}, [y])])
    for _ in range(24):
        twice = [Node("", None, {"x": x}, [y], {}, {"body": graph}) for _ in range(2)]
        graph = Graph("ARITH", [x], [y], [], twice)
    started = time.monotonic()

    with pytest.raises(ProgramUnsupported, match="nodes on all its paths"):
        compile_plan(Model(wrap(graph)))

    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("opname", "constants"),
    [
        ("reshape", {"shape": (3,)}),
        ("transpose", {"dim0": 0, "dim1": 5}),
        ("chunk", {"chunks": 2, "dim": 3}),
        ("constant_like", {"imm": 1 << 40}),
        ("quantize", {"quanta": 0, "bw": 4}),
        ("viadd", ADD | {"y": 1 << 40, "shamt_y": 40}),
        ("shift", {"shamt": -40, "bw": 16, "rounded": True}),
        ("vigt", {"imm": 0.5}),
        ("lut", {"shamt_address": 0, "bw_address": 9, "table": table(range(256))}),
    ],
)
def test_what_a_plan_cannot_express_is_refused_in_one_line(
    opname: str, constants: dict[str, Any]
) -> None:
    draft = Draft()
    x, p = draft.input("x", 2), draft.parameter("p", [1, 1])
    y = draft.add("vvmul", "narrow", x, p, shamt_bwred=0, bw=16)
    if opname in ("transpose", "chunk"):
        y = draft.add("reshape", "r", y, shape=(2, 1))
    model = draft.model(draft.add(opname, "y", y, **constants))

    with pytest.raises(ProgramUnsupported, match="cannot be planned ahead") as caught:
        compile_plan(model)

    assert "\n" not in str(caught.value)
    assert caught.value.hint == "use the reference engine"


def test_a_tensor_that_is_read_before_it_is_written_is_refused() -> None:
    draft = Draft()
    x = draft.input("x", 2)
    model = draft.model(draft.add("vvadd", "y", x, Tensor("late", "int16", (2,), 0), **ADD))

    with pytest.raises(ProgramUnsupported, match="'late' is read before it is written"):
        compile_plan(model)


def test_only_tensors_of_the_model_can_be_watched() -> None:
    with pytest.raises(UsageError, match="no tensor 'totals'"):
        NumpyEngine(accumulator()).watch(["totals"])


def test_everything_of_a_small_model_can_be_watched() -> None:
    model, x = recurrent(4, 3), noise((5, 4))
    engine, reference = NumpyEngine(model), ReferenceEngine(model)
    names = ["sum_f", "x", "h", "w", "wx", "sum_addr", "sum"]
    for one in (engine, reference):
        one.watch(names)
        one.step([x[0]])

    assert list(engine.internals()) == names
    for name, value in reference.internals().items():
        assert np.array_equal(engine.internals()[name], value), name
    engine.reset()
    assert engine.internals() == {}


def branches(draft: Draft, x: Tensor, state: Tensor) -> Tensor:
    """Add: where x[0] is nonzero, y = mid = x + state and state = y; else y = x."""
    inner = Tensor("inner", "int16", (2,), 0)
    mid = Tensor("mid", "int16", (2,), 0)
    yes = Graph("yes", [inner], [mid])
    draft.node("vvadd", {"x": inner, "y": state}, [mid], graph=yes, **ADD)
    draft.assign(state, mid, graph=yes)
    no = Graph("no", [inner], [inner])
    y = Tensor("y", "int16", (2,), 0)
    given = {"condition": x, "input_0": x}
    draft.node("conditional", given, [y], true=yes, false=no, **ONE)
    return y


def test_a_tensor_in_a_branch_keeps_its_value_while_the_branch_does_not_run() -> None:
    draft = Draft()
    y = branches(draft, draft.input("x", 2), draft.state("s", 2))
    engine = NumpyEngine(draft.model(y))
    engine.watch(["mid", "s"])

    seen = []
    for frame in ([0, 9], [1, 2], [0, 5], [3, 4]):
        engine.step([np.array(frame)])
        seen.append(engine.internals()["mid"].tolist())

    assert seen == [[0, 0], [1, 2], [1, 2], [4, 6]]
    assert engine.internals()["s"].tolist() == [4, 6]


def test_a_condition_that_is_constant_leaves_no_branch() -> None:
    draft = Draft()
    p, s = draft.parameter("p", [1, 0]), draft.state("s", 2)
    plan = compile_plan(draft.model(branches(draft, p, s)))

    assert not any(isinstance(one, Branch) for one in plan.body)


def test_a_loop_that_nobody_wants_the_results_of_is_left_out() -> None:
    draft = Draft()
    x, inner = draft.input("x", 2), Tensor("inner", "int16", (2,), 0)
    body = Graph("body", [inner], [inner])
    counts = {"n_recurse": 0, "n_sliced": 0, "n_scope": 1, "n_concat": 0, "n_final": 1}
    lists = {"block_size_sliced": (), "reverse_sliced": (), "reverse_concat": ()}
    out = Tensor("out", "int16", (2,), 0)
    draft.node("loop", {"x_scope_0": x}, [out], body=body, n_iter=3, **counts, **lists)
    plan = compile_plan(draft.model(draft.add("relu", "y", x)))

    assert not any(isinstance(one, Loop) for one in plan.body)


def test_init_may_do_more_than_make_zeros() -> None:
    draft = Draft()
    x, s = draft.input("x", 2), draft.state("s", 2, value=7)
    doubled = Tensor("doubled", "int16", (2,), 0)
    draft.init.nodes.append(Node("", OPERATORS["vvadd"], {"x": s, "y": s}, [doubled], dict(ADD)))
    y = draft.add("vvadd", "y", x, doubled, **ADD)
    draft.assign(doubled, y)

    plan = compile_plan(draft.model(y))

    assert [(state.name, state.initial.tolist()) for state in plan.states] == [
        ("doubled", [14, 14])
    ]


def test_a_model_without_outputs_or_state_is_an_empty_plan() -> None:
    draft = Draft()
    draft.add("relu", "y", draft.input("x", 2))
    plan = compile_plan(draft.model())

    assert plan.body == ()
    assert NumpyEngine(Model(draft.model().root)).step([np.array([1, 2])]) == []
