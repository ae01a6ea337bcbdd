"""Leaving out what no output, watched name or state slot needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hostrt.fqir.plan.ir import Branch, Loop, Value, loop_arguments, loop_ends, operands, results

if TYPE_CHECKING:
    from hostrt.fqir.plan.ir import Instruction, Plan

_DEAD = Value((), 0, 0, 64, 64)


def pruned(plan: Plan) -> Plan:
    """Give the plan without dead instructions; dead values keep their numbers only."""
    live = {*plan.inputs, *plan.outputs, *plan.watched.values()}
    for state in plan.states:  # all of them: somebody may want to see them later
        live.update((state.read, state.next))
    body = _block(plan.body, live)
    live.update(_inner(body))
    values = tuple(value if number in live else _DEAD for number, value in enumerate(plan.values))
    return replace(plan, values=values, body=body)


def _block(block: tuple[Instruction, ...], live: set[int]) -> tuple[Instruction, ...]:
    """Give what is live of a block; adds to `live` what that uses and makes."""
    kept: list[Instruction] = []
    for instruction in reversed(block):
        if live.isdisjoint(results(instruction)):
            continue
        smaller = instruction
        if isinstance(instruction, Branch):
            smaller = _branch(instruction, live)
        elif isinstance(instruction, Loop):
            smaller = _loop(instruction, live)
        live.update(operands(smaller))
        live.update(results(smaller))
        kept.append(smaller)
    return tuple(reversed(kept))


def _branch(branch: Branch, live: set[int]) -> Branch:
    merged = tuple(item for item in branch.merged if item.out in live)
    then = _block(branch.then, {item.then for item in merged})
    otherwise = _block(branch.otherwise, {item.otherwise for item in merged})
    return replace(branch, merged=merged, then=then, otherwise=otherwise)


def _loop(loop: Loop, live: set[int]) -> Loop:
    collected = tuple(item for item in loop.collected if item.out in live)
    finals = tuple(item for item in loop.finals if item.out in live)
    inner = {item.value for item in collected} | {item.value for item in finals}
    body, size = loop.body, -1
    while len(inner) != size:
        size = len(inner)
        body = _block(loop.body, inner)
        inner.update(item.next for item in loop.carried if item.argument in inner)
    return replace(
        loop,
        collected=collected,
        finals=finals,
        body=body,
        carried=tuple(item for item in loop.carried if item.argument in inner),
        sliced=tuple(item for item in loop.sliced if item.argument in inner),
    )


def _inner(block: tuple[Instruction, ...]) -> set[int]:
    """Give the values that exist inside nested blocks."""
    found: set[int] = set()
    for instruction in block:
        found.update(operands(instruction))
        found.update(results(instruction))
        if isinstance(instruction, Branch):
            found |= _inner(instruction.then) | _inner(instruction.otherwise)
            found.update(item.then for item in instruction.merged)
            found.update(item.otherwise for item in instruction.merged)
        elif isinstance(instruction, Loop):
            found |= _inner(instruction.body)
            found.update(loop_arguments(instruction))
            found.update(loop_ends(instruction))
    return found
