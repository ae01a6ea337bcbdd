"""The shortest sequence of frames that still fails.

Every sequence that is given back has been tried and failed. When frames that fail keep failing with
more frames around them, and there are enough tries, no frame of the result can be left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_RUNS = 64
"""Tries unless said otherwise; each runs some of the frames through two runners."""

Numbers = tuple[int, ...]


class Place(Protocol):
    """Where a sequence of frames fails first."""

    @property
    def frame(self) -> int:
        """Frame of that sequence, from 0; only used to guess what to try next."""


_P = TypeVar("_P", bound=Place)


@dataclass(frozen=True, slots=True)
class Shrunk(Generic[_P]):
    """What is left of a failing sequence.

    Attributes:
        frames: numbers of the frames that are left, ascending.
        first: where they fail first.
        n_runs: sequences that were tried.
        is_complete: false when the tries ran out before everything had been tried.
    """

    frames: Numbers
    first: _P
    n_runs: int
    is_complete: bool


def shrink(
    n_frames: int,
    differs: Callable[[Numbers], _P | None],
    *,
    first_frame: int,
    max_runs: int = MAX_RUNS,
) -> Shrunk[_P] | None:
    """Leave out frames as long as what is left still fails.

    Args:
        n_frames: frames of the sequence that failed.
        differs: tries some of its frames, in ascending order and from the initial state; gives
            where they fail first, None when they do not.
        first_frame: where the whole sequence failed first.
        max_runs: how often `differs` may be called, at least 1.

    Returns:
        What is left; None when not even the whole sequence failed again.
    """
    search = _Search(differs, max_runs)
    whole = tuple(range(n_frames))
    start = whole[: first_frame + 1]
    if not (search.tries(start) or (len(start) < n_frames and search.tries(whole))):
        return None
    search.drop_end()
    search.drop_front()
    search.drop_inside()
    assert search.first is not None
    return Shrunk(search.kept, search.first, search.n_runs, not search.is_exhausted)


class _Search(Generic[_P]):
    """The shortest failing sequence so far."""

    def __init__(self, differs: Callable[[Numbers], _P | None], max_runs: int) -> None:
        self._differs = differs
        self._left = max_runs
        self.n_runs = 0
        self.kept: Numbers = ()
        self.first: _P | None = None
        self.is_exhausted = False
        self._passed: set[Numbers] = set()

    def tries(self, frames: Numbers) -> bool:
        """Try a sequence and keep it if it fails; false, too, when the tries have run out."""
        if not frames or frames in self._passed:
            return False
        if not self._left:
            self.is_exhausted = True
            return False
        self._left -= 1
        self.n_runs += 1
        found = self._differs(frames)
        if found is None:
            self._passed.add(frames)
            return False
        self.kept, self.first = frames, found
        return True

    def drop_end(self) -> None:
        """Stop after the frame that fails."""
        while self.first is not None and self.first.frame + 1 < len(self.kept):
            if not self.tries(self.kept[: self.first.frame + 1]):
                break
        # where outputs do not come with every frame, the failing frame is not known: look for it
        whole, low = self.kept, 0
        if self.first is not None and self.first.frame + 1 < len(whole):
            low = self.first.frame + 1
            self._bisect(low, lambda length: self.tries(whole[:length]))

    def drop_front(self) -> None:
        """Begin as late as possible: double what is kept until it fails, then halve the step.

        Short sequences come first, as they cost least.
        """
        whole, length = self.kept, 1
        while length < len(whole) and not self.tries(whole[-length:]):
            length *= 2
        shortest = length // 2  # this many were not enough
        self._bisect(shortest, lambda length: self.tries(whole[-length:]))

    def _bisect(self, low: int, fails: Callable[[int], bool]) -> None:
        """Find the smallest length above `low` that fails; the length kept now does."""
        high = len(self.kept)
        while high - low > 1:
            middle = (low + high) // 2
            if fails(middle):
                high = middle
            else:
                low = middle

    def drop_inside(self) -> None:
        """Leave out parts, from halves down to single frames, until no frame can be spared."""
        size = max(1, len(self.kept) // 2)
        while not self.is_exhausted:
            before = len(self.kept)
            self._drop_parts(size)
            if size == 1 and len(self.kept) in (before, 1):
                break
            size = max(1, min(size // 2, len(self.kept) // 2))

    def _drop_parts(self, size: int) -> None:
        end = len(self.kept)
        while end > 0 and len(self.kept) > 1 and not self.is_exhausted:
            start = max(0, end - size)
            self.tries(self.kept[:start] + self.kept[end:])
            end = min(start, len(self.kept))
