"""From a plan to instructions: where values are, and what makes each instruction of the plan."""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import TYPE_CHECKING

from hostrt.fasmir.assembly import Role
from hostrt.fasmir.lower_draft import View, type_for
from hostrt.fasmir.lower_operators import LOWER
from hostrt.fasmir.lower_vectors import copy, dense, move, spread
from hostrt.fqir.plan.ir import Branch, Loop, Window, results

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firmware_protocol.open_isa_ops import Type
    from hostrt.fasmir.assembly import Int64s
    from hostrt.fasmir.lower_cores import Team
    from hostrt.fasmir.lower_draft import Entry
    from hostrt.fasmir.lower_types import Kinds
    from hostrt.fqir.plan.ir import Instruction, Plan, Value

_HASHED = 1 << 16
"""Elements up to which equal constants are found by content; larger ones are shared by array."""


class Lowering:
    """The state of lowering one plan to the code of the core that runs it.

    Attributes:
        plan: what is lowered.
        kinds: element types of its values.
        draft: the code.
        views: value -> where it is; made when it is needed for constants.
        rows: value -> where its rows are, for windows whose rows are not beside each other.
        depth: hardware loops around what is being lowered.
        spare: states whose place has room for one row more, with the length of the row.
    """

    def __init__(self, plan: Plan, kinds: Kinds, team: Team, names: Mapping[int, str]) -> None:
        self.plan = plan
        self.kinds = kinds
        self.team = team
        self.draft = team.drafts[0]
        self.spare = spare_rows(plan)
        self.views: dict[int, View] = {}
        self.rows: dict[int, tuple[View, ...]] = {}
        self.depth = 0
        self._names = names
        self._copies: list[dict[object, View]] = [{}]
        self._constants: dict[object, View] = {}
        self._kept: list[object] = []

    # ------------------------------------------------------------------ values

    def value(self, number: int) -> Value:
        """Give what is known about a value."""
        return self.plan.values[number]

    def shape(self, number: int) -> tuple[int, ...]:
        """Give the shape of a value."""
        return self.plan.values[number].shape

    def name(self, number: int) -> str:
        """Give a name for a value: its tensor's, if it has one."""
        return self._names.get(number, f"v{number}")

    def uniform(self, number: int) -> int | None:
        """Give what all elements of a constant are; None for everything else."""
        content = self.plan.values[number].constant
        if content is None or not content.size:
            return None
        first = int(content.flat[0])
        return first if content.size == 1 or bool((content == first).all()) else None

    # ------------------------------------------------------------------ places

    def view(self, number: int) -> View:
        """Give where a value is, row-major, its elements beside each other.

        What other cores are still working on is waited for.
        """
        if number in self.views:
            self.settle(self.views[number])
            return self.views[number]
        content = self.plan.values[number].constant
        if content is not None:
            self.views[number] = self.constant(content, self.name(number))
            return self.views[number]
        rows = self.rows[number]
        known = self.find_copy(rows)
        if known is None:
            length = sum(row.length for row in rows)
            known = self.scratch(self.name(number), rows[0].type, length)
            start = 0
            for row in rows:
                copy(self.draft, row, known.part(start, row.length))
                start += row.length
            self.keep_copy(rows, known)
        return known

    def settle(self, view: View) -> None:
        """Wait for a vector if other cores are still working on it."""
        if self.team.awaits(view):
            self.team.join()

    def bind(self, number: int, view: View) -> None:
        """Say where a value is."""
        self.rows.pop(number, None)
        self.views[number] = view

    def bind_rows(self, number: int, rows: tuple[View, ...]) -> None:
        """Say where the rows of a value are, when they are not beside each other."""
        self.views.pop(number, None)
        self.rows[number] = rows

    def constant(self, content: Int64s, name: str, kind: Type | None = None) -> View:
        """Give where a constant is, in the narrowest type that holds it if none is given."""
        if kind is None:
            low, high = (int(content.min()), int(content.max())) if content.size else (0, 0)
            kind = type_for(low, high)
        small = content.size <= _HASHED
        key = (kind, content.tobytes() if small else id(content))
        if key not in self._constants:
            flat = content.reshape(-1)
            buffer = self.draft.buffer(name, kind, flat.size, Role.CONSTANT, initial=flat)
            self._constants[key] = View(buffer, 0, flat.size)
            if not small:
                self._kept.append(content)  # so that its id stays its own
        return self._constants[key]

    def target(self, number: int, kind: Type | None = None) -> View:
        """Make the place of a value that is about to be computed, and bind it."""
        size = self.plan.values[number].size
        kind = self.kinds.of(number) if kind is None else kind
        made = self.draft.view(self.name(number), kind, size)
        self.bind(number, made)
        return made

    def scratch(self, like: str, kind: Type, length: int) -> View:
        """Make a place for an intermediate result."""
        return self.draft.view(like, kind, length)

    def aligned(self, view: View) -> View:
        """Give a view that begins at a word: itself or a copy."""
        if view.is_aligned or not view.length:
            return view
        known = self.find_copy(view)
        if known is None:
            known = self.scratch(f"{view.buffer.name}.aligned", view.type, view.length)
            copy(self.draft, view, known)
            self.keep_copy(view, known)
        return known

    def expanded(self, number: int, shape: Sequence[int]) -> View:
        """Give a value broadcast to a shape, beginning at a word."""
        view, own = self.view(number), self.shape(number)
        size = prod(shape)
        if view.length == size:
            return self.aligned(view)
        key = (view, tuple(own), tuple(shape))
        known = self.find_copy(key)
        if known is None:
            known = self.scratch(f"{self.name(number)}.spread", view.type, size)
            move(self.draft, view, known, shape, spread(own, shape), dense(shape))
            self.keep_copy(key, known)
        return known

    def find_copy(self, key: object) -> View | None:
        """Give a copy that was made before, in this block or one around it."""
        for known in self._copies:
            if key in known:
                return known[key]
        return None

    def keep_copy(self, key: object, view: View) -> None:
        """Remember a copy as long as the block lasts."""
        self._copies[-1][key] = view

    def block(self, block: Sequence[Instruction]) -> None:
        """Lower instructions in order."""
        for one in block:
            self.draft.comment = self._remark(one)
            LOWER[type(one)](self, one)

    def _remark(self, one: Instruction) -> str:
        made = ", ".join(self.name(number) for number in results(one))
        return f"{type(one).__name__} -> {made}"

    def open_block(self) -> None:
        """Begin code that may not be executed, or several times."""
        self._copies.append({})

    def close_block(self) -> None:
        """End it: copies made in it may not exist afterwards."""
        self._copies.pop()

    def table(self, index: int) -> Entry:
        """Give the place of a look-up table of the plan."""
        return self.draft.table(f"table{index}", self.plan.tables[index])


def spare_rows(plan: Plan) -> dict[int, int]:
    """Give the state slots that are shift registers, with the length of a row.

    A slot whose only window is not in a loop can hold the newest row behind the others.
    """
    slots, found = {state.read for state in plan.states}, dict[int, int]()
    seen = Counter(one.buffer for one in _windows(plan.body, loops=True))
    for one in _windows(plan.body, loops=False):
        if one.buffer in slots and seen[one.buffer] == 1:
            found[one.buffer] = plan.values[one.x].size
    return found


def _windows(block: Sequence[Instruction], *, loops: bool) -> Iterator[Window]:
    for one in block:
        match one:
            case Window():
                yield one
            case Branch():
                yield from _windows(one.then, loops=loops)
                yield from _windows(one.otherwise, loops=loops)
            case Loop() if loops:
                yield from _windows(one.body, loops=loops)
            case _:
                pass
