"""The exchange of units with a ZCU104 board over a byte stream, sans I/O.

Writes are never acknowledged; each piece that reads is answered by a known sequence of units.
Replies may be split anywhere and several may arrive at once (zynq-ethernet 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from firmware_protocol.conversation import EndsWithError
from firmware_protocol.errors import (
    LocalMisuseError,
    OutOfStepError,
    RemoteSilenceError,
    RemoteViolationError,
)
from firmware_protocol.octets import view_of
from firmware_protocol.zynq import UNIT_BYTES, Code, Units, code_name, parse_units, split_fields
from firmware_protocol.zynq_plan import describe_unit

if TYPE_CHECKING:
    from firmware_protocol.octets import Octets
    from firmware_protocol.words import Words
    from firmware_protocol.zynq_plan import UnitPlan

DEFAULT_TIMEOUT_S = 1.0
_DATA_SHIFT = np.uint64(32)


class ZynqConversation(EndsWithError):
    """Sends the units of a plan and collects the board's replies.

    Nothing is ever sent twice: a stream neither loses nor doubles bytes, so silence means that
    the board is gone or ignores the request. Any error is for good.

    Attributes:
        plan: what is being sent.
        reads_in_flight: pieces that read which may be unanswered at the same time.
        timeouts: deadlines that passed.
    """

    def __init__(
        self, plan: UnitPlan, *, reads_in_flight: int = 1, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        """Prepare to send `plan`.

        Args:
            plan: from `build_units`.
            reads_in_flight: 1 waits after every piece that reads, as the vendor's host does.
            timeout_s: longest silence, seconds, while a reply is due.

        Raises:
            LocalMisuseError: an argument is out of range.
        """
        if reads_in_flight < 1 or timeout_s <= 0:
            raise LocalMisuseError(
                f"{reads_in_flight} reads in flight, timeout {timeout_s} s: not usable limits"
            )
        self.plan = plan
        self.reads_in_flight = reads_in_flight
        self.timeouts = 0
        self._timeout_s = timeout_s
        self._bytes = memoryview(plan.data)
        self._ends: list[int] = [0, *plan.piece_ends.tolist()]
        self._reading: list[int] = np.flatnonzero(plan.reply_units).tolist()
        self._reply_ends: list[int] = np.cumsum(plan.reply_units[self._reading]).tolist()
        self._sent = 0  # pieces sent
        self._reads_sent = 0  # pieces sent that read
        self._reads_answered = 0
        self._received = np.empty(plan.reply_template.size, np.uint64)
        self._position = 0  # reply units matched
        self._rest = b""
        self._deadline: float | None = None

    @property
    def done(self) -> bool:
        """True once everything is sent and every read answered."""
        all_sent = self._sent == len(self.plan)
        return all_sent and self._position == self._received.size and self._error is None

    @property
    def answered(self) -> int:
        """Bytes of requests dealt with, 0..len(plan.data): progress."""
        if self._reads_answered < self._reads_sent:
            return self._ends[self._reading[self._reads_answered]]
        return self._ends[self._sent]

    def to_send(self, now: float) -> memoryview:
        """Give all bytes that may be sent now as one block; they count as sent.

        Empty when the conversation has to wait for replies.
        """
        self._check_alive()
        start = self._sent
        allowed = self._reads_answered + self.reads_in_flight
        # Writes flow freely up to and including the last piece that may wait for its reply.
        end = self._reading[allowed - 1] + 1 if allowed <= len(self._reading) else len(self.plan)
        if end <= start:
            return self._bytes[:0]
        self._sent = end
        self._reads_sent = min(allowed, len(self._reading))
        if self._deadline is None and self._reads_sent > self._reads_answered:
            self._deadline = now + self._timeout_s
        return self._bytes[self._ends[start] : self._ends[end]]

    def receive(self, data: Octets, now: float) -> None:
        """Take bytes as they arrive, split anywhere.

        Raises:
            RemoteViolationError: not the reply that was due.
            OutOfStepError: more than was asked for.
        """
        self._check_alive()
        raw = view_of(data)
        if raw.nbytes == 0:
            return
        buffer = self._rest + raw.cast("B") if self._rest else raw.cast("B")
        whole = len(buffer) - len(buffer) % UNIT_BYTES
        self._rest = bytes(buffer[whole:])
        self._take(parse_units(memoryview(buffer)[:whole]))
        self._count_answers()
        if self._rest and self._position == self._due():
            self._fail(OutOfStepError("nothing asked", f"{len(self._rest)} bytes", "silence"))
        waiting = self._reads_sent > self._reads_answered
        self._deadline = now + self._timeout_s if waiting else None

    def deadline(self) -> float | None:
        """Give the time at which `expire` is due, or None when no reply is awaited."""
        return self._deadline if self._error is None else None

    def expire(self, now: float) -> None:
        """Say that time passed; does nothing before the deadline.

        Raises:
            RemoteSilenceError: a reply is overdue.
        """
        self._check_alive()
        if self._deadline is None or now < self._deadline:
            return
        self.timeouts += 1
        got = self._position - self._reply_start()
        due = int(self.plan.reply_units[self._reading[self._reads_answered]])
        found = f"{got} of {due} units, then nothing" if got or self._rest else "nothing"
        self._fail(RemoteSilenceError(self._request(), found, f"{due} units"))

    def result(self) -> list[Words | None]:
        """Give uint32 (n,) for each request that reads, None for each that writes.

        Raises:
            LocalMisuseError: the conversation is not done.
        """
        self._check_alive()
        if not self.done:
            raise LocalMisuseError(
                f"result before the end: {self._reads_answered} of {len(self._reading)} "
                "replies arrived"
            )
        answers: list[Words | None] = [None] * len(self.plan.requests)
        if not self._reading:
            return answers
        words = (self._received >> _DATA_SHIFT).astype(np.uint32)
        owners = self.plan.request_index[self._reading]
        n_words = self.plan.reply_words[self._reading]
        if len(self._reading) == 1:
            answers[int(owners[0])] = words[: int(n_words[0])]
            return answers
        firsts = np.flatnonzero(np.diff(owners, prepend=-1))
        starts = np.array([0, *self._reply_ends])[firsts]
        stops = starts + np.add.reduceat(n_words, firsts)
        for owner, start, stop in zip(owners[firsts], starts, stops, strict=True):
            answers[owner] = words[start:stop]
        return answers

    def _take(self, units: Units) -> None:
        start, end = self._position, self._position + units.size
        due = self._due()
        stop = min(end, due)
        masked = units[: stop - start] & self.plan.reply_mask[start:stop]
        wrong = np.flatnonzero(masked != self.plan.reply_template[start:stop])
        if wrong.size:
            self._position += int(wrong[0])
            self._count_answers()
            self._fail_at(int(units[wrong[0]]))
        self._received[start:stop] = units[: stop - start]
        self._position = stop
        if end > due:
            self._count_answers()
            found = describe_unit(int(units[due - start]))
            self._fail(OutOfStepError("nothing asked", found, "silence"))

    def _fail_at(self, unit: int) -> NoReturn:
        fields = split_fields(np.array([unit], np.uint64))
        due = int(self.plan.reply_template[self._position])
        if fields.code[0] == Code.AXIS_READ_REPLY_OVER and self._is_stream():
            got = self._position - self._reply_start()
            wanted = int(self.plan.reply_words[self._reading[self._reads_answered]])
            counted = int(fields.address[0])
            found = f"{got} words and an end that says {counted}" if got else "nothing queued"
            self._fail(RemoteViolationError(self._request(), found, f"{wanted} words"))
        expected = split_fields(np.array([due], np.uint64))
        name = code_name(int(expected.code[0]))
        where = "" if self._is_stream() else f" at 0x{int(expected.address[0]):x}"
        self._fail(RemoteViolationError(self._request(), describe_unit(unit), f"{name}{where}"))

    def _is_stream(self) -> bool:
        piece = self._reading[self._reads_answered]
        return bool(self.plan.reply_units[piece] > self.plan.reply_words[piece])

    def _due(self) -> int:
        return self._reply_ends[self._reads_sent - 1] if self._reads_sent else 0

    def _reply_start(self) -> int:
        return self._reply_ends[self._reads_answered - 1] if self._reads_answered else 0

    def _count_answers(self) -> None:
        while (
            self._reads_answered < self._reads_sent
            and self._reply_ends[self._reads_answered] <= self._position
        ):
            self._reads_answered += 1

    def _request(self) -> str:
        return self.plan.describe(self._reading[self._reads_answered])
