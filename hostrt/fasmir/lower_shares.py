"""How the rows of a product are divided over cores."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_protocol.open_isa import LINK_CYCLES, THREAD_START_CYCLES

_POST, _RECV, _SIGNAL, _HALT = 3, 2, 2, 1
"""Cycles of these instructions, those for each word not included."""
_WAY = LINK_CYCLES + THREAD_START_CYCLES + _RECV + _POST + LINK_CYCLES
"""Cycles that another core is behind: the way to it, and back."""
_RETURN = THREAD_START_CYCLES + _RECV + _SIGNAL + _HALT
"""Cycles that core 0 spends on an answer."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How the rows of products are divided.

    Attributes:
        parts: share of each core, adding up to 1; core 0 runs everything else too.
        even: divide so that all cores are done at the same time, the way to them included, over as
            many as makes it fastest. `parts` then only says how many there are.
        least_words: weights of fewer words stay on core 0.
    """

    parts: tuple[float, ...] = (1.0,)
    even: bool = False
    least_words: int = 0

    def ranges(self, work: Work) -> list[tuple[int, int]]:
        """Give first row and row after the last, per core; whole words of results."""
        if not self.even:
            return work.ranges(self.parts)
        best, least = work.ranges((1.0,)), float(work.n * work.row)
        for count in range(2, len(self.parts) + 1):
            ranges = work.ranges(work.even_parts(count))
            cycles = work.cycles(ranges)
            if cycles < least:
                best, least = ranges, cycles
        return best


@dataclass(frozen=True, slots=True)
class Work:
    """A product, as far as its division is concerned.

    Attributes:
        n: rows.
        row: words of weights, and so cycles, of a row.
        lanes: results in a word.
        sent: words of the vector.
    """

    n: int
    row: int
    lanes: int
    sent: int

    def ranges(self, parts: tuple[float, ...]) -> list[tuple[int, int]]:
        """Divide the rows by shares."""
        units, found, start, total = -(-self.n // self.lanes), [], 0, 0.0
        for share in parts:
            total += share
            stop = max(min(round(units * total) * self.lanes, self.n), start)
            found.append((start, stop))
            start = stop
        found[-1] = (found[-1][0], self.n)
        return found

    def even_parts(self, count: int) -> tuple[float, ...]:
        """Give the shares with which all of `count` cores are done at the same time."""
        behind = _WAY + self.sent + self.n / (self.lanes * count)
        other = max(1 - behind / max(self.n * self.row, 1), 0.0) / count
        return (1 - other * (count - 1), *(other,) * (count - 1))

    def cycles(self, ranges: list[tuple[int, int]]) -> float:
        """Estimate how long core 0 is busy with it or waits for it."""
        sizes = [stop - start for start, stop in ranges]
        others = [size for size in sizes[1:] if size]
        posts = len(others) * (_POST + self.sent)
        back = [-(-size // self.lanes) for size in others]
        own = posts + sizes[0] * self.row
        away = max(
            (size * self.row + words for size, words in zip(others, back, strict=True)), default=0
        )
        slowest = max(own, posts + _WAY + self.sent + away)
        return slowest + sum(_RETURN + words for words in back) + THREAD_START_CYCLES
