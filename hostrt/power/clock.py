"""When a meter's samples were taken, from when they arrived.

A meter has a clock of its own, and its samples come in batches, some time after they were taken.
Nothing arrives before it is taken, so the batch that took least time says most: of each second of
samples the earliest arrival counts, and a straight line through those gives the time of every
sample, with the meter's clock running a little fast or slow. What remains is the least time that a
batch ever takes, a millisecond or two for USB: marks are placed that much too early in the trace.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_POINTS = 128
"""Arrivals that are kept; twice as far apart whenever there are more."""

_ENOUGH = 10
"""Arrivals, a second apart at first, that it takes to tell how far the meter's rate is off."""

_LARGEST_DRIFT = 5e-4
"""Crystals are within 0.01 %; more than this is no drift."""

_OUT_OF_LINE_S = 0.02


class _Arrival(NamedTuple):
    """So many samples were there, `late_s` after they would be at the nominal rate from time 0."""

    n: int
    late_s: float


class SampleClock:
    """Maps numbers of samples to times on the host's clock."""

    def __init__(self, rate_hz: float) -> None:
        """Begin with the nominal rate.

        Args:
            rate_hz: samples per second that the meter means to take.
        """
        self._rate_hz = rate_hz
        self._window = rate_hz
        self._points: list[_Arrival] = []
        self._best: _Arrival | None = None
        self._window_end = self._window
        self._offset_s = 0.0
        self._drift = 0.0
        self._missing: list[float] = []

    @property
    def start_s(self) -> float:
        """Time of the first sample."""
        return self._offset_s

    @property
    def rate_hz(self) -> float:
        """Samples per second of the host's clock."""
        return self._rate_hz / (1 + self._drift)

    def place(self, when_s: float) -> float:
        """Give the number of the sample that is taken at a time, with its fraction."""
        return (when_s - self._offset_s) * self.rate_hz

    def arrived(self, n: int, now_s: float) -> float:
        """Learn from an arrival.

        Args:
            n: samples that have arrived so far, lost ones that are known included.
            now_s: when the last of them did.

        Returns:
            Samples that must have been lost without notice, for all that arrived within two
            seconds was late by so much; else 0. The caller counts them from then on.
        """
        arrival = _Arrival(n, now_s - n / self._rate_hz)
        if self._best is None or arrival.late_s < self._best.late_s:
            self._best = arrival
            if len(self._points) < _ENOUGH:
                self._fit()
        if n < self._window_end:
            return 0.0
        best, self._best = self._best, None
        self._window_end = n + self._window
        return self._end_window(best)

    def _end_window(self, best: _Arrival) -> float:
        beside_s = best.late_s - self._expected(best.n) if self._points else 0.0
        if beside_s < -_OUT_OF_LINE_S:
            # earlier than can be: the line was drawn through arrivals that were all late
            self._points.clear()
        elif beside_s > _OUT_OF_LINE_S:
            self._missing.append(beside_s * self._rate_hz)
            if len(self._missing) < 2:
                return 0.0
            lost, self._missing = min(self._missing), []
            return lost
        self._missing = []
        self._points.append(best)
        if len(self._points) > _POINTS:
            self._points = list(self._thinned())
            self._window *= 2
        self._fit()
        return 0.0

    def _expected(self, n: int) -> float:
        return self._offset_s + self._drift * n / self._rate_hz

    def _thinned(self) -> Iterator[_Arrival]:
        """Keep the earlier of each two arrivals, for where they are."""
        for first, second in zip(self._points[::2], self._points[1::2], strict=False):
            late = [point.late_s - self._expected(point.n) for point in (first, second)]
            yield first if late[0] <= late[1] else second

    def _fit(self) -> None:
        points = [*self._points, *([self._best] if self._best is not None else [])]
        late = np.array([point.late_s for point in points])
        if len(self._points) < _ENOUGH:
            self._offset_s = float(late.min())
            return
        seconds = np.array([point.n for point in points]) / self._rate_hz
        middle = seconds.mean()
        away = seconds - middle
        drift = float(away @ (late - late.mean()) / (away @ away))
        self._drift = math.copysign(min(abs(drift), _LARGEST_DRIFT), drift)
        self._offset_s = float(late.mean() - self._drift * middle)
