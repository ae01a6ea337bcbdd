"""Which bytes of which vectors every instruction reads and writes, and how long vectors live."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firmware_protocol.open_isa_ops import VECTOR_OPS, Mode, Op, Type
from hostrt.fasmir.assembly import WORD_BYTES
from hostrt.fasmir.lower_draft import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hostrt.fasmir.lower_draft import Buffer, Draft, DraftLine, Field


@dataclass(frozen=True, slots=True)
class Access:
    """What a line does to a buffer.

    Attributes:
        line: index of the line.
        start: first byte, counted from the start of the buffer.
        stop: the byte after the last one.
        writes: whether it writes; it reads otherwise.
    """

    line: int
    start: int
    stop: int
    writes: bool

    def shifted(self, n_bytes: int) -> Access:
        """Give the same access to a buffer that begins so much earlier."""
        return Access(self.line, self.start + n_bytes, self.stop + n_bytes, self.writes)


@dataclass(slots=True)
class Uses:
    """All accesses to each buffer of a draft, in the order of lines."""

    of: dict[Buffer, list[Access]] = field(default_factory=dict)

    @classmethod
    def find(cls, draft: Draft) -> Uses:
        """Look through the lines of a draft."""
        found = cls()
        for number, line in enumerate(draft.lines):
            for buffer, start, stop, writes in accesses(line):
                if start < stop:
                    found.of.setdefault(buffer, []).append(Access(number, start, stop, writes))
        return found


@dataclass(frozen=True, slots=True)
class Span:
    """When a buffer holds something: half-lines, 2 i where line i reads, 2 i + 1 where it writes.

    Attributes:
        first: when it is written first.
        last: when it is used last.
    """

    first: int
    last: int


def span_of(uses: Sequence[Access], regions: Sequence[tuple[int, int]]) -> Span:
    """Give the span of a buffer, widened to the regions it crosses the border of.

    Args:
        uses: its accesses, at least one.
        regions: first and last line of each.
    """
    first = min(2 * use.line + use.writes for use in uses)
    last = max(2 * use.line + use.writes for use in uses)
    lines = [use.line for use in uses]
    low, high = min(lines), max(lines)
    for start, stop in regions:
        if high < start or low > stop or (start <= low and high <= stop):
            continue
        if any(start <= line <= stop for line in lines):
            first, last = min(first, 2 * start), max(last, 2 * stop + 1)
    return Span(first, last)


def accesses(line: DraftLine) -> Iterator[tuple[Buffer, int, int, bool]]:
    """Give buffer, first byte, byte after the last, and whether it is written, per operand."""
    if line.op is None:
        return
    f = line.fields
    for name, start, stop, writes in _ranges(line.op, f):
        place = f.get(name)
        if isinstance(place, Place):
            base = place.offset * WORD_BYTES
            if stop < 0:  # anywhere in it
                yield place.buffer, 0, place.buffer.n_words * WORD_BYTES, writes
            else:
                yield place.buffer, base + start, base + stop, writes


def number(fields: Mapping[str, Field], name: str) -> int:
    """Give a field that is a plain number, 0 when it was not given."""
    value = fields.get(name, 0)
    if not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}, expected a number")
    return value


def size(fields: Mapping[str, Field], name: str) -> int:
    """Give the bytes of an element of the type in a field."""
    return Type(number(fields, name)).bits // 8


_Range = tuple[str, int, int, bool]
_ANYWHERE = -1


def _ranges(op: Op, f: Mapping[str, Field]) -> Iterator[_Range]:
    """Give field, byte range after its place, and whether it is written; reads first."""
    n = number(f, "n")
    if op in VECTOR_OPS:
        yield from _vector(op, f, n)
    elif op in (Op.RECV, Op.SEND, Op.POST, Op.COPY):
        yield from _words(op, n)
    elif op in (Op.MOVE, Op.MOVEL):
        yield from _blocks(op, f, n)
    elif op is Op.MATVEC:
        yield from _product(f, n)
    elif op in (Op.LUT, Op.SUM):
        k = number(f, "k") if op is Op.SUM else 1
        yield "a", 0, n * k * size(f, "xt"), False
        yield "b", 0, n * size(f, "zt"), True
    elif op is Op.JZERO:
        yield "a", 0, size(f, "xt"), False
    elif op is Op.COUNT:
        yield "a", 0, size(f, "xt"), False
        yield "b", 0, size(f, "zt"), True
        yield "a", 0, size(f, "xt"), True


def _words(op: Op, n: int) -> Iterator[_Range]:
    yield "a", 0, n * WORD_BYTES, op is Op.RECV
    if op is Op.COPY:
        yield "b", 0, n * WORD_BYTES, True


def _vector(op: Op, f: Mapping[str, Field], n: int) -> Iterator[_Range]:
    mode = number(f, "mode")
    yield "a", 0, (min(n, 1) if mode == Mode.SCALAR_X else n) * size(f, "xt"), False
    if mode != Mode.IMMEDIATE:
        yield "y", 0, (min(n, 1) if mode == Mode.SCALAR else n) * size(f, "yt"), False
    if op in (Op.MAC, Op.SELECT):
        yield "b", 0, n * size(f, "zt"), False
    yield "b", 0, n * size(f, "zt"), True


def _blocks(op: Op, f: Mapping[str, Field], n: int) -> Iterator[_Range]:
    outer = number(f, "outer")
    if not n * outer:
        return
    for name, side, writes in (("a", "x", False), ("b", "z", True)):
        if op is Op.MOVEL and number(f, f"{side}l"):
            yield name, 0, _ANYWHERE, writes
            continue
        start = number(f, f"{side}o")
        rows, columns = (outer - 1) * number(f, f"{side}s"), (n - 1) * number(f, f"{side}i")
        low = start + min(rows, 0) + min(columns, 0)
        high = start + max(rows, 0) + max(columns, 0)
        width = size(f, f"{side}t")
        yield name, low * width, (high + 1) * width, writes


def _product(f: Mapping[str, Field], n: int) -> Iterator[_Range]:
    k, start = number(f, "k"), number(f, "xo") * size(f, "xt")
    yield "a", start, start + k * size(f, "xt"), False
    row = -(-k * size(f, "yt") // WORD_BYTES) * WORD_BYTES
    if n and k:
        yield "w", 0, (n - 1) * number(f, "stride") * WORD_BYTES + row, False
    yield "init", 0, n * size(f, "it"), False
    yield "b", 0, n * size(f, "zt"), True
