"""From the inert objects of a pickle to a checked `Model` (FQIR reference 1.8, 2 and 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import ProgramUnsafe, ProgramUnsupported
from hostrt.fqir.build_constants import Constants
from hostrt.fqir.build_fields import Fields, Work, is_a, quoted
from hostrt.fqir.build_operator import check_inputs, counter_of, find_operator
from hostrt.fqir.graph import Graph, Model, Node, Tensor
from hostrt.fqir.limits import over_limit

if TYPE_CHECKING:
    from hostrt.fqir.limits import Limits
    from hostrt.fqir.operators import Operator
    from hostrt.fqir.standins import StandIn

_CACHES = ("_compiled_runtime_cache", "_runtime_plan_cache")
_MAX_NOTES = 20  # enough to see what is the matter with a file
_ROOT = "the main graph"


def build_model(root: StandIn, file: str, limits: Limits, left: int) -> Model:
    """Make a model.

    Args:
        root: the main GraphProto.
        file: its name for messages.
        limits: budgets.
        left: bytes of memory that may still be used.

    Raises:
        ProgramCorrupt: an attribute of the wrong type, or something that is missing.
        ProgramUnsafe: a graph that contains itself, or more than the budgets allow.
        ProgramUnsupported: no ARITH graph, or a reshaper.
    """
    builder = _Builder(file, limits, left)
    graph = builder.graph(root, _ROOT, 0)
    if "ARITH" not in graph.subgraphs:
        raise ProgramUnsupported(
            f"{file}: found no graph ARITH in the main graph, expected one",
            hint="save the quantized, lowered graph that tracing gave",
            file=file,
        )
    return Model(graph, notes=builder.notes())


class _Builder:
    """Makes each object once, so that what the file shares stays shared."""

    def __init__(self, file: str, limits: Limits, left: int) -> None:
        self._notes: list[str] = []
        self._more_notes = 0
        self._file = file
        self._limits = limits
        self._work = Work(file, limits, left)
        self._constants = Constants(self._work)
        self._tensors: dict[int, Tensor] = {}
        self._operators: dict[int, Operator] = {}
        self._graphs: dict[int, Graph] = {}
        self._nodes: dict[int, Node] = {}
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def notes(self) -> tuple[str, ...]:
        """Give what was repaired or ignored."""
        more = (f"{self._more_notes} more like these",) if self._more_notes else ()
        return (*self._notes, *more)

    def _note(self, text: str) -> None:
        if len(self._notes) < _MAX_NOTES:
            self._notes.append(text)
        else:
            self._more_notes += 1

    def graph(self, item: StandIn, label: str, depth: int) -> Graph:
        """Make a graph; `label` is what it is called as long as its name is unknown."""
        key = id(item)
        if key in self._open:
            raise self._unsafe(f"{label} contains itself", "graphs that end")
        if depth > self._limits.graph_depth:
            raise self._unsafe(f"graphs more than {depth - 1} deep", "fewer")
        if key not in self._graphs:
            self._open.add(key)
            self._graphs[key] = self._graph(item, label, depth)
            self._open.discard(key)
        return self._graphs[key]

    def _graph(self, item: StandIn, label: str, depth: int) -> Graph:
        name = Fields(item, label, self._work).optional_text("name")
        fields = Fields(item, f"graph {quoted(name)}" if name else label, self._work)
        if fields.get("reshaper") is not None:
            raise ProgramUnsupported(
                f"{self._file}: {fields.label} has a reshaper, expected none",
                hint="trace the model again with a current fmot",
                file=self._file,
            )
        if any(fields.get(cache) is not None for cache in _CACHES):
            self._note(f"{fields.label}: saved run-time plans ignored")
        graph = Graph(
            name,
            inputs=self._tensor_list(fields, "inputs"),
            outputs=self._outputs(fields),
            parameters=self._tensor_list(fields, "parameters"),
            nodes=[
                self._node(fields.instance("a node", node, "NodeProto"), depth)
                for node in fields.items("nodes")
            ],
            subgraphs=self._subgraphs(fields, depth),
            unbind_dim=fields.optional_int("unbind_dim"),
            stack_dim=fields.optional_int("stack_dim"),
        )
        for tensor in graph.parameters:
            if tensor.value is None:
                raise fields.fault(f"parameter {quoted(tensor.name)} without value", "an array")
        self._measure(graph)
        return graph

    def _measure(self, graph: Graph) -> None:
        """Count the nodes behind a graph; shared graphs count wherever they are used."""
        inner = [sub for node in graph.nodes for sub in node.subgraphs.values()]
        inner.extend(graph.subgraphs.values())
        size = len(graph.nodes) + sum(self._sizes[id(sub)] for sub in inner)
        if size > self._limits.nodes:
            found = f"more than {self._limits.nodes} nodes to execute"
            raise over_limit(self._file, found, "fewer")
        self._sizes[id(graph)] = size

    def _tensor_list(self, fields: Fields, name: str) -> list[Tensor]:
        return [
            self._tensor(fields.instance(name, item, "TensorProto")) for item in fields.items(name)
        ]

    def _outputs(self, fields: Fields) -> list[Tensor]:
        """Give a graph's outputs; a node that stands for its only output is replaced by that."""
        outputs = []
        for index, item in enumerate(fields.items("outputs")):
            if is_a(item, "NodeProto"):
                outputs.append(self._only_output(fields, index, item))
            else:
                outputs.append(self._tensor(fields.instance("outputs", item, "TensorProto")))
        return outputs

    def _only_output(self, fields: Fields, index: int, item: StandIn) -> Tensor:
        node = Fields(item, f"{fields.label}, output {index}", self._work)
        tensors = self._tensor_list(node, "outputs")
        if len(tensors) != 1:
            raise node.fault(f"a node with {len(tensors)} outputs", "a tensor")
        self._note(
            f"{node.label} was a node instead of a tensor; its output "
            f"{quoted(tensors[0].name)} is used"
        )
        return tensors[0]

    def _tensor(self, item: StandIn) -> Tensor:
        key = id(item)
        if key not in self._tensors:
            name = Fields(item, "a tensor", self._work).text("name")
            fields = Fields(item, f"tensor {quoted(name)}", self._work)
            dims = fields.get("named_dims")
            self._tensors[key] = Tensor(
                name,
                fields.text("dtype"),
                tuple(fields.whole("shape", length) for length in fields.items("shape")),
                quanta=fields.quanta("quanta"),
                value=fields.array("value"),
                avg_sparsity=fields.optional_float("avg_sparsity"),
                density_per_element=fields.array("density_per_element"),
                named_dims=None if dims is None else _texts(fields, "named_dims"),
                is_bool=fields.flag("is_bool"),
            )
        return self._tensors[key]

    def _node(self, item: StandIn, depth: int) -> Node:
        key = id(item)
        if key not in self._nodes:
            self._nodes[key] = self._new_node(item, depth)
        return self._nodes[key]

    def _new_node(self, item: StandIn, depth: int) -> Node:
        plain = Fields(item, "a node", self._work)
        name = plain.optional_text("name")
        opname = plain.optional_text("opname")
        fields = Fields(item, f"node {quoted(name)} ({opname[:40]!r})", self._work)
        operator = self._operator(fields)
        constants, left_out = self._constants.read(fields, operator)
        for constant in left_out:
            self._note(f"{fields.label}: constant {quoted(constant)} left out")
        node = Node(
            name,
            operator,
            inputs={
                argument: self._tensor(fields.instance(quoted(argument), tensor, "TensorProto"))
                for argument, tensor in fields.table("inputs").items()
            },
            outputs=self._tensor_list(fields, "outputs"),
            constants=constants,
            subgraphs=self._node_graphs(fields, operator, depth),
            counter=counter_of(fields),
            sourceref=fields.optional_text("sourceref"),
        )
        check_inputs(fields, operator, node.inputs)
        return node

    def _operator(self, fields: Fields) -> Operator | None:
        item = fields.get("optype")
        if item is None:
            return None
        key = id(item)
        if key not in self._operators:
            self._operators[key] = find_operator(fields, item, self._work)
        return self._operators[key]

    def _subgraphs(self, fields: Fields, depth: int) -> dict[str, Graph]:
        return {
            key: self.graph(
                fields.instance(f"graph {quoted(key)}", item, "GraphProto"),
                f"graph {quoted(key)}",
                depth + 1,
            )
            for key, item in fields.table("subgraphs").items()
        }

    def _node_graphs(
        self, fields: Fields, operator: Operator | None, depth: int
    ) -> dict[str, Graph]:
        """Give a node's graphs under the names that its operator has for them."""
        graphs = self._subgraphs(fields, depth)
        single = fields.get("subgraph")
        if single is not None:
            item = fields.instance("subgraph", single, "GraphProto")
            body = self.graph(item, f"the graph of {fields.label}", depth + 1)
            if graphs and list(graphs.values()) != [body]:
                raise fields.fault("a graph besides its named graphs", "the same one")
            graphs = {"body": body}
        elif len(graphs) == 1:
            graphs = {"body": next(iter(graphs.values()))}
        wanted = ("body",) if operator is None else operator.subgraphs
        if set(graphs) != set(wanted):
            found, expected = (", ".join(map(quoted, names)) for names in (graphs, wanted))
            raise fields.fault(f"graphs {found or 'none'}", expected or "none")
        return {key: graphs[key] for key in wanted}

    def _unsafe(self, found: str, expected: str) -> ProgramUnsafe:
        return ProgramUnsafe(
            f"{self._file}: found {found}, expected {expected}",
            hint="no honest model is built like that; ask where the file comes from",
            file=self._file,
        )


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    texts = []
    for item in fields.items(name):
        if type(item) is not str:
            raise fields.wrong(name, item, "text")
        texts.append(item)
    return tuple(texts)
