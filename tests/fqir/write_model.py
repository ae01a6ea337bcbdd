"""Writes hand-made graphs as FQIR files, in the dialect of FQIR reference 1.

write_model(wrap(arith, init), tmp_path / "model.pt")
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hostrt.fqir.graph import Graph, Model, Node, Table, Tensor
from tests.fqir.write_container import legacy_container, zip_container
from tests.fqir.write_pickle import Emitter, Global, Instance

if TYPE_CHECKING:
    from pathlib import Path

    from hostrt.fqir.operators import Operator

GRAPH = Global("fmot.fqir.graph_proto.graph_proto", "GraphProto")
NODE = Global("fmot.fqir.nodes.node_proto", "NodeProto")
SETTINGS = Global("fmot.fqir.nodes.node_base", "NodeReprSettings")
TENSOR = Global("fmot.fqir.variables.tensor_proto", "TensorProto")
TABLE = Global("fmot.qat.nn.atomics", "Table")
OPTYPES, COUNTERS = "fmot.fqir.nodes.optypes", "fmot.fqir.nodes.opcounters"

KEPT_TUPLES = {("reshape", "shape"), ("sum", "dim"), ("zeros", "shape")}
"""Constants that are tuples in files; all others of several values are lists."""

COUNTER_OF = {
    "VVCounter": "vvadd vvsub vvmul gmac_v2 temp_i24_bool_mul",
    "VCounter": "viadd vneg vimul relu gt0 vvgt vvge vvlt vvle vveq vigt vige vilt vile vieq vvand "
    "vvor vvxor viand vior vixor vvmax vvmin",
    "MatmulCounter": "matmul addmm",
    "VLUTCounter": "lut",
    "CopyCounter": "chunk split cat stack assign constant_like copy",
    "ShiftCounter": "shift",
    "ReductionCounter": "sum",
}
"""Counter class -> operators that carry it (FQIR reference 7); NullCounter for the rest."""

COUNTED_AS = {
    **dict.fromkeys(("vvadd", "vvsub", "viadd", "vneg", "gmac_v2"), "add"),
    **dict.fromkeys(("vvmul", "vimul", "temp_i24_bool_mul"), "mul"),
}
"""What the counters of element-wise operators count."""


def wrap(
    arith: Graph, init: Graph | None = None, *, inputs: list[Tensor] | None = None, **parts: Graph
) -> Graph:
    """Give a main graph as tracing makes it: inline nodes around ARITH and the others.

    Args:
        arith: the integer program of one frame.
        init: the graph that creates its state.
        inputs: inputs of the main graph, those of `arith` when it is not said.
        parts: `quant` and `dequant`, where there are some.
    """
    graphs = {
        "QUANT": parts.get("quant"),
        "ARITH": arith,
        "INIT": init,
        "DEQUANT": parts.get("dequant"),
    }
    subgraphs = {name: graph for name, graph in graphs.items() if graph is not None}
    nodes = []
    for name, graph in subgraphs.items():
        given = inputs if inputs is not None and name == "QUANT" else graph.inputs
        arguments = {f"x{i}": tensor for i, tensor in enumerate(given)}
        nodes.append(Node(name, None, arguments, list(graph.outputs), {}, {"body": graph}))
    main_inputs = arith.inputs if inputs is None else inputs
    return Graph("MAIN", list(main_inputs), list(arith.outputs), [], nodes, subgraphs)


def write_model(
    model: Model | Graph, path: Path, *, container: str = "zip", **dialect: Any
) -> Path:
    """Write a main graph (see `wrap`) as a file.

    Args:
        model: the main graph, or a model around it.
        path: file to write.
        container: "zip" or "legacy".
        dialect: `protocol` (2 to 5), `numpy` (1 or 2: whose module names), `early` (like files of
            old versions: attributes missing, filled cyclic sets), `root` (folder in the archive).

    Returns:
        The path.
    """
    path.write_bytes(model_bytes(model, container, root=path.stem, **dialect))
    return path


def model_bytes(model: Model | Graph, container: str = "zip", **dialect: Any) -> bytes:
    """Give the content of a file; arguments as in `write_model`, `root` may be left out."""
    root = dialect.pop("root", "archive")
    pickle = pickle_of(model, **dialect)
    if container == "legacy":
        return legacy_container(pickle, dialect.get("protocol", 2))
    return zip_container(pickle, root, early=dialect.get("early", False))


def pickle_of(
    model: Model | Graph, *, protocol: int = 2, numpy: int = 2, early: bool = False
) -> bytes:
    """Give the bare pickle of a main graph."""
    graph = model.root if isinstance(model, Model) else model
    return Emitter(protocol, numpy).dump(Encoder(early=early).graph(graph))


@dataclass(slots=True)
class Encoder:
    """Turns graphs into instances of the toolkit's classes; shared objects stay shared."""

    early: bool = False
    done: dict[int, Instance] = field(default_factory=dict)
    operators: dict[str, Instance] = field(default_factory=dict)
    counters: dict[str, Instance] = field(default_factory=dict)

    def graph(self, graph: Graph) -> Instance:
        """Give a graph, with all that it refers to."""
        if id(graph) in self.done:
            return self.done[id(graph)]
        made = self.done[id(graph)] = Instance(GRAPH)
        made.state = {
            "name": graph.name,
            "nodes": [self.node(node) for node in graph.nodes],
            "inputs": [self.tensor(tensor) for tensor in graph.inputs],
            "outputs": [self.tensor(tensor) for tensor in graph.outputs],
            "parameters": [self.tensor(tensor) for tensor in graph.parameters],
            "subgraphs": {name: self.graph(part) for name, part in graph.subgraphs.items()},
            "reshaper": None,
            "unbind_dim": graph.unbind_dim,
            "stack_dim": graph.stack_dim,
        }
        return made

    def node(self, node: Node) -> Instance:
        """Give a node."""
        if id(node) in self.done:
            return self.done[id(node)]
        made = self.done[id(node)] = Instance(NODE)
        subgraphs = {name: self.graph(part) for name, part in node.subgraphs.items()}
        operator = self.operator(node.operator) if node.operator else None
        constants = {
            name: self.constant(node.opname, name, value) for name, value in node.constants.items()
        }
        state = {
            "inputs": {name: self.tensor(tensor) for name, tensor in node.inputs.items()},
            "outputs": [self.tensor(tensor) for tensor in node.outputs],
            "opname": node.opname or node.name or "graph",
            "constants": constants,
            "name": node.name,
            "repr_settings": _settings(),
            "opcounter": None if operator is None else (operator.state or {})["opcounter"],
            "optype": operator,
            "subgraphs": subgraphs,
            "subgraph": next(iter(subgraphs.values())) if len(subgraphs) == 1 else None,
            "sourceref": node.sourceref or None,
        }
        if self.early:
            del state["subgraphs"]
            self._link(node, made)
        made.state = state
        return made

    def _link(self, node: Node, made: Instance) -> None:
        """Fill the sets by which tensors of early files knew their neighbours."""
        sources = [self.tensor(tensor) for tensor in node.inputs.values()]
        for target in (self.tensor(tensor) for tensor in node.outputs):
            assert target.state is not None
            target.state["parent_nodes"].add(made)
            target.state["parents"].update(sources)
            for source in sources:
                assert source.state is not None
                source.state["children"].add(target)

    def tensor(self, tensor: Tensor) -> Instance:
        """Give a tensor."""
        if id(tensor) in self.done:
            return self.done[id(tensor)]
        made = self.done[id(tensor)] = Instance(TENSOR)
        named_dims = tensor.named_dims
        made.state = {
            "name": tensor.name,
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "extra_rep": "",
            "runtime_value": None,
            "value": tensor.value,
            "avg_sparsity": tensor.avg_sparsity,
            "density_per_element": tensor.density_per_element,
            "quanta": tensor.quanta,
            "named_dims": list(named_dims) if named_dims is not None else None,
            "children": set(),
            "parents": set(),
            "parent_nodes": set(),
            "seq_length": None,
            "is_bool": tensor.is_bool,
        }
        if self.early:
            del made.state["is_bool"]
        return made

    def operator(self, operator: Operator) -> Instance:
        """Give the object of an operator, one for all its nodes."""
        if operator.name not in self.operators:
            names = (*operator.inputs, *operator.optional_inputs)
            has_family = any(name.endswith("*") for name in names)
            inputs = [name for name in names if not name.endswith("*")]
            self.operators[operator.name] = Instance(
                Global(OPTYPES, operator.class_name),
                {
                    "name": operator.name,
                    "_runtime": None,
                    "docstring": "text removed",
                    "runtime_varkw": "kwargs" if has_family else None,
                    "inputs": [*inputs, "kwargs"] if has_family else inputs,
                    "constants": [*operator.constants, *operator.optional_constants],
                    "opcounter": self.counter(operator.name),
                    "_seq_length_fn": None,
                    "repr_settings": None,
                    "_inputs": None,
                    "_outputs": None,
                    "can_bcast_in": False,
                },
            )
        return self.operators[operator.name]

    def counter(self, opname: str) -> Instance:
        """Give the cost counter of an operator."""
        if opname not in self.counters:
            name = next((kind for kind, of in COUNTER_OF.items() if opname in of.split()), None)
            state: dict[str, Any] | None = None if name is None else {}
            if state is not None and name in ("VVCounter", "VCounter"):
                state["op"] = COUNTED_AS.get(opname)
            if state is not None and name == "VCounter":
                state["sparse_out"] = opname == "relu"
            cls = Global(COUNTERS, name or "NullCounter")
            self.counters[opname] = Instance(cls, state or None)
        return self.counters[opname]

    def constant(self, opname: str, name: str, value: object) -> object:
        """Give the value of a constant."""
        if isinstance(value, Table):
            state = {"name": value.name, "x": value.x, "y": value.y, "N": len(value.x)}
            return self.done.setdefault(id(value), Instance(TABLE, state))
        if isinstance(value, tuple) and (opname, name) not in KEPT_TUPLES:
            return list(value)
        return value


def _settings() -> Instance:
    """Give how a node wants to be printed."""
    state = {"use_var_names": True, "constants_to_rep": [], "operator_symbol": ""}
    return Instance(SETTINGS, state)
