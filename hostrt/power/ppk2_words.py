"""The sample stream of a PPK2: words of 4 bytes that count modulo 64."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hostrt.errors import LinkCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

COUNTER = 64
"""Numbers that the counter has: a multiple of so many lost samples does not show in it."""

_COUNTER_SHIFT = 18
_RANGE_SHIFT = 14
_RANGES = 5
_PROOF = 12
"""Words in a row that count on: so many say that a word begins where one was thought to."""
_HELD = 3
"""Words that must count on from one before it is given."""


class Run(NamedTuple):
    """Samples without a gap.

    Attributes:
        lost: samples lost in front of them, modulo 64.
        data: their bytes, a whole number of words.
    """

    lost: int
    data: bytes


class WordSplitter:
    """Cuts the stream into runs; finds the beginning of words again after bytes were lost.

    A word is given when the next ones count on from it: one that is put together from two others
    may have the right counter by chance, and the one after it too.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._next: int | None = None
        self._lost = 0

    def feed(self, data: bytes) -> list[Run]:
        """Take bytes in any portions.

        Raises:
            LinkCorrupt: they are no samples wherever words are thought to begin.
        """
        self._rest += data
        return list(self._runs())

    def flush(self) -> list[Run]:
        """Give what was held back for more to come and is in order."""
        n = self._in_step()
        return [self._give(n)] if n else []

    def _runs(self) -> Iterator[Run]:
        while len(self._rest) // 4 > _PROOF + (1 if self._next is None else _HELD):
            n = self._in_step()
            if n > _HELD:
                yield self._give(n - _HELD)
                continue
            place = self._search()
            whole = min(n, place // 4)
            if whole:  # the words before the gap are sound ones
                yield self._give(whole)
                place -= 4 * whole
            self._go_on(place)

    def _in_step(self) -> int:
        """Give how many words from the front count on."""
        if self._next is None:
            return 0
        return _counting(_words(self._rest, 0), self._next)

    def _give(self, n: int) -> Run:
        assert self._next is not None
        run = Run(self._lost, self._rest[: 4 * n])
        self._lost = 0
        self._next = (self._next + n) % COUNTER
        self._rest = self._rest[4 * n :]
        return run

    def _search(self) -> int:
        """Give the first byte from which on words count."""
        for place in range(4) if self._next is None else range(1, 4 * (_HELD + 1)):
            words = _words(self._rest, place)[:_PROOF]
            if _counting(words, _counter(words)) == _PROOF:
                return place
        raise LinkCorrupt(
            f"PPK2: {len(self._rest)} bytes that are no samples, expected a counter in every word",
            hint="unplug the meter, wait a second and plug it in again",
        )

    def _go_on(self, place: int) -> None:
        """Continue at a byte from which on words count."""
        if place % 4:  # and leave out the first of them, that may be put together
            place += 4
        self._rest = self._rest[place:]
        first = _counter(_words(self._rest, 0))
        self._lost += 0 if self._next is None else (first - self._next) % COUNTER
        self._next = first


def _counter(words: NDArray[np.uint32]) -> int:
    return int(words[0] >> _COUNTER_SHIFT) % COUNTER


def _words(data: bytes, shift: int) -> NDArray[np.uint32]:
    return np.frombuffer(data, "<u4", (len(data) - shift) // 4, shift).astype(np.uint32, copy=False)


def _counting(words: NDArray[np.uint32], first: int) -> int:
    """Give how many words from the front count on from `first` and have a range that exists."""
    counters = (words >> _COUNTER_SHIFT) % COUNTER
    expected = (first + np.arange(len(words))) % COUNTER
    sound = (counters == expected) & ((words >> _RANGE_SHIFT) % 8 < _RANGES)
    return len(words) if sound.all() else int(sound.argmin())
