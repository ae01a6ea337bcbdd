"""The clock that streams keep to: precise waits that can be ended early."""

from __future__ import annotations

import threading
import time

_SLICE_S = 0.05
_SPIN_S = 200e-6


class StreamClock:
    """Time on `time.perf_counter`, and waiting for it; waits end at once when it is stopped."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def now(self) -> float:
        """Give the time in seconds."""
        return time.perf_counter()

    def stop(self) -> None:
        """End all waiting, now and later. Callable from any thread."""
        self._stop.set()

    def wait_until(self, when: float) -> bool:
        """Wait until it is `when`; false when stopped before.

        Sleeps most of the time and looks at the clock at the end: an operating system wakes a
        sleeper a tenth of a millisecond or more after it should.
        """
        while (left := when - time.perf_counter()) > _SPIN_S:
            if left > _SLICE_S:
                if self._stop.wait(_SLICE_S / 2):
                    return False
            else:
                time.sleep(left - _SPIN_S)
        while time.perf_counter() < when:
            time.sleep(0)
        return not self._stop.is_set()
