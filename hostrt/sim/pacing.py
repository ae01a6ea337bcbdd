"""When packets move on a simulated bus (evk2-usb 9).

An interrupt endpoint moves one packet per slot; IN and OUT have slots of their own. The schedule
is absolute: a packet gets the first free slot after it was ready, however late this process wakes
up, so that a slow computer does not make the bus slower than it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hostrt.errors import UsageError
from hostrt.transport.rules import USB_SLOTS_S

if TYPE_CHECKING:
    from collections.abc import Callable

Times: TypeAlias = NDArray[np.float64]
"""Seconds on the clock of `time.monotonic`."""

SLOTS_S = {**USB_SLOTS_S, "unlimited": 0.0}
"""Time between two packets of an endpoint, by the name of the bus speed."""

_SPIN_S = 150e-6


def slot_seconds(speed: str) -> float:
    """Give the slot time of a bus speed.

    Raises:
        UsageError: no such speed.
    """
    if speed not in SLOTS_S:
        raise UsageError(f"USB speed {speed!r}, expected one of {', '.join(SLOTS_S)}")
    return SLOTS_S[speed]


def wait_until(when: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Wait precisely: sleep most of the time, then look at the clock until it is `when`."""
    left = when - clock()
    if left > _SPIN_S:
        time.sleep(left - _SPIN_S)
    while clock() < when:
        time.sleep(0)


@dataclass(slots=True)
class Bus:
    """The slots of one pair of endpoints.

    Attributes:
        slot_s: time of a slot; 0 for a bus that takes no time.
    """

    slot_s: float
    _last_out: int = -1
    _last_in: int = -1

    def room(self, now: float, until: float) -> int:
        """Give how many OUT packets handed over at `now` are through by `until`."""
        if not self.slot_s:
            return 1 << 30
        return max(int(until / self.slot_s) - self._first(now) + 1, 0)

    def send(self, now: float, answers: NDArray[np.int64]) -> tuple[float, Times]:
        """Give slots to OUT packets and to the packets that answer them.

        Args:
            now: when the OUT packets were handed over.
            answers: int64 (n,), IN packets that answer each of the n OUT packets; a device
                answers in the slot after the request.

        Returns:
            When the last OUT packet is through, and float64 (sum of answers,) when each IN
            packet is.
        """
        if not self.slot_s:
            return now, np.full(int(answers.sum()), now)
        first = self._first(now)
        sent = first + np.arange(answers.size)
        ready = np.repeat(sent + 1, answers)
        order = np.arange(ready.size)
        # A packet comes one slot after the one before it, or when it is ready, if that is later.
        backlog = np.maximum.accumulate(np.maximum(ready - order, self._last_in + 1))
        slots = backlog + order
        self._last_out = int(sent[-1]) if sent.size else self._last_out
        self._last_in = int(slots[-1]) if slots.size else self._last_in
        times: Times = (slots * self.slot_s).astype(np.float64)
        return self._last_out * self.slot_s, times

    def _first(self, now: float) -> int:
        return max(int(now / self.slot_s) + 1, self._last_out + 1)
