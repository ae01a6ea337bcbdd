"""Energy between marks, integrated at the full rate of the samples while they come."""

from __future__ import annotations

from array import array
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Block(NamedTuple):
    """A stretch of the two integrals, linear between its knots."""

    places: NDArray[np.float64]
    joules: NDArray[np.float64]
    seconds: NDArray[np.float64]


class FrameEnergy:
    """Integrates power and measured time between marks.

    Places are positions on any rising axis: seconds, or numbers of samples. The last `history` of
    it is kept at the full rate, so that a mark may be given after the samples around it.

    Attributes:
        start: place of the first sample.
        reached: place up to which power is known.
    """

    def __init__(self, start: float, history: float) -> None:
        """Begin at place `start` and keep `history` of the axis."""
        self.start = start
        self.reached = start
        self._history = history
        self._blocks: deque[_Block] = deque()
        self._joules = 0.0
        self._seconds = 0.0
        self._begun: tuple[float, float, float] | None = None
        self._frame_j = array("d")
        self._frame_s = array("d")

    @property
    def oldest(self) -> float:
        """Place from which on marks can be taken."""
        return float(self._blocks[0].places[0]) if self._blocks else self.reached

    def extend(
        self,
        places: NDArray[np.float64],
        joules: NDArray[np.float64],
        seconds: NDArray[np.float64],
    ) -> None:
        """Add intervals, in each of which power is constant.

        Args:
            places: (k,) where each interval ends, rising, behind `reached`.
            joules: (k,) energy of each.
            seconds: (k,) measured time of each: 0 where samples were lost.
        """
        if not len(places):
            return
        block = _Block(
            np.concatenate([[self.reached], places]),
            self._joules + np.concatenate([[0.0], np.cumsum(joules)]),
            self._seconds + np.concatenate([[0.0], np.cumsum(seconds)]),
        )
        self._blocks.append(block)
        self.reached = float(block.places[-1])
        self._joules = float(block.joules[-1])
        self._seconds = float(block.seconds[-1])
        while self._blocks[0].places[-1] < self.reached - self._history:
            self._blocks.popleft()

    def mark(self, place: float) -> None:
        """End the frame that has begun, and begin the next one.

        A place before the first sample stands for the first sample; one that is no longer kept
        for the oldest that is; one that is not reached yet for the last.
        """
        here = self._at(place)
        if self._begun is not None:
            self._end(here)
        self._begun = here

    def finish(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """End the last frame with the last sample; give energy and measured seconds of all."""
        joules, seconds = (np.array(each, np.float64) for each in (self._frame_j, self._frame_s))
        if self._begun is None:
            return joules, seconds
        _, begun_j, begun_s = self._begun
        return (
            np.append(joules, self._joules - begun_j),
            np.append(seconds, self._seconds - begun_s),
        )

    def _end(self, here: tuple[float, float, float]) -> None:
        assert self._begun is not None
        self._frame_j.append(here[1] - self._begun[1])
        self._frame_s.append(here[2] - self._begun[2])

    def _at(self, place: float) -> tuple[float, float, float]:
        """Give place, energy and measured time so far at a place."""
        if self._begun is not None:
            place = max(place, self._begun[0])
        for block in reversed(self._blocks):
            if place >= block.places[0]:
                break
        else:
            if not self._blocks:
                return place, self._joules, self._seconds
            block = self._blocks[0]
        joules = float(np.interp(place, block.places, block.joules))
        seconds = float(np.interp(place, block.places, block.seconds))
        return place, joules, seconds
