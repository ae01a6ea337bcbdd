"""Whole programs for the virtual machine: loops, branches, frames."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.plan import vm_elements, vm_matrices
from hostrt.fqir.plan.ir import Branch, Counter, Gmac, Loop, Window
from hostrt.fqir.plan.vm_check import require_span
from hostrt.fqir.plan.vm_codes import CONTEXT
from hostrt.fqir.plan.vm_encoder import Encoder
from hostrt.fqir.plan.vm_gmac import gmac
from hostrt.fqir.plan.vm_places import Label, Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hostrt.fqir.plan.ir import Instruction, Plan, State
    from hostrt.fqir.plan.vm_program import Image


_MOST_TURNS = 1 << 20


@dataclass(frozen=True, slots=True)
class Program:
    """A plan for the virtual machine.

    Attributes:
        image: instructions and memory.
        slots: where the content of each of the plan's state slots is.
        outputs: values whose frames the program gives: the plan's outputs, then what is watched.
    """

    image: Image
    slots: tuple[Ref, ...]
    outputs: tuple[int, ...]


def encode(plan: Plan) -> Program:
    """Make the program of a plan.

    Raises:
        ProgramUnsupported: it is beyond what the machine is made for.
    """
    e = Encoder(plan.values, plan.tables)
    word = len(CONTEXT)
    for number in plan.inputs:
        target = e.define(number)
        size = e.values[number].size
        e.asm.emit(f"input.{target.bits}", out=target, n=size, number=word)
        word += 1
    slots = _slots(e, plan)
    for instruction in plan.body:
        e.asm.tick()
        ENCODE[type(instruction)](e, instruction)
    e.asm.tick()
    outputs = (*plan.outputs, *plan.watched.values())
    for number in outputs:
        home = e.home(number)
        e.asm.emit(f"output.{home.bits}", x=home, n=e.values[number].size, number=word)
        word += 1
    _store(e, plan.states, slots)
    e.asm.emit("stop")
    return Program(e.asm.finish(), slots, outputs)


# ---------------------------------------------------------------------- state


def _slots(e: Encoder, plan: Plan) -> tuple[Ref, ...]:
    """Make room for the state; the newest row of a shift register goes behind the others."""
    windows: dict[int, Window] = {}
    for instruction in _within(plan.body):
        if isinstance(instruction, Window):
            windows.setdefault(instruction.buffer, instruction)
    slots = []
    for state in plan.states:
        window = windows.get(state.read)
        if window is None:
            slots.append(e.define(state.read, kept=True))
            continue
        size, width = e.values[state.read].size, e.values[window.x].size
        bits = max(e.fitting(state.read), e.fitting(window.out))
        whole = e.asm.buffer(bits, size + width, kept=True)
        e.set_home(state.read, whole)
        e.registers[state.read] = whole.plus(size)
        slots.append(whole)
    return tuple(slots)


def _within(block: Sequence[Instruction]) -> Iterator[Instruction]:
    for instruction in block:
        yield instruction
        if isinstance(instruction, Loop):
            yield from _within(instruction.body)
        elif isinstance(instruction, Branch):
            yield from _within(instruction.then)
            yield from _within(instruction.otherwise)


def _store(e: Encoder, states: Sequence[State], slots: Sequence[Ref]) -> None:
    """Bring the slots to where they are after the frame; all are read before any is written."""
    moves = [
        (slot, e.home(state.next), e.values[state.next].size)
        for state, slot in zip(states, slots, strict=True)
    ]
    held = {slot.buffer for slot in slots}
    late: list[tuple[Ref, Ref, int]] = []
    for slot, source, n in moves:
        kept, width = source, source.offset
        advances = source.buffer is slot.buffer and not (width and n % width)
        if source.buffer in held and not advances:
            kept = e.asm.buffer(source.bits, n)
            e.move(kept, source, n)
        late.append((slot, kept, n))
    for slot, source, n in late:
        width = source.offset
        if source.buffer is not slot.buffer:
            e.move(slot, source, n)
        elif width:
            # the rows of a shift register move on, the oldest first
            e.rows(slot, width, source, width, width, n // width)


# ---------------------------------------------------------------------- control


def counter(e: Encoder, i: Counter) -> None:
    """Encode a frame counter."""
    test, following = e.define(i.test, 64), e.define(i.next, 64)
    now = e.operand(i.counter, 64)
    e.asm.emit("count", test=test, next=following, counter=now, n=i.n, k=i.k)


def branch(e: Encoder, i: Branch) -> None:
    """Encode a branch: whichever is run leaves its results in one place."""
    condition, other, after = e.home(i.condition), Label(), Label()
    targets = [(e.define(merge.out), merge) for merge in i.merged]
    e.asm.emit(f"jump_unless.{condition.bits}", x=condition, target=other)
    for body, truth in ((i.then, True), (i.otherwise, False)):
        _block(e, body)
        for target, merge in targets:
            source = e.home(merge.then if truth else merge.otherwise)
            e.move(target, source, e.values[merge.out].size)
        e.close_block()
        if truth:
            e.asm.emit("jump", target=after)
            e.asm.mark(other)
    e.asm.mark(after)


def _block(e: Encoder, body: Sequence[Instruction]) -> None:
    """Encode instructions that may be skipped or repeated; the caller closes the block."""
    e.open_block()
    for instruction in body:
        ENCODE[type(instruction)](e, instruction)


def loop(e: Encoder, i: Loop) -> None:
    """Encode a loop.

    Raises:
        ProgramUnsupported: it is so long that nobody could interrupt it.
    """
    outer, e.turns = e.turns, e.turns * i.count
    if e.turns > _MOST_TURNS:
        raise ProgramUnsupported(
            f"{e.turns} iterations in a frame found, expected at most {_MOST_TURNS}",
            hint="use the numpy engine",
        )
    turn, again, after = e.asm.buffer(64, 1), Label(), Label()
    carried = [(e.define(item.argument), item) for item in i.carried]
    for target, item in carried:
        e.move(target, e.home(item.initial), e.values[item.argument].size)
    finals = [(e.define(end.out), end) for end in i.finals]
    collected = [(e.define(end.out), end) for end in i.collected]
    # outside of the loop, so that they are converted once
    sources = [e.operand(item.source, e.fitting(item.argument)) for item in i.sliced]
    e.asm.emit("start", k=turn)
    e.asm.mark(again)
    for rows, source in zip(i.sliced, sources, strict=True):
        n = e.values[rows.argument].size
        _blockwise(e, (e.define(rows.argument), 0), (source, n), turn, i.count, rows.reverse)
    _block(e, i.body)
    for target, end in collected:
        n = e.values[end.value].size
        source = e.operand(end.value, target.bits)
        _blockwise(e, (target, n), (source, 0), turn, i.count, end.reverse)
    for target, final in finals:
        e.move(target, e.home(final.value), e.values[final.out].size)
    e.asm.emit("leave", k=turn, last=i.count - 1, target=after)
    _pass_on(e, i, [target for target, _ in carried])
    e.asm.emit("repeat", k=turn, target=again)
    e.close_block()
    e.asm.mark(after)
    e.turns = outer


def _blockwise(
    e: Encoder,
    out: tuple[Ref, int],
    source: tuple[Ref, int],
    turn: Ref,
    count: int,
    reverse: bool,
) -> None:
    """Encode a copy between places that move on, by some elements each, from turn to turn."""
    (target, move_out), (start, move_x) = out, source
    n = move_out or move_x
    require_span(target, n + move_out * (count - 1), write=True)
    require_span(start, n + move_x * (count - 1), write=False)
    if reverse:
        target, start = target.plus(move_out * (count - 1)), start.plus(move_x * (count - 1))
        move_out, move_x = -move_out, -move_x
    e.asm.emit(
        f"block.{target.bits}",
        out=target,
        move_out=move_out,
        x=start,
        move_x=move_x,
        n=n,
        k=turn,
    )


def _pass_on(e: Encoder, i: Loop, targets: Sequence[Ref]) -> None:
    """Encode what goes to the next iteration: all is read before any is written."""
    held = {target.buffer for target in targets}
    moves = []
    for item, target in zip(i.carried, targets, strict=True):
        source, n = e.home(item.next), e.values[item.argument].size
        if source.buffer in held and source != target:
            kept = e.asm.buffer(source.bits, n)
            e.move(kept, source, n)
            source = kept
        moves.append((target, source, n))
    for target, source, n in moves:
        e.move(target, source, n)


ENCODE: Mapping[type, Callable[[Encoder, Any], None]] = MappingProxyType(
    {
        **vm_elements.ENCODE,
        **vm_matrices.ENCODE,
        Gmac: gmac,
        Counter: counter,
        Branch: branch,
        Loop: loop,
    }
)
"""Instruction -> what encodes it."""
