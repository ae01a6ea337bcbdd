"""The FQIR graph as plain values (FQIR reference 1.8 and 2).

Objects are compared by identity: one tensor is referenced from many places, and the tensor that
`INIT` creates is the one that `ARITH` reads. At run time a tensor is known by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.fqir.operators import Operator

Array: TypeAlias = NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Content of a look-up table.

    Attributes:
        name: label without meaning.
        x: (N,) addresses, ascending.
        y: (N,) values in the storage type that results have.
    """

    name: str
    x: Array
    y: Array


Constant: TypeAlias = (
    bool | int | float | str | np.generic | Array | Table | tuple["Constant", ...] | None
)
"""Value of a node's constant; lists of the file are tuples here."""


@dataclass(slots=True, eq=False)
class Tensor:
    """One value of the graph.

    Attributes:
        name: identity at run time; tensors with equal names alias each other.
        dtype: as in the file ("fqint16", "int8", "float", ...).
        shape: as declared in the file; execution never relies on it.
        quanta: the real value is integer * 2**quanta; None when unknown.
        value: content of a parameter, read-only, in the storage type of the file.
        avg_sparsity: share of zeros that was observed, None when unknown.
        density_per_element: share of non-zeros per element, None when unknown.
        named_dims: "B", "T", "F" per axis, None when unknown.
        is_bool: whether values are 0 and 1.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    quanta: int | None = None
    value: Array | None = None
    avg_sparsity: float | None = None
    density_per_element: Array | None = None
    named_dims: tuple[str, ...] | None = None
    is_bool: bool = False


@dataclass(slots=True, eq=False)
class Node:
    """One operation, or a graph that runs inline.

    Attributes:
        name: may be "".
        operator: what it does; None runs its only sub-graph inline.
        inputs: argument name -> tensor, in file order.
        outputs: tensors written, by position.
        constants: constant name -> value.
        subgraphs: "body", or "true" and "false".
        counter: class name of the reference's cost counter for it, "" when the file has none.
        sourceref: where the author wrote it; may hold source text and paths: not shown by default.
    """

    name: str
    operator: Operator | None
    inputs: dict[str, Tensor]
    outputs: list[Tensor]
    constants: dict[str, Constant] = field(default_factory=dict)
    subgraphs: dict[str, Graph] = field(default_factory=dict)
    counter: str = ""
    sourceref: str = ""

    @property
    def opname(self) -> str:
        """Name of the operator, "" for an inline graph."""
        return self.operator.name if self.operator else ""


@dataclass(slots=True, eq=False)
class Graph:
    """Nodes in execution order.

    Attributes:
        name: "MAIN" or "" for the root, "ARITH", "INIT", "QUANT", "DEQUANT" or generated.
        inputs: tensors bound when it runs, by position.
        outputs: its results.
        parameters: tensors that get their value at the start of every run of this graph.
        nodes: executed strictly in this order.
        subgraphs: graphs by name (at the root: ARITH and the others).
        unbind_dim: time axis of whole-sequence inputs, None when not said.
        stack_dim: as in the file; without effect.
    """

    name: str
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    parameters: list[Tensor] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    subgraphs: dict[str, Graph] = field(default_factory=dict)
    unbind_dim: int | None = None
    stack_dim: int | None = None

    def walk(self) -> Iterator[Node]:
        """Give every node, also those of graphs nested in nodes, in execution order."""
        for node in self.nodes:
            yield node
            for graph in node.subgraphs.values():
                yield from graph.walk()


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What an FQIR file holds, checked; graphs in it never contain themselves.

    Attributes:
        root: the main graph.
        path: file it came from, "" when made in memory.
        sha256: hash of that file, "" when made in memory.
        notes: what the loader repaired or ignored, a line each.
    """

    root: Graph
    path: str = ""
    sha256: str = ""
    notes: tuple[str, ...] = ()

    @property
    def arith(self) -> Graph:
        """The integer program of one frame."""
        return self.root.subgraphs["ARITH"]

    @property
    def init(self) -> Graph | None:
        """The graph that creates the state, None for models without memory."""
        return self.root.subgraphs.get("INIT")

    @property
    def quant(self) -> Graph | None:
        """Float to integer inputs, None in models without."""
        return self.root.subgraphs.get("QUANT")

    @property
    def dequant(self) -> Graph | None:
        """Integer outputs to float, None in models without."""
        return self.root.subgraphs.get("DEQUANT")


Values: TypeAlias = Mapping[str, Array]
"""Tensor name -> value."""
