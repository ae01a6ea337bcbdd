"""One core's code while it is made: instructions on vectors that have no address yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from firmware_protocol.open_isa_ops import Op, Type
from hostrt.errors import ProgramUnsupported
from hostrt.fasmir.assembly import Role

if TYPE_CHECKING:
    from hostrt.fasmir.assembly import Int64s

MOST = 0xFFFF
"""Largest number of elements, rows or words that an instruction can count."""

_STRANGE = re.compile(r"[^A-Za-z0-9_.]+")
_ENTRIES_SCANNED = 1 << 16
_MOST_LINES = 1 << 14
"""Several times the words of an instruction memory; some lines turn out to be superfluous."""


@dataclass(eq=False, slots=True)
class Buffer:
    """A vector in DM; see `Symbol`.

    Attributes:
        address: its first word, once it has been placed; -1 before.
    """

    name: str
    type: Type
    length: int
    role: Role = Role.TEMPORARY
    initial: Int64s | None = None
    comment: str = ""
    address: int = -1

    @property
    def n_words(self) -> int:
        """64-bit words it takes."""
        return -(-self.length // self.type.lanes)


@dataclass(frozen=True, slots=True)
class Place:
    """A word of a buffer."""

    buffer: Buffer
    offset: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """Consecutive elements of a buffer; where a value is.

    Attributes:
        buffer: where.
        start: its first element there.
        length: number of elements.
    """

    buffer: Buffer
    start: int
    length: int

    @property
    def type(self) -> Type:
        """Type of the elements."""
        return self.buffer.type

    @property
    def is_aligned(self) -> bool:
        """Whether it begins at the start of a word."""
        return self.start % self.type.lanes == 0

    @property
    def place(self) -> Place:
        """The word that holds its first element."""
        return Place(self.buffer, self.start // self.type.lanes)

    @property
    def lane(self) -> int:
        """Where in that word its first element is."""
        return self.start % self.type.lanes

    def part(self, start: int, length: int) -> View:
        """Give some of its elements."""
        return View(self.buffer, self.start + start, length)


@dataclass(eq=False, slots=True)
class TableDraft:
    """A look-up table; see `Table`."""

    name: str
    content: Int64s
    wide: bool
    address: int = -1

    @property
    def n_words(self) -> int:
        """TM words it takes."""
        return self.content.size * (1 + self.wide)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a table, by number."""

    table: TableDraft
    index: int = 0


@dataclass(frozen=True, slots=True)
class Label:
    """A place in the code of some core."""

    name: str


@dataclass(frozen=True, slots=True)
class ThreadUse:
    """A thread, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A message to the host."""

    name: str
    number: int


Field: TypeAlias = int | Place | Entry | Label | ThreadUse | Mailbox


@dataclass(eq=False, slots=True)
class DraftLine:
    """One instruction; `op` is None once it has turned out to be superfluous."""

    op: Op | None
    fields: dict[str, Field]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ThreadDraft:
    """A thread that signals start."""

    name: str
    label: str
    needs: int


class Names:
    """Gives names that text can hold, each once."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """Give a name like `wanted` that nobody has."""
        stem = _STRANGE.sub("_", wanted).strip("_.") or "v"
        if stem[0].isdigit():
            stem = f"v{stem}"
        name = stem
        while name in self._used:
            number = self._next[stem] = self._next.get(stem, 1) + 1
            name = f"{stem}_{number}"
        self._used.add(name)
        return name


@dataclass(eq=False)
class Draft:
    """The code of one core and what it works on.

    Attributes:
        number: of the core.
        label_names: names of labels, those of all cores.
        lines: instructions; their order is that in which they are executed, where it matters.
        marks: label -> index of the line it stands before.
        regions: first and last line of code that runs several times, or whose parts run in another
            order: what is used inside and outside must survive all of it.
        blocks: first and last line of code that may be jumped over.
        comment: what the next line gets.
        repeats: how often what is made now is executed in a frame, at most.
        executed: instructions executed in a frame, at most.
    """

    number: int
    label_names: Names
    lines: list[DraftLine] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    buffers: list[Buffer] = field(default_factory=list)
    tables: list[TableDraft] = field(default_factory=list)
    threads: list[ThreadDraft] = field(default_factory=list)
    regions: list[tuple[int, int]] = field(default_factory=list)
    blocks: list[tuple[int, int]] = field(default_factory=list)
    comment: str = ""
    names: Names = field(default_factory=Names)
    repeats: int = 1
    executed: int = 0

    def emit(self, op: Op, **fields: Field) -> None:
        """Append an instruction; fields that are not given are 0.

        Raises:
            ProgramUnsupported: there are far more than any instruction memory holds.
        """
        if len(self.lines) >= _MOST_LINES:
            raise ProgramUnsupported(
                f"the program has more than {_MOST_LINES} instructions, no chip holds as many",
                hint="use a smaller model, or loops in it",
            )
        self.executed += self.repeats
        self.lines.append(DraftLine(op, fields, self.comment))
        self.comment = ""

    def label(self, wanted: str) -> str:
        """Give a new label that stands nowhere yet."""
        return self.label_names.take(wanted)

    def mark(self, label: str) -> None:
        """Put a label before the next instruction."""
        self.marks[label] = len(self.lines)

    def open_loop(self, count: int, label: str) -> int:
        """Begin code that is executed several times; give where it begins."""
        self.mark(label)
        self.repeats *= count
        return len(self.lines)

    def close_loop(self, start: int, count: int) -> None:
        """End it, after its last instruction."""
        self.repeats //= count
        self.close_region(start)

    def close_region(self, start: int) -> None:
        """Say that the lines from `start` on are a region."""
        if len(self.lines) > start:
            self.regions.append((start, len(self.lines) - 1))

    def close_block(self, start: int) -> None:
        """Say that the lines from `start` on may be jumped over."""
        if len(self.lines) > start:
            self.blocks.append((start, len(self.lines) - 1))

    def buffer(
        self,
        wanted: str,
        kind: Type,
        length: int,
        role: Role = Role.TEMPORARY,
        *,
        initial: Int64s | None = None,
        comment: str = "",
    ) -> Buffer:
        """Make a buffer; one that outlives a frame has zeros in it when nothing else is said.

        Raises:
            ProgramUnsupported: it is longer than an instruction can count.
        """
        if role is Role.TEMPORARY and length > MOST:
            raise ProgramUnsupported(
                f"{wanted} has {length} elements, an instruction counts {MOST}",
                hint="split it into shorter vectors",
            )
        if role is not Role.TEMPORARY and initial is None:
            initial = np.zeros(length, np.int64)
        made = Buffer(self.names.take(wanted), kind, length, role, initial, comment)
        self.buffers.append(made)
        return made

    def view(self, wanted: str, kind: Type, length: int, role: Role = Role.TEMPORARY) -> View:
        """Make a buffer and give all of it."""
        return View(self.buffer(wanted, kind, length, role), 0, length)

    def table(self, wanted: str, content: Int64s) -> Entry:
        """Give the place of a table, one that is there already if its entries are.

        Raises:
            ProgramUnsupported: an entry has more than 32 bits.
        """
        if type_for(int(content.min()), int(content.max())) is Type.I64:
            raise ProgramUnsupported(
                f"{wanted} has entries from {content.min()} to {content.max()}, "
                "the table memory holds 32 bits"
            )
        wide = type_for(int(content.min()), int(content.max())) > Type.I16
        for known in self.tables:
            if known.wide == wide:
                index = find_run(known.content, content)
                if index is not None:
                    return Entry(known, index)
        made = TableDraft(self.names.take(wanted), content, wide)
        self.tables.append(made)
        return Entry(made)


def type_for(low: int, high: int) -> Type:
    """Give the narrowest type that holds all numbers of an interval."""
    for kind in Type:
        if -(1 << (kind.bits - 1)) <= low and high < 1 << (kind.bits - 1):
            return kind
    return Type.I64


def find_run(where: Int64s, what: Int64s) -> int | None:
    """Give where `what` stands in `where`, None if it does not."""
    room = where.size - what.size
    if room < 0 or where.size > _ENTRIES_SCANNED:
        return None
    for start in np.flatnonzero(where[: room + 1] == what[0]).tolist():
        if np.array_equal(where[start : start + what.size], what):
            return int(start)
    return None
