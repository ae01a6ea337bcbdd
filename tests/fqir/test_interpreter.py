"""One flat name space, nodes in order: what a frame reads and writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hostrt.errors import ProgramCorrupt, ProgramUnsupported
from hostrt.fqir.interpreter import Interpreter
from tests.fqir.inspected import graph, model, node, tensor

ADD: dict[str, Any] = {"shamt_x": 0, "shamt_y": 0, "shamt_bwred": 0, "bw": 16}
ZEROS: dict[str, Any] = {"shape": (2,)}


def adding() -> Interpreter:
    """Make a model that gives the sum of all its inputs so far."""
    x, total, y = tensor("x", 2), tensor("total", 2), tensor("y", 2)
    made = model(
        node("vvadd", [y], x=x, y=total, constants=ADD),
        node("assign", y=total, x=y),
        init=graph(node("zeros", [total], constants=ZEROS), name="INIT"),
        inputs=[x],
        outputs=[y],
    )
    return Interpreter(made)


def test_state_is_carried_from_frame_to_frame() -> None:
    adder = adding()

    assert [adder.step([[1, t]])[0].tolist() for t in range(4)] == [[1, 0], [2, 1], [3, 3], [4, 6]]
    assert adder.values["total"].tolist() == [4, 6]
    assert adder.frame == 4
    adder.reset()
    assert adder.values["total"].tolist() == [0, 0]
    assert adder.step([[1, 1]])[0].tolist() == [1, 1]


def test_an_assign_is_seen_by_later_nodes_of_the_same_frame() -> None:
    x, held, before, after = (tensor(name, 1) for name in ("x", "held", "before", "after"))
    made = model(
        node("copy", [before], x=held),
        node("assign", y=held, x=x),
        node("copy", [after], x=held),
        init=graph(node("constant", [held], constants={"shape": (1,), "value": 7}), name="INIT"),
        inputs=[x],
        outputs=[before, after],
    )

    interpreter = Interpreter(made)

    assert [value.tolist() for value in interpreter.step([[5]])] == [[7], [5]]
    assert [value.tolist() for value in interpreter.step([[6]])] == [[5], [6]]


def test_a_parameter_of_arith_is_reset_in_every_frame_and_one_of_init_is_state() -> None:
    x, y, z = tensor("x", 1), tensor("y", 1), tensor("z", 1)
    fixed, kept = tensor("fixed", 1, value=[10]), tensor("kept", 1, value=[10])
    interpreter = Interpreter(
        model(
            node("vvadd", [y], x=x, y=fixed, constants=ADD),
            node("assign", y=fixed, x=y),
            node("vvadd", [z], x=x, y=kept, constants=ADD),
            node("assign", y=kept, x=z),
            init=graph(name="INIT", parameters=[kept]),
            inputs=[x],
            outputs=[y, z],
            parameters=[fixed],
        )
    )

    results = [[int(value[0]) for value in interpreter.step([[1]])] for _ in range(3)]

    assert results == [[11, 11], [11, 12], [11, 13]]


def test_a_tensor_read_before_it_is_written_has_the_value_of_the_frame_before() -> None:
    x, late, y = tensor("x", 1), tensor("late", 1), tensor("y", 1)
    nodes = [node("copy", [y], x=late), node("relu", [late], x=x)]
    nodes[0].name = "early bird"
    made = model(*nodes, inputs=[x], outputs=[y])

    with pytest.raises(
        ProgramUnsupported, match=r"node 'early bird' \(copy\): reads 'late' before"
    ) as caught:
        Interpreter(made).step([[5]])
    assert caught.value.context == {"node": "early bird", "operator": "copy", "frame": 0}

    init = graph(node("zeros", [late], constants={"shape": (1,)}), name="INIT")
    interpreter = Interpreter(model(*nodes, init=init, inputs=[x], outputs=[y]))
    assert [interpreter.step([[v]])[0].tolist() for v in (5, -6, 7)] == [[0], [5], [0]]


def test_tensors_with_equal_names_are_one() -> None:
    x, y = tensor("x", 1), tensor("y", 1)

    made = model(node("relu", [tensor("h", 1)], x=x), node("copy", [y], x=tensor("h", 1)),
                 inputs=[x], outputs=[y])  # fmt: skip

    assert Interpreter(made).step([[5]])[0].tolist() == [5]


def test_a_graph_inside_a_node_runs_in_the_same_name_space() -> None:
    x, y, inner_in, inner_out = (tensor(name, 1) for name in ("x", "y", "in", "out"))
    body = graph(
        node("vvadd", [inner_out], x=inner_in, y=tensor("held", 1), constants=ADD),
        name="body", inputs=[inner_in], outputs=[inner_out],
    )  # fmt: skip
    held = tensor("held", 1)
    interpreter = Interpreter(
        model(
            node("", [y], x0=x, body=body),
            init=graph(node("constant", [held], constants={"shape": (1,), "value": 3}),
                       name="INIT"),
            inputs=[x],
            outputs=[y],
        )
    )  # fmt: skip

    assert interpreter.step([[5]])[0].tolist() == [8]
    assert interpreter.values["out"].tolist() == [8]


def test_surplus_results_and_surplus_outputs_are_ignored() -> None:
    x, a, b = tensor("x", 4), tensor("a", 2), tensor("b", 2)
    chunk = node("chunk", [a], x=x, constants={"chunks": 2, "dim": 0})
    assert Interpreter(model(chunk, inputs=[x], outputs=[a])).step([[1, 2, 3, 4]])[0].tolist() == [
        1, 2,
    ]  # fmt: skip

    made = model(node("copy", [a, b], x=x), inputs=[x], outputs=[a, b])
    with pytest.raises(ProgramUnsupported, match="graph 'ARITH': its output 'b' was never written"):
        Interpreter(made).step([[1, 2, 3, 4]])


def test_the_caller_may_reuse_its_arrays() -> None:
    x, held, y = tensor("x", 2), tensor("held", 2), tensor("y", 2)
    interpreter = Interpreter(
        model(
            node("copy", [y], x=held),
            node("assign", y=held, x=x),
            init=graph(node("zeros", [held], constants=ZEROS), name="INIT"),
            inputs=[x],
            outputs=[y],
        )
    )
    buffer = np.array([1, 2])

    first = interpreter.step([buffer])
    buffer[:] = 9
    second = interpreter.step([buffer])

    assert first[0].tolist() == [0, 0]
    assert second[0].tolist() == [1, 2]


def test_results_stay_what_they_were() -> None:
    interpreter = adding()

    kept = [interpreter.step([[t, t]])[0] for t in range(4)]
    copies = [array.copy() for array in kept]
    interpreter.reset()
    interpreter.step([[9, 9]])

    assert all(np.array_equal(a, b) for a, b in zip(kept, copies, strict=True))


@pytest.mark.parametrize(
    ("opname", "constants", "inputs", "found"),
    [
        ("vvadd", ADD, {"x": [1, 2], "y": [1, 2, 3]}, r"broadcast.*; shapes: x \(2,\), y \(3,\)"),
        ("shift", {"shamt": -64, "bw": 8, "rounded": True}, {"x": [1]}, r"2\*\*63, which does not"),
        ("matmul", {"shamt_bwred": 0, "bw_out": 8}, {"x": [1, 2], "y": [1]}, "mismatch"),
        ("reshape", {"shape": (3,)}, {"x": [1, 2]}, "cannot reshape"),
        ("stack", {"dim": 4}, {"x0": [1]}, "axis 4 is out of bounds"),
        ("sum", {"dim": 1, "keepdim": False, "shamt_bwred": 0, "bw": 8}, {"x": [1]}, "axis 1"),
        ("quantize", {"quanta": 0, "bw": 4}, {"x": [100]}, r"integers 100\.\.100"),
    ],
)
def test_an_operator_that_has_no_result_is_named(
    opname: str, constants: Any, inputs: dict[str, list[int]], found: str
) -> None:
    tensors = {name: tensor(name, len(value)) for name, value in inputs.items()}
    out = tensor("out", 1)
    interpreter = Interpreter(
        model(node(opname, [out], constants=constants, **tensors),
              inputs=tensors.values(), outputs=[out])
    )  # fmt: skip

    with pytest.raises(ProgramUnsupported, match=rf"node 'out' \({opname}\): .*{found}") as caught:
        interpreter.step(list(inputs.values()))

    assert "\n" not in str(caught.value)
    assert caught.value.context["frame"] == 0


def test_real_numbers_are_not_computed_with() -> None:
    x, real, y = tensor("x", 1), tensor("real", 1), tensor("y", 1)
    nodes = [
        node("dequantize", [real], x=x, constants={"quanta": -1}),
        node("relu", [y], x=real),
    ]

    with pytest.raises(ProgramUnsupported, match=r"\(relu\): x \('real'\) holds float64, expected"):
        Interpreter(model(*nodes, inputs=[x], outputs=[y])).step([[5]])

    halves = Interpreter(model(nodes[0], inputs=[x], outputs=[real])).step([[5]])[0]
    assert halves.tolist() == [2.5]


@pytest.mark.parametrize(("dim", "expected"), [(None, 15), ((0, 1), 15), (1, [3, 12])])
def test_a_sum_goes_along_one_axis_or_several_or_all(dim: Any, expected: Any) -> None:
    x, y = tensor("x", 2, 3), tensor("y")
    constants = {"dim": dim, "keepdim": False, "shamt_bwred": 0, "bw": 16}

    made = model(node("sum", [y], x=x, constants=constants), inputs=[x], outputs=[y])

    assert Interpreter(made).step([[[0, 1, 2], [3, 4, 5]]])[0].tolist() == expected


@pytest.mark.parametrize(
    ("value", "kind", "found"),
    [
        (None, ProgramCorrupt, "parameter 'w' has no value"),
        (np.ones(1, np.float32), ProgramUnsupported, "parameter 'w' holds float32"),
        (np.ones(1, np.uint8), ProgramUnsupported, "parameter 'w' holds uint8"),
    ],
)
def test_parameters_are_signed_integers(value: Any, kind: Any, found: str) -> None:
    w = tensor("w", 1)
    w.value = value

    with pytest.raises(kind, match=found):
        Interpreter(model(outputs=[w], parameters=[w]))


def test_a_graph_used_in_many_ways_is_prepared_once() -> None:
    # 2**60 paths lead to the innermost node: preparing must not walk them, and nothing runs them
    x, y = tensor("x", 1), tensor("y", 1)
    inner = graph(node("relu", [y], x=x), name="bottom", inputs=[x], outputs=[y])
    for level in range(60):
        pair = [node("", [y], x0=x, body=inner) for _ in range(2)]
        inner = graph(*pair, name=f"level{level}", inputs=[x], outputs=[y])

    skip = graph(node("copy", [y], x=x), name="skip", inputs=[x], outputs=[y])
    branches: dict[str, Any] = {"true": inner, "false": skip}
    made = model(
        node("conditional", [y], condition=x, input_0=x, **branches), inputs=[x], outputs=[y]
    )

    assert Interpreter(made).step([[0]])[0].tolist() == [0]
