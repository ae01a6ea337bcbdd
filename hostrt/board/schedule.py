"""When packets move: what steps cost on a link, counted from the link's rules and nothing else.

The packets are those that would really be sent, the order in which they may be sent is that of the
conversation, and a slot carries one packet each way. Nothing is measured and no clock is read.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from firmware_protocol.evk2_plan import build_reports
from firmware_protocol.requests import FrameOut, Read
from firmware_protocol.zynq_plan import build_units
from hostrt.chip.step import Poll, Request, Wait
from hostrt.transport.rules import Packets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.chip.step import Step
    from hostrt.transport.rules import LinkRules

_TINY = 1e-6
"""Part of a slot by which a sum of times may miss the edge of a slot."""

_UNIT_BYTES = 8


class Schedule:
    """Time on one link, from 0.

    Attributes:
        n_sent: packets to the board.
        n_received: packets from the board.
        n_waits: times that the host had to wait for the board.
    """

    def __init__(
        self, rules: LinkRules, *, device_s: float = 0.0, round_trip_s: float = 0.0
    ) -> None:
        """Begin.

        Args:
            rules: how the link moves packets.
            device_s: time that the chip needs from a frame's last input to its output.
            round_trip_s: time that a request and its answer take besides slots.
        """
        self.n_sent = self.n_received = self.n_waits = 0
        self._rules = rules
        # times are kept in slots where there are slots: their edges are then whole numbers
        self._unit_s = rules.slot_s or 1.0
        self._slot = 1.0 if rules.slot_s else 0.0
        self._device = device_s / self._unit_s
        self._way = round_trip_s / 2 / self._unit_s
        self._now = self._last_out = self._last_in = self._output = 0.0

    @property
    def now_s(self) -> float:
        """When everything asked so far is answered, seconds."""
        return self._now * self._unit_s

    def execute(self, steps: Sequence[Step]) -> None:
        """Add the steps of a frame that a transport is given in one call.

        Batches are those of `Transport.execute`: a poll's first look goes with what comes before
        it.
        """
        batch: list[Request] = []
        for step in steps:
            if isinstance(step, Poll):
                look = Read(step.space, step.address)
                seen = self._exchange([*batch, look])
                batch.clear()
                self._look_again(look, seen, step.interval.seconds / self._unit_s)
            elif isinstance(step, Wait):
                self._exchange(batch)
                batch.clear()
                self._now += step.seconds / self._unit_s
            elif isinstance(step, Request):
                batch.append(step)
        self._exchange(batch)

    def _look_again(self, look: Read, seen: float, pause: float) -> None:
        """Repeat a look that the board got at `seen` until the output is there."""
        while seen < self._output - _TINY:
            self._now += pause
            counts = (self.n_sent, self.n_received, self.n_waits)
            before, seen = seen, self._exchange([look])
            each = seen - before
            # all looks take the same time, so most of a long wait needs no counting one by one
            skipped = int((self._output - seen) / each) - 1
            if skipped > 0:
                self._now += skipped * each
                seen += skipped * each
                self.n_sent += skipped * (self.n_sent - counts[0])
                self.n_received += skipped * (self.n_received - counts[1])
                self.n_waits += skipped * (self.n_waits - counts[2])

    def _exchange(self, batch: Sequence[Request]) -> float:
        """Add one batch; give when the board got the last packet of it."""
        if not batch:
            return self._now
        send = self._reports if self._rules.packets is Packets.REPORTS else self._units
        arrived = send(batch)
        for request, when in zip(batch, arrived, strict=True):
            if isinstance(request, FrameOut):
                self._output = when + self._device
        return arrived[-1]

    def _reports(self, batch: Sequence[Request]) -> list[float]:
        """Exchange reports; give when the board got the last one of each request."""
        plan = build_reports(batch)
        replies = plan.replies
        window = self._rules.window if len(plan) >= self._rules.least_wide else 1
        counts = [end - start for start, end in zip(replies.starts, replies.starts[1:])]  # noqa: B905 - neighbours
        got: list[float] = []
        answered: list[float] = []
        position = 0
        while position < replies.count:
            oldest = replies.report_at(position)
            most = min(oldest + window, len(plan))
            end = replies.sendable_end(len(got), most, oldest)
            start = self._now + self._way
            for count in counts[len(got) : end]:
                got.append(self._out(start))
                answered += self._in(got[-1], count)
            if self._rules.blocks:
                self._now = max(self._now, self._last_out)
            self._until(answered[position])
            while position < len(answered) and answered[position] <= self._now:
                position += 1
        self.n_sent += len(plan)
        self.n_received += replies.count
        last = {int(request): when for request, when in zip(plan.request_index, got, strict=True)}
        return [last[index] for index in range(len(batch))]

    def _units(self, batch: Sequence[Request]) -> list[float]:
        """Stream units; only reads are waited for. Give when the board got each request."""
        plan = build_units(batch)
        flying: deque[float] = deque()
        got = [0.0] * len(batch)
        for words, request in zip(
            plan.reply_words.tolist(), plan.request_index.tolist(), strict=True
        ):
            if words and len(flying) == self._rules.window:
                self._until(flying.popleft())
            got[request] = self._now + self._way
            if words:
                flying.append(got[request] + self._way)
        if flying:
            self._until(flying[-1])
        self.n_sent += len(plan.data) // _UNIT_BYTES
        self.n_received += int(plan.reply_units.sum())
        return got

    def _out(self, handed_over: float) -> float:
        """Give when a packet to the board is through."""
        if not self._slot:
            return handed_over
        self._last_out = max(math.floor(handed_over + _TINY), self._last_out) + 1
        return self._last_out

    def _in(self, asked: float, count: int) -> list[float]:
        """Give when the host holds each answer; the board answers in the slot after the request."""
        times = []
        for _ in range(count):
            self._last_in = max(asked, self._last_in) + self._slot
            times.append(self._last_in + self._way)
        return times

    def _until(self, when: float) -> None:
        if when > self._now:
            self.n_waits += 1
            self._now = when
