"""From the objects of a pickle to a model: what is read, what is refused, and how it is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hostrt.fqir.graph import Table
from hostrt.fqir.operators import OPERATORS
from tests.fqir.refused import SHIFT, TABLE_STATE, load, refusal
from tests.fqir.tiny_model import (
    ABSENT,
    COUNTERS,
    GRAPH,
    TABLE,
    graph,
    made,
    main_graph,
    operator,
    parameter,
    pickled,
    tensor,
    with_node,
    with_tensor,
)
from tests.fqir.write_pickle import Global, Instance


def test_the_tiny_model_is_read() -> None:
    model = load(pickled(main_graph()))
    assert [item.opname for item in model.root.walk()] == ["", "relu"]
    assert model.arith is model.root.nodes[0].subgraphs["body"]
    assert (model.init, model.quant, model.dequant) == (None, None, None)
    assert model.arith.nodes[0].counter == "NullCounter"
    assert model.arith.inputs[0] is model.arith.nodes[0].inputs["x"]


@pytest.mark.parametrize(
    ("value", "quanta"),
    [(None, None), (-7, -7), (-7.0, -7), (np.int32(3), 3), (np.float64(3), 3), (0, 0)],
)
def test_quanta_may_be_stored_as_float(value: object, quanta: int | None) -> None:
    found = load(with_tensor(quanta=value)).arith.inputs[0].quanta
    assert found == quanta
    assert found is None or type(found) is int


def test_tensor_attributes_are_converted() -> None:
    data = with_tensor(
        shape=[np.int64(2), 2], avg_sparsity=0.5, named_dims=["B", "F"], is_bool=True,
        density_per_element=np.ones(2), children=set(), extra_rep="x", unheard_of=[1],
    )  # fmt: skip
    found = load(data).arith.inputs[0]
    assert found.shape == (2, 2)
    assert type(found.shape[0]) is int
    assert (found.avg_sparsity, found.named_dims, found.is_bool) == (0.5, ("B", "F"), True)
    assert found.density_per_element is not None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, ABSENT])
def test_an_unknown_sparsity_is_none(value: object) -> None:
    assert load(with_tensor(avg_sparsity=value)).arith.inputs[0].avg_sparsity is None


def test_attributes_that_early_files_lack_have_their_defaults() -> None:
    """FQIR reference 1.8: absent in files written before 3.18, and earlier ones."""
    missing = dict.fromkeys(
        ("subgraphs", "sourceref", "opcounter", "constants", "repr_settings"), ABSENT
    )
    found = load(with_node(**missing)).arith.nodes[0]
    assert (found.subgraphs, found.sourceref, found.counter, found.constants) == ({}, "", "", {})
    sparse = dict.fromkeys(("quanta", "value", "named_dims", "is_bool"), ABSENT)
    assert load(with_tensor(**sparse)).arith.inputs[0].is_bool is False
    bare = graph(unbind_dim=ABSENT, stack_dim=ABSENT, parameters=ABSENT, subgraphs=ABSENT)
    assert load(pickled(main_graph(bare))).arith.unbind_dim is None


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("name", None, "a tensor: found name None, expected text"),
        ("name", 3, "a tensor: found name 3, expected text"),
        ("dtype", 8, "tensor 'x': found dtype 8, expected text"),
        ("shape", "4", "tensor 'x': found shape '4', expected a list"),
        ("shape", ["4"], "tensor 'x': found shape '4', expected a whole number"),
        ("shape", [True], "tensor 'x': found shape True, expected a whole number"),
        ("shape", [1.5], "tensor 'x': found shape 1.5, expected a whole number"),
        ("quanta", -7.5, "tensor 'x': found quanta -7.5, expected a whole number"),
        ("quanta", float("nan"), "tensor 'x': found quanta nan, expected a whole number"),
        ("quanta", "1", "tensor 'x': found quanta '1', expected a whole number"),
        ("quanta", 1001, "tensor 'x': found quanta 1001, expected -1000..1000"),
        (
            "quanta",
            -1e308,
            "tensor 'x': found quanta -1000000000000",
        ),
        ("value", [1, 2], "tensor 'x': found value of type list, expected an array"),
        ("avg_sparsity", "0", "tensor 'x': found avg_sparsity '0', expected a number"),
        ("density_per_element", 1.0, "tensor 'x': found density_per_element 1.0, expected an arr"),
        ("named_dims", "BF", "tensor 'x': found named_dims 'BF', expected a list"),
        ("named_dims", [1], "tensor 'x': found named_dims 1, expected text"),
        ("is_bool", 1, "tensor 'x': found is_bool 1, expected a boolean"),
    ],
)
def test_a_tensor_attribute_of_another_type_is_refused_and_named(
    attribute: str, value: object, words: str
) -> None:
    changed: dict[str, Any] = {attribute: value}
    assert refusal(with_tensor(**changed)).startswith(words)


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("name", 3, "a node: found name 3, expected text"),
        ("opname", [], "a node: found opname of type list, expected text"),
        ("optype", "relu", "node 'the node' ('relu'): found optype 'relu', expected an operator"),
        ("optype", tensor(), "node 'the node' ('relu'): found optype of class TensorProto,"),
        ("inputs", [], "node 'the node' ('relu'): found inputs of type list, expected a dict"),
        ("inputs", {"x": 1}, "node 'the node' ('relu'): found 'x' 1, expected a TensorProto"),
        ("inputs", {"x": {1}}, "node 'the node' ('relu'): found 'x' a set, expected a TensorProto"),
        ("inputs", {"x": b"x"}, "node 'the node' ('relu'): found 'x' of type bytes, expected a T"),
        ("inputs", {"y": tensor()}, "node 'the node' ('relu'): found no input 'x', expected one"),
        ("outputs", None, "node 'the node' ('relu'): found outputs None, expected a list"),
        ("outputs", [None], "node 'the node' ('relu'): found outputs None, expected a TensorPro"),
        ("constants", [], "node 'the node' ('relu'): found constants of type list, expected a d"),
        ("subgraph", 1, "node 'the node' ('relu'): found subgraph 1, expected a GraphProto"),
        ("subgraph", graph(), "node 'the node' ('relu'): found graphs 'body', expected none"),
        ("subgraphs", {"a": 1}, "node 'the node' ('relu'): found graph 'a' 1, expected a GraphPr"),
        ("sourceref", 1, "node 'the node' ('relu'): found sourceref 1, expected text"),
        ("opcounter", 1, "node 'the node' ('relu'): found opcounter 1, expected a counter"),
    ],
)
def test_a_node_attribute_of_another_type_is_refused_and_named(
    attribute: str, value: object, words: str
) -> None:
    changed: dict[str, Any] = {attribute: value}
    assert refusal(with_node(**changed)).startswith(words)


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("name", 3, "the graph of node 'the node' ('ARITH'): found name 3, expected text"),
        ("nodes", [tensor()], "graph 'ARITH': found a node of class TensorProto, expected a NodeP"),
        ("nodes", {}, "graph 'ARITH': found nodes of type dict, expected a list"),
        ("inputs", [None], "graph 'ARITH': found inputs None, expected a TensorProto"),
        ("outputs", [7], "graph 'ARITH': found outputs 7, expected a TensorProto"),
        ("parameters", [tensor()], "graph 'ARITH': found parameter 'x' without value, expected"),
        ("subgraphs", [], "graph 'ARITH': found subgraphs of type list, expected a dict"),
        ("subgraphs", {"a": None}, "graph 'ARITH': found graph 'a' None, expected a GraphProto"),
        ("unbind_dim", "0", "graph 'ARITH': found unbind_dim '0', expected a whole number"),
    ],
)
def test_a_graph_attribute_of_another_type_is_refused_and_named(
    attribute: str, value: object, words: str
) -> None:
    changed: dict[str, Any] = {attribute: value}
    assert refusal(pickled(main_graph(graph(**changed)))).startswith(words)


def test_messages_do_not_show_source_references_or_control_characters() -> None:
    data = with_node(name="\n\x1b[31mn", sourceref="/x/secret.py", inputs={})
    message = refusal(data)
    assert "secret" not in message
    assert message.startswith(r"node '\n\x1b[31mn'")


@pytest.mark.parametrize(
    ("class_name", "name"), [("RELU", "vneg"), ("VVADD", "VVADD"), ("GMACv2", "gmacv2")]
)
def test_class_and_name_of_an_operator_must_agree(class_name: str, name: str) -> None:
    message = refusal(with_node(optype=operator(class_name, name)))
    assert f"found operator '{name}' of class {class_name}" in message


@pytest.mark.parametrize("class_name", ["PRINT", "LSTM", "FQIR_WRITER_KERNEL", "CONV1D", "SQUEEZE"])
def test_operators_that_cannot_be_executed_can_be_loaded(class_name: str) -> None:
    found = load(with_node(class_name=class_name)).arith.nodes[0]
    assert found.operator is not None
    assert not found.operator.executable


def test_the_name_of_an_operator_before_1_9_is_not_checked() -> None:
    found = load(with_node(optype=operator("AVGPOOL1D", "avg_pool"))).arith.nodes[0]
    assert found.opname == "avgpool1d"


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_an_operator_without_what_it_needs_is_refused(name: str) -> None:
    item = OPERATORS[name]
    inputs = {argument.replace("*", "0"): tensor(argument) for argument in item.inputs}
    bodies = {key: graph(key) for key in item.subgraphs}
    full: dict[str, Any] = {
        "optype": operator(item.class_name, name),
        "inputs": inputs,
        "constants": dict.fromkeys(item.constants, 1),
        "subgraphs": bodies,
    }
    assert load(with_node(**full)).arith.nodes[0].operator is item
    for constant in item.constants:
        others = {key: 1 for key in item.constants if key != constant}
        assert f"no constant '{constant}'" in refusal(with_node(**full | {"constants": others}))
    for argument in item.inputs:
        if argument.endswith("_*"):
            continue  # may be empty
        key = argument.replace("*", "0")
        less = {other: value for other, value in inputs.items() if other != key}
        assert f"no input '{key}'" in refusal(with_node(**full | {"inputs": less}))
    if bodies:
        assert "found graphs" in refusal(with_node(**full | {"subgraphs": {}}))


def test_constants_become_plain_values() -> None:
    table = made(TABLE, TABLE_STATE, {})
    constants = {
        "shamt": np.int32(3), "bw": 16, "list": [1, [2, 3]], "tuple": (1, 2), "text": "f",
        "none": None, "flag": True, "array": np.arange(3), "table": table, "again": table,
    }  # fmt: skip
    found = load(with_node(**SHIFT, constants=constants)).arith.nodes[0].constants
    assert type(found["shamt"]) is np.int32
    assert found["list"] == (1, (2, 3))
    assert found["tuple"] == (1, 2)
    assert (found["text"], found["none"], found["flag"]) == ("f", None, True)
    array = found["array"]
    assert isinstance(array, np.ndarray)
    assert not array.flags.writeable
    assert isinstance(found["table"], Table)
    assert found["table"] is found["again"]
    assert found["table"].y.dtype == np.int32


@pytest.mark.parametrize("value", [{"a": 1}, {1}, b"x", tensor(), GRAPH, [1, {}]])
def test_a_constant_of_another_kind_is_refused_where_it_matters(value: object) -> None:
    assert "constant 'shamt'" in refusal(with_node(**SHIFT, constants={"shamt": value, "bw": 1}))
    model = load(with_node(**SHIFT, constants={"shamt": 1, "bw": 1, "junk": value}))
    assert "junk" not in model.arith.nodes[0].constants
    assert model.notes == ("node 'the node' ('shift'): constant 'junk' left out",)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"x": np.arange(3)}, "found 3 addresses and 4 values"),
        ({"x": np.arange(0), "y": np.arange(0)}, "found 0 addresses and 0 values"),
        ({"x": np.ones(4)}, "found x float64, 1 axes"),
        ({"y": np.ones((2, 2), np.int32)}, "found y int32, 2 axes"),
        ({"y": None}, "found y none"),
        ({"y": [1, 2]}, "found y of type list"),
        ({"N": 5}, "found N 5"),
        ({"name": 1}, "found name 1"),
    ],
)
def test_a_malformed_table_is_refused(more: dict[str, Any], words: str) -> None:
    constants = {"shamt_address": 0, "bw_address": 8, "table": made(TABLE, TABLE_STATE, more)}
    message = refusal(with_node(class_name="LUT", constants=constants))
    assert "look-up table" in message
    assert words in message


def test_parameters_keep_their_storage_type() -> None:
    for kind in (np.int8, np.int32, np.int64, np.bool_):
        value = np.zeros(4, kind)
        model = load(pickled(main_graph(graph(parameters=[parameter(value=value)]))))
        assert model.arith.parameters[0].value is not None
        assert model.arith.parameters[0].value.dtype == kind


def test_counters_are_kept_by_name() -> None:
    counter = Instance(Global(COUNTERS, "VCounter"), {"op": "add", "sparse_out": False})
    assert load(with_node(opcounter=counter)).arith.nodes[0].counter == "VCounter"
