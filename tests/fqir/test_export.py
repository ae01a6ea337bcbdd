"""Models drawn for Graphviz and for viewers of ONNX files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.export import format_dot
from hostrt.fqir.graph import Model, Table
from hostrt.fqir.onnx import onnx_bytes
from hostrt.fqir.state import find_state
from hostrt.fqir.walk import graphs_within
from tests.fqir.drawings import Message, messages, read_dot, read_message, texts
from tests.fqir.inspected import (
    NAMES,
    golden,
    graph,
    model,
    nested_model,
    node,
    small_model,
    tensor,
)

HOSTILE = 'a"];evil[label="\\\n\x1b[2J\u202e{}|<x>'


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_holds_every_node_and_edge_of_a_golden_model(name: str) -> None:
    found = golden(name)
    text = format_dot(found)

    drawing = read_dot(text)

    graphs = graphs_within(found.arith)
    nodes = [one for inner in graphs for one in inner.nodes]
    assert sum(key.startswith("n") for key in drawing.nodes) == len(nodes)
    labelled = [one for one in drawing.edges if "label" in one[2]]
    assert len(labelled) == sum(len(one.inputs) for one in nodes) + len(found.arith.outputs)
    assert {end for a, b, _ in drawing.edges for end in (a, b)} <= drawing.nodes.keys()
    assert len(drawing.clusters) == len(graphs) - 1
    assert all(char.isprintable() or char == "\n" for char in text)
    assert text == format_dot(found)


def test_edges_lead_from_the_last_writer_and_back_into_the_state() -> None:
    drawing = read_dot(format_dot(small_model()))

    assert drawing.leads('"x\\nint16[4] 2^0"', "relu\\na int16[4]")
    assert drawing.leads("relu\\na int16", "vvmul\\nb int16")
    assert drawing.leads('"w\\nint16[4] 2^0"', "vvmul\\nb int16")
    assert drawing.leads('"held\\nint16', "vvadd\\n")
    assert drawing.leads("vvadd\\n", '"assign"')
    assert drawing.leads('"assign"', '"held\\nint16')
    assert drawing.leads("vvadd\\n", '"y\\nint16[4] 2^-3"')
    (state,) = drawing.find('"held')
    assert drawing.nodes[state]["style"] == "dashed"


def test_who_reads_after_an_assign_reads_what_it_wrote() -> None:
    held, x, y = tensor("held", 2), tensor("x", 2), tensor("y", 2)
    found = model(node("assign", y=held, x=x), node("relu", [y], x=held), inputs=[x], outputs=[y])

    assert read_dot(format_dot(found)).leads('"assign"', "relu")


def test_nested_graphs_are_clusters_and_shared_ones_are_drawn_once() -> None:
    nested = read_dot(format_dot(nested_model(3, width=1)))
    shared = read_dot(format_dot(nested_model(60)))

    assert [depth for _, depth in nested.clusters] == [1, 2, 3]
    assert len(shared.clusters) == 60
    assert len(shared.nodes) < 400
    deep = read_dot(format_dot(nested_model(1000, width=1)))
    assert len(deep.clusters) == 1000


def test_hostile_names_stay_inside_their_labels() -> None:
    x, y = tensor(HOSTILE, 2, dtype=HOSTILE), tensor(HOSTILE * 2, 2)
    body = graph(node("relu", [y], x=x, constants={HOSTILE: HOSTILE}), name=HOSTILE)
    found = model(node("loop", [y], x_scope_0=x, body=body), inputs=[x], outputs=[y])

    text = format_dot(found)

    assert sum(key.startswith("n") for key in read_dot(text).nodes) == 2
    assert "evil" not in read_dot(text).nodes
    assert all(char.isprintable() or char == "\n" for char in text)


def test_many_constants_are_cut() -> None:
    lengths = {f"c{i}": i for i in range(40)}

    text = format_dot(model(node("relu", constants=lengths)))

    assert "c15=15\\n... and 24 more" in text


@given(st.text(max_size=20))
def test_any_name_can_be_drawn(name: str) -> None:
    x = tensor(name, 1)

    found = model(node("relu", [x], x=x), inputs=[x])

    assert len(read_dot(format_dot(found)).nodes) == 2


def _graph_of(found: Model) -> Message:
    (main,) = messages(read_message(onnx_bytes(found)), 7)
    return main


@pytest.mark.parametrize("name", NAMES)
def test_an_onnx_file_holds_nodes_and_parameters_of_a_golden_model(name: str) -> None:
    found = golden(name)

    whole = read_message(onnx_bytes(found))

    assert (whole[1], texts(whole, 2)) == ([8], ["hostrt"])
    (main,) = messages(whole, 7)
    nodes = messages(main, 1)
    arith = found.arith
    assert [texts(one, 4) for one in nodes] == [[one.opname or "inline"] for one in arith.nodes]
    for ours, theirs in zip(nodes, arith.nodes, strict=True):
        assert texts(ours, 1) == [tensor.name for tensor in theirs.inputs.values()]
        assert texts(ours, 2) == [tensor.name for tensor in theirs.outputs]
        assert texts(ours, 7) == ["fqir"]
    names = [tensor.name for tensor in (*arith.inputs, *find_state(found))]
    assert [texts(one, 1)[0] for one in messages(main, 11)] == names
    assert [texts(one, 1)[0] for one in messages(main, 12)] == [one.name for one in arith.outputs]
    for stored, parameter in zip(messages(main, 5), arith.parameters, strict=True):
        value = parameter.value
        assert value is not None
        assert stored[1] == list(value.shape)
        kind = {6: "<i4", 7: "<i8"}[_number(stored[2][0])]
        (data,) = stored[9]
        assert isinstance(data, bytes)
        assert np.array_equal(np.frombuffer(data, kind).reshape(value.shape), value)


def _number(value: int | bytes) -> int:
    assert isinstance(value, int)
    return value


def _attributes(found: Model) -> dict[str, Message]:
    (only,) = messages(_graph_of(found), 1)
    return {texts(one, 1)[0]: one for one in messages(only, 5)}


def test_constants_become_attributes_of_the_kind_that_fits() -> None:
    constants = {
        "shamt": -3,
        "rounded": True,
        "lengths": (8, 24),
        "function": "tanh\x1b",
        "scalar": np.int32(5),
        "mixed": (1, "a"),
        "none": None,
        "half": 0.5,
        "huge": 1 << 70,
        "array": np.array([[1, 2]], np.int16),
        "table": Table("t", np.arange(2, dtype=np.int8), np.array([5, 6])),
    }
    body = graph(node("relu"), name="inner")

    found = _attributes(model(node("loop", constants=constants, x=tensor("x", 1), body=body)))

    assert texts(found["arguments"], 9) == ["x"]
    assert (found["shamt"][3], found["shamt"][20]) == ([2**64 - 3], [2])
    assert (found["rounded"][3], found["scalar"][3]) == ([1], [5])
    assert (found["lengths"][8], found["lengths"][20]) == ([8, 24], [7])
    assert (texts(found["function"], 4), found["function"][20]) == (["tanh\\x1b"], [3])
    assert texts(found["mixed"], 4) == ['(1, "a")']
    assert [texts(found[name], 4) for name in ("none", "half")] == [["None"], ["0.5"]]
    assert texts(found["huge"], 4) == [str(1 << 70)]
    (array,) = messages(found["array"], 5)
    assert (array[1], array[2], array[9]) == ([1, 2], [5], [b"\x01\x00\x02\x00"])
    assert messages(found["table.x"], 5)[0][9] == [b"\x00\x01"]
    (inner,) = messages(found["body"], 6)
    assert (texts(inner, 2), found["body"][20]) == (["inner"], [5])


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("int4", 22), ("fqint8", 3), ("int16", 5), ("int24", 6), ("float", 1)],
)
def test_tensors_get_the_type_that_holds_them_and_the_real_one_as_text(
    dtype: str, kind: int
) -> None:
    x = tensor("x", 3, 4, dtype=dtype, quanta=-7)

    (value,) = messages(_graph_of(model(inputs=[x])), 11)

    (described,) = messages(messages(value, 2)[0], 1)
    assert described[1] == [kind]
    assert [one[1] for one in messages(messages(described, 2)[0], 1)] == [[3], [4]]
    assert texts(value, 3) == [f"{dtype}[3,4] 2^-7"]


def test_a_graph_that_would_be_repeated_endlessly_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr("hostrt.fqir.onnx._MOST_BYTES", 1 << 16)

    with pytest.raises(ProgramUnsupported, match="more than 65536 bytes as ONNX"):
        onnx_bytes(nested_model(60))


@given(st.text(max_size=20), st.text(max_size=20))
def test_names_stay_different_in_an_onnx_file(first: str, second: str) -> None:
    found = model(inputs=[tensor(first, 1), tensor(second, 1)])

    ours = [texts(one, 1)[0] for one in messages(_graph_of(found), 11)]

    assert all(name.isprintable() for name in ours)
    assert (ours[0] == ours[1]) == (first == second)
