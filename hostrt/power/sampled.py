"""A meter that sends samples at a fixed rate by a clock of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hostrt.power.clock import SampleClock
from hostrt.power.recorder import Recorder
from hostrt.power.threaded import ThreadedMeter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hostrt.power.trace import PowerTrace

_HISTORY_S = 4.0
_SETTLING_S = 2.0
"""How long a mark waits for its place: until then better arrivals may correct the clock."""


class SampledMeter(ThreadedMeter):
    """Records samples by their number and places marks among them by the clock."""

    def __init__(self, rate_hz: float) -> None:
        """Expect samples at a nominal rate."""
        super().__init__(Recorder(0.0, _HISTORY_S * rate_hz))
        self._rate_hz = rate_hz
        self._samples = SampleClock(rate_hz)
        self._n = 0

    def _record(self, watts: NDArray[np.float32]) -> None:
        """Add samples; NaN for one that the meter itself has lost."""
        n = len(watts)
        there = np.isfinite(watts)
        seconds = there / self._rate_hz
        joules = np.where(there, watts, np.float32(0)).astype(np.float64) / self._rate_hz
        with self._lock:
            self._recorder.extend(watts, self._n + np.arange(1.0, n + 1), joules, seconds)
            self._recorder.lost += n - int(there.sum())
            self._n += n

    def _lose(self, n: int) -> None:
        """Leave a gap of `n` samples."""
        with self._lock:
            self._n += n
            self._recorder.lose(n, float(self._n))

    def _arrived(self, now_s: float) -> float:
        """Say that what was recorded is all that has arrived; place marks.

        Returns:
            Samples that must have been lost without notice, see `SampleClock.arrived`.
        """
        lost = self._samples.arrived(self._n, now_s)
        with self._lock:
            until = self._n - _SETTLING_S * self._rate_hz
            self._recorder.place_marks(self._samples.place, until)
        return lost

    def _settle(self) -> None:
        """Place the marks that are left."""
        with self._lock:
            self._recorder.place_marks(self._samples.place, math.inf)

    def _trace(self) -> PowerTrace:
        clock = self._samples
        return self._recorder.trace(self.describe(), self.simulated, clock.start_s, clock.rate_hz)
