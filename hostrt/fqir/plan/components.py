"""Which parts of a plan depend on themselves through its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.fqir.plan.ir import operands, results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostrt.fqir.plan.ir import Instruction, State


def strong_components(edges: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Give the sets of nodes that reach each other, those that others point to first.

    Args:
        edges: per node the nodes it points to.
    """
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    open_nodes: list[int] = []
    is_open = [False] * len(edges)
    for root in range(len(edges)):
        if root in order:
            continue
        path = [(root, iter(edges[root]))]
        order[root] = lowest[root] = len(order)
        open_nodes.append(root)
        is_open[root] = True
        while path:
            node, following = path[-1]
            target = next(following, None)
            if target is None:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[node])
                if lowest[node] == order[node]:
                    yield _closed(open_nodes, is_open, node)
            elif target not in order:
                order[target] = lowest[target] = len(order)
                open_nodes.append(target)
                is_open[target] = True
                path.append((target, iter(edges[target])))
            elif is_open[target]:
                lowest[node] = min(lowest[node], order[target])


def _closed(open_nodes: list[int], is_open: list[bool], node: int) -> list[int]:
    found = []
    while True:
        last = open_nodes.pop()
        is_open[last] = False
        found.append(last)
        if last == node:
            return found


def components(
    body: Sequence[Instruction], states: Sequence[State]
) -> Iterator[tuple[list[Instruction], list[State]]]:
    """Give groups of instructions and slots in an order in which they can be computed.

    A slot depends on what it is after the frame before. So a group of one instruction, or one slot,
    can be computed for all frames at once; the members of a larger one depend on each other.
    """
    made = {number: at for at, one in enumerate(body) for number in results(one)}
    slots = {state.read: len(body) + at for at, state in enumerate(states)}
    made.update(slots)
    edges = [
        [made[number] for number in operands(instruction) if number in made] for instruction in body
    ]
    edges += [[made[state.next]] if state.next in made else [] for state in states]
    for group in strong_components(edges):
        ordered = sorted(group)
        yield (
            [body[node] for node in ordered if node < len(body)],
            [states[node - len(body)] for node in ordered if node >= len(body)],
        )
