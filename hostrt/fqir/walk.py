"""Ways through nested graphs that visit each graph once, however often it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hostrt.fqir.graph import Graph, Tensor


def graphs_within(*roots: Graph) -> list[Graph]:
    """Give the graphs and all that are nested in their nodes, each once, the inner ones first.

    A small file can use a graph along more paths than anybody can walk, so that it takes its time
    from the number of graphs and not of paths.
    """
    found: list[Graph] = []
    seen: set[int] = set()
    for root in roots:
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
    return found


def _inner(graph: Graph) -> Iterator[Graph]:
    return (inner for node in graph.nodes for inner in node.subgraphs.values())


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
