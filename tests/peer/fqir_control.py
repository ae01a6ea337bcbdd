"""Random loops, strided sub-graphs, conditionals and inline graphs, with random nodes in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.graph import Graph, Tensor
from tests.peer import fqir_elementwise, fqir_structure

if TYPE_CHECKING:
    from tests.peer.fqir_elementwise import Draw
    from tests.peer.fqir_sketch import Shape, Sketch


def simple(s: Sketch, n_nodes: int) -> None:
    """Add nodes of any operator without sub-graphs."""
    draws = [*fqir_elementwise.DRAWS.values(), *fqir_structure.DRAWS.values()]
    for _ in range(n_nodes):
        s.choose(*draws)(s)


def _bound(s: Sketch, shape: Shape) -> Tensor:
    """Give a tensor that is an input of a nested graph."""
    return Tensor(s.name("b"), "fqint16", shape, 0)


def _result(s: Sketch, shape: Shape) -> Tensor:
    """Make a value of this shape out of what is known."""
    x, y = s.operand(shape), s.operand(shape)
    opname = s.choose("vvadd", "vvsub", "vvmax", "vvmul", "copy", "relu")
    if opname in ("copy", "relu"):
        return s.add(opname, {"x": x}, shape)[0]
    constants: dict[str, Any] = {}
    if opname == "vvmul":
        constants = {"shamt_bwred": s.whole(-8, 0), "bw": 16}
    elif opname != "vvmax":
        constants = {"shamt_x": 0, "shamt_y": 0, "shamt_bwred": 0, "bw": s.bits()}
        constants |= {"bw_x": 16, "bw_y": 16}
    return s.add(opname, {"x": x, "y": y}, shape, **constants)[0]


def loop(s: Sketch) -> list[Tensor]:
    """Every kind of argument, both directions, several block sizes."""
    n_iter = s.whole(1, 4)
    n_recurse, n_sliced, n_scope = s.whole(0, 2), s.whole(0, 2), s.whole(0, 2)
    n_concat, n_final = s.choose((1, 0), (0, 1), (1, 1), (2, 1), (1, 2), (0, 0))
    if n_recurse + n_concat + n_final == 0:
        n_final = 1  # the reference cannot run a body without outputs
    tails = [s.choose((), (), (2,)) for _ in range(n_sliced)]
    blocks = [s.whole(1, 3) for _ in range(n_sliced)]
    recurse = [s.operand(s.shape(1)) for _ in range(n_recurse)]
    spare = s.choose(0, 0, 0, 1)
    sliced = [
        s.operand((n_iter * block + spare, *tail))
        for block, tail in zip(blocks, tails, strict=True)
    ]
    scope = [s.operand(s.shape(1)) for _ in range(n_scope)]
    slices = [(block, *tail) for block, tail in zip(blocks, tails, strict=True)]
    shapes = [*[t.shape for t in recurse], *slices, *[t.shape for t in scope]]
    body = Graph(s.name("loop_body"), [_bound(s, shape) for shape in shapes])
    concat_shapes = [s.shape(1) for _ in range(n_concat)]
    with s.inside(body, "loop"):
        simple(s, s.whole(0, 2))
        nested(s)
        wanted = [t.shape for t in recurse] + concat_shapes
        results = [_result(s, shape) for shape in wanted]
        last = [s.choose(*s.known) if s.known else _result(s, (2,)) for _ in range(n_final)]
        body.outputs = results + last
    inputs = {f"x_recurse_{i}": t for i, t in enumerate(recurse)}
    inputs |= {f"x_sliced_{i}": t for i, t in enumerate(sliced)}
    inputs |= {f"x_scope_{i}": t for i, t in enumerate(scope)}
    finals = [t.shape for t in body.outputs[n_recurse + n_concat :]]
    constants = {
        "n_iter": n_iter,
        "n_recurse": n_recurse,
        "n_sliced": n_sliced,
        "n_scope": n_scope,
        "n_concat": n_concat,
        "n_final": n_final,
        "block_size_sliced": tuple(blocks),
        "reverse_sliced": tuple(s.chance(0.5) for _ in blocks),
        "reverse_concat": tuple(s.chance(0.5) for _ in range(n_concat)),
    }
    joined = [(n_iter * shape[0], *shape[1:]) for shape in concat_shapes]
    return s.add("loop", inputs, *joined, *finals, subgraphs={"body": body}, **constants)


def nested(s: Sketch) -> None:
    """Now and then add what has graphs of its own; the reference fails at some nestings."""
    if s.chance(0.8) or len(s.kinds) > 3:
        return
    options = {"loop": loop, "inline": inline, "strided": strided, "conditional": conditional}
    for kind in ("strided", "conditional"):
        if kind in s.kinds:
            del options[kind]
    s.choose(*options.values())(s)


def _branch(s: Sketch, kind: str, given: list[Tensor], shapes: list[Shape]) -> Graph:
    body = Graph(s.name(f"{kind}_body"), [_bound(s, tensor.shape) for tensor in given])
    with s.inside(body, kind):
        simple(s, s.whole(0, 2))
        nested(s)
        if s.states and s.chance(0.4):
            target = s.choose(*s.states)
            s.node("assign", {"y": target, "x": _result(s, target.shape)}, [])
        body.outputs = [_result(s, shape) for shape in shapes]
    return body


def strided(s: Sketch) -> list[Tensor]:
    """Runs every n-th frame; its outputs have defaults in between."""
    n = s.whole(1, 4)
    counter = s.counter()
    given = [s.operand() for _ in range(s.whole(0, 2))]
    shapes = [s.shape(1) for _ in range(s.whole(1, 2))]
    defaults = [s.operand(shape) for shape in shapes]
    body = _branch(s, "strided", given, shapes)
    inputs = {"counter": counter} | {f"input_{i}": t for i, t in enumerate(given)}
    inputs |= {f"default_output_{i}": t for i, t in enumerate(defaults)}
    constants = {
        "n": n,
        "k": s.whole(0, n - 1),
        "num_inputs": len(given),
        "num_outputs": len(shapes),
    }
    return s.add("strided_subgraph", inputs, *shapes, subgraphs={"body": body}, **constants)


def conditional(s: Sketch) -> list[Tensor]:
    """One branch or the other."""
    condition = s.operand((s.choose(1, 1, 3),))
    if s.chance(0.5):
        (condition,) = s.add("gt0", {"x": condition}, condition.shape, bw=8)
    given = [s.operand() for _ in range(s.whole(0, 2))]
    shapes = [s.shape(1) for _ in range(s.whole(1, 2))]
    subgraphs = {name: _branch(s, "conditional", given, shapes) for name in ("true", "false")}
    inputs = {"condition": condition} | {f"input_{i}": t for i, t in enumerate(given)}
    constants = {"num_inputs": len(given), "num_outputs": len(shapes)}
    return s.add("conditional", inputs, *shapes, subgraphs=subgraphs, **constants)


def inline(s: Sketch) -> list[Tensor]:
    """A graph without an operator; surplus inputs and outputs are left alone."""
    given = [s.operand() for _ in range(s.whole(0, 3))]
    shapes = [s.shape(1) for _ in range(s.whole(1, 3))]
    body = _branch(s, "inline", given, shapes)
    if body.inputs and s.chance(0.2):
        surplus = body.inputs.pop()
        zeros = np.zeros(surplus.shape, np.int32)
        body.parameters.append(Tensor(surplus.name, "fqint16", surplus.shape, 0, zeros))
    if len(body.outputs) > 1 and s.chance(0.3):
        shapes.pop()
    made = [Tensor(s.name("x"), "fqint16", shape, 0) for shape in shapes]
    s.node("", {f"x{i}": t for i, t in enumerate(given)}, made, subgraphs={"body": body})
    return made


def nest_alike(s: Sketch, kind: str) -> list[Tensor]:
    """Add a node that holds one of its own kind, whose results matter."""
    draw = {"strided_subgraph": strided, "conditional": conditional}[kind]
    outer = draw(s)
    node = s.scope.nodes[-1]
    for body in node.subgraphs.values():
        with s.inside(body, "inner"):
            inner = draw(s)
            shape = body.outputs[0].shape
            flat = s.add("reshape", {"x": inner[0]}, (int(np.prod(inner[0].shape)),), shape=(-1,))
            (total,) = s.add("sum", {"x": flat[0]}, (1,), dim=0, keepdim=True, shamt_bwred=0, bw=16)
            body.outputs[0] = s.add("vvmax", {"x": total, "y": body.outputs[0]}, shape)[0]
    return outer


def feedback(s: Sketch) -> list[Tensor]:
    """A tensor is read before it is written, and a name that several tensors have."""
    shape = s.shape(1)
    late = s.state(shape)
    first = s.add("copy", {"x": late}, shape)
    twin = Tensor(late.name, "fqint16", shape, 0)
    s.node("vvmax", {"x": s.operand(shape), "y": first[0]}, [twin])
    return [*first, *s.add("relu", {"x": late}, shape)]


def chain(s: Sketch) -> list[Tensor]:
    """Many nodes that are together a function of one small integer, element by element."""
    names = "viadd vneg relu shift vimul gt0 lut vigt viand"
    start = s.input((s.choose(2, 5, 300),), s.choose(4, 8, 16, 16))
    before, s.known, reuse, s.reuse = s.known, [start], s.reuse, 1.0
    for _ in range(s.whole(3, 9)):
        if s.chance(0.6):
            fqir_elementwise.DRAWS[s.choose(*names.split())](s)
        else:
            _result(s, start.shape)
    made, s.reuse = s.known[1:], reuse
    s.known = before + made
    return made


def quantize(s: Sketch) -> list[Tensor]:
    """Integers pass when they are in range."""
    x = s.input(s.shape(), 8)
    return s.add("quantize", {"x": x}, x.shape, quanta=s.whole(-15, 2), bw=s.choose(8, 8, 8, 4))


DRAWS: dict[str, Draw] = {
    "loop": loop,
    "strided_subgraph": strided,
    "conditional": conditional,
    "": inline,
    "feedback": feedback,
    "quantize": quantize,
    "chain": chain,
}
"""How to draw each kind of nested graph."""
