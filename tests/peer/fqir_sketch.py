"""Draws random FQIR graphs, node by node, together with inputs that reach their corners."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.graph import Graph, Node, Tensor
from hostrt.fqir.operators import OPERATORS
from tests.fqir.write_model import wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.fqir.graph import Array

Shape = tuple[int, ...]

INT32 = (-(1 << 31), (1 << 31) - 1)
INPUT_BITS = (4, 8, 16, 16, 24)


@dataclass(frozen=True, slots=True)
class Case:
    """A model and what to feed it.

    Attributes:
        name: what it is about, and the seed.
        root: main graph.
        inputs: (T, *shape) int64 per ARITH input.
        defined_by_us: the reference raises an error and the document says to do the obvious.
    """

    name: str
    root: Graph
    inputs: list[Array]
    defined_by_us: bool = False


@dataclass(slots=True)
class Sketch:
    """A graph in the making.

    Attributes:
        random: where all choices come from.
        frames: frames of input.
        reuse: chance that an operand is a value that exists already.
        extreme: chance of shifts, sizes and values far from what is usual.
        arith: the program.
        init: what makes its state.
        data: content of its inputs.
        known: tensors that later nodes may read.
        states: tensors that live across frames.
        scopes: nested graphs that are being drawn, innermost last.
        kinds: the operators that they belong to.
        count: names given so far.
    """

    random: np.random.Generator
    frames: int = 6
    reuse: float = 0.0
    extreme: float = 0.15
    arith: Graph = field(default_factory=lambda: Graph("ARITH"))
    init: Graph = field(default_factory=lambda: Graph("INIT"))
    data: list[Array] = field(default_factory=list)
    known: list[Tensor] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    scopes: list[Graph] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    count: int = 0

    @property
    def scope(self) -> Graph:
        """The graph that nodes go to."""
        return self.scopes[-1] if self.scopes else self.arith

    def name(self, prefix: str) -> str:
        """Give a name that nothing has."""
        self.count += 1
        return f"%{prefix}.{self.count}"

    def choose(self, *options: Any) -> Any:
        """Give one of the options."""
        return options[int(self.random.integers(len(options)))]

    def chance(self, share: float) -> bool:
        """Give True as often as `share` says."""
        return bool(self.random.random() < share)

    def whole(self, low: int, high: int) -> int:
        """Give an integer from low to high, both included."""
        return int(self.random.integers(low, high, endpoint=True))

    def shift(self) -> int:
        """Give a shift count."""
        if self.chance(self.extreme):
            return int(self.choose(-70, -64, -63, -40, -33, -32, -31, -30, 24, 30, 31, 32, 33, 40))
        return self.whole(-10, 6)

    def bits(self) -> int:
        """Give a number of bits to saturate to."""
        return int(self.choose(4, 8, 8, 16, 16, 16, 24, 32))

    def rounding(self) -> dict[str, bool]:
        """Give the constant that may be absent."""
        return self.choose({}, {"rounded": False}, {"rounded": True}, {"rounded": True})  # type: ignore[no-any-return]

    def shape(self, rank: int | None = None) -> Shape:
        """Give a shape of 1 to 3 axes, mostly 1."""
        axes = self.choose(1, 1, 1, 2, 3) if rank is None else rank
        return tuple(self.whole(1, 6) for _ in range(axes))

    def numbers(self, shape: Shape, low: int, high: int) -> Array:
        """Give int64 numbers: anywhere in the range, at its ends, or near zero."""
        kinds = self.random.integers(0, 4, shape)
        uniform = self.random.integers(low, high, shape, endpoint=True)
        ends = self.random.choice(np.array([low, high, low + 1, high - 1], np.int64), shape)
        small = np.clip(self.random.integers(-3, 4, shape), low, high)
        return np.choose(np.minimum(kinds, 2), [uniform, ends, small]).astype(np.int64)

    def input(self, shape: Shape, bits: int | None = None) -> Tensor:
        """Add an input of the model."""
        width = bits or self.choose(*INPUT_BITS)
        tensor = Tensor(self.name("in"), f"fqint{width}", shape, 0)
        low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
        self.data.append(self.numbers((self.frames, *shape), low, high))
        self.arith.inputs.append(tensor)
        return tensor

    def parameter(
        self, shape: Shape, bits: int | None = None, kind: type[np.generic] | None = None
    ) -> Tensor:
        """Add a parameter to the graph at hand; sometimes stored the other way round."""
        tensor = self.valued(shape, bits, kind)
        self.scope.parameters.append(tensor)
        return tensor

    def valued(
        self, shape: Shape, bits: int | None = None, kind: type[np.generic] | None = None
    ) -> Tensor:
        """Give a tensor with content, as parameters are."""
        width = bits or self.choose(4, 8, 8, 16, 24, 32)
        if bits is None and self.chance(self.extreme / 5):
            width, kind = self.choose(33, 40, 52, 63, 64), np.int64
        low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
        narrow = [np.int8] if width <= 8 else [np.int16] if width <= 16 else []
        stored = kind or self.choose(*[np.int32] * 4, *[np.int64] * 3, *narrow)
        value = self.numbers(shape, low, high).astype(stored)
        if len(shape) > 1 and self.chance(0.5):
            value = np.asfortranarray(value)
        value.flags.writeable = False
        return Tensor(self.name("p"), f"fqint{min(width, 24)}", shape, 0, value)

    def state(self, shape: Shape) -> Tensor:
        """Add a tensor that lives across frames: zeros, a constant, or an INIT parameter."""
        kind = self.choose("zeros", "constant", "parameter")
        if kind == "parameter":
            tensor = self.valued(shape, self.choose(8, 16, 32))
            self.init.parameters.append(tensor)
        else:
            tensor = Tensor(self.name("s"), "fqint16", shape, 0)
            constants: dict[str, Any] = {"shape": shape}
            if kind == "constant":
                constants["value"] = self.whole(-300, 300)
            operator = OPERATORS[kind]
            self.init.nodes.append(Node(self.name("n"), operator, {}, [tensor], constants))
        self.init.outputs.append(tensor)
        self.states.append(tensor)
        return tensor

    def counter(self) -> Tensor:
        """Add a state that counts frames, mostly from 0; random nodes leave it alone."""
        tensor = Tensor(self.name("c"), "fqint16", (1,), 0)
        constants = {"shape": (1,), "value": self.choose(0, 0, 0, 1, 7, -1)}
        operator = OPERATORS["constant"]
        self.init.nodes.append(Node(self.name("n"), operator, {}, [tensor], constants))
        self.init.outputs.append(tensor)
        return tensor

    def operand(self, shape: Shape | None = None, bits: int | None = None) -> Tensor:
        """Give something to compute with: what exists, or a new input, parameter or state."""
        fitting = [item for item in self.known if item.shape and shape in (None, item.shape)]
        if fitting and self.chance(self.reuse):
            return self.choose(*fitting)  # type: ignore[no-any-return]
        wanted = self.shape() if shape is None else shape
        kind = self.choose("input", "input", "parameter", "state")
        if kind == "state":
            return self.state(wanted)
        if kind == "parameter":
            return self.parameter(wanted, bits)
        return self.input(wanted, bits)

    def pair(self) -> tuple[Tensor, Tensor, Shape]:
        """Give two operands that broadcast, and the shape of the result."""
        first = self.operand()
        shape = first.shape
        kind = self.choose("same", "same", "one", "last")
        if kind == "one":
            shape = tuple(1 for _ in shape)
        elif kind == "last":
            shape = shape[-1:]
        second = self.operand(shape)
        if self.chance(0.5):
            first, second = second, first
        return first, second, np.broadcast_shapes(first.shape, second.shape)

    def add(
        self, opname: str, inputs: dict[str, Tensor], *shapes: Shape, **constants: Any
    ) -> list[Tensor]:
        """Add a node with new outputs of these shapes."""
        bits = constants.get("bw", constants.get("bw_out", 16))
        width = bits if bits in (4, 8, 16, 24) else 24
        made = [Tensor(self.name("x"), f"fqint{width}", shape, 0) for shape in shapes]
        self.node(opname, inputs, made, **constants)
        return made

    def node(
        self, opname: str, inputs: dict[str, Tensor], outputs: list[Tensor], **constants: Any
    ) -> Node:
        """Add a node; its outputs become known."""
        subgraphs = constants.pop("subgraphs", {})
        operator = OPERATORS[opname] if opname else None
        node = Node(self.name("n"), operator, inputs, outputs, constants, subgraphs)
        self.scope.nodes.append(node)
        self.known += outputs
        return node

    @contextmanager
    def inside(self, graph: Graph, kind: str) -> Iterator[Graph]:
        """Let what follows go to a nested graph; what it makes is unknown outside."""
        known = list(self.known)
        self.known += graph.inputs
        self.scopes.append(graph)
        self.kinds.append(kind)
        yield graph
        self.kinds.pop()
        self.scopes.pop()
        self.known = known

    def case(self, name: str, outputs: list[Tensor] | None = None, **more: Any) -> Case:
        """Finish; everything known is an output unless it is said what."""
        self.arith.outputs = list(outputs or self.known)
        if not self.arith.inputs:
            self.input((1,))
        has_init = bool(self.init.nodes or self.init.parameters) or self.chance(0.3)
        root = wrap(self.arith, self.init if has_init else None)
        return Case(name, root, self.data, **more)
