"""What happens on one connection of a board server; no socket and no thread."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from firmware_protocol.evk2 import REPORT_BYTES
from firmware_protocol.faults import Fault, FaultPlan
from firmware_protocol.zynq import UNIT_BYTES
from hostrt.sim.port import BoardGone

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.sim.port import Port
    from hostrt.sim.zcu104 import VirtualZcu104

_LATE_S = 1.5
_PIECE_PAUSE_S = 0.002
_PIECE_BYTES = 3


class Session(Protocol):
    """A board's end of a connection."""

    gone: bool
    """The board wants the connection closed."""

    def connected(self) -> None:
        """A client came: begin anew."""

    def received(self, data: bytes) -> None:
        """Take bytes in whatever pieces they come."""

    def ready(self) -> list[bytes]:
        """Give what is to be sent now, each item in a segment of its own."""

    def next_due(self) -> float | None:
        """Tell when there will be something to send, None when nothing is under way."""

    def backlog(self) -> int:
        """Give how many answers wait for their time."""


class Evk2Session:
    """EVK2 reports over TCP: exactly 64 bytes each way, nothing around them."""

    def __init__(self, port: Port) -> None:
        self.gone = False
        self._port = port
        self._rest = b""

    def connected(self) -> None:
        """Begin anew; a board that was pulled is plugged in again."""
        self._rest = b""
        self.gone = False
        if self._port.plugged:
            self._port.flush()
        else:
            self._port.replug()

    def received(self, data: bytes) -> None:
        """See `Session.received`."""
        whole = self._rest + data
        cut = len(whole) - len(whole) % REPORT_BYTES
        self._rest = whole[cut:]
        if not cut:
            return
        try:
            self._port.post(whole[:cut])
        except BoardGone:
            self.gone = True
        self.gone = self.gone or not self._port.plugged

    def ready(self) -> list[bytes]:
        """See `Session.ready`."""
        packets = self._port.ready()
        if all(len(packet) == REPORT_BYTES for packet in packets):
            return [b"".join(packets)] if packets else []
        return packets

    def next_due(self) -> float | None:
        """See `Session.next_due`."""
        return self._port.next_ready()

    def backlog(self) -> int:
        """See `Session.backlog`."""
        return self._port.backlog()


class ZynqSession:
    """ZCU104 units over TCP, spoiled as a fault plan says; it counts reply units."""

    def __init__(
        self,
        board: VirtualZcu104,
        faults: FaultPlan | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.gone = False
        self._board = board
        self._faults = faults or FaultPlan()
        self._clock = clock
        self._answered = 0
        self._silent = False
        self._queue: deque[tuple[float, bytes]] = deque()

    def connected(self) -> None:
        """Begin anew; the chip keeps its state."""
        self._board.connected()
        self._queue.clear()
        self.gone = self._silent = False

    def received(self, data: bytes) -> None:
        """See `Session.received`."""
        answers = self._board.feed(data)
        n_units = len(answers) // UNIT_BYTES
        if not n_units:
            return
        first = self._answered + 1
        self._answered += n_units
        if self._silent:
            return
        now = self._clock()
        planned = self._faults.decide_many(first, n_units)
        start = 0
        for number, fault in planned.items():
            here = (number - first) * UNIT_BYTES
            self._put(now, answers[start:here])
            start = here + UNIT_BYTES
            after = self._spoil(fault, number, answers[here:start], now)
            if after is None:
                return
            now = after
        self._put(now, answers[start:])

    def ready(self) -> list[bytes]:
        """See `Session.ready`."""
        now = self._clock()
        pieces = []
        while self._queue and self._queue[0][0] <= now:
            pieces.append(self._queue.popleft()[1])
        return pieces

    def next_due(self) -> float | None:
        """See `Session.next_due`."""
        return self._queue[0][0] if self._queue else None

    def backlog(self) -> int:
        """See `Session.backlog`."""
        return len(self._queue)

    def _put(self, when: float, data: bytes) -> None:
        if data:
            self._queue.append((when, data))

    def _spoil(self, fault: Fault, number: int, unit: bytes, now: float) -> float | None:
        """Queue what is left of one unit; give when the next may follow, None for never."""
        if fault is Fault.DOUBLE:
            self._put(now, unit + unit)
        elif fault is Fault.CORRUPT:
            bit = self._faults.choose(number, 8 * UNIT_BYTES)
            spoiled = bytearray(unit)
            spoiled[bit // 8] ^= 1 << (bit % 8)
            self._put(now, bytes(spoiled))
        elif fault is Fault.LATE:
            now += _LATE_S
            self._put(now, unit)
        elif fault is Fault.SPLIT:
            self._put(now, unit[:_PIECE_BYTES])
            now += _PIECE_PAUSE_S
            self._put(now, unit[_PIECE_BYTES:])
        elif fault is not Fault.LOSE:
            self._end(fault)
            return None
        return now

    def _end(self, fault: Fault) -> None:
        if fault is Fault.RESET:
            self._board.spu.hard_reset()
        self._silent = fault is Fault.SILENCE
        self.gone = fault is Fault.UNPLUG
