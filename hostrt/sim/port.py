"""The endpoints of a virtual EVK2: packets go in and come out, in time, or as a fault plan says.

One thread may write while another reads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.evk2 import READ_COMMANDS, REPORT_BYTES, acks
from firmware_protocol.faults import Fault, FaultPlan
from hostrt.sim.pacing import Bus, slot_seconds, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_protocol.evk2 import RawReports
    from firmware_protocol.octets import Octets
    from hostrt.sim.evk2 import VirtualEvk2
    from hostrt.sim.pacing import Times

STALE_ADDRESS = 0xDEAD_0000
"""Address of the acks that a previous owner left behind."""

_SPIN_S = 150e-6
_READS = np.isin(np.arange(256), list(READ_COMMANDS))
_SHORT_BYTES = 13
_PIECE_PAUSE_S = 0.002
"""Time between the pieces of a split answer: enough to make two segments of them."""
_ENDING = (Fault.SILENCE, Fault.RESET, Fault.UNPLUG)


class BoardGone(Exception):
    """The board is not on the bus any more."""


@dataclass(frozen=True, slots=True)
class PortOptions:
    """How a virtual board behaves on its bus.

    Attributes:
        usb_speed: "full", "high" or "unlimited".
        faults: what goes wrong, counted in answers.
        in_buffer: answers the board holds for a host that does not read; it takes no more
            reports then. None for any number.
        stale: acks left over from a previous owner.
        late_s: delay of late answers.
        is_stream: answers travel in a byte stream, where a split one arrives in two pieces;
            on a bus it is cut short.
    """

    usb_speed: str = "unlimited"
    faults: FaultPlan = field(default_factory=FaultPlan)
    in_buffer: int | None = None
    stale: int = 0
    late_s: float = 1.5
    is_stream: bool = False


class Port:
    """A virtual board on its bus.

    Attributes:
        board: the board.
        plugged: false after it was pulled.
        answered: answers so far, the numbers fault plans count.
    """

    def __init__(
        self,
        board: VirtualEvk2,
        options: PortOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Put a board on a bus.

        Raises:
            UsageError: unknown bus speed.
        """
        self.board = board
        self.options = options or PortOptions()
        self.plugged = True
        self.answered = 0
        self._clock = clock
        self._bus = Bus(slot_seconds(self.options.usb_speed))
        self._silent = False
        self._changed = threading.Condition()
        self._out = threading.Lock()
        leftovers = acks(STALE_ADDRESS + np.arange(self.options.stale))
        self._queue: deque[tuple[float, bytes]] = deque((0.0, row.tobytes()) for row in leftovers)

    def write(self, reports: Octets, timeout_s: float | None = None) -> int:
        """Hand over whole reports and wait until the bus has moved them.

        Returns:
            Number of reports that were taken in time.

        Raises:
            BoardGone: the board was pulled.
        """
        rows = np.frombuffer(reports, np.uint8).reshape(-1, REPORT_BYTES)
        until = None if timeout_s is None else self._clock() + timeout_s
        with self._out:
            if self.options.in_buffer is None:
                return self._write_some(rows, until)
            taken = 0
            while taken < len(rows) and self._wait_for_room(self.options.in_buffer, until):
                taken += self._write_some(rows[taken : taken + 1], until)
            return taken

    def post(self, reports: Octets) -> None:
        """Hand over whole reports and return at once; the bus moves them in its own time.

        Raises:
            BoardGone: the board was pulled.
        """
        rows = np.frombuffer(reports, np.uint8).reshape(-1, REPORT_BYTES)
        with self._out:
            self._hand_over(rows, self._clock())

    def ready(self) -> list[bytes]:
        """Take every packet that has arrived by now."""
        with self._changed:
            now = self._clock()
            packets = []
            while self._queue and self._queue[0][0] <= now:
                packets.append(self._queue.popleft()[1])
            return packets

    def read(self, n_packets: int, timeout_s: float | None = None) -> list[bytes]:
        """Take packets: as many as asked, or fewer when a short one ends the transfer.

        Returns:
            The packets; fewer than asked and none of them short when time ran out.

        Raises:
            BoardGone: the board was pulled.
        """
        until = None if timeout_s is None else self._clock() + timeout_s
        got: list[bytes] = []
        with self._changed:
            while True:
                self._check_plugged()
                now = self._clock()
                if self._take(got, n_packets, now) or (until is not None and now >= until):
                    return got
                self._sleep(n_packets - len(got), now, until)

    def next_ready(self) -> float | None:
        """Tell when the next packet can be read, None when none is under way."""
        with self._changed:
            return self._queue[0][0] if self._queue else None

    def backlog(self) -> int:
        """Give how many packets are under way to a reader."""
        return len(self._queue)

    def unplug(self) -> None:
        """Pull the board; everything under way is lost."""
        with self._changed:
            self.plugged = False
            self._queue.clear()
            self._changed.notify_all()

    def replug(self) -> None:
        """Plug the board in again, freshly powered."""
        with self._out, self._changed:
            self.board.restart()
            self._silent = False
            self._queue.clear()
            self.plugged = True

    def flush(self) -> None:
        """Throw away what waits to be read."""
        with self._changed:
            self._queue.clear()
            self._changed.notify_all()

    # -- OUT -----------------------------------------------------------------------------------

    def _write_some(self, rows: RawReports, until: float | None) -> int:
        now = self._clock()
        if until is not None:
            rows = rows[: self._bus.room(now, until)]
        wait_until(self._hand_over(rows, now), self._clock)
        return len(rows)

    def _hand_over(self, rows: RawReports, now: float) -> float:
        """Have reports carried out; give when the last of them is through."""
        done = now
        taken = 0
        while taken < len(rows):
            with self._changed:
                self._check_plugged()
                count, ending = self._until_ending(rows[taken:])
                done = self._carry_out(rows[taken : taken + count], now)
                self._end(ending)
                self._changed.notify_all()
            taken += count
        return done

    def _until_ending(self, rows: RawReports) -> tuple[int, Fault | None]:
        """Give how many reports come before the plan's next reset, silence or unplugging."""
        if not self.options.faults.rules or self._silent:
            return len(rows), None
        ends = np.cumsum(1 + _READS[rows[:, 0]]) + self.answered
        planned = self.options.faults.decide_many(self.answered + 1, int(ends[-1] - self.answered))
        for number, fault in planned.items():
            if fault in _ENDING:
                return int(np.searchsorted(ends, number)) + 1, fault
        return len(rows), None

    def _carry_out(self, rows: RawReports, now: float) -> float:
        answers, counts = self.board.exchange(np.ascontiguousarray(rows))
        done, times = self._bus.send(now, counts)
        first = self.answered + 1
        self.answered += len(answers)
        if not self._silent:
            self._deliver(first, answers, times)
        return done

    def _deliver(self, first: int, answers: RawReports, times: Times) -> None:
        planned = self.options.faults.decide_many(first, len(answers))
        data = answers.tobytes()
        packets = [data[i : i + REPORT_BYTES] for i in range(0, len(data), REPORT_BYTES)]
        if not planned:
            self._queue.extend(zip(times.tolist(), packets, strict=True))
            return
        delay = 0.0
        for number, when, packet in zip(
            range(first, first + len(packets)), times.tolist(), packets, strict=True
        ):
            fault = planned.get(number)
            if fault is Fault.LATE:
                delay = self.options.late_s
            for i, spoiled in enumerate(self._spoil(fault, number, packet)):
                delay += i * _PIECE_PAUSE_S * self.options.is_stream
                self._queue.append((when + delay, spoiled))
            if fault in _ENDING:
                return

    def _spoil(self, fault: Fault | None, number: int, packet: bytes) -> list[bytes]:
        if fault is Fault.DOUBLE:
            return [packet, packet]
        if fault is Fault.SPLIT:
            pieces = [packet[:_SHORT_BYTES], packet[_SHORT_BYTES:]]
            return pieces if self.options.is_stream else pieces[:1]
        if fault is Fault.CORRUPT:
            bit = self.options.faults.choose(number, 8 * REPORT_BYTES)
            spoiled = bytearray(packet)
            spoiled[bit // 8] ^= 1 << (bit % 8)
            return [bytes(spoiled)]
        return [packet] if fault in (None, Fault.LATE) else []

    def _end(self, ending: Fault | None) -> None:
        if ending is Fault.RESET:
            self.board.restart()
        elif ending is Fault.SILENCE:
            self._silent = True
        elif ending is Fault.UNPLUG:
            self.plugged = False
            self._queue.clear()

    def _wait_for_room(self, depth: int, until: float | None) -> bool:
        with self._changed:
            while len(self._queue) >= depth:
                self._check_plugged()
                left = None if until is None else until - self._clock()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
        return True

    # -- IN ------------------------------------------------------------------------------------

    def _take(self, got: list[bytes], wanted: int, now: float) -> bool:
        """Move what is ready to `got`; true when the transfer is complete."""
        before = len(got)
        queue = self._queue
        while queue and queue[0][0] <= now and len(got) < wanted:
            got.append(queue.popleft()[1])
            if len(got[-1]) < REPORT_BYTES:
                break
        if len(got) > before:
            self._changed.notify_all()
        return len(got) == wanted or bool(got and len(got[-1]) < REPORT_BYTES)

    def _sleep(self, missing: int, now: float, until: float | None) -> None:
        """Wait for the packet that completes the transfer, for news, or for the end of time."""
        known = len(self._queue) >= missing
        due = self._queue[missing - 1][0] if known else None
        ends = [when for when in (due, until) if when is not None]
        if not ends:
            self._changed.wait()
            return
        left = min(ends) - now
        if left > _SPIN_S:
            self._changed.wait(left - _SPIN_S)
            return
        self._changed.release()
        try:
            wait_until(min(ends), self._clock)
        finally:
            self._changed.acquire()

    def _check_plugged(self) -> None:
        if not self.plugged:
            raise BoardGone(f"board {self.board.identity.serial} is not plugged in")
