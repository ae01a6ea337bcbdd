"""Pages of a `.femto` file as whole arrays: from banks to pages and back.

A page is 256 bytes: id u16, length u16 (words), address u32, up to 62 words, fill.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.bank_geometry import BankGeometry, in_write_order
from firmware_protocol.femto_layout import MAX_PAGE_WORDS, PAGE_BYTES
from firmware_protocol.memory import BankImage, MemoryKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from firmware_protocol.words import DWords, Words

_PAGE_WORDS = PAGE_BYTES // 4
_HEAD_WORDS = 2


@dataclass(frozen=True, slots=True, eq=False)
class PageTable:
    """The pages of one file, in file order.

    Attributes:
        ids: uint16 (n,).
        lengths: uint16 (n,), words that count.
        addresses: uint32 (n,), byte addresses.
        words: uint32 (n, 62), what lies behind the head, fill included.
    """

    ids: NDArray[np.uint16]
    lengths: NDArray[np.uint16]
    addresses: Words
    words: NDArray[np.uint32]
    _stored: tuple[str, memoryview] | None = field(default=None, init=False, repr=False)

    def __len__(self) -> int:
        return int(self.ids.size)

    def stored(self, order: str) -> memoryview | None:
        """Give the bytes that pages read from a file of byte order `order` have there."""
        return self._stored[1] if self._stored and self._stored[0] == order else None

    def put(self, out: bytearray, offset: int, order: str) -> None:
        """Write the pages into a file of byte order `order`, from `offset` on."""
        if not len(self):
            return  # without pages their place may be anywhere, even outside the file
        rows = np.frombuffer(out, f"{order}u4", len(self) * _PAGE_WORDS, offset)
        rows = rows.reshape(-1, _PAGE_WORDS)
        self.put_heads(rows)
        rows[:, _HEAD_WORDS:] = self.words

    def put_heads(self, rows: NDArray[np.uint32]) -> None:
        """Write what lies before the words; `rows` is (n, 64) in the byte order of the file."""
        heads = rows.view(f"{rows.dtype.str[0]}u2")
        heads[:, 0] = self.ids
        heads[:, 1] = self.lengths
        rows[:, 1] = self.addresses


def read_pages(data: bytes, offset: int, count: int, order: str) -> PageTable:
    """Read `count` pages at `offset`; the caller has checked that they are there."""
    rows = np.frombuffer(data, f"{order}u4", count * _PAGE_WORDS, offset).reshape(-1, _PAGE_WORDS)
    heads = np.frombuffer(data, f"{order}u2", count * _PAGE_WORDS * 2, offset)
    heads = heads.reshape(-1, _PAGE_WORDS * 2)
    table = PageTable(
        heads[:, 0].astype(np.uint16),
        heads[:, 1].astype(np.uint16),
        rows[:, 1].astype(np.uint32),
        rows[:, _HEAD_WORDS:].astype(np.uint32, copy=False),
    )
    stored = memoryview(data)[offset : offset + count * PAGE_BYTES]
    object.__setattr__(table, "_stored", (order, stored))
    return table


def count_pages(regions: Sequence[tuple[int, Words]]) -> int:
    """Give how many pages `make_pages` cuts regions into."""
    return sum(-(-words.size // MAX_PAGE_WORDS) for _, words in regions)


def make_pages(regions: Sequence[tuple[int, Words]], out: bytearray, offset: int) -> PageTable:
    """Cut regions into pages, in their order; no page spans two of them.

    Args:
        regions: address and contents of each; see `regions_of`.
        out: the little-endian file they become part of, filled with 0xFF from `offset` on; the
            table shares its memory.
        offset: where the pages begin; nothing follows them.
    """
    rows = np.frombuffer(out, "<u4", (len(out) - offset) // 4, offset).reshape(-1, _PAGE_WORDS)
    lengths = np.full(len(rows), MAX_PAGE_WORDS, dtype=np.uint16)
    addresses = np.zeros(len(rows), dtype=np.uint32)
    first = 0
    for base, data in regions:
        full, rest = divmod(data.size, MAX_PAGE_WORDS)
        end = first + full
        rows[first:end, _HEAD_WORDS:] = data[: data.size - rest].reshape(full, MAX_PAGE_WORDS)
        if rest:
            rows[end, _HEAD_WORDS : _HEAD_WORDS + rest] = data[-rest:]
            lengths[end] = rest
            end += 1
        addresses[first:end] = base + 4 * MAX_PAGE_WORDS * np.arange(end - first)
        first = end
    ids = np.arange(len(rows)).astype(np.uint16)
    words = rows[:, _HEAD_WORDS:].astype(np.uint32, copy=False)
    words.flags.writeable = False
    table = PageTable(ids, lengths, addresses, words)
    table.put_heads(rows)
    stored = memoryview(out)[offset:].toreadonly()
    object.__setattr__(table, "_stored", ("<", stored))
    return table


def regions_of(banks: Sequence[BankImage], geometry: BankGeometry) -> list[tuple[int, Words]]:
    """Give (address, words) per bank: cores ascending, DM, TM, SB, RQ, PB, IM.

    IM and IM_MSB become one region, IM filled up.
    """
    banks = in_write_order(list(banks))
    regions: list[tuple[int, Words]] = []
    upper = {bank.core: bank.words for bank in banks if bank.kind is MemoryKind.IM_MSB}
    lower = {bank.core for bank in banks if bank.kind is MemoryKind.IM}
    for bank in banks:
        words = bank.words
        kind = bank.kind
        if kind is MemoryKind.IM_MSB and bank.core in lower:
            continue
        if kind is MemoryKind.IM and bank.core in upper:
            fill = np.zeros(geometry.im_words - words.size, dtype=np.uint64)
            words = np.concatenate((words, fill, upper[bank.core]))
        halves = words.astype("<u8", copy=False).view("<u4").astype(np.uint32, copy=False)
        regions.append((geometry.address(bank.core, kind, bank.index), halves))
    return regions


@dataclass(frozen=True, slots=True)
class _Region:
    """A window of the address space that pages may fill."""

    base: int
    n_words: int
    core: int
    kind: MemoryKind
    index: int

    @property
    def name(self) -> str:
        return f"core {self.core} {self.kind}{self.index}"


def _regions(geometry: BankGeometry) -> list[_Region]:
    regions = []
    for core in range(geometry.n_cores):
        for kind in geometry.offsets:
            if kind is MemoryKind.IM_MSB:
                continue
            for index in range(geometry.n_banks(kind)):
                size = geometry.bank_words(kind)
                if kind is MemoryKind.IM and geometry.has_im_msb:
                    size *= 2
                base = geometry.address(core, kind, index)
                regions.append(_Region(base, 2 * size, core, kind, index))
    return sorted(regions, key=lambda region: region.base)


_regions_by_chip: dict[str, list[_Region]] = {}


@dataclass(frozen=True, slots=True)
class PlacedPages:
    """What the pages of a file put into the memories.

    Attributes:
        banks: in write order; a gap inside a bank reads as zeros.
        faults: things no sound file has, as (page number, found, expected).
        oddities: things that are legal and unusual, one sentence each.
    """

    banks: list[BankImage]
    faults: list[tuple[int, str, str]]
    oddities: list[str]


def place_pages(pages: PageTable, geometry: BankGeometry) -> PlacedPages:
    """Put every page where its address says, whatever the order of pages.

    Pages outside all banks are left out and reported; where pages overlap the later one counts.
    """
    if geometry.name not in _regions_by_chip:
        _regions_by_chip[geometry.name] = _regions(geometry)
    regions = _regions_by_chip[geometry.name]
    bases = np.array([region.base for region in regions], dtype=np.int64)
    sizes = np.array([region.n_words for region in regions], dtype=np.int64)
    lengths = pages.lengths.astype(np.int64)
    addresses = pages.addresses.astype(np.int64)
    region_of = np.searchsorted(bases, addresses, side="right") - 1
    first = (addresses - bases[region_of]) // 4
    inside = (region_of >= 0) & (addresses % 4 == 0) & (lengths <= MAX_PAGE_WORDS)
    inside &= first + lengths <= sizes[region_of]
    faults = _outside(pages, inside)
    used = np.flatnonzero(inside & (lengths > 0))
    region_of, first, lengths = region_of[used], first[used], lengths[used]
    faults += _overlaps(pages, used)
    extents = np.zeros(len(regions), dtype=np.int64)
    np.maximum.at(extents, region_of, first + lengths)
    held = np.bincount(region_of, weights=lengths, minlength=len(regions))
    oddities = id_oddities(pages.ids)
    for number in np.flatnonzero(held < extents).tolist():
        oddities.append(f"{regions[number].name}: pages leave a gap, read as zeros")
    counted = pages.words if used.size == len(pages) else pages.words[used]
    filled = _fill(counted, lengths, region_of, first, extents)
    banks: list[BankImage] = []
    for region, words in zip(regions, filled, strict=True):
        if words.size:
            banks += _banks_of(region, words, geometry)
    return PlacedPages(in_write_order(banks), faults, oddities)


def _outside(pages: PageTable, inside: NDArray[np.bool_]) -> list[tuple[int, str, str]]:
    faults = []
    for page in np.flatnonzero(~inside).tolist():
        found = f"page of {int(pages.lengths[page])} words at 0x{int(pages.addresses[page]):08x}"
        faults.append((page, found, f"at most {MAX_PAGE_WORDS} words, all inside one bank"))
    return faults


def _overlaps(pages: PageTable, used: NDArray[np.intp]) -> list[tuple[int, str, str]]:
    starts = pages.addresses[used].astype(np.int64)
    order = np.argsort(starts, kind="stable")
    ends = np.maximum.accumulate(starts[order] + 4 * pages.lengths[used][order].astype(np.int64))
    hits = order[1:][starts[order][1:] < ends[:-1]]
    faults = []
    for page in used[hits].tolist():
        found = f"page at 0x{int(pages.addresses[page]):08x} over words of another page"
        faults.append((page, found, "each word once"))
    return faults


def _fill(
    words: NDArray[np.uint32],
    lengths: NDArray[np.int64],
    region_of: NDArray[np.intp],
    first: NDArray[np.int64],
    extents: NDArray[np.int64],
) -> list[DWords]:
    """Copy the counted words of all pages into one array, then cut it into regions.

    Full pages that follow each other go in one copy; a sound file has one such run per bank.
    """
    room = (extents + 1) // 2 * 2
    starts = np.cumsum(room) - room
    memory = np.zeros(int(room.sum()), dtype="<u4")
    targets = starts[region_of] + first
    follows = (targets[1:] == targets[:-1] + lengths[:-1]) & (lengths[:-1] == MAX_PAGE_WORDS)
    heads = [0, *(np.flatnonzero(~follows) + 1).tolist(), lengths.size]
    for head, end in pairwise(heads if lengths.size else []):
        at, last = int(targets[head]), int(lengths[end - 1])
        full = end - 1 - head
        tail = at + full * MAX_PAGE_WORDS
        memory[at:tail].reshape(full, MAX_PAGE_WORDS)[:] = words[head : end - 1]
        memory[tail : tail + last] = words[end - 1, :last]
    memory.flags.writeable = False  # so that banks share it instead of copying
    dwords = memory.view("<u8").astype(np.uint64, copy=False)
    cuts = [0, *(np.cumsum(room) // 2).tolist()]
    return [dwords[start:end] for start, end in pairwise(cuts)]


def _banks_of(region: _Region, words: DWords, geometry: BankGeometry) -> list[BankImage]:
    """Split the instruction region of a wide chip; every other region is one bank."""
    low = words[: geometry.im_words]
    if region.kind is not MemoryKind.IM or words.size <= geometry.im_words:
        return [BankImage(region.core, region.kind, region.index, words)]
    upper = words[geometry.im_words :]
    # The low part is filled up in the file; the upper part has as many words as instructions.
    beyond = np.flatnonzero(low[upper.size :])
    n_used = upper.size + (int(beyond[-1]) + 1 if beyond.size else 0)
    return [
        BankImage(region.core, MemoryKind.IM, 0, low[:n_used]),
        BankImage(region.core, MemoryKind.IM_MSB, 0, upper),
    ]


def id_oddities(ids: NDArray[np.uint16]) -> list[str]:
    """Report page ids that do not run 0, 1, 2, ...: the first of each kind."""
    if not ids.size:
        return []
    steps = np.diff(ids.astype(np.int64), prepend=-1)
    kinds = (
        ("is skipped to", steps > 1),
        ("is repeated:", steps == 0),
        ("goes backwards to", steps < 0),
    )
    notes = []
    for what, mask in kinds:
        hits = np.flatnonzero(mask)
        if hits.size:
            page = int(hits[0])
            notes.append(f"page {page}: id {what} {int(ids[page])} ({hits.size} such pages)")
    return notes
