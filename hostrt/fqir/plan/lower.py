"""From a model to a plan: names become values, graphs become one flat list."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.inputs import bits_of
from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.builder import B64, Bits, Builder
from hostrt.fqir.plan.contents import Contents, unsupported
from hostrt.fqir.plan.ir import Plan, State
from hostrt.fqir.plan.lower_control import HOLDERS
from hostrt.fqir.plan.lower_nodes import LOWER
from hostrt.fqir.plan.names import Uses
from hostrt.fqir.plan.prune import pruned
from hostrt.fqir.semantics.constants import Constants, label
from hostrt.fqir.state import WRITTEN_INPUT
from hostrt.fqir.watching import require_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.graph import Graph, Model, Node, Tensor
    from hostrt.fqir.plan.ir import Int64s
    from hostrt.fqir.plan.ranges import Interval

_ROUNDS = 40
"""Most times that the intervals of the state are widened; each bound takes about ten steps."""

_MOST_NODES = 50_000
"""Nodes that are lowered at most; a graph that several nodes hold counts for each of them."""


@dataclass(frozen=True, slots=True)
class Initial:
    """A value that INIT leaves: content as int64, and its storage type."""

    content: Int64s
    bits: Bits


@dataclass(slots=True)
class Assumed:
    """What is assumed about a state slot until it is proven."""

    interval: Interval
    bits: Bits


@dataclass(slots=True)
class Lowering:
    """The state of lowering one graph, those nested in it included.

    Attributes:
        builder: where instructions go.
        uses: which graph reads and writes which names.
        watched: names whose value at the end of the frame is asked for, with their tensors.
        env: name -> value, as of the node that is being lowered.
        initial: what INIT left.
        assumed: what the state slots hold; new slots are added when they are met.
        slots: name -> the value that stands for the slot's content.
        written: names that a frame may write.
        count: nodes lowered so far.
        names: value -> the tensor that had it first.
    """

    builder: Builder
    uses: Uses
    watched: dict[str, Tensor] = field(default_factory=dict)
    env: dict[str, int] = field(default_factory=dict)
    initial: dict[str, Initial] = field(default_factory=dict)
    assumed: dict[str, Assumed] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)
    written: frozenset[str] = frozenset()
    count: int = 0
    names: dict[int, str] = field(default_factory=dict)

    def bind(self, tensor: Tensor, value: int) -> None:
        """Let a tensor have a value."""
        self.env[tensor.name] = value
        self.names.setdefault(value, tensor.name)

    def forget(self, n_values: int) -> None:
        """Go back to when there were only so many values."""
        self.names = {value: name for value, name in self.names.items() if value < n_values}

    def read(self, tensor: Tensor) -> int:
        """Give the value that a tensor has now.

        Raises:
            ProgramUnsupported: it has none before the first frame.
        """
        found = self.env.get(tensor.name)
        return self.slot(tensor.name) if found is None else found

    def slot(self, name: str) -> int:
        """Give the value that a name has at the start of the frame.

        Raises:
            ProgramUnsupported: INIT gives it none.
        """
        if name not in self.slots:
            initial = self.initial.get(name)
            if initial is None:
                raise unsupported(f"tensor {name!r} is read before it is written")
            b = self.builder
            if name not in self.written:
                self.slots[name] = b.constant(initial.content, initial.bits)
            else:
                known = self.assumed.setdefault(
                    name, Assumed(_interval(initial.content), initial.bits)
                )
                shape = initial.content.shape
                self.slots[name] = b.define(shape, known.interval, known.bits, recurrent=True)
        return self.slots[name]

    def before(self, name: str, like: int | None = None) -> int | None:
        """Give the value of a name where it may have none.

        Args:
            name: of which tensor.
            like: value that it has elsewhere; what is only watched is zeros of that shape.
        """
        if name in self.env:
            return self.env[name]
        if name in self.initial:
            return self.slot(name)
        if name in self.watched:
            # in a branch that has not run yet: 0 until it runs
            shape = self.watched[name].shape if like is None else self.builder.shape(like)
            content = np.zeros(shape, np.int64)
            self.initial[name] = Initial(content, B64)
            return self.slot(name)
        return None

    def run(self, graph: Graph, inputs: Sequence[int]) -> list[int]:
        """Lower a graph inline (FQIR reference 5.1).

        Raises:
            ProgramUnsupported: it does something that a plan cannot express.
            ProgramCorrupt: a node's constants are missing or wrong.
        """
        for tensor, value in zip(graph.inputs, inputs, strict=False):
            self.bind(tensor, value)
        for tensor in graph.parameters:
            if tensor.value is None:
                raise unsupported(f"parameter {tensor.name!r} has no value")
            self.bind(tensor, self.builder.constant(tensor.value))
        for node in graph.nodes:
            self.count += 1
            if self.count > _MOST_NODES:
                raise unsupported(f"more than {_MOST_NODES} nodes on all its paths")
            self._node(node)
        return [self.read(tensor) for tensor in graph.outputs]

    def _node(self, node: Node) -> None:
        if node.operator is None:
            (graph,) = node.subgraphs.values()
            self.write(node, self.run(graph, [self.read(t) for t in node.inputs.values()]))
        elif node.opname in HOLDERS:
            HOLDERS[node.opname](self, node)
        elif node.opname in LOWER:
            self._operator(node)
        else:
            raise unsupported(f"operator {node.opname!r}")

    def _operator(self, node: Node) -> None:
        target = WRITTEN_INPUT.get(node.opname, "")
        values = {
            argument: self.read(tensor)
            for argument, tensor in node.inputs.items()
            if not (node.opname == "assign" and argument == target)
        }
        if node.opname == "assign" and self.before(node.inputs[target].name) is None:
            raise unsupported(f"tensor {node.inputs[target].name!r} is assigned before it exists")
        try:
            made = LOWER[node.opname](self.builder, node, Constants(node), values)
        except (ValueError, MemoryError, OverflowError) as error:
            raise unsupported(f"{label(node)}: {error}") from error
        if target in node.inputs:
            self.env[node.inputs[target].name] = made[-1]
            made = made[:-1]
        self.write(node, made)

    def write(self, node: Node, values: Sequence[int]) -> None:
        """Bind a node's outputs by position."""
        for tensor, value in zip(node.outputs, values, strict=False):
            self.bind(tensor, value)


def compile_plan(
    model: Model,
    shapes: Sequence[tuple[int, ...]] | None = None,
    *,
    watch: Sequence[str] = (),
) -> Plan:
    """Make the plan of a model.

    Args:
        model: a checked model.
        shapes: shape of each ARITH input; the declared ones when not given.
        watch: names of tensors whose values are wanted besides the outputs; all of them stay
            computed. For a tensor in a branch that did not run, the plan has a state slot.

    Raises:
        ProgramUnsupported: the model does something whose exact result a plan cannot express
            (the reference engine can, or says what is wrong), or that nothing can execute.
        ProgramCorrupt: a node lacks a constant or has one of the wrong kind.
        UsageError: no tensor has a name in `watch`.
    """
    arith = model.arith
    if shapes is None:
        shapes = [tensor.shape for tensor in arith.inputs]
    contents = Contents()
    initial = _run_init(model, contents)
    uses, assumed = Uses(arith), dict[str, Assumed]()
    watched = require_known(model, watch)
    for _ in range(_ROUNDS):
        lowering = Lowering(
            Builder(contents),
            uses,
            watched=watched,
            initial=dict(initial),
            assumed=assumed,
            written=uses.of(arith).maybe,
        )
        plan = _frame(lowering, arith, shapes)
        if not _widened(plan, assumed):
            return pruned(plan)
    raise unsupported("the intervals of its state do not settle")


def _run_init(model: Model, contents: Contents) -> dict[str, Initial]:
    """Evaluate INIT: it has no inputs, so that everything in it is constant."""
    if model.init is None:
        return {}
    builder = Builder(contents)
    lowering = Lowering(builder, Uses(model.init))
    lowering.run(model.init, [])
    found = {}
    for name, number in lowering.env.items():
        content = builder.values[number].constant
        if content is None:
            raise unsupported(f"INIT does not say what {name!r} is")
        found[name] = Initial(content, builder.bits(number))
    return found


def _frame(lowering: Lowering, arith: Graph, shapes: Sequence[tuple[int, ...]]) -> Plan:
    """Lower one frame with what is assumed about the state."""
    b = lowering.builder
    inputs = []
    for tensor, shape in zip(arith.inputs, shapes, strict=True):
        bits = bits_of(tensor.dtype)
        interval = ranges.signed(bits) if bits is not None and bits < 64 else ranges.INT64
        inputs.append(b.define(shape, interval, B64))
    outputs = lowering.run(arith, inputs)
    watched = {}
    for name in lowering.watched:
        value = lowering.before(name)
        if value is None:
            raise unsupported(f"tensor {name!r} never has a value")
        watched[name] = value
    states = [
        State(name, lowering.initial[name].content, read, lowering.env.get(name, read))
        for name, read in lowering.slots.items()
        if name in lowering.written
    ]
    return Plan(
        tuple(b.values),
        tuple(inputs),
        tuple(outputs),
        tuple(states),
        b.close_block(),
        tuple(b.tables),
        MappingProxyType(watched),
        MappingProxyType(lowering.names),
    )


def _widened(plan: Plan, assumed: dict[str, Assumed]) -> bool:
    """Widen what was assumed about the state where a frame can leave it; say whether any."""
    changed = False
    for state in plan.states:
        value, known = plan.values[state.next], assumed[state.name]
        if value.shape != state.initial.shape:
            raise unsupported(f"tensor {state.name!r} changes its shape between frames")
        bits = min(known.bits[0], value.min_bits), max(known.bits[1], value.max_bits)
        interval = (value.lo, value.hi)
        if not ranges.within(interval, known.interval) or bits != known.bits:
            known.interval = ranges.widened(known.interval, interval)
            known.bits = bits
            changed = True
    return changed


def _interval(content: Int64s) -> Interval:
    return (int(content.min()), int(content.max())) if content.size else (0, 0)
