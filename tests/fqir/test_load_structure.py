"""Graphs in a file: what belongs together, what is repaired, and what would never end."""

from __future__ import annotations

from typing import Any

import pytest

from hostrt.errors import ProgramUnsafe, ProgramUnsupported
from hostrt.fqir.graph import Graph
from tests.fqir.refused import SHIFT, load, refusal
from tests.fqir.tiny_model import (
    ABSENT,
    graph,
    main_graph,
    node,
    pickled,
    tensor,
    with_node,
)
from tests.fqir.write_pickle import Global, Instance


def test_a_model_without_arith_is_refused() -> None:
    data = pickled(main_graph(subgraphs={}))
    assert "no graph ARITH" in refusal(data, ProgramUnsupported)


def test_a_reshaper_is_refused() -> None:
    data = pickled(main_graph(graph(reshaper="something")))
    assert refusal(data, ProgramUnsupported).startswith("graph 'ARITH' has a reshaper")


def test_saved_run_time_plans_are_ignored_and_noted() -> None:
    plan = Instance(Global("fmot.fqir.runtime_plan", "RuntimeGraphPlan"), {"nodes": []})
    model = load(pickled(main_graph(graph(_runtime_plan_cache=plan))))
    assert model.notes == ("graph 'ARITH': saved run-time plans ignored",)


def test_an_output_that_is_a_node_is_replaced_by_that_node_s_output() -> None:
    """FQIR reference 1.8: a traced model that returns one tensor twice."""
    y = tensor("y")
    copy = node("COPY", inputs={"x": y}, outputs=[tensor("y.copy")])
    arith = graph(nodes=[node(outputs=[y]), copy], outputs=[y, copy])
    model = load(pickled(main_graph(arith)))
    assert [item.name for item in model.arith.outputs] == ["y", "y.copy"]
    assert model.arith.outputs[1] is model.arith.nodes[1].outputs[0]
    assert model.notes == (
        "graph 'ARITH', output 1 was a node instead of a tensor; its output 'y.copy' is used",
    )


@pytest.mark.parametrize("outputs", [[], [tensor("a"), tensor("b")], [1]])
def test_an_output_that_is_another_node_is_refused(outputs: list[Any]) -> None:
    assert "output 0" in refusal(pickled(main_graph(graph(outputs=[node(outputs=outputs)]))))


def test_notes_are_not_more_than_a_reader_wants() -> None:
    nodes = [node(constants={"junk": {}}) for _ in range(30)]
    notes = load(pickled(main_graph(graph(nodes=nodes)))).notes
    assert len(notes) == 21
    assert notes[-1] == "10 more like these"


def test_a_body_is_found_under_both_of_its_names() -> None:
    body = graph("inner")
    for more in (
        {"subgraph": body, "subgraphs": ABSENT},
        {"subgraph": body, "subgraphs": {"body": body}},
        {"subgraph": ABSENT, "subgraphs": {"whatever": body}},
    ):
        found = load(with_node(class_name=None, **more)).arith.nodes[0]
        assert list(found.subgraphs) == ["body"]
        assert found.subgraphs["body"].name == "inner"


def test_two_different_bodies_are_refused() -> None:
    data = with_node(class_name=None, subgraph=graph("a"), subgraphs={"body": graph("b")})
    assert "a graph besides its named graphs" in refusal(data)
    data = with_node(class_name=None)
    assert "found graphs none, expected 'body'" in refusal(data)


def itself(depth: int) -> bytes:
    """Give a model whose ARITH contains itself, `depth` graphs down."""
    arith = graph()
    assert arith.state is not None
    inner = arith
    for _ in range(depth):
        inner = graph("inner", nodes=[node(None, subgraph=inner)])
    arith.state["nodes"] = [node(None, subgraph=inner)]
    return pickled(main_graph(arith))


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_a_graph_that_contains_itself_is_refused(depth: int) -> None:
    assert "contains itself" in refusal(itself(depth), ProgramUnsafe)


def test_a_main_graph_that_contains_itself_is_refused() -> None:
    root = main_graph()
    assert root.state is not None
    root.state["subgraphs"]["again"] = root
    assert "graph 'again' contains itself" in refusal(pickled(root), ProgramUnsafe)


def nested(depth: int, copies: int) -> bytes:
    """Give graphs in graphs, each `copies` times in the one above it."""
    inner = graph("leaf")
    for _ in range(depth):
        inner = graph("level", nodes=[node(None, subgraph=inner) for _ in range(copies)])
    return pickled(main_graph(inner))


def test_graphs_nested_too_deeply_are_refused() -> None:
    assert isinstance(load(nested(31, 1)).root, Graph)
    assert "graphs more than 32 deep" in refusal(nested(32, 1), ProgramUnsafe)


def test_graphs_shared_so_often_that_running_them_never_ends_are_refused() -> None:
    assert sum(1 for _ in load(nested(10, 2)).arith.walk()) == 2**11 - 2 + 2**10
    assert "nodes to execute" in refusal(nested(30, 2), ProgramUnsafe)


def test_a_graph_larger_than_the_memory_budget_is_refused() -> None:
    many = [tensor("x")] * 2000
    data = pickled(main_graph(graph(inputs=many)))
    assert len(load(data).arith.inputs) == 2000
    message = refusal(data, ProgramUnsafe, memory_bytes=280_000)
    assert "memory budget" in message


def test_a_constant_of_lists_in_lists_is_refused() -> None:
    deep: list[Any] = [1]
    for _ in range(8):
        deep = [deep]
    data = with_node(**SHIFT, constants={"shamt": 1, "bw": 1, "junk": deep})
    assert "lists more than 8 deep" in refusal(data, ProgramUnsafe)
    endless: list[Any] = []
    endless.append(endless)
    data = with_node(**SHIFT, constants={"shamt": endless, "bw": 1})
    assert "lists more than 8 deep" in refusal(data, ProgramUnsafe)


def test_a_node_of_two_graphs_stays_one_node() -> None:
    one = node()
    arith = graph(nodes=[one])
    model = load(pickled(main_graph(arith, subgraphs={"ARITH": arith, "X": graph(nodes=[one])})))
    assert model.root.subgraphs["X"].nodes[0] is model.arith.nodes[0]
