"""What every tensor of a model can hold, in any frame (an interval analysis over the graph).

The analysis runs the model on ranges instead of numbers: INIT once, then ARITH until the ranges of
the state no longer grow. Ranges come from the bits of inputs, from saturation, tables and the
actual values of parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.control import Loop, body_of
from hostrt.fqir.inputs import bits_of
from hostrt.fqir.ranges import Note, Range
from hostrt.fqir.semantics.binding import bind
from hostrt.fqir.semantics.constants import Constants, label
from hostrt.fqir.semantics.integers import limits
from hostrt.fqir.transfer import TRANSFERS, Weights, convolution, matmul

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostrt.fqir.graph import Array, Graph, Model, Node
    from hostrt.fqir.semantics.binding import Bound

_Env: TypeAlias = dict[str, Range]

_STEPS = (1, 2, 7, 8, 9, 12, 13, 15, 16, 17, 23, 24, 31, 32, 47, 63, 64)
"""Bits that a growing range is widened to."""

_PATIENCE = 3
"""Passes before ranges that still grow are widened."""

_PASSES = 200
"""Passes before every range is given up; a delay line takes one pass per frame that it holds."""


_GIVEN_UP = Range(*limits(64), 8)
"""Any number, in any storage type."""

_TURNS = 50
"""Iterations of a loop before everything in it is given up."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Result of the analysis.

    Attributes:
        tensors: tensor name -> everything it can hold between any two nodes of any frame.
        notes: nodes whose result can depend on wrap-around, and why, in execution order.
    """

    tensors: Mapping[str, Range]
    notes: tuple[tuple[Node, str], ...]


def analyze(model: Model) -> Intervals:
    """Find what every tensor of INIT and ARITH can hold.

    Inputs are believed to be what `hostrt.fqir.inputs` lets pass.

    Raises:
        ProgramCorrupt: a node lacks something it needs.
        ProgramUnsupported: a node that cannot be executed, or a tensor that is never written.
    """
    return _Analysis().run(model)


@dataclass(slots=True)
class _Analysis:
    weights: Weights = field(default_factory=Weights)
    bound: dict[int, Bound] = field(default_factory=dict)
    parameters: dict[int, Range] = field(default_factory=dict)
    folded: dict[int, tuple[list[Array], list[Range]]] = field(default_factory=dict)
    tensors: _Env = field(default_factory=dict)
    notes: dict[int, tuple[Node, str]] = field(default_factory=dict)
    recording: bool = False

    def run(self, model: Model) -> Intervals:
        inputs = [_input(tensor.dtype) for tensor in model.arith.inputs]
        self.recording = True
        start: _Env = {}
        if model.init is not None:
            self._graph(model.init, [], start)
        self.recording = False
        state = self._settle(model.arith, inputs, start)
        self.recording = True
        self.tensors = {name: self._joined(name, one) for name, one in state.items()}
        self._graph(model.arith, inputs, dict(state))
        return Intervals(self.tensors, tuple(self.notes.values()))

    def _settle(self, arith: Graph, inputs: Sequence[Range], start: _Env) -> _Env:
        """Find ranges that hold at the start of every frame."""
        state = start
        for turn in range(_PASSES):
            env = dict(state)
            self._graph(arith, inputs, env)
            grown = _merge(state, env, widened=turn >= _PATIENCE)
            if _same(grown, state):
                break
            state = grown
        else:
            return dict.fromkeys(state, _GIVEN_UP)
        # what was widened too far comes back when frames that start from less stay in it
        env = dict(state)
        self._graph(arith, inputs, env)
        less = _merge(start, env, widened=False)
        env = dict(less)
        self._graph(arith, inputs, env)
        return less if _same(_merge(less, env, widened=False), less) else state

    # -- graphs ---------------------------------------------------------------------------------

    def _graph(self, graph: Graph, values: Sequence[Range], env: _Env) -> list[Range]:
        for tensor, value in zip(graph.inputs, values, strict=False):
            self._write(tensor.name, value, env)
        for tensor in graph.parameters:
            if tensor.value is not None:
                self._write(tensor.name, self._parameter(tensor.value), env)
        for node in graph.nodes:
            self._node(node, env)
        return [_read(graph.name, tensor.name, env) for tensor in graph.outputs]

    def _parameter(self, value: Array) -> Range:
        if id(value) not in self.parameters:
            self.parameters[id(value)] = Range.of(value)
        return self.parameters[id(value)]

    def _node(self, node: Node, env: _Env) -> None:
        args = {
            argument: _read(label(node), tensor.name, env)
            for argument, tensor in node.inputs.items()
        }
        if node.operator is None:
            for graph in node.subgraphs.values():
                self._outputs(node, self._graph(graph, list(args.values()), env), env)
        elif node.opname == "loop":
            self._loop(node, args, env)
        elif node.opname in ("strided_subgraph", "conditional"):
            self._choice(node, args, env)
        else:
            self._operation(node, args, env)

    def _outputs(self, node: Node, results: Sequence[Range], env: _Env) -> None:
        for tensor, result in zip(node.outputs, results, strict=False):
            self._write(tensor.name, result, env)

    def _choice(self, node: Node, args: Mapping[str, Range], env: _Env) -> None:
        """Follow every way that a conditional or a strided graph can take."""
        given = _family(args, "input_")
        ways: list[tuple[_Env, list[Range]]] = []
        keys = ("body",) if node.opname == "strided_subgraph" else ("true", "false")
        for graph in (body_of(node, node.subgraphs, key) for key in keys):
            inner = dict(env)
            ways.append((inner, self._graph(graph, given, inner)))
        if node.opname == "strided_subgraph":
            ways.append((dict(env), _family(args, "default_output_")))
        for inner, results in ways:
            self._outputs(node, results, inner)
        merged = ways[0][0]
        for inner, _ in ways[1:]:
            merged = _merge(merged, inner, widened=False)
        env.update(merged)
        if "counter" in node.inputs:
            n = Constants(node).count("n")
            self._write(node.inputs["counter"].name, Range(0, n - 1), env)

    def _loop(self, node: Node, args: Mapping[str, Range], env: _Env) -> None:
        loop, body = Loop.of(node), node.subgraphs["body"]
        recurse = [args[name] for name in loop.arguments[: loop.n_recurse]]
        # a slice of a known array is not that array
        rest = [args[name] for name in loop.arguments[loop.n_recurse :]]
        rest = [one.stored(one.width) if i < loop.n_sliced else one for i, one in enumerate(rest)]
        results: list[Range] = []
        for turn in range(loop.n_iter):
            if turn > _TURNS:
                recurse = [_GIVEN_UP for _ in recurse]
                env.update(dict.fromkeys(env, _GIVEN_UP))
            inner = dict(env)
            results = self._graph(body, [*recurse, *rest], inner)
            joined = [a.join(b) for a, b in zip(recurse, results, strict=False)]
            if turn >= _PATIENCE:
                joined = [_widen(a, b) for a, b in zip(recurse, joined, strict=True)]
            merged = _merge(env, inner, widened=turn >= _PATIENCE)
            settled = _same(merged, env) and all(
                b.within(a) for a, b in zip(recurse, joined, strict=True)
            )
            env.update(merged)
            recurse = joined
            if settled or turn > _TURNS:
                break
        kept = results[loop.n_recurse :]
        self._outputs(node, [one.stored(one.width) for one in kept], env)

    # -- operators ------------------------------------------------------------------------------

    def _operation(self, node: Node, args: Mapping[str, Range], env: _Env) -> None:
        if id(node) not in self.bound:
            self.bound[id(node)] = bind(node)
        bound = self.bound[id(node)]

        def note(why: str) -> None:
            if self.recording:
                self.notes.setdefault(id(node), (node, why))

        try:
            results = self._transfer(node, args, note)
        except (ValueError, IndexError, OverflowError) as error:
            raise ProgramUnsupported(
                f"{label(node)}: {error}", node=node.name, operator=node.opname
            ) from error
        results = self._fold(node, args) or results
        last = len(results) - len(bound.writes)
        self._outputs(node, results[:last], env)
        for argument, result in zip(bound.writes, results[last:], strict=True):
            self._write(node.inputs[argument].name, result, env)

    def _transfer(self, node: Node, args: Mapping[str, Range], note: Note) -> list[Range]:
        if node.opname in ("matmul", "addmm"):
            return matmul(node, args, note, self.weights)
        if node.opname == "temporal_conv2d":
            return convolution(node, args, note, self.weights)
        return TRANSFERS[node.opname](node, args, note)

    def _fold(self, node: Node, args: Mapping[str, Range]) -> list[Range]:
        """Compute a node whose arguments are all known; nothing when they are not."""
        values = {argument: one.value for argument, one in args.items() if one.value is not None}
        bound, given = self.bound[id(node)], list(values.values())
        if len(values) < len(args) or bound.writes:
            return []
        before = self.folded.get(id(node))
        if before is None or any(a is not b for a, b in zip(before[0], given, strict=True)):
            before = (given, _computed(bound, values))
            self.folded[id(node)] = before
        return before[1]

    def _write(self, name: str, value: Range, env: _Env) -> None:
        env[name] = value
        if self.recording:
            self.tensors[name] = self._joined(name, value)

    def _joined(self, name: str, value: Range) -> Range:
        return self.tensors[name].join(value) if name in self.tensors else value


def _computed(bound: Bound, values: Mapping[str, Array]) -> list[Range]:
    try:
        results = [np.asarray(result) for result in bound.kernel(values)]
    except (ValueError, IndexError, OverflowError, MemoryError):
        return []
    if any(result.dtype.kind != "i" for result in results):
        return []
    return [Range.of(result) for result in results]


def _input(dtype: str) -> Range:
    bits = bits_of(dtype)
    return Range.full() if bits is None else Range.full().clamp(min(bits, 64))


def _read(reader: str, name: str, env: _Env) -> Range:
    try:
        return env[name]
    except KeyError:
        raise ProgramUnsupported(f"{reader}: reads {name!r} before it was ever written") from None


def _family(args: Mapping[str, Range], prefix: str) -> list[Range]:
    found: list[Range] = []
    while f"{prefix}{len(found)}" in args:
        found.append(args[f"{prefix}{len(found)}"])
    return found


def _merge(before: _Env, after: _Env, *, widened: bool) -> _Env:
    merged = dict(before)
    for name, value in after.items():
        old = before.get(name)
        if old is None:
            merged[name] = value
        elif value is not old:
            joined = old.join(value)
            merged[name] = _widen(old, joined) if widened else joined
    return merged


def _widen(old: Range, new: Range) -> Range:
    """Give a range that holds `new` and does not grow bit by bit."""
    lo = (
        new.lo if new.lo >= old.lo else -min(1 << bits for bits in _STEPS if new.lo >= -(1 << bits))
    )
    hi = new.hi if new.hi <= old.hi else min(1 << bits for bits in _STEPS if new.hi < 1 << bits) - 1
    return Range(lo, hi, new.width, new.value if (lo, hi) == (new.lo, new.hi) else None)


def _same(one: _Env, other: _Env) -> bool:
    return one.keys() == other.keys() and all(
        value is other[name] or value.within(other[name]) for name, value in one.items()
    )
