"""What transports over a packet link have in common: owning the link."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from hostrt.transport.base import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.transport.base import TransportInfo
    from hostrt.transport.packet_link import PacketLink


class LinkTransport(Transport):
    """A transport that owns a `PacketLink`."""

    packet_bytes: ClassVar[int]
    """Bytes of one packet on the link."""

    def __init__(self, link: PacketLink, info: TransportInfo) -> None:
        """Take over an open link."""
        self.info = info
        self._link = link
        self._closing = threading.Lock()
        self._on_close: list[Callable[[], None]] = []

    def at_close(self, action: Callable[[], None]) -> None:
        """Have `action` called once, after the link was closed."""
        self._on_close.append(action)

    def wrap_link(self, wrap: Callable[[PacketLink, int], PacketLink]) -> None:
        """Put `wrap(link, bytes per packet)` in the place of the link."""
        self._link = wrap(self._link, self.packet_bytes)

    def close(self) -> None:
        """Close the link and release what belongs to it."""
        self._link.close()
        with self._closing:
            actions, self._on_close = self._on_close, []
        for action in actions:
            action()
