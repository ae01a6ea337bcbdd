"""What moves bytes between a transport and a board, without knowing what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

READ_SLICE_S = 0.1
"""Longest time a link waits in one piece, so that close and Ctrl-C are never far away."""


class PacketLink(Protocol):
    """Bytes out, bytes in: 64-byte reports of an EVK2 or 8-byte units of a ZCU104.

    One thread reads and writes; `close` may be called from any thread, any number of times.
    """

    def write(self, packets: bytes | memoryview, n_answers: int) -> None:
        """Send whole packets.

        Args:
            packets: one or several packets.
            n_answers: packets that the board will send back for these, so that a link may ask
                for several at once.

        Raises:
            LinkLost: the board is gone or the link was closed.
            LinkTimeout: the board did not take the packets in time.
        """
        ...

    def read(self, timeout_s: float) -> bytes:
        """Give the bytes that arrived, waiting for the first at most `timeout_s`.

        Packet links give whole packets; stream links any number of bytes. Empty when nothing
        came: a link may return early, callers keep their own deadline.

        Raises:
            LinkLost: the board is gone or the link was closed.
            LinkCorrupt: something came that is no packet.
        """
        ...

    def close(self) -> None:
        """Release what is held. Never raises."""
        ...


@runtime_checkable
class LinkWrapper(Protocol):
    """A transport whose link can be replaced by one around it, as fault injection does."""

    def wrap_link(self, wrap: Callable[[PacketLink, int], PacketLink]) -> None:
        """Put `wrap(link, bytes per packet)` in the place of the link."""
        ...
