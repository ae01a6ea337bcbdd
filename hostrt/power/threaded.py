"""A meter whose samples are taken care of by a thread of its own."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from typing import TYPE_CHECKING

from hostrt.errors import HostrtError, LinkError, LinkTimeout, UsageError
from hostrt.power.base import PowerMeter

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.power.recorder import Recorder
    from hostrt.power.trace import PowerTrace

_JOIN_S = 10.0


class ThreadedMeter(PowerMeter):
    """Runs `_step` in a thread from `start` to `stop`, and keeps why it failed.

    The thread and `measured` share `_lock`; `mark` takes no lock.
    """

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.perf_counter) -> None:
        """Record with `recorder`, on a clock that is `time.perf_counter` but in tests."""
        self._recorder = recorder
        self._clock = clock
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: HostrtError | None = None
        self._stopped = False
        self._closed = False

    def start(self) -> None:
        """Begin to measure."""
        if self._thread is not None or self._closed:
            raise UsageError(f"{self.describe()} has been started before")
        self._begin()
        self._thread = threading.Thread(target=self._run, name=f"power-{self.name}", daemon=True)
        self._thread.start()

    def mark(self, when_s: float | None = None) -> None:
        """Say that a frame begins."""
        now = self._clock() if when_s is None else when_s
        self._insist_on_start()
        self._recorder.mark(now)

    def read_recent(self) -> float | None:
        """Give the mean power in watts since the last call."""
        self._insist_on_start()
        if self._failure is not None:
            raise self._failure
        return self._recorder.recent()

    def measured(self) -> PowerTrace:
        """Give what was measured so far."""
        with self._lock:
            return self._trace()

    def stop(self) -> PowerTrace:
        """End the measurement."""
        self._insist_on_start()
        self._finish()
        if self._failure is not None:
            raise self._failure
        return self.measured()

    def close(self) -> None:
        """Let go of the meter."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._thread is not None:
                self._finish()
        finally:
            self._release()

    @abstractmethod
    def _begin(self) -> None:
        """Make the meter measure; called once, before the thread runs."""

    @abstractmethod
    def _step(self) -> None:
        """Wait for samples, a fraction of a second at most, and record them under `_lock`."""

    @abstractmethod
    def _end(self) -> None:
        """Make the meter stop and record what was under way; the thread has ended."""

    @abstractmethod
    def _release(self) -> None:
        """Close what the meter is reached through."""

    @abstractmethod
    def _trace(self) -> PowerTrace:
        """Give what was recorded; `_lock` is held."""

    def _insist_on_start(self) -> None:
        if self._thread is None:
            raise UsageError(f"{self.describe()} was not started", hint="call start() first")

    def _finish(self) -> None:
        """Stop once; what fails is kept for `stop`."""
        if self._stopped or self._thread is None:
            return
        self._stopped = True
        self._ending.set()
        self._thread.join(_JOIN_S)
        if self._thread.is_alive():
            self._failure = LinkTimeout(
                f"{self.describe()}: its thread did not end in {_JOIN_S:g} s"
            )
            return
        try:
            self._end()
        except HostrtError as error:
            self._failure = self._failure or error

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._step()
        except HostrtError as error:
            self._failure = error
        except BaseException as error:
            # a fault of this program: nobody may take what was measured until now for all of it
            self._failure = LinkError(f"{self.describe()} could not be read: {error!r}")
            raise
