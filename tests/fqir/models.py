"""Hand-made models for tests of engines: graphs written node by node, and the golden sequences."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.graph import Graph, Model, Node, Table, Tensor
from hostrt.fqir.operators import OPERATORS
from hostrt.fqir.plan.ir import operands, results
from tests.fqir.inspected import VECTORS, meta_of
from tests.fqir.write_model import wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.graph import Array
    from hostrt.fqir.plan.ir import Plan

ADD: dict[str, Any] = {"shamt_x": 0, "shamt_y": 0, "shamt_bwred": 0, "bw": 16}


@dataclass(slots=True)
class Draft:
    """A model in the making.

    Attributes:
        arith: its program.
        init: what makes its state.
    """

    arith: Graph = field(default_factory=lambda: Graph("ARITH"))
    init: Graph = field(default_factory=lambda: Graph("INIT"))

    def input(self, name: str, *shape: int, dtype: str = "int16") -> Tensor:
        """Add an input."""
        tensor = Tensor(name, dtype, shape, 0)
        self.arith.inputs.append(tensor)
        return tensor

    def parameter(self, name: str, value: Any, kind: str = "i4") -> Tensor:
        """Add a parameter of ARITH."""
        array = np.array(value, kind)
        tensor = Tensor(name, "int16", array.shape, 0, array)
        self.arith.parameters.append(tensor)
        return tensor

    def state(self, name: str, *shape: int, value: int = 0) -> Tensor:
        """Add a tensor that INIT makes."""
        tensor = Tensor(name, "int16", shape, 0)
        constants: dict[str, Any] = {"shape": shape, "value": value}
        self.init.nodes.append(Node("", OPERATORS["constant"], {}, [tensor], constants))
        return tensor

    def add(self, opname: str, out: str, *inputs: Tensor, **constants: Any) -> Tensor:
        """Add a node with one output; inputs by position, the rest as for `node`."""
        names = [name for name in OPERATORS[opname].inputs if not name.endswith("*")]
        given = dict(zip(names, inputs, strict=True))
        tensor = Tensor(out, "int16", inputs[0].shape if inputs else (), 0)
        return self.node(opname, given, [tensor], **constants)[0]

    def node(
        self, opname: str, inputs: dict[str, Tensor], outputs: list[Tensor], **constants: Any
    ) -> list[Tensor]:
        """Add a node to ARITH, or to the graph that is given as `graph`.

        Graphs that it holds are given as `body`, `true` and `false`.
        """
        target = constants.pop("graph", None) or self.arith
        keys: list[str] = [key for key in ("body", "true", "false") if key in constants]
        subgraphs = {key: constants.pop(key) for key in keys}
        node = Node("", OPERATORS[opname], inputs, outputs, constants, subgraphs)
        target.nodes.append(node)
        return outputs

    def assign(self, target: Tensor, source: Tensor, graph: Graph | None = None) -> None:
        """Give a tensor another value."""
        self.node("assign", {"y": target, "x": source}, [], graph=graph)

    def model(self, *outputs: Tensor) -> Model:
        """Finish."""
        self.arith.outputs = list(outputs)
        has_init = bool(self.init.nodes or self.init.parameters)
        return Model(wrap(self.arith, self.init if has_init else None))


def table(values: Sequence[int], first: int = -128) -> Table:
    """Give a look-up table."""
    return Table("", np.arange(first, first + len(values)), np.array(values, np.int64))


def accumulator(length: int = 4, bits: int = 16) -> Model:
    """Give a model that adds its inputs up, and saturates."""
    draft = Draft()
    x, total = draft.input("x", length), draft.state("total", length)
    y = draft.add("vvadd", "y", x, total, **ADD | {"bw": bits})
    draft.assign(total, y)
    return draft.model(y)


def sigmoid(draft: Draft, x: Tensor, seed: int = 0) -> Tensor:
    """Add an interpolated table: six nodes on one 16-bit integer, as tracing makes them."""
    values = np.random.default_rng(seed).integers(-3000, 3000, (2, 256)).tolist()
    name = x.name
    a = draft.add("shift", f"{name}_addr", x, shamt=-8, bw=8)
    r = draft.add("vvsub", f"{name}_rem", x, a, **ADD | {"shamt_y": 8})
    look = {"shamt_address": 0, "bw_address": 8}
    c0 = draft.add("lut", f"{name}_c0", a, table=table(values[0]), **look)
    c1 = draft.add("lut", f"{name}_c1", a, table=table(values[1]), **look)
    m = draft.add("vvmul", f"{name}_m", c1, r, shamt_bwred=-8, bw=16)
    return draft.add("vvadd", f"{name}_f", m, c0, **ADD | {"shamt_x": -2})


def recurrent(n_in: int, n_state: int, seed: int = 0) -> Model:
    """Give a layer h = f(clamp(W x + U h + b)) with random weights of 8 bits."""
    rng = np.random.default_rng(seed)
    draft = Draft()
    x, h = draft.input("x", n_in), draft.state("h", n_state)
    w = draft.parameter("w", rng.integers(-128, 128, (n_in, n_state)))
    u = draft.parameter("u", rng.integers(-128, 128, (n_state, n_state)))
    b = draft.parameter("b", rng.integers(-3000, 3000, n_state))
    end = {"shamt_bias": 4, "shamt_bwred": -10, "bw_out": 16, "rounded": True}
    left = draft.add("addmm", "wx", b, x, w, **end)
    right = draft.add("matmul", "uh", h, u, shamt_bwred=-11, bw_out=16, rounded=True)
    for tensor in (left, right):
        tensor.shape = (n_state,)
    total = draft.add("vvadd", "sum", left, right, **ADD)
    y = sigmoid(draft, total, seed)
    draft.assign(h, y)
    return draft.model(y, total)


def noise(shape: tuple[int, ...], bits: int = 16, seed: int = 0) -> Array:
    """Give integers of so many bits, many of them at the ends of the range."""
    rng = np.random.default_rng(seed)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    numbers = rng.integers(low, high, shape, endpoint=True)
    return np.where(rng.random(shape) < 0.2, rng.choice([low, high], shape), numbers)


def require_order(plan: Plan) -> None:
    """Check that every value of a plan is made once, and before it is used."""
    known = {*plan.inputs, *(state.read for state in plan.states)}
    known |= {n for n, value in enumerate(plan.values) if value.constant is not None}
    for instruction in plan.body:
        made = results(instruction)
        assert known.issuperset(operands(instruction)), instruction
        assert known.isdisjoint(made), instruction
        known.update(made)
    assert known.issuperset(plan.outputs)
    assert known.issuperset(plan.watched.values())
    assert known.issuperset(state.next for state in plan.states)


@cache
def sides(name: str) -> tuple[list[Array], list[Array]]:
    """Give the inputs and outputs of a golden model, in the order of ARITH."""
    meta = meta_of(name)
    read = []
    for kind in ("inputs", "outputs"):
        with np.load(VECTORS / name / f"{kind}.npz") as archive:
            read.append([archive[item["key"]] for item in meta[kind]])
    return read[0], read[1]
