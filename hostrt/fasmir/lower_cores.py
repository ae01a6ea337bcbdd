"""Products with constant weights, on one core or with their rows spread over several.

Core 0 sends the vector to the others, computes its own rows and halts. Each of the others computes
its rows and sends them back; every answer starts a thread on core 0 that puts them where they
belong. One answer: that thread goes on with the program. Several: each signals a thread that goes
on when the last has arrived. Only data memory outlives a thread, so this is never done inside
hardware loops, whose registers would be lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa_ops import Op
from hostrt.errors import ProgramUnsupported
from hostrt.fasmir.assembly import Role
from hostrt.fasmir.lower_draft import MOST, Draft, Label, Place, ThreadDraft, ThreadUse, View, type_for

if TYPE_CHECKING:
    from collections.abc import Hashable

    from firmware_protocol.open_isa_ops import Type
    from hostrt.fasmir.assembly import Int64s
    from hostrt.fasmir.lower import Lowering
    from hostrt.fasmir.lower_draft import Field
    from hostrt.fasmir.lower_vectors import End

_MOST_POSTED = 4096
"""Words of messages between cores that can wait on one."""


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

    @property
    def n_words(self) -> int:
        """DM words of all rows."""
        n, k = self.matrix.shape
        return int(n) * -(-int(k) // self.type.lanes)


@dataclass(frozen=True, slots=True)
class Shares:
    """How work is divided.

    Attributes:
        parts: share of each core, adding up to 1; core 0 runs everything else too.
        least_words: weights of fewer words stay on core 0.
    """

    parts: tuple[float, ...] = (1.0,)
    least_words: int = 0

    def ranges(self, n: int, lanes: int) -> list[tuple[int, int]]:
        """Give first row and row after the last, per core; whole words of results."""
        units, found, start, total = -(-n // lanes), [], 0, 0.0
        for share in self.parts:
            total += share
            stop = min(round(units * total) * lanes, n)
            found.append((start, max(stop, start)))
            start = found[-1][1]
        return found


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

    def rows(self, core: int, weights: Weights, start: int, stop: int) -> Rows:
        """Put some rows of a matrix into a core's memory, if they are not there already."""
        key = (core, weights.key, start, stop)
        if key not in self._placed:
            self._kept.append(weights.matrix)
            self._placed[key] = _lay_out(self.drafts[core], weights, start, stop)
        return self._placed[key]

    def divide(self, weights: Weights, lanes: int) -> list[tuple[int, int]] | None:
        """Give the rows of each core, None when core 0 does it alone."""
        n, k = weights.matrix.shape
        self.divisible[weights.key] = weights.n_words
        ranges = self.shares.ranges(n, lanes)
        others = ranges[1:]
        if weights.n_words < self.shares.least_words or -(-k // lanes) > _MOST_POSTED:
            return None
        if all(start == stop for start, stop in others):
            return None
        return ranges


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
        ranges = low.team.divide(rows, z.type.lanes)
    if ranges is None:
        whole = low.team.rows(0, rows, 0, len(rows.matrix))
        matvec(low.draft, whole, x, z, init, end)
    else:
        _divided(low.team, ranges, rows, (x, z, init), end)


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


def _divided(
    team: Team,
    ranges: list[tuple[int, int]],
    weights: Weights,
    vectors: tuple[View, View, View | None],
    end: End,
) -> None:
    x, z, init = vectors
    main, name = team.drafts[0], z.buffer.name
    n_words = -(-(x.lane + x.length) // x.type.lanes)
    answers = []
    for core, (start, stop) in enumerate(ranges):
        if core and start < stop:
            entry, answer = main.label(f"{name}.core{core}"), main.label(f"{name}.part{core}")
            answers.append((answer, start, stop))
            main.emit(Op.POST, n=n_words, a=x.place, b=Label(entry), core=core)
            _remote(team, core, (start, stop), weights, vectors, end, (entry, answer))
    start, stop = ranges[0]
    if start < stop:
        rows = team.rows(0, weights, start, stop)
        own = _part(team, 0, init, start, stop)
        matvec(main, rows, x, z.part(start, stop - start), own, end)
    main.emit(Op.HALT)
    region = len(main.lines)
    thread = ThreadUse(main.names.take(f"{name}.join")) if len(answers) > 1 else None
    for answer, start, stop in answers:
        main.mark(answer)
        count = -(-(stop - start) // z.type.lanes)
        main.emit(Op.RECV, n=count, a=z.part(start, stop - start).place)
        if thread is not None:
            main.emit(Op.SIGNAL, b=thread)
            main.emit(Op.HALT)
    main.close_region(region)
    if thread is not None:
        label = main.label(f"{name}.joined")
        main.mark(label)
        main.threads.append(ThreadDraft(thread.name, label, len(answers)))


def _part(team: Team, core: int, init: View | None, start: int, stop: int) -> View | None:
    """Give some of a constant vector, in a core's own memory."""
    if init is None or init.buffer.initial is None:
        return None
    content = init.buffer.initial[init.start + start : init.start + stop]
    if core == 0 and (start, stop) == (0, init.length):
        return init
    draft = team.drafts[core]
    buffer = draft.buffer(
        init.buffer.name, init.type, stop - start, Role.CONSTANT, initial=content
    )
    return View(buffer, 0, stop - start)


def _remote(
    team: Team,
    core: int,
    span: tuple[int, int],
    weights: Weights,
    vectors: tuple[View, View, View | None],
    end: End,
    labels: tuple[str, str],
) -> None:
    """Make the thread of another core: take the vector, compute some rows, send them back."""
    x, z, init = vectors
    draft, (start, stop), (entry, answer) = team.drafts[core], span, labels
    n_words = -(-(x.lane + x.length) // x.type.lanes)
    draft.mark(entry)
    taken = draft.view(x.buffer.name, x.type, n_words * x.type.lanes)
    whole = (stop - start) % z.type.lanes == 0
    # lanes behind the last row travel too: they are zeros that nobody overwrites
    part = draft.view(
        z.buffer.name, z.type, stop - start, Role.TEMPORARY if whole else Role.STATE
    )
    draft.comment = f"rows {start} to {stop - 1} of {z.buffer.name}"
    draft.emit(Op.RECV, n=n_words, a=taken.place)
    rows = team.rows(core, weights, start, stop)
    own = _part(team, core, init, start, stop)
    matvec(draft, rows, taken.part(x.lane, x.length), part, own, end)
    draft.emit(Op.POST, n=part.buffer.n_words, a=part.place, b=Label(answer), core=0)
    draft.emit(Op.HALT)
