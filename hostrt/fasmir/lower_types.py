"""Which element type every value has in data memory, from the interval it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.open_isa_ops import Type
from hostrt.fasmir.lower_draft import type_for
from hostrt.fqir.plan.ir import Branch, Concat, Loop, Reshape, Slice, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hostrt.fqir.plan.ir import Instruction, Plan


class Kinds:
    """Element types of values; narrow where possible, equal where that saves a copy."""

    def __init__(self, plan: Plan, fixed: Mapping[int, Type]) -> None:
        """Choose.

        Args:
            plan: whose values.
            fixed: types that are given: inputs, and outputs where their range allows it.
        """
        self._plan = plan
        self._origin: dict[int, int] = {}
        self._chosen: dict[int, Type] = {}
        self._follow(plan.body)
        for state in plan.states:
            # what a slot is read as includes its initial content
            self._want(self.natural(state.read), (state.read, state.next))
        for value, kind in fixed.items():
            self._want(kind, (value,))

    def natural(self, value: int) -> Type:
        """Give the narrowest type that holds a value."""
        known = self._plan.values[value]
        return type_for(known.lo, known.hi)

    def of(self, value: int) -> Type:
        """Give the type that a value is to have."""
        origin = self.origin(value)
        return max(self.natural(origin), self._chosen.get(origin, Type.I8))

    def origin(self, value: int) -> int:
        """Give the value whose elements these are, as long as only shapes change."""
        while value in self._origin:
            value = self._origin[value]
        return value

    def _want(self, kind: Type, values: Iterable[int]) -> None:
        for value in values:
            origin = self.origin(value)
            self._chosen[origin] = max(kind, self._chosen.get(origin, Type.I8))

    def _follow(self, block: tuple[Instruction, ...]) -> None:
        for one in block:
            match one:
                case Reshape() | Slice():
                    self._origin[one.out] = one.x
                case Concat():
                    self._want(self.natural(one.out), (*one.parts, one.out))
                case Window():
                    rows = (one.out, one.next, one.buffer, one.x)
                    self._want(max(map(self.natural, rows)), rows)
                case Loop():
                    self._follow(one.body)
                    for item in one.carried:
                        same = (item.initial, item.argument, item.next)
                        self._want(self.natural(item.argument), same)
                case Branch():
                    self._follow(one.then)
                    self._follow(one.otherwise)
                    for end in one.merged:
                        self._want(self.natural(end.out), (end.then, end.otherwise, end.out))
                case _:
                    pass
