"""Golden models and small hand-made ones, for tests that look at models."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.graph import Graph, Model, Node, Tensor
from hostrt.fqir.load import load_model
from hostrt.fqir.operators import OPERATORS
from tests.fqir.write_model import wrap

if TYPE_CHECKING:
    from collections.abc import Iterable

VECTORS = Path(__file__).parents[1] / "data" / "fqir"
NAMES = sorted(path.parent.name for path in VECTORS.glob("*/meta.json"))


def meta_of(name: str) -> dict[str, Any]:
    """Give what the reference toolkit said about a golden model."""
    tree: dict[str, Any] = json.loads((VECTORS / name / "meta.json").read_text())
    return tree


@cache
def golden(name: str, file: str = "model.pt") -> Model:
    """Load a golden model."""
    return load_model(VECTORS / name / file)


def tensor(name: str, *shape: int, dtype: str = "int16", **more: Any) -> Tensor:
    """Make a tensor; `value` may be a list."""
    if "value" in more:
        more["value"] = np.array(more["value"], np.int32).reshape(shape)
    more.setdefault("quanta", 0)
    return Tensor(name, dtype, shape, **more)


def node(
    opname: str, outputs: Iterable[Tensor] = (), /, *, constants: Any = (), **inputs: Any
) -> Node:
    """Make a node; graphs among the keyword arguments are its sub-graphs."""
    graphs = {name: one for name, one in inputs.items() if isinstance(one, Graph)}
    tensors = {name: one for name, one in inputs.items() if name not in graphs}
    operator = OPERATORS[opname] if opname else None
    return Node("", operator, tensors, list(outputs), dict(constants), graphs)


def graph(
    *nodes: Node, name: str = "ARITH", inputs: Any = (), outputs: Any = (), parameters: Any = ()
) -> Graph:
    """Make a graph."""
    return Graph(name, list(inputs), list(outputs), list(parameters), list(nodes))


def model(*nodes: Node, init: Graph | None = None, **sides: Any) -> Model:
    """Make a model whose ARITH has these nodes."""
    return Model(wrap(graph(*nodes, **sides), init))


def small_model() -> Model:
    """Make y = relu(x) * w over a frame, with a state that is added to."""
    x, w, a, b, held = (tensor(name, 4) for name in ("x", "w", "a", "b", "held"))
    w.value = np.array([1, 0, -3, 4], np.int32)
    y = tensor("y", 4, quanta=-3)
    return model(
        node("relu", [a], x=x),
        node("vvmul", [b], x=a, y=w, constants={"shamt_bwred": -2, "bw": 16}),
        node("vvadd", [y], x=b, y=held, constants={"shamt_x": 0, "shamt_y": 0, "bw": 16}),
        node("assign", y=held, x=y),
        init=graph(node("zeros", [held], constants={"shape": (4,)}), name="INIT"),
        inputs=[x],
        outputs=[y],
        parameters=[w],
    )


def nested_model(depth: int, *, width: int = 2) -> Model:
    """Make loops in loops, where each body is used `width` times: width**depth ways through."""
    x, y = tensor("x", 4), tensor("y", 4)
    inner = graph(node("relu", [y], x=x), name="bottom", inputs=[x], outputs=[y])
    once = {"n_iter": 1}
    for level in range(depth):
        loops = [node("loop", [y], constants=once, x_scope_0=x, body=inner) for _ in range(width)]
        inner = graph(*loops, name=f"level{level}", inputs=[x], outputs=[y])
    inner.name = "ARITH"
    return Model(wrap(inner))


def one(opname: str, *sizes: int, out: int | None = None, **constants: Any) -> Node:
    """Make a node whose inputs x, y, ... have these lengths."""
    named = {key: tensor(key, size) for key, size in zip("xyz", sizes, strict=False)}
    result = tensor("out", sizes[0] if out is None else out)
    return node(opname, [result], constants=constants, **named)


def product(vector: Tensor, matrix: Tensor, *, is_left: bool = True, bias: int = 0) -> Node:
    """Make vector times matrix, or matrix times vector."""
    axis = 1 if is_left else 0
    out = tensor("out", matrix.shape[axis])
    sides = {"x": vector, "y": matrix} if is_left else {"x": matrix, "y": vector}
    if bias:
        return node("addmm", [out], bias=tensor("bias", bias), **sides)
    return node("matmul", [out], **sides)
