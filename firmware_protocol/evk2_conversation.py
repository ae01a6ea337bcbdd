"""The exchange of reports with an EVK2 board, sans I/O.

Every report is answered by an ack with its address; a read is then answered by one data report
with its command, its address and exactly the words asked for (evk2-usb 4). Replies carry no
sequence number, so they are matched first-in first-out against the sequence that the plan implies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.conversation import MAX_WINDOW, EndsWithError
from firmware_protocol.errors import (
    LocalMisuseError,
    OutOfStepError,
    RemoteRefusedError,
    RemoteSilenceError,
    RemoteViolationError,
)
from firmware_protocol.evk2 import (
    READ_COMMANDS,
    REPORT_BYTES,
    REPORT_WORDS,
    Command,
    Report,
    parse_report,
)
from firmware_protocol.octets import view_of

if TYPE_CHECKING:
    from firmware_protocol.evk2_plan import ReportPlan
    from firmware_protocol.octets import Octets
    from firmware_protocol.words import Words

DEFAULT_TIMEOUT_S = 1.0
DEFAULT_RETRIES = 2
_BATCH_REPORTS = 6
"""From this many replies in a chunk, comparing columns beats comparing one by one."""

_LEAST_REACH = 64
"""Replies back to which a late one is looked for, whatever the window."""

_HEAD_BYTES = 8
_DATA_BYTES = REPORT_BYTES - _HEAD_BYTES
_DATA_REPLIES = frozenset({Command.ACK, *READ_COMMANDS})


class Evk2Conversation(EndsWithError):
    """Sends the reports of a plan and matches the board's replies.

    On silence the conversation goes back to the oldest unanswered report, at most `retries` times
    without progress, if everything in flight is idempotent. Late and doubled replies to idempotent
    reports are dropped and counted. Anything else is an error, for good.

    Attributes:
        plan: what is being sent.
        window: reports that may be in flight.
        stale: late or doubled replies dropped.
        retried: reports sent again.
        timeouts: deadlines that passed.
        interrupts: spontaneous interrupt reports ignored.
    """

    def __init__(
        self,
        plan: ReportPlan,
        *,
        window: int = 1,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: int = DEFAULT_RETRIES,
    ) -> None:
        """Prepare to send `plan`.

        Args:
            plan: from `build_reports`.
            window: reports that may be in flight, 1..62.
            timeout_s: longest silence, seconds, before a report counts as unanswered.
            retries: further tries of idempotent reports.

        Raises:
            LocalMisuseError: an argument is out of range.
        """
        if not 1 <= window <= MAX_WINDOW:
            raise LocalMisuseError(f"window {window}: 1 to {MAX_WINDOW} reports may be in flight")
        if timeout_s <= 0 or retries < 0:
            raise LocalMisuseError(f"timeout {timeout_s} s, {retries} retries: not usable limits")
        self.plan = plan
        self.window = window
        self.stale = 0
        self.retried = 0
        self.timeouts = 0
        self.interrupts = 0
        self._timeout_s = timeout_s
        self._retries = retries
        self._replies = plan.replies
        self._bytes = plan.reports.reshape(-1).data
        self._data = bytearray(self._replies.n_data * _DATA_BYTES)
        self._n_reports = len(plan)
        self._sent = 0  # reports sent
        self._position = 0  # replies matched
        self._tries = 0
        self._tried_report = -1
        self._deadline: float | None = None

    @property
    def done(self) -> bool:
        """True once every report is answered."""
        return self._position == self._replies.count and self._error is None

    @property
    def answered(self) -> int:
        """Reports answered in full, 0..len(plan): progress."""
        return self._replies.report_at(self._position)

    @property
    def in_flight(self) -> int:
        """Reports sent and not answered in full."""
        return self._sent - self.answered

    @property
    def needs_fence(self) -> bool:
        """True when replies to repeated reports may still be under way: run a `Fence` next."""
        return self.retried > 0 or self.stale > 0 or self._error is not None

    def to_send(self, now: float) -> memoryview:
        """Give the reports that may be sent now, concatenated; each 64 bytes is a report.

        They count as sent. Empty when the conversation has to wait for replies: the window is
        full, or the next report must not overtake one in flight.
        """
        self._check_alive()
        start = self._sent
        oldest = self._replies.report_at(self._position)
        end = min(oldest + self.window, self._n_reports)
        end = self._replies.sendable_end(start, end, oldest)
        if end <= start:
            return self._bytes[:0]
        if self._deadline is None:
            self._deadline = now + self._timeout_s
        self._sent = end
        return self._bytes[start * REPORT_BYTES : end * REPORT_BYTES]

    def receive(self, data: Octets, now: float) -> None:
        """Take replies, one or many, each 64 bytes.

        Raises:
            RemoteViolationError: not whole reports, unknown code, wrong number of words.
            RemoteRefusedError: the board reports an error or a timeout.
            OutOfStepError: a reply that nothing asked for.
        """
        self._check_alive()
        view = view_of(data)
        n_bytes = view.nbytes
        if n_bytes == 0:
            return
        view = view.cast("B")
        if n_bytes % REPORT_BYTES:
            self._fail(RemoteViolationError(self._request(), f"{n_bytes} bytes", "multiples of 64"))
        before = self._position
        if n_bytes < _BATCH_REPORTS * REPORT_BYTES or not self._take_batch(view):
            for start in range(0, n_bytes, REPORT_BYTES):
                self._take_one(view[start : start + REPORT_BYTES])
        if self._position != before:
            waiting = self._position < self._replies.starts[self._sent]
            self._deadline = now + self._timeout_s if waiting else None

    def deadline(self) -> float | None:
        """Give the time at which `expire` is due, or None when no reply is awaited."""
        return self._deadline if self._error is None else None

    def expire(self, now: float) -> None:
        """Say that time passed; does nothing before the deadline.

        Raises:
            RemoteSilenceError: no answer, and trying again is not allowed or did not help.
        """
        self._check_alive()
        if self._deadline is None or now < self._deadline:
            return
        self.timeouts += 1
        oldest = self.answered
        if oldest > self._tried_report:
            self._tries, self._tried_report = 0, oldest
        if self._tries >= self._retries or not self._may_repeat():
            tries = f" after {self._tries + 1} tries" if self._tries else ""
            self._fail(
                RemoteSilenceError(
                    self.plan.describe(oldest), f"nothing{tries}", self._expectation()
                )
            )
        self._tries += 1
        self.retried += self._sent - oldest
        self._sent = oldest
        self._position = self._replies.starts[oldest]
        self._deadline = None

    def result(self) -> list[Words | None]:
        """Give uint32 (n,) for each request that reads, None for each that writes.

        Raises:
            LocalMisuseError: the conversation is not done.
        """
        self._check_alive()
        if not self.done:
            raise LocalMisuseError(
                f"result before the end: {self.answered} of {self._n_reports} reports answered"
            )
        return self._replies.answers(self._data)

    def _take_batch(self, view: memoryview) -> bool:
        """Match a whole chunk at once; False, changing nothing, when it is not as expected."""
        start = self._position
        end = start + len(view) // REPORT_BYTES
        replies = self._replies
        if end > replies.starts[self._sent] or not replies.matches(view, start, end):
            return False
        first, last = replies.data_before(start), replies.data_before(end)
        if first != last:
            rows = np.frombuffer(view, np.uint8).reshape(-1, REPORT_BYTES)
            wanted = rows[replies.is_data[start:end], _HEAD_BYTES:]
            self._data[first * _DATA_BYTES : last * _DATA_BYTES] = wanted.tobytes()
        self._position = end
        return True

    def _take_one(self, raw: memoryview) -> None:
        position, replies = self._position, self._replies
        if position < replies.starts[self._sent] and replies.matches_one(raw, position):
            if replies.is_data_at(position):
                index = replies.data_before(position)
                self._data[index * _DATA_BYTES : (index + 1) * _DATA_BYTES] = raw[_HEAD_BYTES:]
            self._position = position + 1
            return
        self._take_unexpected(raw)

    def _take_unexpected(self, raw: memoryview) -> None:
        reply = parse_report(raw)
        if reply.command == Command.INTERRUPT:
            self.interrupts += 1
            return
        request = self._request()
        if reply.command in (Command.ERROR, Command.TIMEOUT):
            self._fail(RemoteRefusedError(request, reply.command, reply, self._expectation()))
        if reply.command not in _DATA_REPLIES:
            self._fail(RemoteViolationError(request, reply, self._expectation()))
        self._check_length(reply, request)
        if not self._is_stale(raw):
            self._fail(OutOfStepError(request, reply, self._expectation()))
        self.stale += 1

    def _check_length(self, reply: Report, request: str) -> None:
        """Tell a wrong number of words from a reply to something else."""
        n = reply.n
        if reply.command != Command.ACK and not 1 <= n <= REPORT_WORDS:
            self._fail(RemoteViolationError(request, reply, f"1 to {REPORT_WORDS} words"))
        if self._position >= self._replies.starts[self._sent]:
            return
        if self._replies.differs_in_length(reply, self._position):
            self._fail(RemoteViolationError(request, reply, self._expectation()))

    def _is_stale(self, raw: memoryview) -> bool:
        """Tell whether a reply is a late, doubled or early one that may be dropped.

        An early one means that a reply before it was lost: harmless when everything in flight may
        be sent again, because silence then sends it again.
        """
        flying = self._replies.starts[self._sent]
        lost = self._replies.find(raw, self._position, flying)
        if lost is not None:
            return self._may_repeat()
        # As far back as replies to every try of a full window can come from.
        reach = max(_LEAST_REACH, 2 * (self._retries + 1) * (self.window + 1))
        late = self._replies.find(raw, max(0, self._position - reach), self._position)
        return late is not None and bool(self.plan.idempotent[self._replies.report_of(late)])

    def _may_repeat(self) -> bool:
        return bool(self.plan.idempotent[self.answered : self._sent].all())

    def _request(self) -> str:
        oldest = self.answered
        return self.plan.describe(oldest) if oldest < self._sent else "nothing asked"

    def _expectation(self) -> str:
        if self._position >= self._replies.starts[self._sent]:
            return "silence"
        return self._replies.describe(self._position)
