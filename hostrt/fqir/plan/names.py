"""Which names a graph reads before it writes them, and which it writes (FQIR reference 2, 5.1)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostrt.fqir.state import WRITTEN_INPUT, written_input
from hostrt.fqir.walk import graphs_within

if TYPE_CHECKING:
    from hostrt.fqir.graph import Graph, Node


@dataclass(frozen=True, slots=True)
class Use:
    """What running a graph once does to the names.

    Attributes:
        exposed: names whose value from before may be read.
        always: names that it writes in any case.
        maybe: names that it may write; holds `always`.
    """

    exposed: frozenset[str]
    always: frozenset[str]
    maybe: frozenset[str]


class Uses:
    """The use of names by the graphs of one model, worked out once for each graph."""

    def __init__(self, root: Graph) -> None:
        self._uses: dict[int, Use] = {}
        self._reads: dict[int, Counter[str]] = {}
        self._graphs = graphs_within(root)
        for graph in reversed(self._graphs):  # the inner ones first
            self._reads[id(graph)] = _own_reads(graph)
            self._uses[id(graph)] = self._follow(graph)
        self._all: Counter[str] = Counter()
        for reads in self._reads.values():
            self._all.update(reads)

    def of(self, graph: Graph) -> Use:
        """Give the use of one graph, those nested in it included."""
        return self._uses[id(graph)]

    def read_outside(self, node: Node) -> frozenset[str]:
        """Give the names that are read anywhere but in the graphs of a node."""
        inside: Counter[str] = Counter()
        for graph in graphs_within(*node.subgraphs.values()):
            inside.update(self._reads[id(graph)])
        return frozenset(name for name, count in self._all.items() if count > inside[name])

    def _follow(self, graph: Graph) -> Use:
        exposed: set[str] = set()
        always = {tensor.name for tensor in (*graph.inputs, *graph.parameters)}
        maybe = set(always)
        for node in graph.nodes:
            read = {
                tensor.name
                for argument, tensor in node.inputs.items()
                if not (node.opname == "assign" and argument == WRITTEN_INPUT["assign"])
            }
            exposed |= read - always
            self._descend(node, exposed, always, maybe)
            wrote = {tensor.name for tensor in node.outputs}
            target = written_input(node)
            if target is not None:
                wrote.add(target.name)
            always |= wrote
            maybe |= wrote
        exposed |= {tensor.name for tensor in graph.outputs} - always
        return Use(frozenset(exposed), frozenset(always), frozenset(maybe))

    def _descend(self, node: Node, exposed: set[str], always: set[str], maybe: set[str]) -> None:
        """Account for the graphs of a node: of two one is run, and a strided one perhaps not."""
        inner = [self._uses[id(graph)] for graph in node.subgraphs.values()]
        if not inner:
            return
        for use in inner:
            exposed |= use.exposed - always
            maybe |= use.maybe
        if node.opname != "strided_subgraph":
            always |= frozenset.intersection(*(use.always for use in inner))


def _own_reads(graph: Graph) -> Counter[str]:
    reads = Counter(tensor.name for node in graph.nodes for tensor in node.inputs.values())
    reads.update(tensor.name for tensor in graph.outputs)
    return reads
