"""Products with constant weights, on one core or with their rows spread over several.

Core 0 sends the vector to the others and computes its own rows. Each of the others computes its
rows and sends them back. When a result is needed, core 0 halts; every answer then starts a thread
that puts it where it belongs. One answer: that thread goes on with the program. Several: each
signals a thread that goes on when the last has arrived. Only data memory outlives a thread, so this
is never done inside hardware loops, whose registers would be lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa import LINK_WORDS, N_THREADS, QUEUE_LENGTH
from firmware_protocol.open_isa_ops import Op
from hostrt.errors import ProgramUnsupported
from hostrt.fasmir.assembly import Role
from hostrt.fasmir.lower_draft import (
    MOST,
    Draft,
    Label,
    Place,
    ThreadDraft,
    ThreadUse,
    View,
    type_for,
)
from hostrt.fasmir.lower_shares import Shares, Work

if TYPE_CHECKING:
    from collections.abc import Hashable

    from firmware_protocol.open_isa_ops import Type
    from hostrt.fasmir.assembly import Int64s
    from hostrt.fasmir.lower import Lowering
    from hostrt.fasmir.lower_draft import Field
    from hostrt.fasmir.lower_vectors import End

MOST_SIGNALS = 31
"""Signals that a thread can wait for."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A matrix in memory whose rows begin at words.

    Attributes:
        place: its first row.
        type: of its elements.
        n: rows.
        k: elements of a row.
    """

    place: Place
    type: Type
    n: int
    k: int

    @property
    def stride(self) -> int:
        """Words from row to row."""
        return -(-self.k // self.type.lanes)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A constant matrix, not yet in anybody's memory.

    Attributes:
        matrix: (n, k).
        name: for people.
        key: equal for equal matrices.
    """

    matrix: Int64s
    name: str
    key: Hashable

    @property
    def type(self) -> Type:
        """Type of the elements, the narrowest that holds all of them."""
        if not self.matrix.size:
            return type_for(0, 0)
        return type_for(int(self.matrix.min()), int(self.matrix.max()))


@dataclass(frozen=True, slots=True)
class _Answer:
    """A message that another core is going to send: where its thread begins, where it goes."""

    label: str
    core: int
    target: View

    @property
    def n_words(self) -> int:
        return -(-self.target.length // self.target.type.lanes)


@dataclass(eq=False)
class Team:
    """The cores of a program.

    Attributes:
        drafts: code of each, by number; what is lowered goes to core 0.
        shares: how products are divided.
        divisible: words of weights that can be divided, by key; filled on the way.
    """

    drafts: tuple[Draft, ...]
    shares: Shares = field(default_factory=Shares)
    divisible: dict[Hashable, int] = field(default_factory=dict)
    _placed: dict[Hashable, Rows] = field(default_factory=dict)
    _kept: list[Int64s] = field(default_factory=list)
    _answers: list[_Answer] = field(default_factory=list)
    _posted: int = 0

    def rows(self, core: int, weights: Weights, start: int, stop: int) -> Rows:
        """Put some rows of a matrix into a core's memory, if they are not there already."""
        key = (core, weights.key, start, stop)
        if key not in self._placed:
            self._kept.append(weights.matrix)  # so that an id in the key stays its own
            self._placed[key] = _lay_out(self.drafts[core], weights, start, stop)
        return self._placed[key]

    def divide(self, weights: Weights, x: View, z: View) -> list[tuple[int, int]] | None:
        """Give the rows of each core, None when core 0 does it alone."""
        n, k = weights.matrix.shape
        row = -(-k // weights.type.lanes)
        n_words = n * row
        self.divisible[weights.key] = n_words
        if n_words < self.shares.least_words or len(self.drafts) == 1:
            return None
        if len(self.drafts[0].threads) >= N_THREADS - 1:
            return None  # none is left that could wait for the answers
        sent = _words(x)
        ranges = self.shares.ranges(Work(n, row, z.type.lanes, sent))
        answers = sum(-(-(stop - start) // z.type.lanes) for start, stop in ranges[1:])
        # the most that may wait on one core, if nothing else does
        if not answers or max(sent, answers) > LINK_WORDS:
            return None
        return ranges

    def expect(self, answer: _Answer) -> None:
        """Note that an answer is under way."""
        self._answers.append(answer)

    def make_room(self, sent: int, targets: list[View]) -> None:
        """Wait for what is under way if it and what follows are too much to wait on one core."""
        back = sum(answer.n_words for answer in self._answers)
        back += sum(-(-target.length // target.type.lanes) for target in targets)
        count = len(self._answers) + len(targets)
        if max(self._posted + sent, back) > LINK_WORDS or count > min(MOST_SIGNALS, QUEUE_LENGTH):
            self.join()
        self._posted += sent

    def awaits(self, view: View) -> bool:
        """Tell whether a vector, or a part of it, is still under way."""
        return any(answer.target.buffer is view.buffer for answer in self._answers)

    def join(self) -> None:
        """End the thread; the last answer that is under way continues the program."""
        answers, self._answers, self._posted = self._answers, [], 0
        if not answers:
            return
        main = self.drafts[0]
        name = answers[-1].target.buffer.name
        main.emit(Op.HALT)
        region = len(main.lines)
        thread = ThreadUse(main.names.take(f"{name}.join")) if len(answers) > 1 else None
        for answer in answers:
            main.mark(answer.label)
            main.comment = f"{answer.target.buffer.name} from core {answer.core}"
            main.emit(Op.RECV, n=answer.n_words, a=answer.target.place)
            if thread is not None:
                main.emit(Op.SIGNAL, b=thread)
                main.emit(Op.HALT)
        main.close_region(region)
        if thread is not None:
            label = main.label(f"{name}.joined")
            main.mark(label)
            main.threads.append(ThreadDraft(thread.name, label, len(answers)))


def _words(x: View) -> int:
    """Give the words that hold a vector, those included that it only begins or ends in."""
    return -(-(x.lane + x.length) // x.type.lanes)


def _lay_out(draft: Draft, weights: Weights, start: int, stop: int) -> Rows:
    kind, k = weights.type, int(weights.matrix.shape[1])
    n = stop - start
    if max(n, k) > MOST:
        raise ProgramUnsupported(
            f"{weights.name} is a matrix of {n} rows of {k}, an instruction counts {MOST}",
            hint="split it into smaller products",
        )
    padded = np.zeros((n, -(-k // kind.lanes) * kind.lanes), np.int64)
    padded[:, :k] = weights.matrix[start:stop]
    flat = padded.reshape(-1)
    comment = f"{n} rows of {k}"
    if n != len(weights.matrix):
        comment += f", rows {start} to {stop - 1} of {len(weights.matrix)}"
    buffer = draft.buffer(
        weights.name, kind, flat.size, Role.CONSTANT, initial=flat, comment=comment
    )
    return Rows(Place(buffer), kind, n, k)


def product(
    low: Lowering,
    rows: Rows | Weights,
    x: View,
    z: View,
    init: View | None,
    end: End,
    *,
    once: bool = True,
) -> None:
    """Compute `z = narrow(init + rows @ x)`.

    Args:
        low: where the code goes.
        rows: the matrix.
        x: the vector, beginning anywhere.
        z: the result, beginning at a word.
        init: what is added, beginning at a word.
        end: how it ends.
        once: whether the rows meet one vector in a frame; only then the way to other cores pays.
    """
    if isinstance(rows, Rows):
        matvec(low.draft, rows, x, z, init, end)
        return
    ranges = None
    if once and not low.depth and (init is None or init.buffer.role is Role.CONSTANT):
        ranges = low.team.divide(rows, x, z)
    if ranges is None:
        whole = low.team.rows(0, rows, 0, len(rows.matrix))
        matvec(low.draft, whole, x, z, init, end)
    else:
        _Division(low.team, rows, x, z, init, end).spread(ranges)


def matvec(draft: Draft, rows: Rows, x: View, z: View, init: View | None, end: End) -> None:
    """Compute `z = narrow(init + rows @ x)` with one instruction."""
    if not rows.n:
        return
    fields: dict[str, Field] = {}
    if init is not None:
        fields = {"has_init": 1, "init": init.place, "it": init.type}
    draft.emit(
        Op.MATVEC,
        n=rows.n,
        a=x.place,
        b=z.place,
        xt=x.type,
        yt=rows.type,
        zt=z.type,
        w=rows.place,
        k=rows.k,
        stride=rows.stride,
        xo=x.lane,
        **fields,
        **end.fields(),
    )


@dataclass(frozen=True, slots=True)
class _Division:
    """A product that several cores work on; see `product`."""

    team: Team
    weights: Weights
    x: View
    z: View
    init: View | None
    end: End

    def spread(self, ranges: list[tuple[int, int]]) -> None:
        """Send the vector out and compute what is core 0's."""
        team, main = self.team, self.team.drafts[0]
        others = [
            (core, start, stop)
            for core, (start, stop) in enumerate(ranges)
            if core and start < stop
        ]
        targets = [self.z.part(start, stop - start) for _, start, stop in others]
        team.make_room(_words(self.x), targets)
        for (core, start, stop), target in zip(others, targets, strict=True):
            name = self.z.buffer.name
            entry, answer = main.label(f"{name}.core{core}"), main.label(f"{name}.part{core}")
            main.emit(Op.POST, n=_words(self.x), a=self.x.place, b=Label(entry), core=core)
            self._remote(core, (start, stop), entry, answer)
            team.expect(_Answer(answer, core, target))
        start, stop = ranges[0]
        if start < stop:
            rows = team.rows(0, self.weights, start, stop)
            own = self.z.part(start, stop - start)
            matvec(main, rows, self.x, own, self._init_of(0, start, stop), self.end)

    def _init_of(self, core: int, start: int, stop: int) -> View | None:
        """Give what some rows begin with, in a core's own memory."""
        if self.init is None or self.init.buffer.initial is None:
            return None
        first = self.init.start + start
        content = self.init.buffer.initial[first : first + stop - start]
        buffer = self.team.drafts[core].buffer(
            self.init.buffer.name, self.init.type, stop - start, Role.CONSTANT, initial=content
        )
        return View(buffer, 0, stop - start)

    def _remote(self, core: int, span: tuple[int, int], entry: str, answer: str) -> None:
        """Make the thread of another core: take the vector, compute some rows, send them back."""
        draft, (start, stop) = self.team.drafts[core], span
        x, z, n_words = self.x, self.z, _words(self.x)
        draft.mark(entry)
        taken = draft.view(x.buffer.name, x.type, n_words * x.type.lanes)
        whole = (stop - start) % z.type.lanes == 0
        # lanes behind the last row travel too: they are zeros that nobody overwrites
        role = Role.TEMPORARY if whole else Role.STATE
        part = draft.view(z.buffer.name, z.type, stop - start, role)
        draft.comment = f"rows {start} to {stop - 1} of {z.buffer.name}"
        draft.emit(Op.RECV, n=n_words, a=taken.place)
        rows = self.team.rows(core, self.weights, start, stop)
        seen = taken.part(x.lane, x.length)
        matvec(draft, rows, seen, part, self._init_of(core, start, stop), self.end)
        draft.emit(Op.POST, n=part.buffer.n_words, a=part.place, b=Label(answer), core=0)
        draft.emit(Op.HALT)
