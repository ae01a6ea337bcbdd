"""The EVK2 board over anything that moves its 64-byte reports: USB, TCP, a virtual board.

The rules of the link live in `firmware_protocol` conversations; here they meet a link and a
clock, and here it is decided when host and board must find the common step again (a fence) and
how many reports may be in flight.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from firmware_protocol.conversation import DEFAULT_WINDOW, WindowPolicy
from firmware_protocol.errors import (
    LocalMisuseError,
    ProtocolError,
    RemoteRefusedError,
    RemoteSilenceError,
    RemoteViolationError,
)
from firmware_protocol.evk2 import READ_COMMANDS, REPORT_BYTES
from firmware_protocol.evk2_conversation import Evk2Conversation
from firmware_protocol.evk2_fence import Fence
from firmware_protocol.evk2_plan import build_reports
from firmware_protocol.requests import Read, Space, Write, is_idempotent
from hostrt.errors import LinkOutOfStep, LinkTimeout, UsageError
from hostrt.transport.drive import drive, hostrt_error
from hostrt.transport.link_transport import LinkTransport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.requests import Request
    from firmware_protocol.words import Words
    from hostrt.chip.step import Step
    from hostrt.transport.base import TransportInfo
    from hostrt.transport.drive import Follower
    from hostrt.transport.packet_link import PacketLink
    from hostrt.transport.url import BoardUrl

logger = logging.getLogger(__name__)

VERSION_QUESTION = Read(Space.APB, 0x0, register="VERSION")
"""What a fence asks when the chip is not known: VERSION of the SPU-001."""

TRIAL_REPORTS = 64
"""A window is tried on the first run of memory writes of at least this many reports."""

_SLOW_START_REPORTS = 4
_TRIES = 3
_WORDS_PER_REPORT = 14
_READS = bytes(sorted(READ_COMMANDS))


@dataclass(frozen=True, slots=True)
class Evk2Options:
    """How the link is used.

    Attributes:
        window: most reports in flight, 1..62; widened from 1 by a trial.
        timeout_s: longest silence before a report counts as unanswered.
        slot_s: time without a report, twice of which counts as quiet.
        least_wide: batches of fewer reports go one at a time, where several in flight only pay for
            long batches.
        pack_across: fill reports across 1024-word bursts (1 % fewer reports, evk2-usb 9).
        question: what a fence reads; an address that nothing else in flight uses.
    """

    window: int = 1
    timeout_s: float = 1.0
    slot_s: float = 0.005
    least_wide: int = 0
    pack_across: bool = False
    question: Read = VERSION_QUESTION


@dataclass(slots=True)
class Evk2Stats:
    """What happened on a link since it was opened."""

    reports: int = 0
    batches: int = 0
    retried: int = 0
    stale: int = 0
    timeouts: int = 0
    interrupts: int = 0
    fences: int = 0
    drained: int = 0
    recovered: int = field(default=0)
    """Batches that failed, were brought back into step and succeeded."""


class Evk2Transport(LinkTransport):
    """An EVK2 board behind a `PacketLink`.

    Batches in which everything may be repeated survive lost, late, doubled and damaged answers;
    other batches end in an error and the next one starts with a fence.
    """

    packet_bytes = REPORT_BYTES

    def __init__(
        self, link: PacketLink, info: TransportInfo, options: Evk2Options | None = None
    ) -> None:
        """Take over an open link; what a previous owner left in it is thrown away first."""
        super().__init__(link, info)
        self.options = options or Evk2Options()
        self.stats = Evk2Stats()
        self._policy = WindowPolicy(self.options.window)
        self._in_step = True
        self._drain()

    @property
    def window(self) -> int:
        """Reports that may be in flight now."""
        return self._policy.window

    def set_landmark(self, landmark: Read) -> None:
        """Have fences read this register."""
        self.options = replace(self.options, question=landmark)

    def _exchange(self, requests: Sequence[Request]) -> list[Words | None]:
        if not requests:
            return []
        try:
            if not self._in_step:
                self._fence()
            if not self._policy.trial():
                return self._run(requests, self._policy.window)
            answers: list[Words | None] = []
            for group, is_trial in trial_groups(requests):
                wide = is_trial and self._policy.trial()
                window = self._policy.maximum if wide else self._policy.window
                answers += self._run(group, window)
        except ProtocolError as error:
            raise hostrt_error(error, self.info.url) from error
        return answers

    def _run(self, requests: Sequence[Request], window: int) -> list[Words | None]:
        """Carry out one group, again from its oldest unanswered request where that is allowed."""
        repeatable = all(is_idempotent(request) for request in requests)
        only_writes = all(isinstance(request, Write) for request in requests)
        first = 0
        for attempt in range(_TRIES):
            plan = build_reports(requests[first:], pack_across=self.options.pack_across)
            is_wide = attempt == 0 and len(plan) >= self.options.least_wide
            allowed = window if is_wide else 1
            talk = Evk2Conversation(plan, window=allowed, timeout_s=self.options.timeout_s)
            try:
                self._converse(talk, allowed)
            except RemoteViolationError as error:
                # A refusal is an answer; silence with one report in flight was retried already.
                final = isinstance(error, RemoteRefusedError) or (
                    allowed == 1 and isinstance(error, RemoteSilenceError)
                )
                if not repeatable or final or attempt == _TRIES - 1:
                    raise
                logger.warning("%s: %s; trying again", self.info.url, error)
                if only_writes:
                    first += int(plan.request_index[talk.answered])
                self._fence()
                continue
            self.stats.recovered += attempt > 0
            return [None] * first + talk.result()
        raise AssertionError("the last try returns or raises")

    def _converse(self, talk: Evk2Conversation, window: int) -> None:
        is_trial = window > self._policy.window
        if is_trial:
            talk.window = 1
        self._in_step = False
        try:
            drive(talk, self._link, count_answers, _widen(talk, window) if is_trial else None)
        except ProtocolError:
            self._narrow(window)
            raise
        finally:
            self._count(talk)
        if talk.needs_fence:
            self._narrow(window)
            return
        self._in_step = True
        if is_trial:
            self._policy.succeeded()
            logger.debug("%s: %d reports in flight from now on", self.info.url, window)

    def _narrow(self, window: int) -> None:
        if window > 1:
            logger.warning("%s: one report in flight from now on", self.info.url)
            self._policy.failed()

    def _fence(self) -> None:
        """Find the common step again.

        Raises:
            LinkOutOfStep: the board answers, but not to what was asked.
            LinkTimeout: the board says nothing.
        """
        options = self.options
        self.stats.fences += 1
        fence = Fence(
            options.question, time.monotonic(), slot_s=options.slot_s, timeout_s=options.timeout_s
        )
        try:
            drive(fence, self._link, count_answers)
        except ProtocolError as error:
            found = hostrt_error(error, self.info.url)
            if isinstance(found, LinkTimeout):
                raise found from error
            raise LinkOutOfStep(str(found), hint=found.hint, **found.context) from error
        finally:
            self.stats.drained += fence.drained
        self._in_step = True

    def _drain(self) -> None:
        """Throw away what a previous owner was not there to read (virtual-usb 5)."""
        until = time.monotonic() + self.options.timeout_s
        quiet_s = 2 * self.options.slot_s
        while data := self._link.read(quiet_s):
            self.stats.drained += len(data) // REPORT_BYTES
            if time.monotonic() > until:
                self._link.close()
                raise LinkOutOfStep(
                    f"{self.info.url}: {self.stats.drained} reports came unasked, expected silence",
                    hint="another program may be talking to the board; unplug it and try again",
                    board=self.info.url,
                )

    def _count(self, talk: Evk2Conversation) -> None:
        stats = self.stats
        stats.batches += 1
        stats.reports += talk.answered
        stats.retried += talk.retried
        stats.stale += talk.stale
        stats.timeouts += talk.timeouts
        stats.interrupts += talk.interrupts


def _widen(talk: Evk2Conversation, window: int) -> Follower:
    """Watch a trial: wide after the first reports went well, narrow at the first doubt."""

    def follow() -> None:
        doubtful = bool(talk.stale or talk.timeouts)
        ready = talk.answered >= _SLOW_START_REPORTS and not doubtful
        talk.window = window if ready else 1

    return follow


def count_answers(packets: memoryview) -> int:
    """Give how many reports the board sends back for these: an ack each, and data for reads."""
    commands = bytes(packets[::REPORT_BYTES])
    return 2 * len(commands) - len(commands.translate(None, _READS))


def trial_groups(requests: Sequence[Request]) -> list[tuple[Sequence[Request], bool]]:
    """Cut a batch around its first long run of memory writes, on which a window may be tried.

    Memory writes can be repeated, so nothing is disturbed when the trial fails.

    Returns:
        Groups in order, each with whether it is the run.
    """
    start = n_reports = 0
    for index, request in enumerate([*requests, None]):
        if isinstance(request, Write) and request.idempotent:
            n_reports += -(-request.words.size // _WORDS_PER_REPORT)
            continue
        if n_reports >= TRIAL_REPORTS:
            parts = [
                (requests[:start], False),
                (requests[start:index], True),
                (requests[index:], False),
            ]
            return [part for part in parts if part[0]]
        start, n_reports = index + 1, 0
    return [(requests, False)]


def has_trial(steps: Sequence[Step]) -> bool:
    """Tell whether a batch has a run of memory writes on which a window is tried."""
    requests = [step for step in steps if isinstance(step, Write)]
    return any(is_trial for _, is_trial in trial_groups(requests))


def window_option(url: BoardUrl, *, pipelines: bool) -> int:
    """Give the most reports in flight that `?window=` asks for.

    Args:
        url: address of the board.
        pipelines: the link is known to bear several reports in flight, so that `auto` may try;
            real boards have to be asked for it, because nothing documents that they do.

    Raises:
        UsageError: neither `auto` nor 1..62.
    """
    text = url.options.get("window", "auto")
    if text == "auto":
        return DEFAULT_WINDOW if pipelines else 1
    try:
        return WindowPolicy(int(text)).maximum
    except (ValueError, LocalMisuseError) as error:
        raise UsageError(f"{url}: option window={text!r}, expected auto or 1 to 62") from error
