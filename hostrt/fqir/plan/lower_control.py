"""Loops, strided graphs and conditionals (FQIR reference 4.13 to 4.15)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from hostrt.fqir.control import Loop as LoopConstants
from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.builder import B64, Bits
from hostrt.fqir.plan.contents import unsupported
from hostrt.fqir.plan.ir import (
    Branch,
    Carried,
    Collected,
    Counter,
    Final,
    Loop,
    Merged,
    Sliced,
)
from hostrt.fqir.semantics.constants import Constants

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hostrt.fqir.graph import Graph, Node
    from hostrt.fqir.plan.ir import Instruction
    from hostrt.fqir.plan.lower import Lowering
    from hostrt.fqir.plan.ranges import Interval

_ROUNDS = 40


def _family(node: Node, lowering: Lowering, prefix: str) -> list[int]:
    found: list[int] = []
    while f"{prefix}{len(found)}" in node.inputs:
        found.append(lowering.read(node.inputs[f"{prefix}{len(found)}"]))
    return found


# ---------------------------------------------------------------------- branches


def _conditional(lowering: Lowering, node: Node) -> None:
    condition = lowering.read(node.inputs["condition"])
    if not lowering.builder.values[condition].size:
        raise unsupported("a condition without elements")
    given = _family(node, lowering, "input_")
    graphs = node.subgraphs["true"], node.subgraphs["false"]
    _branch(lowering, node, condition, given, graphs, [])


def _strided(lowering: Lowering, node: Node) -> None:
    b, c = lowering.builder, Constants(node)
    name = node.inputs["counter"].name
    counter = lowering.read(node.inputs["counter"])
    n = c.integer("n")
    if b.values[counter].size != 1 or n < 1:
        raise unsupported(f"a counter of shape {b.shape(counter)} modulo {n}")
    shape = b.shape(counter)
    test, following = b.emit(
        Counter(b.next, b.next + 1, counter, n, c.integer("k")),
        [(shape, (0, 1), B64), (shape, (0, n - 1), B64)],
    )
    given = _family(node, lowering, "input_")
    defaults = _family(node, lowering, "default_output_")
    _branch(lowering, node, test, given, (node.subgraphs["body"], None), defaults)
    lowering.env[name] = following


def _branch(
    lowering: Lowering,
    node: Node,
    condition: int,
    given: Sequence[int],
    graphs: tuple[Graph, Graph | None],
    defaults: Sequence[int],
) -> None:
    b = lowering.builder
    known = b.values[condition].constant
    if known is not None:
        graph = graphs[0] if known.reshape(-1)[0] else graphs[1]
        lowering.write(node, defaults if graph is None else lowering.run(graph, given))
        return
    names = _names_left(lowering, node)
    outer = dict(lowering.env)
    sides: list[tuple[tuple[Instruction, ...], list[int], dict[str, int]]] = []
    for graph in graphs:
        lowering.env = dict(outer)
        b.open_block()
        results = list(defaults) if graph is None else lowering.run(graph, given)
        sides.append((b.close_block(), results, lowering.env))
    lowering.env = outer
    (then, results, env), (otherwise, other_results, other_env) = sides
    pairs = list(zip(results, other_results, strict=False))[: len(node.outputs)]
    kept: dict[str, tuple[int, int]] = {}
    for name in names:
        left = env[name] if name in env else lowering.before(name, other_env.get(name))
        right = other_env[name] if name in other_env else lowering.before(name, left)
        if left is not None and right is not None:
            kept[name] = (left, right)
    merged = _merge(lowering, [*kept.values(), *pairs], b.values[condition].recurrent)
    b.append(
        Branch(
            condition,
            then,
            otherwise,
            tuple(Merged(x, y, out) for (x, y), out in merged.items() if out != x),
        )
    )
    lowering.env.update((name, merged[pair]) for name, pair in kept.items())
    lowering.write(node, [merged[pair] for pair in pairs])


def _names_left(lowering: Lowering, node: Node) -> list[str]:
    """Give the names that a node's graphs may write and that are read later, in order.

    Later may be the next time that these graphs run, in a loop around them or the next frame.
    """
    wanted = lowering.uses.read_outside(node) | lowering.watched.keys() | lowering.initial.keys()
    wrote: set[str] = set()
    for graph in node.subgraphs.values():
        use = lowering.uses.of(graph)
        wrote |= use.maybe
        wanted |= use.exposed
    return sorted(wrote & wanted)


def _merge(
    lowering: Lowering, pairs: Sequence[tuple[int, int]], recurrent: bool
) -> dict[tuple[int, int], int]:
    b = lowering.builder
    merged: dict[tuple[int, int], int] = {}
    for x, y in pairs:
        if (x, y) in merged:
            continue
        if x == y:
            merged[x, y] = x
            continue
        if b.shape(x) != b.shape(y):
            raise unsupported(f"branches that give shapes {b.shape(x)} and {b.shape(y)}")
        interval = ranges.join(b.interval(x), b.interval(y))
        bits = _either(b.bits(x), b.bits(y))
        depends = recurrent or b.values[x].recurrent or b.values[y].recurrent
        merged[x, y] = b.define(b.shape(x), interval, bits, recurrent=depends)
    return merged


def _either(x: Bits, y: Bits) -> Bits:
    return min(x[0], y[0]), max(x[1], y[1])


# ---------------------------------------------------------------------- loops


def _loop(lowering: Lowering, node: Node) -> None:
    b, spec, graph = lowering.builder, LoopConstants.of(node), node.subgraphs["body"]
    given = [lowering.read(node.inputs[name]) for name in spec.arguments]
    n_expected = spec.n_recurse + spec.n_concat + spec.n_final
    if len(graph.inputs) != len(given) or len(graph.outputs) != n_expected:
        raise unsupported("a loop whose body has other inputs or outputs than it says")
    _require_rows(lowering, spec, given)
    use, wanted = lowering.uses.of(graph), _names_left(lowering, node)
    maybe = sorted(use.maybe & (use.exposed | (set(wanted) - use.always)))
    known = [(name, lowering.before(name)) for name in maybe]
    names = [name for name, value in known if value is not None]
    initial = [*given[: spec.n_recurse], *(value for _, value in known if value is not None)]
    assumed = [(b.interval(value), b.bits(value)) for value in initial]
    depends = [b.values[value].recurrent for value in initial]
    outer, slots = dict(lowering.env), dict(lowering.slots)
    b.open_block()
    for _ in range(_ROUNDS):
        mark = b.mark()
        lowering.env, lowering.slots = dict(outer), dict(slots)
        one = _iteration(lowering, spec, graph, given, (names, assumed, depends))
        if not _widened(lowering, one, assumed, depends):
            break
        b.back_to(mark)
        lowering.forget(mark[0])
    else:
        raise unsupported("the intervals of a loop do not settle")
    _finish(lowering, node, spec, (initial, wanted, outer), one)


class _Iteration:
    """What lowering the body once has given."""

    def __init__(self, arguments: list[int], slices: list[int]) -> None:
        self.arguments = arguments
        self.slices = slices
        self.results: list[int] = []
        self.next: list[int] = []


def _iteration(
    lowering: Lowering,
    spec: LoopConstants,
    graph: Graph,
    given: Sequence[int],
    carried: tuple[list[str], list[tuple[Interval, Bits]], list[bool]],
) -> _Iteration:
    b, (names, assumed, depends) = lowering.builder, carried
    shapes = [b.shape(value) for value in given[: spec.n_recurse]]
    for name in names:
        value = lowering.before(name)
        shapes.append(() if value is None else b.shape(value))
    one = _Iteration(
        [
            b.define(shape, interval, bits, recurrent=recurrent)
            for shape, (interval, bits), recurrent in zip(shapes, assumed, depends, strict=True)
        ],
        [],
    )
    for i, source in enumerate(given[spec.n_recurse : spec.n_recurse + spec.n_sliced]):
        shape = (spec.block_size_sliced[i], *b.shape(source)[1:])
        recurrent = b.values[source].recurrent
        one.slices.append(b.define(shape, b.interval(source), b.bits(source), recurrent=recurrent))
    lowering.env.update(zip(names, one.arguments[spec.n_recurse :], strict=True))
    scope = given[spec.n_recurse + spec.n_sliced :]
    one.results = lowering.run(graph, [*one.arguments[: spec.n_recurse], *one.slices, *scope])
    one.next = one.results[: spec.n_recurse] + [lowering.env[name] for name in names]
    return one


def _widened(
    lowering: Lowering,
    one: _Iteration,
    assumed: list[tuple[Interval, Bits]],
    depends: list[bool],
) -> bool:
    b, changed = lowering.builder, False
    for i, (argument, following) in enumerate(zip(one.arguments, one.next, strict=True)):
        if b.shape(argument) != b.shape(following):
            raise unsupported("a loop that changes the shape of what it carries")
        (interval, bits), recurrent = assumed[i], b.values[following].recurrent
        either = _either(bits, b.bits(following))
        if not ranges.within(b.interval(following), interval) or either != bits:
            assumed[i] = ranges.widened(interval, b.interval(following)), either
            changed = True
        if recurrent and not depends[i]:
            depends[i] = changed = True
    return changed


def _finish(
    lowering: Lowering,
    node: Node,
    spec: LoopConstants,
    before: tuple[list[int], list[str], dict[str, int]],
    one: _Iteration,
) -> None:
    """Append the loop and bind what it leaves."""
    b, (initial, wanted, outer) = lowering.builder, before
    inner = lowering.env
    lowering.env = outer
    body = b.close_block()
    sources = [lowering.read(node.inputs[name]) for name in spec.arguments]
    sources = sources[spec.n_recurse : spec.n_recurse + spec.n_sliced]
    finals: dict[int, int] = {}

    def final(value: int) -> int:
        if value not in finals:
            known = b.values[value]
            finals[value] = b.define(
                known.shape, (known.lo, known.hi), b.bits(value), recurrent=known.recurrent
            )
        return finals[value]

    ends = one.results[spec.n_recurse :]
    collected = []
    for value, reverse in zip(ends[: spec.n_concat], spec.reverse_concat, strict=True):
        known = b.values[value]
        if not known.shape:
            raise unsupported("a loop that collects single numbers")
        shape = (known.shape[0] * spec.n_iter, *known.shape[1:])
        out = b.define(shape, (known.lo, known.hi), b.bits(value), recurrent=known.recurrent)
        collected.append(Collected(value, out, reverse))
    lowering.env.update((name, final(inner[name])) for name in wanted if name in inner)
    results = [item.out for item in collected] + [final(value) for value in ends[spec.n_concat :]]
    carried = zip(initial, one.arguments, one.next, strict=True)
    slices = zip(sources, one.slices, spec.block_size_sliced, spec.reverse_sliced, strict=True)
    b.append(
        Loop(
            spec.n_iter,
            tuple(Carried(*item) for item in carried),
            tuple(Sliced(*item) for item in slices),
            body,
            tuple(collected),
            tuple(Final(value, out) for value, out in finals.items()),
        )
    )
    lowering.write(node, results)


def _require_rows(lowering: Lowering, spec: LoopConstants, given: Sequence[int]) -> None:
    for i, source in enumerate(given[spec.n_recurse : spec.n_recurse + spec.n_sliced]):
        shape, block = lowering.builder.shape(source), spec.block_size_sliced[i]
        if not shape or block < 0 or shape[0] < block * spec.n_iter:
            raise unsupported(f"a loop over {shape} in {spec.n_iter} blocks of {block}")


HOLDERS: Mapping[str, Callable[[Lowering, Node], None]] = MappingProxyType(
    {"loop": _loop, "strided_subgraph": _strided, "conditional": _conditional}
)
"""Operator name -> its function."""
