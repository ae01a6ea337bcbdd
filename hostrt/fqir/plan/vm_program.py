"""Programs of the virtual machine in the making: instructions, and what memory they need.

A buffer gets its place when the program is finished: two of which no instruction needs both may
share memory.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.plan.vm_check import require_inside
from hostrt.fqir.plan.vm_codes import CODES, FIELDS
from hostrt.fqir.plan.vm_places import SLACK, Buffer, Elements, Label, Ref

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hostrt.fqir.plan.ir import Int64s

_ALIGNMENT = 64

AREAS = (8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Image:
    """A finished program and its memory.

    Attributes:
        program: (words,) int64.
        areas: bits -> elements, aligned and with the constants in place.
    """

    program: Int64s
    areas: dict[int, Elements]

    def slot(self, ref: Ref, size: int) -> Elements:
        """Give a part of the memory, a view."""
        start = ref.buffer.place + ref.offset
        return self.areas[ref.bits][start : start + size]


@dataclass(slots=True)
class Assembler:
    """Collects instructions.

    Attributes:
        number: how often `tick` was called.
    """

    number: int = 0
    _words: list[int | Ref | Label] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _buffers: list[Buffer] = field(default_factory=list)
    _constants: dict[tuple[int, bytes], Buffer] = field(default_factory=dict)

    def buffer(self, bits: int, size: int, *, kept: bool = False) -> Ref:
        """Make room for something that is computed, 0 in the beginning."""
        made = Buffer(bits, size, kept=kept)
        self._buffers.append(made)
        return Ref(made)

    def constant(self, bits: int, content: Elements) -> Ref:
        """Make room for constants, which must fit the area; equal ones share it."""
        flat = np.ascontiguousarray(content, f"i{bits // 8}").reshape(-1)
        key = bits, flat.tobytes()
        if key not in self._constants:
            self._constants[key] = Buffer(bits, flat.size, flat, kept=True)
            self._buffers.append(self._constants[key])
        return Ref(self._constants[key])

    def emit(self, name: str, **fields: int | Ref | Label) -> None:
        """Append an instruction."""
        self._starts.append(len(self._words))
        self._words.append(CODES[name])
        if fields.keys() != set(FIELDS[name]):
            raise TypeError(f"instruction {name} has the fields {', '.join(FIELDS[name])}")
        require_inside(name, fields)
        for key in FIELDS[name]:
            word = fields[key]
            if isinstance(word, Ref):
                self._need(word.buffer)
            self._words.append(word)

    def mark(self, label: Label) -> None:
        """Say that a label stands for the next instruction."""
        label.word = len(self._words)

    def tick(self) -> None:
        """Say that time goes on: what was needed before may have been needed for the last time.

        Not to be called inside of loops and branches.
        """
        self.number += 1

    def finish(self) -> Image:
        """Give every buffer its place."""
        by_area: dict[int, list[Buffer]] = defaultdict(list)
        for item in self._buffers:
            by_area[item.bits].append(item)
        areas = {}
        for bits in AREAS:
            size = _allocate(by_area[bits]) + SLACK
            areas[bits] = aligned(size, f"i{bits // 8}")
            for item in by_area[bits]:
                if item.content is not None:
                    areas[bits][item.place : item.place + item.size] = item.content
        words = aligned(len(self._words), "i8")
        starts = iter([*self._starts, len(self._words)])
        start, following = 0, next(starts)
        for number, word in enumerate(self._words):
            if number == following:
                start, following = number, next(starts)
            words[number] = _resolved(word, start)
        return Image(words, areas)

    def _need(self, buffer: Buffer) -> None:
        if buffer.last < 0:
            buffer.first = self.number
        buffer.last = self.number


def aligned(size: int, kind: str) -> Any:
    """Give zeros that begin at a multiple of a cache line."""
    raw = np.zeros(size * np.dtype(kind).itemsize + _ALIGNMENT, np.int8)
    skipped = -raw.__array_interface__["data"][0] % _ALIGNMENT
    return raw[skipped : skipped + size * np.dtype(kind).itemsize].view(kind)


def address(array: NDArray[Any]) -> int:
    """Give where an array's elements are."""
    found: int = array.__array_interface__["data"][0]
    return found


def _resolved(word: int | Ref | Label, start: int) -> int:
    if isinstance(word, Ref):
        return word.buffer.place + word.offset
    return word.word - start if isinstance(word, Label) else word


def _allocate(buffers: list[Buffer]) -> int:
    """Place buffers of one area: the first gap that is free for as long as it is needed."""
    end = 0
    for item in buffers:
        if item.kept:
            item.place = end
            end += item.room
    free: list[tuple[int, int]] = []
    busy: list[Buffer] = []
    for item in sorted((item for item in buffers if not item.kept), key=lambda item: item.first):
        over = [other for other in busy if other.last < item.first]
        busy = [other for other in busy if other.last >= item.first]
        free = _joined([*free, *((other.place, other.place + other.room) for other in over)])
        for number, (start, stop) in enumerate(free):
            if stop - start >= item.room:
                item.place = start
                free[number] = start + item.room, stop
                break
        else:
            item.place = end
            end += item.room
        busy.append(item)
    return end


def _joined(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(gaps):
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], stop
        elif stop > start:
            joined.append((start, stop))
    return joined
