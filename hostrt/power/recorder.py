"""What all meters keep of a measurement, whoever samples."""

from __future__ import annotations

from array import array
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import UsageError
from hostrt.power.fold import LIMIT, Fold
from hostrt.power.marks import FrameEnergy
from hostrt.power.trace import PowerTrace

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Recorder:
    """Keeps a folded trace and exact energies per frame; memory grows with the frames only.

    One thread calls `mark`; one thread at a time calls everything else.

    Attributes:
        lost: samples of the meter that never arrived.
    """

    def __init__(self, start: float, history: float, limit: int = LIMIT) -> None:
        """Keep at most `limit` intervals.

        Args:
            start: first place on the axis of `extend`.
            history: how much of that axis is kept at the full rate for marks that come late.
            limit: intervals of the trace.
        """
        self.lost = 0
        self._fold = Fold(limit)
        self._frames = FrameEnergy(start, history)
        self._waiting: deque[float] = deque()
        self._latest = -np.inf
        self._marks = array("d")
        self._late = False
        self._totals = (0.0, 0.0)
        self._read = (0.0, 0.0)

    def mark(self, when_s: float) -> None:
        """Note a mark; the thread that samples finds its place later.

        Raises:
            UsageError: it is before the last one.
        """
        if when_s < self._latest:
            raise UsageError(f"mark at {when_s} s, the one before is at {self._latest} s")
        self._latest = when_s
        self._waiting.append(when_s)

    def extend(
        self,
        watts: NDArray[np.float32],
        places: NDArray[np.float64],
        joules: NDArray[np.float64],
        seconds: NDArray[np.float64],
    ) -> None:
        """Add what was measured.

        Args:
            watts: (n,) samples for the trace, NaN for those that were lost.
            places: (k,) where intervals of constant power end, usually one per sample.
            joules: (k,) energy of each interval.
            seconds: (k,) measured time of each.
        """
        self._fold.add(watts)
        self._frames.extend(places, joules, seconds)
        joules_before, seconds_before = self._totals
        self._totals = (
            joules_before + float(joules.sum()),
            seconds_before + float(seconds.sum()),
        )

    def lose(self, n: int, place: float) -> None:
        """Leave a gap of `n` samples that ends at `place`."""
        self.lost += n
        self._fold.lose(n)
        nothing = np.zeros(1)
        self._frames.extend(np.array([place]), nothing, nothing)

    def place_marks(self, place_of: Callable[[float], float], until: float) -> None:
        """Place the marks up to place `until`; the rest waits for more samples."""
        while self._waiting:
            when_s = self._waiting[0]
            place = place_of(when_s)
            if place > until:
                return
            self._late = self._late or self._frames.oldest > max(place, self._frames.start)
            self._frames.mark(place)
            self._marks.append(self._waiting.popleft())

    def recent(self) -> float | None:
        """Give the mean power since the last call, None when there is nothing new."""
        totals = self._totals
        joules, seconds = (now - then for now, then in zip(totals, self._read, strict=True))
        if seconds <= 0:
            return None
        self._read = totals
        return joules / seconds

    def trace(self, meter: str, simulated: bool, start_s: float, rate_hz: float) -> PowerTrace:
        """Give what was recorded so far.

        Args:
            meter: what measured.
            simulated: whether that is a model.
            start_s: time of the first sample.
            rate_hz: samples of the meter per second.
        """
        folded, mean, share, low, high = self._fold.intervals()
        joules, seconds = self._frames.finish()
        return PowerTrace(
            meter=meter,
            simulated=simulated,
            start_s=start_s,
            rate_hz=rate_hz / folded,
            watts=mean,
            marks_s=np.array(self._marks, np.float64),
            # a mark that came too late for the full rate leaves integrating the trace
            frame_j=None if self._late else joules,
            frame_measured_s=None if self._late else seconds,
            folded=folded,
            lost_samples=self.lost,
            measured=None if (share == 1).all() else share,
            lowest=None if folded == 1 else low,
            highest=None if folded == 1 else high,
        )
