"""Facts about a model, as JSON can hold them."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from hostrt.fqir.describe import describe_model
from hostrt.fqir.state import find_state
from hostrt.fqir.walk import graphs_within, tensors_within
from tests.fqir.inspected import (
    NAMES,
    golden,
    graph,
    meta_of,
    model,
    nested_model,
    node,
    small_model,
    tensor,
)


@pytest.mark.parametrize("name", NAMES)
def test_facts_of_golden_models_equal_the_references(name: str) -> None:
    meta = meta_of(name)
    found = golden(name)

    facts = describe_model(found)

    json.dumps(facts, allow_nan=False)
    assert facts["sha256"] == found.sha256
    assert facts["source"].endswith(f"{name}/model.pt")
    for ours, theirs in ((facts["inputs"], meta["inputs"]), (facts["outputs"], meta["outputs"])):
        expected = [(one["name"], one["dtype"], one["shape"], one["quanta"]) for one in theirs]
        assert [
            (one["name"], one["dtype"], one["shape"], one["quanta"]) for one in ours
        ] == expected
    assert facts["time_axis"] == meta["unbind_dim"]
    assert facts["nodes"] == meta["n_nodes"]
    assert facts["operators"] == meta["ops"]
    assert facts["init_operators"] == meta["init_ops"]
    assert facts["footprint"] == meta["footprint_bytes"]
    assert facts["counts"] == (None if isinstance(meta["opcount"], str) else meta["opcount"])
    assert ("counts" in facts["unknown"]) == (facts["counts"] is None)
    graphs = {row["name"] for row in facts["subgraphs"] if row["within"] is None}
    assert graphs == set(meta["subgraphs"])
    assert sum(row["nodes"] for row in facts["subgraphs"] if row["name"] == "ARITH") == len(
        found.arith.nodes
    )


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_reference(name: str) -> None:
    facts, meta = describe_model(golden(name)), meta_of(name)

    assert facts["parameters"] is not None
    values = Counter({dtype: row["values"] for dtype, row in facts["parameters"].items()})
    init = golden(name).init
    for one in init.parameters if init else ():
        # there it is the initial value of a state
        values[one.dtype] += one.value.size if one.value is not None else 0
    assert values == meta["params_by_dtype"]
    assert facts["footprint"] is not None
    assert (
        sum(row["bytes"] for row in facts["parameters"].values())
        == (facts["footprint"]["parameters"])
    )


STATES = {
    "gru2": (["%x.3", "%x.33"], 2 * 48 * 2),
    "identity32": ([], 0),
    "latched_gain": (["%x.18"], 32 * 2),
    "norm_softmax": ([], 0),
    "opzoo": (["acc_state", "st", "cst", "ubuf", "cbuf", "cnt"], 294),
    "tdnn_dw": ([f"%buffer_%x.{n}" for n in (2, 6, 15, 24)], 960),
}


@pytest.mark.parametrize("name", STATES)
def test_state_is_what_lives_longer_than_a_frame(name: str) -> None:
    facts = describe_model(golden(name))

    assert ([one["name"] for one in facts["state"]], facts["state_bytes"]) == STATES[name]


def test_state_that_only_arith_knows_is_found_and_what_it_resets_is_not() -> None:
    held, reset, x = tensor("held", 2), tensor("reset", 2), tensor("x", 2)
    found = model(
        node("assign", y=held, x=x),
        node("assign", y=reset, x=x),
        init=graph(node("zeros", [reset, tensor("unused", 2)]), name="INIT"),
        inputs=[x],
        parameters=[reset],
    )

    assert find_state(found) == [held]


def test_what_cannot_be_said_is_none_and_the_reason_is_given() -> None:
    real = tensor("x", 4, dtype="float", quanta=None)
    loop = node("loop", [tensor("y", 4)], x_scope_0=real, body=graph(name="body"))
    found = model(loop, inputs=[real], parameters=[real])

    facts = describe_model(found)

    assert {key for key, value in facts.items() if value is None} == {
        "parameters", "work", "footprint", "init_operators", "time_axis"
    }  # fmt: skip
    assert facts["unknown"].keys() == {"parameters", "work", "footprint"}
    assert facts["unknown"]["work"].startswith("loop has no usable constant n_iter")
    assert facts["inputs"][0]["scale"] is None


def test_operators_that_cannot_be_executed_are_counted_wherever_they_are() -> None:
    body = graph(node("lstm"), node("print"), name="body")
    found = model(node("loop", body=body), node("lstm"), init=graph(node("pwlin"), name="INIT"))

    assert describe_model(found)["not_executable"] == {"lstm": 2, "pwlin": 1, "print": 1}


def test_graphs_are_listed_once_from_the_outside_in() -> None:
    facts = describe_model(nested_model(3))

    rows = [(row["name"], row["within"], row["nodes"]) for row in facts["subgraphs"]]
    assert rows == [
        ("ARITH", None, 2),
        ("level1", "ARITH", 2),
        ("level0", "ARITH", 2),
        ("bottom", "ARITH", 1),
    ]


def test_numbers_beyond_json_are_left_out() -> None:
    found = nested_model(1200)

    facts = describe_model(found)

    json.dumps(facts, allow_nan=False)
    assert (facts["work"], facts["counts"]) == (None, None)
    assert facts["unknown"]["work"] == "larger than any floating-point number"


def test_graphs_come_before_those_inside_them_and_each_once() -> None:
    inner, other = graph(name="inner"), graph(name="other")
    outer = graph(node("loop", body=inner), node("loop", body=other), name="outer")
    root = graph(node("loop", body=other), node("loop", body=outer), node("loop", body=inner))

    names = [one.name for one in graphs_within(root, outer)]

    assert names == ["ARITH", "outer", "inner", "other"]
    assert len(graphs_within(*nested_model(500).root.subgraphs.values())) == 501


def test_every_tensor_is_found_once() -> None:
    found = small_model()

    names = sorted(one.name for one in tensors_within([found.arith]))

    assert names == sorted(["x", "w", "a", "b", "held", "y"])
