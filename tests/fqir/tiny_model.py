"""A model of one node, as the objects of its pickle, to be bent by tests of the loader."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.fqir.write_pickle import Emitter, Global, Instance

GRAPH = Global("fmot.fqir.graph_proto.graph_proto", "GraphProto")
NODE = Global("fmot.fqir.nodes.node_proto", "NodeProto")
TENSOR = Global("fmot.fqir.variables.tensor_proto", "TensorProto")
TABLE = Global("fmot.qat.nn.atomics", "Table")
OPTYPES = "fmot.fqir.nodes.optypes"
COUNTERS = "fmot.fqir.nodes.opcounters"

ABSENT = object()
"""As a value: the attribute is left out."""


def made(cls: Global, state: dict[str, Any], more: dict[str, Any]) -> Instance:
    """Give an object whose attributes are `state`, changed by `more`."""
    return Instance(cls, {k: v for k, v in (state | more).items() if v is not ABSENT})


def tensor(name: str = "x", **more: Any) -> Instance:
    """Give a tensor of four int16."""
    state = {"name": name, "dtype": "fqint16", "shape": [4], "quanta": -7, "value": None}
    return made(TENSOR, state, more)


def parameter(name: str = "w", **more: Any) -> Instance:
    """Give a tensor with a value."""
    return tensor(name, **{"value": np.arange(4, dtype=np.int32)} | more)


def operator(class_name: str = "RELU", name: str | None = None, **more: Any) -> Instance:
    """Give the object of an operator."""
    state = {"name": class_name.lower() if name is None else name, "inputs": ["x"]}
    return made(Global(OPTYPES, class_name), state, more)


def node(class_name: str | None = "RELU", **more: Any) -> Instance:
    """Give a node with input and output x and y; without operator for None."""
    state = {
        "name": "the node",
        "opname": "relu",
        "optype": None if class_name is None else operator(class_name),
        "inputs": {"x": tensor("x")},
        "outputs": [tensor("y")],
        "constants": {},
        "subgraph": None,
        "subgraphs": {},
        "sourceref": None,
        "opcounter": Instance(Global(COUNTERS, "NullCounter")),
    }
    return made(NODE, state, more)


def graph(name: str = "ARITH", **more: Any) -> Instance:
    """Give a graph of one node."""
    one = node()
    assert one.state is not None
    state: dict[str, Any] = {
        "name": name,
        "nodes": [one],
        "inputs": list(one.state["inputs"].values()),
        "outputs": list(one.state["outputs"]),
        "parameters": [],
        "subgraphs": {},
        "reshaper": None,
        "unbind_dim": None,
        "stack_dim": None,
    }
    return made(GRAPH, state, more)


def main_graph(arith: Instance | None = None, **more: Any) -> Instance:
    """Give a main graph around ARITH."""
    arith = graph() if arith is None else arith
    wrapper = node(None, inputs={}, outputs=[], subgraph=arith, opname="ARITH")
    state = {"name": "MAIN", "nodes": [wrapper], "subgraphs": {"ARITH": arith}}
    return made(GRAPH, state, more)


def pickled(root: Instance) -> bytes:
    """Give the bare pickle of a main graph."""
    return Emitter().dump(root)


def with_node(**more: Any) -> bytes:
    """Give a model whose only node differs."""
    class_name = more.pop("class_name", "RELU")
    return pickled(main_graph(graph(nodes=[node(class_name, **more)])))


def with_tensor(**more: Any) -> bytes:
    """Give a model whose only input differs."""
    return pickled(main_graph(graph(inputs=[tensor(**more)])))
