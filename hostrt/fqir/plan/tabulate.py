"""Chains of elementwise instructions on one short integer become a single look-up (reference 8).

Whatever is computed element by element from one value of at most 2**17 possible integers, and from
numbers, is a function of one integer. It is evaluated once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hostrt.fqir.plan import ranges
from hostrt.fqir.plan.evaluate import Evaluator
from hostrt.fqir.plan.ir import (
    Add,
    Branch,
    Compare,
    Instruction,
    Int64s,
    Lookup,
    Loop,
    MatMul,
    Mul,
    Plan,
    Scale,
    Value,
    Wrap,
    loop_ends,
    operands,
)
from hostrt.fqir.plan.prune import pruned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hostrt.fqir.plan.arrays import Arrays

_MOST_ENTRIES = 1 << 17
_SMALL_TABLE = 1 << 12
_WORTH = 4
"""Calls that a chain has to save, or it stays."""

_PER_FRAME = 256
"""What a chain costs besides its elements, in elements, when it is run frame by frame."""

_Elementwise: TypeAlias = Add | Mul | Scale | Wrap | Compare | Lookup
_ELEMENTWISE = (Add, Mul, Scale, Wrap, Compare, Lookup)


@dataclass(frozen=True, slots=True)
class _Chain:
    """How a value follows from another.

    Attributes:
        root: the other.
        steps: the instructions, in order.
    """

    root: int
    steps: tuple[_Elementwise, ...]


def tabulated(plan: Plan, frames: int) -> Plan:
    """Give a plan with look-ups instead of chains, where that pays within so many frames."""
    work = _Work(plan, frames)
    body = work.block(plan.body)
    changed = replace(
        plan, values=tuple(work.values), body=body, tables=(*plan.tables, *work.tables)
    )
    return pruned(_without_clamps(pruned(changed)))


class _Work:
    def __init__(self, plan: Plan, frames: int) -> None:
        self.values = list(plan.values)
        self.tables: list[Int64s] = []
        self._plan, self._frames = plan, frames
        self._evaluator = Evaluator(plan.values, plan.tables, compact=True)
        self._chains: dict[int, _Chain] = {}
        self._made: dict[object, int] = {}
        kept = {*plan.outputs, *plan.watched.values(), *(state.next for state in plan.states)}
        self._ends = kept | set(_ends(plan.body))
        self._users: dict[int, list[Instruction]] = {}
        for instruction in _all(plan.body):
            for number in operands(instruction):
                self._users.setdefault(number, []).append(instruction)

    def block(self, body: Sequence[Instruction]) -> tuple[Instruction, ...]:
        """Give a block with look-ups instead of chains."""
        for instruction in body:
            if isinstance(instruction, _ELEMENTWISE):
                self._follow(instruction)
        done: list[Instruction] = []
        for instruction in body:
            if isinstance(instruction, Branch):
                then, otherwise = self.block(instruction.then), self.block(instruction.otherwise)
                done.append(replace(instruction, then=then, otherwise=otherwise))
            elif isinstance(instruction, Loop):
                done.append(replace(instruction, body=self.block(instruction.body)))
            else:
                done.append(self._replaced(instruction))
        return tuple(done)

    def _follow(self, instruction: _Elementwise) -> None:
        """Note how a result follows from one value, if it does."""
        roots: dict[int, tuple[_Elementwise, ...]] = {}
        for number in operands(instruction):
            if self.values[number].constant is not None:
                if _uniform(self.values[number]) is None:
                    return
                continue
            chain = self._chains.get(number)
            roots.setdefault(chain.root if chain else number, ())
        if len(roots) == 1:
            (root,) = roots
        else:
            return
        value = self.values[root]
        if value.hi - value.lo >= _MOST_ENTRIES:
            return
        if value.shape != self.values[instruction.out].shape:
            return
        before = [self._chains[n].steps for n in operands(instruction) if n in self._chains]
        steps = dict.fromkeys(step for steps in before for step in steps)
        self._chains[instruction.out] = _Chain(root, (*steps, instruction))

    def _replaced(self, instruction: Instruction) -> Instruction:
        if not isinstance(instruction, _ELEMENTWISE):
            return instruction
        chain = self._chains.get(instruction.out)
        if chain is None or not self._leaves(instruction.out, chain.root):
            return instruction
        value = self.values[chain.root]
        entries = value.hi - value.lo + 1
        if sum(_calls(step) for step in chain.steps) < _WORTH + 2:
            return instruction
        pays = self._frames * (value.size + _PER_FRAME) >= 4 * entries
        if entries > _SMALL_TABLE and not pays:
            return instruction
        table = self._table(chain, instruction.out)
        wide = not ranges.within((value.lo, value.hi), ranges.INT32)
        return Lookup(instruction.out, chain.root, table, 0, value.lo, value.hi, False, wide)

    def _leaves(self, number: int, root: int) -> bool:
        """Say whether a value is used by anything that is not of its own chain."""
        if number in self._ends:
            return True
        return any(
            not isinstance(user, _ELEMENTWISE)
            or (chain := self._chains.get(user.out)) is None
            or chain.root != root
            for user in self._users.get(number, ())
        )

    def _table(self, chain: _Chain, number: int) -> int:
        """Give the index of the table of a chain."""
        value = self.values[chain.root]
        key = (value.lo, value.hi, _signature(chain, self.values))
        index = self._made.get(key)
        if index is None:
            arrays: Arrays = {chain.root: np.arange(value.lo, value.hi + 1)}
            for step in chain.steps:
                for used in operands(step):
                    only = _uniform(self.values[used])
                    if only is not None:
                        arrays[used] = np.array([only])
                self._evaluator.execute(step, arrays)
            content = np.empty(value.hi - value.lo + 1, np.int64)
            content[...] = arrays[number]
            content.flags.writeable = False
            index = self._made[key] = len(self._plan.tables) + len(self.tables)
            self.tables.append(content)
        return index


def _uniform(value: Value) -> int | None:
    """Give the only number in a constant, None for what is no constant or holds several."""
    if value.constant is None or value.lo != value.hi or not value.size:
        return None
    return value.lo


def _signature(chain: _Chain, values: Sequence[Value]) -> tuple[object, ...]:
    """Give what makes two chains the same function: their steps with relative numbers."""
    names: dict[int, object] = {chain.root: "root"}
    found: list[object] = []
    for at, step in enumerate(chain.steps):
        used = [
            names.get(number, ("number", _uniform(values[number]))) for number in operands(step)
        ]
        names[step.out] = at
        found.append((type(step), *used, _anonymous(step)))
    return tuple(found)


def _anonymous(step: _Elementwise) -> _Elementwise:
    """Give an instruction without the numbers of its values."""
    if isinstance(step, Add | Mul | Compare):
        return replace(step, out=0, x=0, y=0)
    return replace(step, out=0, x=0)


def _calls(step: _Elementwise) -> int:
    """Estimate how many calls an instruction is in a frame."""
    calls = 1
    if isinstance(step, Add):
        calls += bool(step.shift_x) + bool(step.shift_y)
    elif isinstance(step, Wrap | Compare | Lookup):
        calls += 1
    if isinstance(step, Add | Mul | Scale):
        end = step.narrow
        calls += bool(end.shift) + bool(end.rounding) + (end.lo is not None) + (end.hi is not None)
    return calls


def _all(block: Iterable[Instruction]) -> Iterable[Instruction]:
    for instruction in block:
        yield instruction
        if isinstance(instruction, Branch):
            yield from _all(instruction.then)
            yield from _all(instruction.otherwise)
        elif isinstance(instruction, Loop):
            yield from _all(instruction.body)


def _ends(block: Iterable[Instruction]) -> Iterable[int]:
    """Give the values that bodies of loops and branches hand out."""
    for instruction in _all(block):
        if isinstance(instruction, Branch):
            for item in instruction.merged:
                yield from (item.then, item.otherwise)
        elif isinstance(instruction, Loop):
            yield from loop_ends(instruction)


# ---------------------------------------------------------------------- saturation


def _without_clamps(plan: Plan) -> Plan:
    """Let look-ups do the saturation of what is only looked up: they limit addresses for free."""
    kept = {*plan.outputs, *plan.watched.values(), *(state.next for state in plan.states)}
    kept |= set(_ends(plan.body))
    looked: set[int] = set()
    for instruction in _all(plan.body):
        if isinstance(instruction, Lookup) and not instruction.shift:
            looked.add(instruction.x)
        else:
            kept.update(operands(instruction))
    values = list(plan.values)
    body = tuple(_unclamped(one, looked - kept, values) for one in plan.body)
    return replace(plan, values=tuple(values), body=body)


def _unclamped(instruction: Instruction, looked: set[int], values: list[Value]) -> Instruction:
    if isinstance(instruction, Lookup) and instruction.x in looked:
        return replace(instruction, clamped=True)
    if not isinstance(instruction, Add | Mul | Scale | MatMul) or instruction.out not in looked:
        return instruction
    narrow = replace(instruction.narrow, lo=None, hi=None)
    if narrow == instruction.narrow:
        return instruction
    interval, _ = ranges.through(_accumulated(instruction, values), narrow)
    if not ranges.within(interval, ranges.INT64):
        return instruction
    low, high = interval
    values[instruction.out] = replace(values[instruction.out], lo=low, hi=high)
    return replace(instruction, narrow=narrow)


def _accumulated(
    instruction: Add | Mul | Scale | MatMul, values: Sequence[Value]
) -> ranges.Interval:
    """Give the interval of what the end of an instruction is applied to."""
    x = values[instruction.x].lo, values[instruction.x].hi
    if isinstance(instruction, MatMul):
        return -instruction.bound, instruction.bound
    if isinstance(instruction, Scale):
        return ranges.subtract((0, 0), x) if instruction.negate else x
    y = values[instruction.y].lo, values[instruction.y].hi
    if isinstance(instruction, Mul):
        return ranges.in_64_bits(ranges.multiply(x, y))
    left, right = ranges.shift(x, instruction.shift_x), ranges.shift(y, instruction.shift_y)
    return ranges.in_64_bits((ranges.subtract if instruction.subtract else ranges.add)(left, right))
