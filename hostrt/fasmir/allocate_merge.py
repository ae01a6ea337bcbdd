"""Copies that need not happen: two vectors become one where nobody can tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_protocol.open_isa_ops import Op
from hostrt.fasmir.allocate_access import Access, Uses, number, size, span_of
from hostrt.fasmir.assembly import WORD_BYTES, Role
from hostrt.fasmir.lower_draft import Place

if TYPE_CHECKING:
    from hostrt.fasmir.lower_draft import Buffer, Draft, DraftLine


@dataclass(frozen=True, slots=True)
class _Copy:
    """A line that copies `n_bytes` from the start of a word to the start of a word."""

    line: int
    x: Place
    z: Place
    n_bytes: int


class Homes:
    """Where buffers are that have become part of others."""

    def __init__(self) -> None:
        self._homes: dict[Buffer, Place] = {}

    def find(self, place: Place) -> Place:
        """Give the place in a buffer that is part of none."""
        while place.buffer in self._homes:
            home = self._homes[place.buffer]
            place = Place(home.buffer, home.offset + place.offset)
        return place

    def settle(self, buffer: Buffer, place: Place) -> None:
        """Make a buffer part of another."""
        self._homes[buffer] = place


def merge_copies(draft: Draft) -> tuple[Homes, Uses]:
    """Delete the copies of a draft whose two sides can be one vector.

    Returns:
        Where every buffer is that has become part of another, and the accesses to what is left.
    """
    uses, homes = Uses.find(draft), Homes()
    copies = [
        found for i, line in enumerate(draft.lines) if (found := _as_copy(i, line)) is not None
    ]
    while True:
        left = [one for one in copies if not _dissolve(draft, uses, homes, one)]
        if len(left) == len(copies):
            return homes, uses
        copies = left  # a merger can make one possible that was not


def _dissolve(draft: Draft, uses: Uses, homes: Homes, one: _Copy) -> bool:
    x, z = homes.find(one.x), homes.find(one.z)
    if x == z:
        _keep(uses, x.buffer, [use for use in uses.of[x.buffer] if use.line != one.line])
    elif not _join(draft, uses, homes, _Copy(one.line, x, z, one.n_bytes)):
        return False
    draft.lines[one.line].op = None
    return True


def _as_copy(index: int, line: DraftLine) -> _Copy | None:
    f = line.fields
    if line.op is Op.COPY:
        n_bytes = number(f, "n") * WORD_BYTES
    elif line.op is Op.MOVE:
        same = f["xt"] == f["zt"] and number(f, "outer") == f["xi"] == f["zi"] == 1
        if not same or number(f, "xo") or number(f, "zo"):
            return None
        n_bytes = number(f, "n") * size(f, "xt")
    else:
        return None
    x, z = f["a"], f["b"]
    if not (isinstance(x, Place) and isinstance(z, Place)):
        return None
    return _Copy(index, x, z, n_bytes)


def _join(draft: Draft, uses: Uses, homes: Homes, copy: _Copy) -> bool:
    """Make both sides of a copy one vector, if that changes nothing."""
    x, z = copy.x, copy.z
    if x.buffer is z.buffer:
        return False
    if _can_be_written_there(draft, uses, copy):
        _settle(uses, homes, x, z, copy.line)
        return True
    if _can_be_read_there(draft, uses, copy):
        _settle(uses, homes, z, x, copy.line)
        return True
    return False


def _settle(uses: Uses, homes: Homes, inner: Place, outer: Place, line: int) -> None:
    offset = outer.offset - inner.offset
    homes.settle(inner.buffer, Place(outer.buffer, offset))
    moved = [use.shifted(offset * WORD_BYTES) for use in uses.of.pop(inner.buffer)]
    both = [use for use in uses.of.get(outer.buffer, []) if use.line != line]
    both += [use for use in moved if use.line != line]
    _keep(uses, outer.buffer, sorted(both, key=lambda use: use.line))


def _keep(uses: Uses, buffer: Buffer, found: list[Access]) -> None:
    if found:
        uses.of[buffer] = found
    else:
        uses.of.pop(buffer, None)


def _fits(uses: list[Access], copy: _Copy, inner: Place, outer: Place) -> bool:
    """Tell whether all that is used of `inner` lies in what is copied, seen from `outer`."""
    start = inner.offset * WORD_BYTES
    stop = start + copy.n_bytes
    size_bytes = outer.buffer.length * outer.buffer.type.bits // 8
    if outer.offset * WORD_BYTES + copy.n_bytes >= size_bytes:
        # the end of `outer`: the rest of its last word belongs to nobody
        stop = -(-stop // WORD_BYTES) * WORD_BYTES
    return all(start <= use.start and use.stop <= stop for use in uses)


def _can_be_written_there(draft: Draft, uses: Uses, copy: _Copy) -> bool:
    """Tell whether what is copied can be made at its destination right away."""
    source = copy.x.buffer
    if source.role is not Role.TEMPORARY or copy.z.buffer.role is Role.CONSTANT:
        return False
    mine = uses.of[source]
    if not _fits(mine, copy, copy.x, copy.z):
        return False
    if any(use.writes and use.line > copy.line for use in mine):
        return False  # the copy is what keeps the old content
    first = min(use.line for use in mine)
    if any(start <= copy.line <= stop and first < start for start, stop in draft.blocks):
        return False  # the way around the copy leads past something else
    span = span_of(mine, draft.regions)
    shift = (copy.z.offset - copy.x.offset) * WORD_BYTES
    low = min(use.start for use in mine) + shift
    high = max(use.stop for use in mine) + shift
    for use in uses.of.get(copy.z.buffer, []):
        if use.line == copy.line or use.stop <= low or high <= use.start:
            continue
        now = 2 * use.line + use.writes
        if span.first <= now < 2 * copy.line:
            return False  # it would find, or spoil, what is not there yet without the merger
        if 2 * copy.line < now <= span.last and use.writes:
            return False  # the source is still needed
    return True


def _can_be_read_there(draft: Draft, uses: Uses, copy: _Copy) -> bool:
    """Tell whether a copy that is only read can be read at its source instead."""
    target = copy.z.buffer
    if target.role is not Role.TEMPORARY:
        return False
    mine = uses.of[target]
    if any(use.writes and use.line != copy.line for use in mine):
        return False
    if not _fits(mine, copy, copy.z, copy.x):
        return False
    span = span_of(mine, draft.regions)
    if span.first < 2 * copy.line:
        return False
    shift = (copy.x.offset - copy.z.offset) * WORD_BYTES
    low = min(use.start for use in mine) + shift
    high = max(use.stop for use in mine) + shift
    return not any(
        use.writes and use.start < high and low < use.stop and copy.line < use.line
        and 2 * use.line + 1 <= span.last
        for use in uses.of.get(copy.x.buffer, [])
    )  # fmt: skip
