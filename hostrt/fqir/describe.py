"""What is in a model, as a plain tree: the one source of `hostrt inspect`, text and JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, TypedDict, TypeVar

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.counts import count_operations, measure_footprint
from hostrt.fqir.sizes import bytes_of, numel
from hostrt.fqir.state import find_state
from hostrt.fqir.walk import graphs_within
from hostrt.fqir.work import estimate_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hostrt.fqir.graph import Graph, Model, Tensor

_MOST_QUANTA = 1000  # beyond it 2.0**quanta may be no number
_Answer = TypeVar("_Answer")


class VectorFacts(TypedDict):
    """An input, an output or a state tensor; `scale` is the real value of the integer 1."""

    name: str
    dtype: str
    shape: list[int]
    quanta: int | None
    scale: float | None


class ParameterFacts(TypedDict):
    """Parameters of one type; `bytes` as the chip's memory holds them."""

    tensors: int
    values: int
    bytes: int


class GraphFacts(TypedDict):
    """A graph; `within` names the graph of the root that holds it, None for those themselves."""

    name: str
    within: str | None
    nodes: int
    inputs: int
    outputs: int


class ModelFacts(TypedDict):
    """Everything about a model.

    What cannot be said is None, and `unknown` says why, by key. `nodes`, `operators`, `parameters`,
    `work`, `counts` and `footprint` are of ARITH and the graphs inside it, each graph once.
    `work` is what a frame computes (`hostrt.fqir.work`), with `macs_at_most` for a frame in which
    all strided graphs run; `counts` and `footprint` are the reference's figures.
    """

    format: str
    source: str
    sha256: str
    inputs: list[VectorFacts]
    outputs: list[VectorFacts]
    time_axis: int | None
    nodes: int
    operators: dict[str, int]
    init_operators: dict[str, int] | None
    not_executable: dict[str, int]
    parameters: dict[str, ParameterFacts] | None
    state: list[VectorFacts]
    state_bytes: int | None
    work: dict[str, int | float | None] | None
    counts: dict[str, int | float | None] | None
    footprint: dict[str, int] | None
    subgraphs: list[GraphFacts]
    unknown: dict[str, str]
    notes: list[str]


def describe_model(model: Model) -> ModelFacts:
    """Give everything worth knowing about a model as plain types (JSON compatible)."""
    graphs = graphs_within(model.arith)
    state = find_state(model)
    unknown: dict[str, str] = {}

    def ask(what: str, question: Callable[[], _Answer]) -> _Answer | None:
        try:
            return question()
        except ProgramUnsupported as error:
            unknown[what] = error.message
        except OverflowError:
            unknown[what] = "larger than any floating-point number"
        return None

    return {
        "format": "fqir",
        "source": model.path,
        "sha256": model.sha256,
        "inputs": [_vector(tensor) for tensor in model.arith.inputs],
        "outputs": [_vector(tensor) for tensor in model.arith.outputs],
        "time_axis": model.root.unbind_dim,
        "nodes": sum(len(graph.nodes) for graph in graphs),
        "operators": _operators(graphs),
        "init_operators": _operators(graphs_within(model.init)) if model.init else None,
        "not_executable": _not_executable(model),
        "parameters": ask("parameters", lambda: _parameters(graphs)),
        "state": [_vector(tensor) for tensor in state],
        "state_bytes": ask("state_bytes", lambda: sum(map(bytes_of, state))),
        "work": ask("work", lambda: _work(model)),
        "counts": ask("counts", lambda: _counts(model)),
        "footprint": ask("footprint", lambda: _footprint(model)),
        "subgraphs": _subgraphs(model),
        "unknown": unknown,
        "notes": list(model.notes),
    }


def _vector(tensor: Tensor) -> VectorFacts:
    quanta = tensor.quanta
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "quanta": quanta,
        "scale": None if quanta is None or abs(quanta) > _MOST_QUANTA else 2.0**quanta,
    }


def _operators(graphs: Iterable[Graph]) -> dict[str, int]:
    """Count the operators, the most frequent first; inline graphs are none."""
    names = Counter(node.opname for graph in graphs for node in graph.nodes if node.operator)
    return dict(sorted(names.items(), key=lambda item: (-item[1], item[0])))


def _not_executable(model: Model) -> dict[str, int]:
    graphs = graphs_within(model.root, *model.root.subgraphs.values())
    operators = [node.operator for graph in graphs for node in graph.nodes if node.operator]
    return dict(Counter(one.name for one in operators if not one.executable))


def _parameters(graphs: Iterable[Graph]) -> dict[str, ParameterFacts]:
    """Add up the parameters of each type; one that several graphs share counts once."""
    found = {id(tensor): tensor for graph in graphs for tensor in graph.parameters}
    rows: dict[str, ParameterFacts] = {}
    for tensor in found.values():
        row = rows.setdefault(tensor.dtype, {"tensors": 0, "values": 0, "bytes": 0})
        row["tensors"] += 1
        row["values"] += numel(tensor)
        row["bytes"] += bytes_of(tensor)
    return dict(sorted(rows.items()))


def _work(model: Model) -> dict[str, int | float | None]:
    mean, most = estimate_work(model.arith), estimate_work(model.arith, at_most=True)
    counts = {**asdict(mean), "macs_at_most": most.macs}
    return {name: _number(value) for name, value in counts.items()}


def _counts(model: Model) -> dict[str, int | float | None]:
    return {name: _number(value) for name, value in asdict(count_operations(model.arith)).items()}


def _footprint(model: Model) -> dict[str, int]:
    found = measure_footprint(model.arith)
    return {
        "total": found.total,
        "parameters": found.parameters,
        "activations": found.activations,
    }


def _number(value: float) -> int | float | None:
    """Give whole numbers as integers; None for what JSON cannot say."""
    if not isfinite(value):
        return None
    return int(value) if value == int(value) else value


def _subgraphs(model: Model) -> list[GraphFacts]:
    """List the graphs of the root, each with those inside it."""
    rows: list[GraphFacts] = []
    seen: set[int] = set()
    for key, graph in model.root.subgraphs.items():
        for inner in graphs_within(graph):
            if id(inner) not in seen:
                seen.add(id(inner))
                rows.append(
                    {
                        "name": key if inner is graph else inner.name,
                        "within": None if inner is graph else key,
                        "nodes": len(inner.nodes),
                        "inputs": len(inner.inputs),
                        "outputs": len(inner.outputs),
                    }
                )
    return rows
