"""The fence: how host and EVK2 board find the common step again, sans I/O.

Replies echo only a command and an address, so a late one can look like the next one. The fence
sends nothing until the link was quiet for two slots, then reads a register that no other request
uses (the version) and is done when exactly that answer arrives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.conversation import EndsWithError
from firmware_protocol.errors import (
    LocalMisuseError,
    OutOfStepError,
    ProtocolError,
    RemoteSilenceError,
    RemoteViolationError,
)
from firmware_protocol.evk2 import REPORT_BYTES
from firmware_protocol.evk2_conversation import DEFAULT_TIMEOUT_S, Evk2Conversation
from firmware_protocol.evk2_plan import build_reports
from firmware_protocol.octets import view_of

if TYPE_CHECKING:
    from firmware_protocol.octets import Octets
    from firmware_protocol.requests import Read
    from firmware_protocol.words import Words

QUIET_SLOTS = 2
"""Slots without a report after which the link counts as quiet."""

DEFAULT_ROUNDS = 3
"""Times the fence drains and asks before it gives up."""


class Fence(EndsWithError):
    """Drains the link, then asks one question until it gets exactly its answer.

    Driven like a `Conversation`.

    Attributes:
        drained: reports thrown away.
        rounds: questions asked.
    """

    def __init__(
        self,
        question: Read,
        now: float,
        *,
        slot_s: float,
        expected: int | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        rounds: int = DEFAULT_ROUNDS,
    ) -> None:
        """Start draining at `now`.

        Args:
            question: read of one word at an address that no other request in flight uses.
            now: seconds, on the clock used for all calls.
            slot_s: interval of the link, seconds (0.001 full speed, 0.000125 high speed).
            expected: value that proves the board's identity; None accepts any.
            timeout_s: longest time for one round of draining, and for the answer, seconds.
            rounds: how often to drain and ask.

        Raises:
            LocalMisuseError: the question is not one word, or a limit is not positive.
        """
        if question.n_words != 1:
            raise LocalMisuseError(f"{question}: a fence reads exactly one word")
        if slot_s <= 0 or timeout_s <= 0 or rounds < 1:
            raise LocalMisuseError(f"slot {slot_s} s, timeout {timeout_s} s, {rounds} rounds")
        self.drained = 0
        self.rounds = 0
        self._plan = build_reports([question])
        self._name = f"fence, {question}"
        self._expected = expected
        self._timeout_s = timeout_s
        self._max_rounds = rounds
        self._quiet_s = QUIET_SLOTS * slot_s
        self._inner: Evk2Conversation | None = None
        self._answer: Words | None = None
        self._quiet_at = now + self._quiet_s
        self._drain_until = now + timeout_s

    @property
    def done(self) -> bool:
        """True once the answer arrived: host and board are in step."""
        return self._answer is not None

    @property
    def value(self) -> int:
        """The word read.

        Raises:
            LocalMisuseError: the fence is not done.
        """
        if self._answer is None:
            raise LocalMisuseError("value of a fence that is not done")
        return int(self._answer[0])

    def to_send(self, now: float) -> memoryview:
        """Give the question once the link was quiet, else nothing."""
        self._check_alive()
        if self._inner is None and not self.done and now >= self._quiet_at:
            # Replies already queued in front of the answer are caught by the conversation.
            self._inner = Evk2Conversation(self._plan, timeout_s=self._timeout_s, retries=0)
            self.rounds += 1
        return self._inner.to_send(now) if self._inner is not None else memoryview(b"")

    def receive(self, data: Octets, now: float) -> None:
        """Take reports: thrown away while draining, else they must be the answer.

        Raises:
            OutOfStepError: the link never goes quiet, or the last round was answered wrongly.
        """
        self._check_alive()
        if self._inner is None:
            self._drain(data, now)
            return
        try:
            self._inner.receive(data, now)
            answer = self._inner.result()[0] if self._inner.done else None
        except RemoteViolationError as error:
            self._drain(data, now)
            self._again(now, error)
            return
        if answer is None:
            return
        if self._inner.stale:
            self._drain(data, now)
            self._again(now, OutOfStepError(self._name, "the answer twice", "the answer once"))
            return
        if self._expected is not None and int(answer[0]) != self._expected:
            found, wanted = f"0x{int(answer[0]):x}", f"0x{self._expected:x}"
            self._again(now, OutOfStepError(self._name, found, wanted))
            return
        self._answer, self._inner = answer, None

    def deadline(self) -> float | None:
        """Give the time at which to call `to_send` or `expire` again, None when done."""
        if self.done or self._error is not None:
            return None
        return self._quiet_at if self._inner is None else self._inner.deadline()

    def expire(self, now: float) -> None:
        """Say that time passed; does nothing before the deadline.

        Raises:
            RemoteSilenceError: no answer in the last round.
        """
        self._check_alive()
        if self._inner is None:
            return
        try:
            self._inner.expire(now)
        except RemoteSilenceError as error:
            self._again(now, error)

    def result(self) -> list[Words | None]:
        """Give the word read, uint32 (1,), as the answer to a single request.

        Raises:
            LocalMisuseError: the fence is not done.
        """
        self._check_alive()
        if self._answer is None:
            raise LocalMisuseError("result of a fence that is not done")
        return [self._answer]

    def _drain(self, data: Octets, now: float) -> None:
        self.drained += -(-view_of(data).nbytes // REPORT_BYTES)
        self._quiet_at = now + self._quiet_s
        if self._inner is None and now >= self._drain_until:
            self._fail(
                OutOfStepError(
                    self._name, f"{self.drained} reports without a pause", "a quiet link"
                )
            )

    def _again(self, now: float, error: ProtocolError) -> None:
        if self.rounds >= self._max_rounds:
            self._fail(error)
        self._inner = None
        self._quiet_at = now + self._quiet_s
        self._drain_until = now + self._timeout_s
