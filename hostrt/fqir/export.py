"""A model as a drawing: Graphviz's language. Netron's form is in `hostrt.fqir.onnx`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from hostrt.fqir.spelling import spell_constant, spell_name, spell_type
from hostrt.fqir.state import written_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hostrt.fqir.graph import Graph, Model, Node, Tensor

_DEEPEST = 16
_SHOWN = 16


def format_dot(model: Model) -> str:
    """Write ARITH and the graphs inside it as a Graphviz digraph.

    Boxes are nodes with their results and constants, ovals inputs and outputs, notes parameters,
    dashed ovals values from the frame before. An edge leads from whoever wrote a name last to its
    reader; a dashed edge leads to what replaces a state, or into a nested graph.
    """
    return "\n".join(iterate_dot(model)) + "\n"


def iterate_dot(model: Model) -> Iterator[str]:
    """Give the lines of `format_dot` one by one, without line ends."""
    yield "digraph fqir {"
    yield "  rankdir=TB;"
    yield '  node [shape=box, fontname="Helvetica", fontsize=10];'
    yield '  edge [fontname="Helvetica", fontsize=8];'
    yield from _Drawing().draw(model.arith)
    yield "}"


class _Drawing:
    """Numbers what it draws, and remembers who wrote each name last."""

    def __init__(self) -> None:
        self._count = 0
        self._writers: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._drawn: dict[int, str] = {}

    def draw(self, graph: Graph) -> Iterator[str]:
        """Give the statements of a graph; a stack of its own, as files may nest deeply."""
        waiting = [self._graph(graph, "", "")]
        while waiting:
            item = next(waiting[-1], None)
            if item is None:
                waiting.pop()
                if waiting:
                    yield f"{_indent(len(waiting))}}}"
            elif isinstance(item, str):
                yield f"{_indent(len(waiting))}{item}"
            else:
                owner, key, inner = item
                self._count += 1
                yield f"{_indent(len(waiting))}subgraph cluster_{self._count} {{"
                waiting.append(self._graph(inner, owner, key))

    def _graph(self, graph: Graph, owner: str, key: str) -> Iterator[str | tuple[str, str, Graph]]:
        """Give the statements of a graph, and (node, key, graph) for each graph inside it."""
        anchor = self._drawn[id(graph)] = self._new("g")
        if owner:
            yield f"label={_quoted(f'{spell_name(key)} {spell_name(graph.name)}')};"
            yield f"{anchor} [shape=point];"
            yield f"{owner} -> {anchor} [style=dashed];"
        yield from self._tensors(graph.inputs, "oval")
        yield from self._tensors(graph.parameters, "note")
        for node in graph.nodes:
            box = self._new("n")
            yield from self._node(node, box)
            for name, inner in node.subgraphs.items():
                if id(inner) in self._drawn:
                    yield f"{box} -> {self._drawn[id(inner)]} [style=dashed];"
                else:
                    yield box, name, inner
            for tensor in node.outputs:
                self._writers[tensor.name] = box
        if not owner:
            for tensor in graph.outputs:
                mark = self._new("t")
                yield f"{mark} [shape=oval, label={_tensor_label(tensor)}];"
                yield from self._edge(tensor, mark, "")

    def _tensors(self, tensors: Iterable[Tensor], shape: str) -> Iterator[str]:
        for tensor in tensors:
            mark = self._writers[tensor.name] = self._new("t")
            yield f"{mark} [shape={shape}, label={_tensor_label(tensor)}];"

    def _node(self, node: Node, box: str) -> Iterator[str]:
        results = [f"{spell_name(one.name)} {spell_type(one)}" for one in node.outputs[:_SHOWN]]
        constants = [
            f"{spell_name(name)}={spell_constant(value)}"
            for name, value in islice(node.constants.items(), _SHOWN)
        ]
        left_out = len(node.outputs) + len(node.constants) - len(results) - len(constants)
        more = [f"... and {left_out} more"] if left_out else []
        label = _quoted(node.opname or "inline", *results, *constants, *more)
        yield f"{box} [label={label}];"
        for name, tensor in node.inputs.items():
            yield from self._edge(tensor, box, name)
        written = written_input(node)
        if written is not None:
            state = self._states.get(written.name)
            if state is not None:
                yield f"{box} -> {state} [style=dashed, constraint=false];"
            self._writers[written.name] = box

    def _edge(self, tensor: Tensor, reader: str, label: str) -> Iterator[str]:
        writer = self._writers.get(tensor.name)
        if writer is None:
            # read before it is written in this frame: the value of the frame before
            writer = self._states[tensor.name] = self._writers[tensor.name] = self._new("s")
            yield f"{writer} [shape=oval, style=dashed, label={_tensor_label(tensor)}];"
        yield f"{writer} -> {reader} [label={_quoted(spell_name(label) if label else '')}];"

    def _new(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"


def _indent(depth: int) -> str:
    return "  " * min(depth, _DEEPEST)


def _tensor_label(tensor: Tensor) -> str:
    return _quoted(spell_name(tensor.name), spell_type(tensor))


def _quoted(*lines: str) -> str:
    r"""Give lines as one string of the language; `\n` between them is a centred line end."""
    shown = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(shown) + '"'
