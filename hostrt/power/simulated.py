"""A meter that measures nothing: power from what a simulator says of each frame."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from hostrt.errors import UsageError
from hostrt.power.recorder import Recorder
from hostrt.power.threaded import ThreadedMeter
from hostrt.power.url import number_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hostrt.power.trace import PowerTrace
    from hostrt.transport.url import BoardUrl

IDLE_W = 1e-4
ACTIVE_W = 2e-3
RATE_HZ = 10_000.0

_BLOCK = 4096
"""Samples that are made at a time: the same ones whenever the thread happens to run."""

_STEP_S = 0.1
_SHORTEST_S = 1e-6
"""Seconds over which the energy of a frame that took no time is spent."""

_HISTORY_S = 60.0
"""How long after the samples around it a mark may come: a simulator may tell much at once."""


class _Pulse(NamedTuple):
    """Time on the device above idle, in seconds since the start of the measurement."""

    start: float
    stop: float
    joules: float


class SimulatedMeter(ThreadedMeter):
    """Idle power, and each frame's energy while the device computes.

    The energy of a frame is spent evenly from its start for its time on the device, but before
    the next frame starts or the measurement stops: a simulator need not keep to the host's clock,
    and no energy moves to another frame. Same frames, marks and seed give the same trace.
    """

    name: ClassVar[str] = "sim"
    simulated: ClassVar[bool] = True

    def __init__(
        self,
        *,
        idle_w: float = IDLE_W,
        active_w: float = ACTIVE_W,
        rate_hz: float = RATE_HZ,
        noise_w: float = 0.0,
        seed: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Describe the device.

        Args:
            idle_w: power while it waits.
            active_w: power while it computes a frame whose energy is unknown.
            rate_hz: samples per second.
            noise_w: standard deviation of the noise on each sample.
            seed: of that noise.
            clock: gives seconds; `time.perf_counter`, but in tests.
        """
        super().__init__(Recorder(0.0, _HISTORY_S), clock)
        self._idle_w, self._active_w, self._noise_w = idle_w, active_w, noise_w
        self._rate_hz = rate_hz
        self._noise = np.random.default_rng(seed)
        self._start_s = 0.0
        self._told: deque[_Pulse] = deque()
        self._latest_s = -math.inf
        self._open: _Pulse | None = None
        self._pulses: deque[_Pulse] = deque()
        self._n = 0

    def describe(self) -> str:
        """Say what measures."""
        return f"simulated power meter ({self._idle_w:g} W idle)"

    def add_frame(self, start_s: float, device_s: float, energy_j: float | None = None) -> None:
        """Say what a simulator knows of a frame.

        Args:
            start_s: when the device began, on the clock of `time.perf_counter`.
            device_s: seconds that it computed.
            energy_j: its energy during that time, idle power included; None to have the active
                power taken.

        Raises:
            UsageError: it begins before the frame before, or a value cannot be.
        """
        self._insist_on_start()
        joules = self._active_w * device_s if energy_j is None else energy_j
        if not (device_s >= 0 and joules >= 0 and math.isfinite(start_s + device_s + joules)):
            raise UsageError(f"frame at {start_s} s: {device_s} s on the device, {joules} J")
        if start_s < self._latest_s:
            raise UsageError(f"frame at {start_s} s, the one before is at {self._latest_s} s")
        self._latest_s = start_s
        start = max(start_s - self._start_s, 0.0)
        self._told.append(_Pulse(start, start + max(device_s, _SHORTEST_S), joules))

    def _begin(self) -> None:
        self._start_s = self._clock()

    def _step(self) -> None:
        self._ending.wait(_STEP_S)
        with self._lock:
            self._take()
            # what follows the start of the last frame may still change
            known = self._open.start if self._open is not None else 0.0
            self._advance(int(known * self._rate_hz))

    def _end(self) -> None:
        with self._lock:
            self._take()
            began = self._open.start if self._open is not None else 0.0
            until = max(self._clock() - self._start_s, began + _SHORTEST_S)
            n_samples = math.ceil(until * self._rate_hz)
            self._close_pulse(n_samples / self._rate_hz)
            self._advance(n_samples, last=True)

    def _release(self) -> None:
        pass

    def _trace(self) -> PowerTrace:
        return self._recorder.trace(self.describe(), True, self._start_s, self._rate_hz)

    def _take(self) -> None:
        """Take over the frames that were told; the last one is open until the next begins."""
        while self._told:
            pulse = self._told.popleft()
            carried = self._close_pulse(pulse.start)
            self._open = pulse._replace(joules=pulse.joules + carried)

    def _close_pulse(self, latest: float) -> float:
        """End the open pulse by `latest`; give the energy for which no time was left."""
        pulse, self._open = self._open, None
        if pulse is None:
            return 0.0
        stop = min(pulse.stop, latest)
        if stop <= pulse.start:
            return pulse.joules
        self._pulses.append(pulse._replace(stop=stop))
        return 0.0

    def _advance(self, until: int, *, last: bool = False) -> None:
        """Make the samples up to number `until`: whole blocks, and a part when it is the last."""
        while self._n + _BLOCK <= until:
            self._make(_BLOCK)
        if last and until > self._n:
            self._make(until - self._n)
        reached = self._n / self._rate_hz
        place = math.inf if last else reached
        self._recorder.place_marks(lambda when_s: when_s - self._start_s, place)

    def _make(self, n: int) -> None:
        """Make the next `n` samples."""
        edges = (self._n + np.arange(n + 1)) / self._rate_hz
        bends, energies = self._energy(float(edges[0]), float(edges[-1]))
        places = np.union1d(edges, bends)
        noise = self._noise.normal(0.0, self._noise_w, n) if self._noise_w else np.zeros(n)
        drift = np.concatenate([[0.0], np.cumsum(noise / self._rate_hz)])
        joules = np.diff(np.interp(places, bends, energies) + np.interp(places, edges, drift))
        watts = np.diff(np.interp(edges, bends, energies)) * self._rate_hz + noise
        self._recorder.extend(watts.astype(np.float32), places[1:], joules, np.diff(places))
        self._n += n

    def _energy(self, start: float, stop: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give where power changes between two times, and the energy from the first up to there."""
        bends, watts = [start], []
        while self._pulses and self._pulses[0].start < stop:
            pulse = self._pulses[0]
            power = pulse.joules / (pulse.stop - pulse.start)
            bends += [max(pulse.start, start), min(pulse.stop, stop)]
            watts += [self._idle_w, power]
            if pulse.stop > stop:
                break
            self._pulses.popleft()
        bends.append(stop)
        watts.append(self._idle_w)
        places = np.array(bends)
        return places, np.concatenate([[0.0], np.cumsum(np.diff(places) * np.array(watts))])


def open_url(url: BoardUrl) -> SimulatedMeter:
    """Open `sim`; options `idle_w`, `active_w`, `rate_hz`, `noise_w`, `seed`.

    Raises:
        UsageError: an option is unknown or cannot be.
    """
    url.allow("idle_w", "active_w", "rate_hz", "noise_w", "seed")
    if url.host or url.path:
        raise UsageError(f"{url}: the simulated meter has no place, expected sim://?OPTION=VALUE")
    return SimulatedMeter(
        idle_w=number_option(url, "idle_w", IDLE_W, 0.0, 1e3),
        active_w=number_option(url, "active_w", ACTIVE_W, 0.0, 1e3),
        rate_hz=number_option(url, "rate_hz", RATE_HZ, 1.0, 1e6),
        noise_w=number_option(url, "noise_w", 0.0, 0.0, 1e3),
        seed=int(number_option(url, "seed", 0, 0, 2**32)),
    )
