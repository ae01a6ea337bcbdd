"""A graph made ready to run, with all that are nested in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import ProgramCorrupt, ProgramUnsupported
from hostrt.fqir.control import HOLDERS, body_of
from hostrt.fqir.semantics.binding import bind
from hostrt.fqir.steps import Inline, Names, Operation, Prepared
from hostrt.fqir.walk import graphs_within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.fqir.graph import Array, Graph, Node, Tensor
    from hostrt.fqir.steps import Step

_REAL = frozenset(("quantize", "dequantize"))
"""Operators that take real numbers; all others compute with signed integers only."""


def prepare(graph: Graph, *, skip: Graph | None = None) -> Prepared:
    """Make a graph ready to run, with all that are nested in it.

    Args:
        graph: what is to run.
        skip: nodes that run this graph are left out.

    Raises:
        ProgramCorrupt: a node lacks something it needs.
        ProgramUnsupported: a node that cannot be executed.
    """
    ready: dict[int, Prepared] = {}
    for inner in reversed(graphs_within(graph)):
        nodes = [n for n in inner.nodes if not any(g is skip for g in n.subgraphs.values())]
        ready[id(inner)] = Prepared(
            inner.name,
            tuple(tensor.name for tensor in inner.inputs),
            tuple(_parameter(tensor) for tensor in inner.parameters),
            tuple(_prepare_node(node, ready) for node in nodes),
            tuple(tensor.name for tensor in inner.outputs),
        )
    return ready[id(graph)]


def _parameter(tensor: Tensor) -> tuple[str, Array]:
    if tensor.value is None:
        raise ProgramCorrupt(f"parameter {tensor.name!r} has no value")
    if tensor.value.dtype.kind != "i":
        raise ProgramUnsupported(
            f"parameter {tensor.name!r} holds {tensor.value.dtype}, expected signed integers"
        )
    return tensor.name, tensor.value


def _prepare_node(node: Node, ready: Mapping[int, Prepared]) -> Step:
    graphs = {key: ready[id(graph)] for key, graph in node.subgraphs.items()}
    if node.operator is None:
        return Inline(Names.of(node), body_of(node, graphs, next(iter(graphs), "body")))
    make = HOLDERS.get(node.opname)
    if make is not None:
        return make(node, graphs)
    return Operation(Names.of(node), bind(node), node.opname in _REAL)
