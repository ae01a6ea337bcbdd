"""The reference toolkit's analytic cost counts of a graph (FQIR reference 7).

They ignore trip counts of loops, convolutions and `gmac_v2`; `hostrt.fqir.work` counts what a
frame really computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostrt.errors import UsageError
from hostrt.fqir.counters import FIELDS, Counts, count_node
from hostrt.fqir.sizes import bytes_of
from hostrt.fqir.walk import graphs_within, tensors_within

if TYPE_CHECKING:
    from hostrt.fqir.graph import Graph

__all__ = ["FIELDS", "Counts", "Footprint", "count_operations", "measure_footprint"]

PESSIMISM = 0.5
"""Share of results that are stored and loaded again, unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory that the tensors of a graph take, in bytes.

    Attributes:
        total: all tensors.
        parameters: those with a fixed value.
    """

    total: int
    parameters: int

    @property
    def activations(self) -> int:
        """All but the parameters."""
        return self.total - self.parameters


def count_operations(graph: Graph, pessimism: float = PESSIMISM) -> Counts:
    """Count a graph; a loop's body counts once, both branches of a conditional count.

    Args:
        graph: usually `model.arith`.
        pessimism: share of results that are stored and loaded again, 0 to 1.

    Raises:
        ProgramUnsupported: the reference has no count for an operator (`gmac_v2`,
            `temp_i24_bool_mul`), or for a type of elements (`float`).
        UsageError: `pessimism` is not between 0 and 1.
    """
    if not 0 <= pessimism <= 1:
        raise UsageError(f"pessimism {pessimism}, expected 0 to 1")
    known: dict[int, Counts] = {}
    for inner in reversed(graphs_within(graph)):
        total = Counts()
        for node in inner.nodes:
            total += count_node(node, pessimism)
            for nested in node.subgraphs.values():
                total += known[id(nested)]
        known[id(inner)] = total
    return known[id(graph)]


def measure_footprint(graph: Graph, *, dense: bool = True) -> Footprint:
    """Add up the bytes of all tensors of a graph and of the graphs nested in it.

    Args:
        graph: usually `model.arith`.
        dense: count every element, else only non-zero ones (known or expected).

    Raises:
        ProgramUnsupported: a tensor's elements have no size (`float`).
    """
    graphs = graphs_within(graph)
    parameters = {id(tensor): tensor for one in graphs for tensor in one.parameters}
    sizes = [
        sum(bytes_of(tensor, only_nonzeros=not dense) for tensor in tensors)
        for tensors in (tensors_within(graphs), parameters.values())
    ]
    return Footprint(*sizes)
