"""Ways through nested graphs that visit each graph once, however often it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hostrt.fqir.graph import Graph, Tensor


def graphs_within(*roots: Graph) -> list[Graph]:
    """Give the graphs and all that are nested in their nodes, each once.

    A graph comes before those inside it, otherwise they stand in the order of the nodes. A small
    file can use one graph along more paths than anybody can walk, so this takes its time from the
    number of graphs and not of paths.
    """
    found: list[Graph] = []
    seen: set[int] = set()
    for root in reversed(roots):
        if id(root) in seen:
            continue
        seen.add(id(root))
        waiting: list[tuple[Graph, Iterator[Graph]]] = [(root, _inner(root))]
        while waiting:
            graph, inner = waiting[-1]
            following = next((one for one in inner if id(one) not in seen), None)
            if following is None:
                found.append(graph)
                waiting.pop()
            else:
                seen.add(id(following))
                waiting.append((following, _inner(following)))
    return found[::-1]


def _inner(graph: Graph) -> Iterator[Graph]:
    """Give the graphs of the nodes, the last one first."""
    for node in reversed(graph.nodes):
        yield from reversed(node.subgraphs.values())


def tensors_within(graphs: Iterable[Graph]) -> list[Tensor]:
    """Give every tensor that the graphs mention, each once."""
    found: dict[int, Tensor] = {}
    for graph in graphs:
        for side in (graph.inputs, graph.outputs, graph.parameters):
            found.update((id(tensor), tensor) for tensor in side)
        for node in graph.nodes:
            found.update((id(tensor), tensor) for tensor in node.inputs.values())
            found.update((id(tensor), tensor) for tensor in node.outputs)
    return list(found.values())
