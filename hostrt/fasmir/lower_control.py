"""Loops and branches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.open_isa_ops import Op
from hostrt.errors import ProgramUnsupported
from hostrt.fasmir.lower_draft import MOST, Label, View
from hostrt.fasmir.lower_vectors import copy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostrt.fasmir.lower import Lowering
    from hostrt.fasmir.lower_draft import Draft
    from hostrt.fqir.plan.ir import Branch, Instruction, Loop, Sliced

LOOPS = 4
"""Loop registers of a thread: hardware loops that can be inside each other."""

_MOST_REACH = MOST - 8


def loop_move(draft: Draft, reg: int, x: View, z: View, steps: tuple[int, int], count: int) -> None:
    """Move the elements of x to z, in every iteration so many elements further.

    Args:
        draft: where the code goes.
        reg: loop register.
        x: from where in the first iteration.
        z: to where in the first iteration.
        steps: in x and in z.
        count: iterations.
    """
    if not x.length:
        return
    first_x, first_z = _lowest(x, steps[0] * (count - 1)), _lowest(z, steps[1] * (count - 1))
    draft.emit(
        Op.MOVEL,
        n=x.length,
        a=first_x.place,
        b=first_z.place,
        xt=x.type,
        zt=z.type,
        outer=1,
        xo=x.start - first_x.start,
        zo=z.start - first_z.start,
        xi=1,
        zi=1,
        reg=reg,
        xl=steps[0],
        zl=steps[1],
    )


def _lowest(view: View, way: int) -> View:
    """Give the start of the word with the first element of a view that moves so far."""
    start = view.start + min(way, 0)
    return View(view.buffer, start - start % view.type.lanes, view.length)


def lower_loop(low: Lowering, one: Loop) -> None:
    """Iterations: a hardware loop, or one after the other where there is no register for it.

    Raises:
        ProgramUnsupported: see `_require_countable`.
    """
    low.team.join()
    if low.depth >= LOOPS or one.count == 1:
        _unrolled(low, one)
    else:
        _require_countable(low, one)
        _hardware(low, one)


def _blocks(low: Lowering, one: Loop) -> Iterator[int]:
    """Give the elements per iteration of what is sliced and collected."""
    for item in one.sliced:
        yield low.value(item.argument).size
    for end in one.collected:
        yield low.value(end.value).size


def _require_countable(low: Lowering, one: Loop) -> None:
    """Refuse a loop whose numbers the fields of instructions do not hold.

    Raises:
        ProgramUnsupported: too many iterations, or elements that they go through.
    """
    reach = max(_blocks(low, one), default=0) * one.count
    if one.count > MOST or reach > _MOST_REACH:
        raise ProgramUnsupported(
            f"a loop of {one.count} iterations goes through {reach} elements, instructions count "
            f"{MOST} iterations and reach {_MOST_REACH} elements",
            hint="split it into several loops",
        )


def _source_block(low: Lowering, item: Sliced, number: int, count: int) -> View:
    size = low.value(item.argument).size
    step = count - 1 - number if item.reverse else number
    return low.view(item.source).part(step * size, size)


def _hardware(low: Lowering, one: Loop) -> None:
    draft, reg = low.draft, low.depth
    arguments = []
    for item in one.carried:
        initial = low.view(item.initial)
        arguments.append(low.target(item.argument))
        copy(draft, initial, arguments[-1])
    outs = [low.target(end.out) for end in one.collected]
    finals = []
    label = draft.label(f"{low.name(_first_result(one))}.loop")
    start = draft.open_loop(one.count, label)
    low.depth += 1
    low.open_block()
    for part in one.sliced:
        block = _source_block(low, part, 0, one.count)
        step = -block.length if part.reverse else block.length
        loop_move(draft, reg, block, low.target(part.argument, block.type), (step, 0), one.count)
    low.block(one.body)
    for end, out in zip(one.collected, outs, strict=True):
        value = low.view(end.value)
        first = (one.count - 1) * value.length if end.reverse else 0
        step = -value.length if end.reverse else value.length
        loop_move(draft, reg, value, out.part(first, value.length), (0, step), one.count)
    changing = {view.buffer for view in arguments}
    for last in one.finals:
        value = low.view(last.value)
        if value.buffer in changing:
            kept = low.scratch(low.name(last.out), value.type, value.length)
            copy(draft, value, kept)
            value = kept
        finals.append(value)
    following = [low.view(item.next) for item in one.carried]
    copy_all(low, list(zip(following, arguments, strict=True)))
    low.close_block()
    low.depth -= 1
    draft.emit(Op.LOOP, n=one.count, b=Label(label), reg=reg)
    draft.close_loop(start, one.count)
    for last, view in zip(one.finals, finals, strict=True):
        low.bind(last.out, view)


def _first_result(one: Loop) -> int:
    ends = [end.out for end in one.collected] + [end.out for end in one.finals]
    return ends[0]


def _unrolled(low: Lowering, one: Loop) -> None:
    current = [low.view(item.initial) for item in one.carried]
    outs = [low.target(end.out) for end in one.collected]
    finals: list[View] = []
    for number in range(one.count):
        for item, view in zip(one.carried, current, strict=True):
            low.bind(item.argument, view)
        for part in one.sliced:
            low.bind(part.argument, _source_block(low, part, number, one.count))
        low.block(one.body)
        for end, out in zip(one.collected, outs, strict=True):
            value = low.view(end.value)
            place = one.count - 1 - number if end.reverse else number
            copy(low.draft, value, out.part(place * value.length, value.length))
        finals = [low.view(last.value) for last in one.finals]
        current = [low.view(item.next) for item in one.carried]
    for last, view in zip(one.finals, finals, strict=True):
        low.bind(last.out, view)


def lower_branch(low: Lowering, one: Branch) -> None:
    """One of two blocks; what they give is put in the same place."""
    draft = low.draft
    low.team.join()
    condition = low.aligned(low.view(one.condition).part(0, 1))
    outs = [low.target(item.out) for item in one.merged]
    name = low.name(one.merged[0].out)
    otherwise, end = draft.label(f"{name}.else"), draft.label(f"{name}.end")
    draft.emit(Op.JZERO, a=condition.place, b=Label(otherwise), xt=condition.type)
    _side(low, one.then, [item.then for item in one.merged], outs)
    draft.emit(Op.JUMP, b=Label(end))
    draft.mark(otherwise)
    _side(low, one.otherwise, [item.otherwise for item in one.merged], outs)
    draft.mark(end)


def _side(
    low: Lowering, block: Sequence[Instruction], ends: Sequence[int], outs: Sequence[View]
) -> None:
    start = len(low.draft.lines)
    low.open_block()
    low.block(block)
    for end, out in zip(ends, outs, strict=True):
        copy(low.draft, low.view(end), out)
    low.team.join()
    low.close_block()
    low.draft.close_block(start)


def copy_all(low: Lowering, pairs: Sequence[tuple[View, View]]) -> None:
    """Copy several vectors as if at once: what one of them overwrites may be another's source."""
    overwritten = {target.buffer for _, target in pairs}
    ready = []
    for source, target in pairs:
        if source.buffer in overwritten and source.buffer is not target.buffer:
            kept = low.scratch(f"{source.buffer.name}.before", source.type, source.length)
            copy(low.draft, source, kept)
            ready.append((kept, target))
        else:
            ready.append((source, target))
    for source, target in ready:
        copy(low.draft, source, target)
