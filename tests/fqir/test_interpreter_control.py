"""Nodes that hold graphs: loops, strided graphs, conditionals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hostrt.errors import ProgramCorrupt, ProgramUnsupported
from hostrt.fqir.interpreter import Interpreter
from tests.fqir.inspected import graph, model, node, tensor

if TYPE_CHECKING:
    from hostrt.fqir.graph import Graph, Node

ADD: dict[str, Any] = {"shamt_x": 0, "shamt_y": 0, "shamt_bwred": 0, "bw": 16}
LOOP: dict[str, Any] = {
    "n_iter": 3,
    "n_recurse": 1,
    "n_sliced": 1,
    "n_scope": 1,
    "n_concat": 1,
    "n_final": 1,
    "block_size_sliced": (2,),
    "reverse_sliced": (False,),
    "reverse_concat": (False,),
}
R, S, K = tensor("r", 2), tensor("s", 2), tensor("k", 2)
NEXT, PRODUCT = tensor("next", 2), tensor("product", 2)
SEED, SLICED, SCOPE = tensor("seed", 2), tensor("sliced", 6), tensor("scope", 2)
CONCAT, FINAL = tensor("concat", 6), tensor("final", 2)


def step(made: Any, *inputs: list[int]) -> list[list[int]]:
    return [value.tolist() for value in Interpreter(made).step(inputs)]


def loop_body() -> Graph:
    """Make next = r + s and product = next * k, given as concatenation and as final value."""
    return graph(
        node("vvadd", [NEXT], x=R, y=S, constants=ADD),
        node("vvmul", [PRODUCT], x=NEXT, y=K, constants={"shamt_bwred": 0, "bw": 16}),
        name="body",
        inputs=[R, S, K],
        outputs=[NEXT, PRODUCT, NEXT],
    )


def loop_node(**changed: Any) -> Node:
    body = changed.pop("body", None) or loop_body()
    return node(
        "loop", [CONCAT, FINAL], constants={**LOOP, **changed},
        x_recurse_0=SEED, x_sliced_0=SLICED, x_scope_0=SCOPE, body=body,
    )  # fmt: skip


def run_loop(**changed: Any) -> list[list[int]]:
    made = model(loop_node(**changed), inputs=[SEED, SLICED, SCOPE], outputs=[CONCAT, FINAL])
    return step(made, [1, 10], [1, 2, 3, 4, 5, 6], [2, 3])


def test_a_loop_goes_through_slices_and_carries_values() -> None:
    # next: 2 12, 5 16, 10 22
    assert run_loop() == [[4, 36, 10, 48, 20, 66], [10, 22]]


def test_a_loop_goes_backwards_where_it_is_told_to() -> None:
    # next: 6 16, 9 20, 10 22
    assert run_loop(reverse_sliced=(True,)) == [[12, 48, 18, 60, 20, 66], [10, 22]]
    assert run_loop(reverse_concat=(True,)) == [[20, 66, 10, 48, 4, 36], [10, 22]]
    assert run_loop(n_iter=1, reverse_sliced=(True,)) == [[4, 36], [2, 12]]


def test_values_of_the_body_stay_visible() -> None:
    made = model(loop_node(), inputs=[SEED, SLICED, SCOPE], outputs=[CONCAT, FINAL, PRODUCT])

    assert step(made, [1, 10], [1, 2, 3, 4, 5, 6], [2, 3])[2] == [20, 66]


def test_a_parameter_of_the_body_is_bound_in_every_iteration() -> None:
    count = tensor("count", 1, value=[5])
    one, more, out = tensor("one", 1, value=[1]), tensor("more", 1), tensor("out", 1)
    x, r = tensor("x", 1), tensor("r", 1)
    body = graph(
        node("vvadd", [more], x=count, y=one, constants=ADD),
        node("assign", y=count, x=more),
        name="body", inputs=[r], outputs=[r, more], parameters=[count, one],
    )  # fmt: skip
    constants = {**LOOP, "n_sliced": 0, "n_scope": 0, "n_concat": 0, "block_size_sliced": (),
                 "reverse_sliced": (), "reverse_concat": ()}  # fmt: skip
    made = model(node("loop", [out], constants=constants, x_recurse_0=x, body=body),
                 inputs=[x], outputs=[out])  # fmt: skip

    assert step(made, [0]) == [[6]]


def test_a_loop_inside_a_loop() -> None:
    x, y, held = tensor("x", 1), tensor("y", 1), tensor("held", 1)
    doubled = tensor("doubled", 1)
    once = {**LOOP, "n_sliced": 0, "n_scope": 0, "n_concat": 0, "block_size_sliced": (),
            "reverse_sliced": (), "reverse_concat": ()}  # fmt: skip
    inner = graph(node("vvadd", [doubled], x=held, y=held, constants=ADD), name="inner",
                  inputs=[held], outputs=[doubled, doubled])  # fmt: skip
    u, v = tensor("u", 1), tensor("v", 1)
    outer = graph(node("loop", [v], constants={**once, "n_iter": 2}, x_recurse_0=u, body=inner),
                  name="outer", inputs=[u], outputs=[v, v])  # fmt: skip
    made = model(node("loop", [y], constants=once, x_recurse_0=x, body=outer),
                 inputs=[x], outputs=[y])  # fmt: skip

    assert step(made, [3]) == [[3 * 2**6]]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"n_iter": 0}, "'n_iter' is 0, expected at least 1"),
        ({"block_size_sliced": ()}, "0 block sizes and 1 directions for 1 sliced"),
        ({"reverse_concat": ()}, "0 directions for 1 concatenated"),
        ({"reverse_sliced": 1}, "'reverse_sliced' is 1, expected a list of truth values"),
        ({"n_scope": 2}, "has no argument 'x_scope_1'"),
        ({"n_scope": 0}, "a body of 3 inputs and 3 outputs, expected 2 and 3"),
        ({"n_final": 2}, "a body of 3 inputs and 3 outputs, expected 3 and 4"),
    ],
)
def test_a_loop_that_does_not_fit_its_body_is_refused(changed: Any, found: str) -> None:
    with pytest.raises(ProgramCorrupt, match=found):
        Interpreter(model(loop_node(**changed), inputs=[SEED, SLICED, SCOPE]))


def test_a_slice_past_the_end_is_an_error() -> None:
    with pytest.raises(ProgramUnsupported, match=r"x_sliced_0 has shape \(6,\), expected at least"):
        run_loop(n_iter=4)


def test_a_carried_value_keeps_its_shape() -> None:
    wide = tensor("wide", 4)
    body = graph(
        node("cat", [wide], x0=R, x1=S, constants={"dim": 0}),
        name="body", inputs=[R, S, K], outputs=[wide, wide, wide],
    )  # fmt: skip

    with pytest.raises(ProgramUnsupported, match=r"x_recurse_0 has shape \(2,\) and becomes \(4,"):
        run_loop(body=body)


def test_values_without_axes_cannot_be_concatenated() -> None:
    total = tensor("total")
    constants = {"dim": 0, "keepdim": False, "shamt_bwred": 0, "bw": 16}
    body = graph(
        node("sum", [total], x=S, constants=constants),
        name="body", inputs=[R, S, K], outputs=[R, total, K],
    )  # fmt: skip

    with pytest.raises(ProgramUnsupported, match=r"\(loop\): output 0: .*zero-dim"):
        run_loop(body=body)


def negated(name: str) -> Graph:
    """Make a graph that gives minus its input, and remembers that in `seen`."""
    into, out = tensor(f"{name} in", 1), tensor(f"{name} out", 1)
    return graph(
        node("vneg", [out], x=into, constants={"bw": 16}),
        node("assign", y=tensor("seen", 1), x=out),
        name=name, inputs=[into], outputs=[out],
    )  # fmt: skip


def kept(name: str) -> Graph:
    """Make a graph that gives its input."""
    into, out = tensor(f"{name} in", 1), tensor(f"{name} out", 1)
    return graph(node("copy", [out], x=into), name=name, inputs=[into], outputs=[out])


def init(*names: str) -> Graph:
    made = [node("zeros", [tensor(name, 1)], constants={"shape": (1,)}) for name in names]
    return graph(*made, name="INIT")


X, Y, DEFAULT = tensor("x", 1), tensor("y", 1), tensor("default", 1)


def strided(body: Graph, out: Any = Y, into: Any = X, counter: str = "counter", k: int = 1) -> Node:
    return node(
        "strided_subgraph", [out], constants={"n": 3, "k": k},
        counter=tensor(counter, 1), input_0=into, default_output_0=DEFAULT, body=body,
    )  # fmt: skip


def test_a_strided_graph_runs_every_nth_frame() -> None:
    interpreter = Interpreter(
        model(strided(negated("n")), init=init("counter", "seen"), inputs=[X, DEFAULT],
              outputs=[Y])
    )  # fmt: skip

    results = [interpreter.step([[t], [100 + t]])[0].tolist() for t in range(7)]
    assert results == [[100], [-1], [102], [103], [-4], [105], [106]]
    assert interpreter.values["counter"].tolist() == [1]
    assert interpreter.values["seen"].tolist() == [-4]


def test_a_strided_graph_inside_a_strided_graph() -> None:
    into, out = tensor("outer in", 1), tensor("outer out", 1)
    outer = graph(
        strided(negated("n"), out, into, "inner counter", 0),
        name="outer", inputs=[into], outputs=[out],
    )  # fmt: skip
    interpreter = Interpreter(
        model(strided(outer, k=0), init=init("counter", "inner counter", "seen"),
              inputs=[X, DEFAULT], outputs=[Y])
    )  # fmt: skip

    results = [interpreter.step([[t], [100]])[0].tolist() for t in range(10)]

    assert results == [[v] for v in (0, 100, 100, 100, 100, 100, 100, 100, 100, -9)]


@pytest.mark.parametrize(
    ("change", "kind", "found"),
    [
        (lambda n: n.constants.update(n=0), ProgramCorrupt, "constant 'n' is 0"),
        (lambda n: n.constants.update(n=2**63), ProgramCorrupt, "constant 'n' is 9223372036854775"),
        (lambda n: n.inputs.pop("counter"), ProgramCorrupt, "has no argument 'counter'"),
        (lambda n: n.subgraphs.clear(), ProgramCorrupt, "has no graph 'body'"),
        (lambda n: n.inputs.update(counter=tensor("x", 1)), ProgramUnsupported, "a counter of"),
    ],
)
def test_a_strided_graph_that_cannot_run(change: Any, kind: Any, found: str) -> None:
    made = strided(kept("body"))
    change(made)
    wide = tensor("x", 2)

    with pytest.raises(kind, match=found):
        Interpreter(model(made, init=init("counter"), inputs=[wide, DEFAULT], outputs=[Y])).step(
            [[5, 5], [100]]
        )


def choice(out: Any, into: Any, condition: Any, if_true: Graph, if_false: Graph) -> Node:
    branches: Any = {"true": if_true, "false": if_false}
    return node("conditional", [out], condition=condition, input_0=into, **branches)


def test_only_the_chosen_branch_runs() -> None:
    condition = tensor("condition", 2)
    interpreter = Interpreter(
        model(choice(Y, X, condition, negated("t"), kept("f")), init=init("seen"),
              inputs=[X, condition], outputs=[Y])
    )  # fmt: skip

    assert interpreter.step([[5], [0, 1]])[0].tolist() == [5]
    assert interpreter.values["seen"].tolist() == [0]
    assert interpreter.step([[6], [-2, 0]])[0].tolist() == [-6]
    assert interpreter.values["seen"].tolist() == [-6]


def test_a_conditional_inside_a_conditional() -> None:
    inner_condition, outer_condition = tensor("ic", 1), tensor("oc", 1)
    into, out = tensor("outer in", 1), tensor("outer out", 1)
    outer = graph(
        choice(out, into, inner_condition, negated("it"), kept("if")),
        name="outer", inputs=[into], outputs=[out],
    )  # fmt: skip
    made = model(
        choice(Y, X, outer_condition, outer, kept("of")), init=init("seen"),
        inputs=[X, inner_condition, outer_condition], outputs=[Y],
    )  # fmt: skip

    assert [step(made, [5], [i], [o]) for i in (0, 1) for o in (0, 1)] == [
        [[5]], [[5]], [[5]], [[-5]],
    ]  # fmt: skip


def test_a_conditional_that_cannot_run() -> None:
    empty = tensor("condition", 0)
    made = choice(Y, X, empty, kept("t"), kept("f"))

    with pytest.raises(ProgramUnsupported, match="a condition without elements"):
        step(model(made, inputs=[X, empty], outputs=[Y]), [5], [])
    del made.subgraphs["false"]
    with pytest.raises(ProgramCorrupt, match="has no graph 'false'"):
        step(model(made, inputs=[X, empty], outputs=[Y]), [5], [])
