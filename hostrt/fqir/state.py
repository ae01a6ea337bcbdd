"""What a model remembers from one frame to the next (FQIR reference 5.2 and 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.fqir.walk import graphs_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hostrt.fqir.graph import Graph, Model, Node, Tensor

WRITTEN_INPUT: Mapping[str, str] = {
    "assign": "y",
    "temporal_unfold": "buffer",
    "temporal_conv2d": "buffer",
    "strided_subgraph": "counter",
}
"""Operator -> the argument whose tensor it gives a new value."""


def written_input(node: Node) -> Tensor | None:
    """Give the input that the node gives a new value, if it does so."""
    return node.inputs.get(WRITTEN_INPUT.get(node.opname, ""))


def find_state(model: Model) -> list[Tensor]:
    """Give the tensors that live longer than a frame, one for each name.

    These are what INIT makes and ARITH mentions, and what ARITH gives a new value although it read
    it: by `assign`, as the buffer of a convolution, as the counter of a strided graph.
    """
    graphs = graphs_within(model.arith)
    reset = {tensor.name for tensor in model.arith.parameters}
    used = {
        tensor.name for graph in graphs for node in graph.nodes for tensor in node.inputs.values()
    }
    used.update(tensor.name for graph in graphs for tensor in graph.outputs)
    found: dict[str, Tensor] = {}
    made = _made(graphs_within(model.init)) if model.init else iter(())
    for tensor in (*made, *_rewritten(graphs)):
        if tensor.name in used and tensor.name not in reset:
            found.setdefault(tensor.name, tensor)
    return list(found.values())


def _made(graphs: list[Graph]) -> Iterator[Tensor]:
    for graph in graphs:
        yield from graph.parameters
        for node in graph.nodes:
            yield from node.outputs


def _rewritten(graphs: list[Graph]) -> Iterator[Tensor]:
    for graph in graphs:
        for node in graph.nodes:
            tensor = written_input(node)
            if tensor is not None:
                yield tensor
