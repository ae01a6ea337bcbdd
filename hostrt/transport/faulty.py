"""Links on which things go wrong on purpose: `faulty+URL?plan=lose@500,corrupt~0.01&seed=7`.

Where a transport has a link of bytes, faults happen to what the board sends: its reports (64
bytes) or units (8 bytes) are counted from 1 and lost, doubled, delayed, damaged or cut. Where it
has none (`sim`, `fakezynq`, `replay`), they happen to requests.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.faults import Fault, FaultPlan
from firmware_protocol.requests import HostAction
from hostrt.errors import LinkLost, LinkTimeout, UsageError
from hostrt.transport.base import Transport
from hostrt.transport.packet_link import LinkWrapper
from hostrt.transport.url import open_transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.requests import Read, Request
    from firmware_protocol.words import Words
    from hostrt.chip.step import Wait
    from hostrt.transport.packet_link import PacketLink
    from hostrt.transport.url import BoardUrl

LATE_S = 0.15
"""How late a late answer is, unless `?late=SECONDS` says otherwise."""


class FaultyLink:
    """A `PacketLink` that mistreats what the board sends through another link.

    Attributes:
        faults: what happened, in order: (number of the packet, kind).
    """

    def __init__(
        self, inner: PacketLink, plan: FaultPlan, unit_bytes: int, late_s: float = LATE_S
    ) -> None:
        """Mistreat `inner`, whose packets have `unit_bytes` bytes."""
        self.faults: list[tuple[int, Fault]] = []
        self._inner = inner
        self._plan = plan
        self._unit_bytes = unit_bytes
        self._late_s = late_s
        self._n_packets = 0
        self._rest = b""
        self._ready: deque[tuple[float, bytes]] = deque()
        self._is_silent = False
        self._is_gone = False

    def write(self, packets: bytes | memoryview, n_answers: int) -> None:
        """Pass packets on, unless the board is gone."""
        self._check_present()
        if not self._is_silent:
            self._inner.write(packets, n_answers)

    def read(self, timeout_s: float) -> bytes:
        """Give what is left of what arrived."""
        self._check_present()
        now = time.monotonic()
        until = now + timeout_s
        while True:
            if self._ready and self._ready[0][0] <= now:
                return self._take(now)
            # What is held back decides how long to wait for more.
            wake = min(until, self._ready[0][0]) if self._ready else until
            self._mistreat(self._inner.read(max(wake - now, 0.0)))
            self._check_present()
            now = time.monotonic()
            if now >= until and not (self._ready and self._ready[0][0] <= now):
                return b""

    def close(self) -> None:
        """Close the link underneath."""
        self._inner.close()

    def _take(self, now: float) -> bytes:
        parts = []
        while self._ready and self._ready[0][0] <= now:
            parts.append(self._ready.popleft()[1])
            if len(parts[-1]) % self._unit_bytes:
                break  # a piece that was cut off arrives by itself
        return b"".join(parts)

    def _mistreat(self, data: bytes) -> None:
        size = self._unit_bytes
        data = self._rest + data
        n_packets = len(data) // size
        self._rest = data[n_packets * size :]
        faults = self._plan.decide_many(self._n_packets + 1, n_packets)
        now = time.monotonic()
        start = 0
        for number, fault in faults.items():
            index = number - self._n_packets - 1
            self._deliver(now, data[start : index * size])
            start = (index + 1) * size
            self.faults.append((number, fault))
            self._apply(fault, number, data[index * size : start])
        self._deliver(now, data[start : n_packets * size])
        self._n_packets += n_packets

    def _apply(self, fault: Fault, number: int, packet: bytes) -> None:
        now = time.monotonic()
        match fault:
            case Fault.DOUBLE:
                self._deliver(now, packet + packet)
            case Fault.LATE:
                self._deliver(now + self._late_s, packet)
            case Fault.CORRUPT:
                self._deliver(now, self._flip(packet, number))
            case Fault.SPLIT:
                half = len(packet) // 2
                self._deliver(now, packet[:half])
                self._deliver(now, packet[half:])
            case Fault.SILENCE:
                self._is_silent = True
            case Fault.RESET | Fault.UNPLUG:
                # Seen from the host, a board that resets leaves the bus as well.
                self._is_gone = True
            case Fault.LOSE:
                pass

    def _deliver(self, due: float, packets: bytes) -> None:
        if packets and not (self._is_silent or self._is_gone):
            # Order is kept: what follows a late packet is late too.
            last = self._ready[-1][0] if self._ready else due
            self._ready.append((max(due, last), packets))

    def _flip(self, packet: bytes, number: int) -> bytes:
        bit = self._plan.choose(number, 8 * len(packet))
        damaged = bytearray(packet)
        damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged)

    def _check_present(self) -> None:
        if self._is_gone and not self._ready:
            raise LinkLost("the board was unplugged (injected fault)", hint="open the board again")


class FaultyTransport(Transport):
    """Faults on requests, for transports without a link of bytes. Counts requests from 1."""

    def __init__(self, inner: Transport, plan: FaultPlan) -> None:
        """Mistreat the answers of `inner`, which belongs to this transport from now on."""
        self.info = inner.info
        self.inner = inner
        self._plan = plan
        self._n_requests = 0
        self._is_gone = False
        self._is_silent = False

    def set_landmark(self, landmark: Read) -> None:
        """Pass it on."""
        self.inner.set_landmark(landmark)

    def close(self) -> None:
        """Close what is underneath."""
        self.inner.close()

    def _exchange(self, requests: Sequence[Request]) -> list[Words | None]:
        answers: list[Words | None] = []
        for request in requests:
            answers += self._one(request)
        return answers

    def _one(self, request: Request) -> list[Words | None]:
        self._n_requests += 1
        number = self._n_requests
        if self._is_gone:
            raise LinkLost(f"{self.info.url}: the board was unplugged (injected fault)")
        fault = Fault.SILENCE if self._is_silent else self._plan.decide(number)
        if fault in (Fault.RESET, Fault.UNPLUG):
            self._is_gone = fault is Fault.UNPLUG
            if fault is Fault.RESET:
                self.inner.execute([HostAction()])
            raise LinkLost(f"{self.info.url}: the board is gone at {request} (injected fault)")
        answers = self.inner.execute([request])
        if fault in (Fault.LOSE, Fault.LATE, Fault.SPLIT, Fault.SILENCE):
            self._is_silent = fault is Fault.SILENCE
            raise LinkTimeout(
                f"{self.info.url}: no answer to {request} (injected fault: {fault})",
                hint="reset the board",
            )
        words = answers[0]
        if fault is Fault.CORRUPT and words is not None:
            words = words.copy()
            bit = self._plan.choose(number, 32 * words.size)
            words[bit // 32] ^= 1 << bit % 32
            return [words]
        return answers

    def _wait(self, wait: Wait) -> None:
        self.inner.execute([wait])

    def _now(self) -> float:
        return self.inner._now()


def open_wrapped(url: BoardUrl) -> Transport:
    """Open `faulty+URL?plan=PLAN[&seed=N][&late=SECONDS]`.

    Raises:
        UsageError: the plan or the seed makes no sense.
        HostrtError: whatever opening the board raises.
    """
    plan, late_s = parse_options(url)
    rest = {k: v for k, v in url.options.items() if k not in ("plan", "seed", "late")}
    inner = open_transport(replace(url, options=rest))
    if not isinstance(inner, LinkWrapper):
        return FaultyTransport(inner, plan)
    inner.wrap_link(lambda link, unit_bytes: FaultyLink(link, plan, unit_bytes, late_s))
    return inner


def parse_options(url: BoardUrl) -> tuple[FaultPlan, float]:
    """Give plan and lateness of an address.

    Raises:
        UsageError: they make no sense.
    """
    try:
        plan = FaultPlan.parse(url.options.get("plan", ""), int(url.options.get("seed", "0")))
        late_s = float(url.options.get("late", LATE_S))
    except (LocalMisuseError, ValueError) as error:
        raise UsageError(f"faulty+{url}: {error}", hint="?plan=lose@500,corrupt~0.01&seed=7") from (
            error
        )
    return plan, late_s
