"""The loop around a sans-I/O conversation, and the words for what went wrong in it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol

from firmware_protocol.errors import (
    LocalMisuseError,
    OutOfStepError,
    ProtocolError,
    RemoteRefusedError,
    RemoteSilenceError,
)
from hostrt.errors import (
    HostrtError,
    LinkCorrupt,
    LinkError,
    LinkOutOfStep,
    LinkRefused,
    LinkTimeout,
    UsageError,
)
from hostrt.log import TRACE, LazyHex
from hostrt.transport.packet_link import READ_SLICE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_protocol.conversation import Conversation
    from hostrt.transport.packet_link import PacketLink

logger = logging.getLogger(__name__)

_KINDS: tuple[tuple[type[ProtocolError], type[LinkError], str], ...] = (
    (
        RemoteSilenceError,
        LinkTimeout,
        "check the power of the board; a reset (hostrt reset) or replugging it usually helps",
    ),
    (
        RemoteRefusedError,
        LinkRefused,
        "the board cannot carry it out: is it booted, is the address one of its chip?",
    ),
    (
        OutOfStepError,
        LinkOutOfStep,
        "another program may be talking to the board; close it and open the board again",
    ),
)
_CORRUPT_HINT = "check cable and hub; if it happens again, open the board with ?window=1"


class Follower(Protocol):
    """Something that looks at a conversation while it goes on, and may end it by raising."""

    def __call__(self) -> None:
        """Called after every piece that arrived."""
        ...


def drive(
    conversation: Conversation,
    link: PacketLink,
    count_answers: Callable[[memoryview], int],
    follow: Follower | None = None,
) -> None:
    """Carry a conversation through to its end.

    Args:
        conversation: what is said; it holds every deadline, so this always ends.
        link: what carries it.
        count_answers: packets that come back for what is sent.
        follow: called after every piece that arrived.

    Raises:
        ProtocolError: as the conversation raises them.
        LinkLost: the board is gone.
        LinkTimeout: the board takes no bytes.
    """
    clock = time.monotonic
    trace = logger.isEnabledFor(TRACE)
    now = clock()
    while not conversation.done:
        packets = conversation.to_send(now)
        late = 0.0
        if packets:
            if trace:
                logger.log(TRACE, "to board: %s", LazyHex(packets))
            link.write(packets, count_answers(packets))
            if conversation.done:
                return
            # A long write must not use up the time that the board has for its answer.
            late = clock() - now
        data = _wait(conversation, link, late)
        now = clock()
        if data:
            if trace:
                logger.log(TRACE, "from board: %s", LazyHex(data))
            conversation.receive(data, now)
            if follow is not None:
                follow()
        else:
            conversation.expire(now)


def _wait(conversation: Conversation, link: PacketLink, late: float) -> bytes:
    """Read until something arrives or the conversation's deadline (plus `late`) has passed."""
    due = conversation.deadline()
    if due is None:
        return b""
    due += late
    while True:
        left = due - time.monotonic()
        data = link.read(min(max(left, 0.0), READ_SLICE_S))
        if data or left <= 0:
            return data


def hostrt_error(error: ProtocolError, board: str) -> HostrtError:
    """Say an error of the protocol layer in the words of `hostrt.errors`, with the board's name."""
    if isinstance(error, LocalMisuseError):
        return UsageError(f"{board}: {error}", board=board)
    for kind, found, hint in _KINDS:
        if isinstance(error, kind):
            return found(f"{board}: {error}", hint=hint, board=board, **_facts(error))
    return LinkCorrupt(f"{board}: {error}", hint=_CORRUPT_HINT, board=board, **_facts(error))


def _facts(error: ProtocolError) -> dict[str, object]:
    names = ("request", "found", "expected")
    return {name: getattr(error, name) for name in names if hasattr(error, name)}
