"""Assembly from code whose vectors have their addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.open_isa import make
from hostrt.fasmir.assembly import Core, Line, Reference, Role, Symbol, Table, Thread
from hostrt.fasmir.lower_draft import Entry, Label, Mailbox, Place, ThreadUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hostrt.fasmir.allocate import Placed
    from hostrt.fasmir.lower_draft import Buffer, DraftLine, Field


def assemble_cores(cores: Sequence[Placed], entries: Iterable[str]) -> tuple[Core, ...]:
    """Give the finished code of each core.

    Args:
        cores: placed, and known to fit.
        entries: labels that are used from outside.
    """
    used = {thread.label for one in cores for thread in one.draft.threads} | set(entries)
    for one in cores:
        for line in one.draft.lines:
            if line.op is not None:
                fields = line.fields.values()
                used.update(field.name for field in fields if isinstance(field, Label))
    pcs = {name: pc for one in cores for name, pc in _label_pcs(one).items()}
    return tuple(_Finisher(one, pcs, used).core() for one in cores)


def _label_pcs(placed: Placed) -> dict[str, int]:
    """Give the word of IM of every label: that of the next line that is left."""
    pcs, pc = [], 1
    for line in placed.draft.lines:
        pcs.append(pc)
        pc += 0 if line.op is None else 1 + (line.op >> 6)
    pcs.append(pc)
    return {name: pcs[index] for name, index in placed.draft.marks.items()}


class _Finisher:
    """Resolves what the fields of one core's instructions refer to."""

    def __init__(self, placed: Placed, pcs: Mapping[str, int], used: set[str]) -> None:
        self._placed = placed
        self._pcs = pcs
        self._used = used
        self._threads = {thread.name: i for i, thread in enumerate(placed.draft.threads)}

    def core(self) -> Core:
        """Give the finished core."""
        draft = self._placed.draft
        threads = tuple(
            Thread(self._threads[one.name], one.name, one.label, one.needs, one.needs)
            for one in draft.threads
        )
        tables = tuple(Table(one.name, one.address, one.wide, one.content) for one in draft.tables)
        symbols = [self._symbol(one) for one in draft.buffers if self._address(one) >= 0]
        symbols.sort(key=lambda one: (one.address, one.initial is None))
        return Core(draft.number, tuple(self._lines()), tuple(symbols), tables, threads)

    def _address(self, buffer: Buffer) -> int:
        """Give the first word of a buffer, a negative number when nobody uses it."""
        home = self._placed.homes.find(Place(buffer))
        return -1 if home.buffer.address < 0 else home.buffer.address + home.offset

    def _symbol(self, buffer: Buffer) -> Symbol:
        merged = self._placed.homes.find(Place(buffer)).buffer is not buffer
        return Symbol(
            buffer.name,
            self._address(buffer),
            buffer.type,
            buffer.length,
            Role.TEMPORARY if merged else buffer.role,
            None if merged else buffer.initial,
            buffer.comment,
        )

    def _lines(self) -> list[Line]:
        draft = self._placed.draft
        standing: dict[int, list[str]] = {}
        for name, index in draft.marks.items():
            if name in self._used:
                standing.setdefault(index, []).append(name)
        found, labels, comment = [], list[str](), ""
        for index, line in enumerate(draft.lines):
            labels += standing.get(index, [])
            comment = line.comment or comment
            if line.op is None:
                continue
            found.append(self._line(line, tuple(labels), comment))
            labels, comment = [], ""
        return found

    def _line(self, line: DraftLine, labels: tuple[str, ...], comment: str) -> Line:
        assert line.op is not None
        numbers, references = {}, {}
        for name, field in line.fields.items():
            numbers[name], reference = self._resolved(field)
            if reference is not None:
                references[name] = reference
        return Line(make(line.op, **numbers), labels, references, comment)

    def _resolved(self, field: Field) -> tuple[int, Reference | None]:
        match field:
            case Place():
                home = self._placed.homes.find(field)
                if home.buffer.address < 0:
                    return 0, None  # a vector without elements is nowhere
                shown = field if self._address(field.buffer) >= 0 else home
                reference = Reference(shown.buffer.name, shown.offset)
                return home.buffer.address + home.offset, reference
            case Entry():
                offset = field.index * (1 + field.table.wide)
                return field.table.address + offset, Reference(field.table.name, offset)
            case Label():
                return self._pcs[field.name], Reference(field.name)
            case ThreadUse():
                return self._threads[field.name], Reference(field.name)
            case Mailbox():
                return field.number, Reference(field.name)
            case _:
                return int(field), None
