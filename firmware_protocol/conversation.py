"""What every conversation has in common, and the policy that widens a window.

A conversation is told what arrived and what time it is and says what to send and until when to
wait; it never touches a link or a clock. The loop around it is the same for every medium:

    while True:
        link.write(conversation.to_send(now()))
        if conversation.done:
            break
        data = link.read(until=conversation.deadline())
        conversation.receive(data, now()) if data else conversation.expire(now())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

from firmware_protocol.errors import LocalMisuseError

if TYPE_CHECKING:
    from firmware_protocol.errors import ProtocolError
    from firmware_protocol.octets import Octets
    from firmware_protocol.words import Words

DEFAULT_WINDOW = 16
"""Reports in flight once a trial succeeded; hidraw keeps at most 63 replies (evk2-usb 2)."""

MAX_WINDOW = 62
"""Above this hidraw drops replies when the host is slow to read."""


class Conversation(Protocol):
    """One batch of requests on one link, from the first byte sent to the last reply.

    Times are seconds of one monotonic clock. After an error every method raises that error again.
    """

    @property
    def done(self) -> bool:
        """True once everything is sent and answered."""
        ...

    def to_send(self, now: float) -> memoryview:
        """Give the bytes to send now, empty when the conversation must wait for replies."""
        ...

    def receive(self, data: Octets, now: float) -> None:
        """Take what arrived."""
        ...

    def deadline(self) -> float | None:
        """Give the time at which `expire` is due, or None when no reply is awaited."""
        ...

    def expire(self, now: float) -> None:
        """Say that time passed; does nothing before the deadline."""
        ...

    def result(self) -> list[Words | None]:
        """Give the answer to each request, None for those that are only acknowledged."""
        ...


class EndsWithError:
    """What the first error ends for good: every later call raises that error again."""

    _error: ProtocolError | None = None

    def _check_alive(self) -> None:
        if self._error is not None:
            raise self._error

    def _fail(self, error: ProtocolError) -> NoReturn:
        self._error = error
        raise error


class WindowPolicy:
    """How many reports may be in flight, learnt by trial (evk2-usb 9).

    Pipelining is not documented by the board's maker, so a session starts with one report in
    flight. When `trial` says so, the caller runs some idempotent writes with `maximum` in flight
    and reports how that went. After one failure the window stays 1 for the session.

    Example:
        >>> policy = WindowPolicy(maximum=16)
        >>> policy.window, policy.trial()
        (1, True)
        >>> policy.succeeded()
        >>> policy.window
        16
    """

    def __init__(self, maximum: int = DEFAULT_WINDOW) -> None:
        """Start at one report in flight; `maximum` is 1 (never widen) to 62.

        Raises:
            LocalMisuseError: `maximum` is outside 1..62.
        """
        if not 1 <= maximum <= MAX_WINDOW:
            raise LocalMisuseError(f"window {maximum}: 1 to {MAX_WINDOW} reports may be in flight")
        self.maximum = maximum
        self._window = 1
        self._has_failed = False

    @property
    def window(self) -> int:
        """Reports that may be in flight now."""
        return self._window

    def trial(self) -> bool:
        """Tell whether a wider window is worth a trial: not yet wide, and never failed."""
        return self._window < self.maximum and not self._has_failed

    def succeeded(self) -> None:
        """Widen to the maximum: a trial went well. A failure before it still counts."""
        if not self._has_failed:
            self._window = self.maximum

    def failed(self) -> None:
        """Fall back to one report in flight for the rest of the session."""
        self._has_failed = True
        self._window = 1
