"""A model as text: one line per node, in execution order, like an assembler listing.

graph ARITH:
  .input x fqint16[24] 2^-13
  .param %p.1 fqint8[24,96] 2^-7 = int32[24,96](-127..127)
  .output output.0 fqint16[12] 2^-15
  %x.3 fqint16[96] 2^-12 = matmul(x=x, y=%p.1) shamt_bwred=-8, bw_out=16
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.fqir.spelling import spell_constant, spell_name, spell_text, spell_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.fqir.graph import Constant, Graph, Model, Node, Tensor

_DEEPEST = 16
_SOURCE_LINES = 8


def format_model(model: Model, *, sources: bool = False) -> str:
    """Write a model as text; the same model always gives the same text.

    Args:
        model: what `load_model` gave, or a graph made in memory.
        sources: show where its author wrote each node. This may hold source text and names of
            files of the machine that made the model.
    """
    return "\n".join(iterate_lines(model, sources=sources)) + "\n"


def iterate_lines(model: Model, *, sources: bool = False) -> Iterator[str]:
    """Give the lines of `format_model` one by one, without line ends."""
    digest = f", sha256 {spell_name(model.sha256)}" if model.sha256 else ""
    yield f"; FQIR model {spell_name(model.path) if model.path else 'made in memory'}{digest}"
    for note in model.notes:
        yield f"; note: {spell_text(note)}"
    yield from _Listing(model, sources=sources).lines()


class _Listing:
    """Remembers what was written: graphs are shown once, names and arrays are spelled once."""

    def __init__(self, model: Model, *, sources: bool) -> None:
        self._sections = [model.root, *model.root.subgraphs.values()]
        self._on_their_own = {id(graph) for graph in self._sections}
        self._has_sources = sources
        self._labels: dict[int, str] = {}
        self._taken: dict[str, int] = {}
        self._shown: set[int] = set()
        self._names: dict[str, str] = {}
        self._constants: dict[int, str] = {}
        for key, graph in model.root.subgraphs.items():
            self._label(graph, key)

    def lines(self) -> Iterator[str]:
        for section in self._sections:
            if id(section) not in self._shown:
                yield ""
                yield from self._graph(section, "")

    def _label(self, graph: Graph, name: str = "") -> str:
        """Give the name by which the listing calls a graph; names in files may repeat."""
        label = self._labels.get(id(graph))
        if label is None:
            base = spell_name(name or graph.name or "MAIN")
            count = self._taken[base] = self._taken.get(base, 0) + 1
            label = self._labels[id(graph)] = base if count == 1 else f"{base} ({count})"
        return label

    def _graph(self, graph: Graph, key: str) -> Iterator[str]:
        """Write a graph and those inside it; a stack of its own, as files may nest deeply."""
        waiting = [self._body(graph, key, 0)]
        while waiting:
            item = next(waiting[-1], None)
            if item is None:
                waiting.pop()
            elif isinstance(item, str):
                indent = "  " * min(len(waiting) - 1, _DEEPEST)
                yield f"{indent}{item}"
            else:
                waiting.append(self._body(item[1], item[0], len(waiting)))

    def _body(self, graph: Graph, key: str, depth: int) -> Iterator[str | tuple[str, Graph]]:
        """Give a graph's lines, and the graphs to be written between them."""
        label = self._label(graph)
        start = f"{spell_name(key)} = " if key else ""
        if id(graph) in self._shown or (depth and id(graph) in self._on_their_own):
            yield f"{start}see graph {label}"
            return
        self._shown.add(id(graph))
        axis = "" if graph.unbind_dim is None else f" ; time axis {graph.unbind_dim}"
        yield f"{start}graph {label}:{axis}"
        yield from (f"  {line}" for line in self._header(graph))
        for node in graph.nodes:
            yield from (f"  {line}" for line in self._node(node))
            yield from node.subgraphs.items()

    def _header(self, graph: Graph) -> Iterator[str]:
        for tensor in graph.inputs:
            yield f".input {self._tensor(tensor)}"
        for tensor in graph.parameters:
            value = tensor.value
            content = "" if value is None else f" = {self._constant(value)}"
            yield f".param {self._tensor(tensor)}{content}"
        for tensor in graph.outputs:
            yield f".output {self._tensor(tensor)}"

    def _node(self, node: Node) -> Iterator[str]:
        inputs = ", ".join(
            f"{self._name(name)}={self._name(tensor.name)}" for name, tensor in node.inputs.items()
        )
        results = ", ".join(map(self._tensor, node.outputs))
        constants = ", ".join(
            f"{self._name(name)}={self._constant(value)}" for name, value in node.constants.items()
        )
        line = f"{results} = " if results else ""
        line += f"{node.opname or 'inline'}({inputs})"
        line += f" {constants}" if constants else ""
        if node.operator is not None and not node.operator.executable:
            line += " ; cannot be executed"
        yield line
        if self._has_sources and node.sourceref:
            for text in node.sourceref[:10_000].splitlines()[:_SOURCE_LINES]:
                yield f"  ; {spell_text(text)}"

    def _tensor(self, tensor: Tensor) -> str:
        return f"{self._name(tensor.name)} {spell_type(tensor)}"

    def _name(self, name: str) -> str:
        spelled = self._names.get(name)
        if spelled is None:
            spelled = self._names[name] = spell_name(name)
        return spelled

    def _constant(self, value: Constant) -> str:
        """Spell a constant; arrays are read once, however many nodes share them."""
        if isinstance(value, bool | int | float | str | None):
            return spell_constant(value)
        spelled = self._constants.get(id(value))
        if spelled is None:
            spelled = self._constants[id(value)] = spell_constant(value)
        return spelled
