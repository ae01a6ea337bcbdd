"""How links move packets, as far as that limits how many frames they carry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

USB_SLOTS_S = {"full": 1e-3, "high": 125e-6}
"""Time between two packets of an interrupt endpoint at bInterval 1, by bus speed (evk2-usb 9)."""

LEAST_WIDE = 2
"""Reports of a batch from which on several are in flight: fewer cannot be."""


class Packets(StrEnum):
    """What a link is made of."""

    REPORTS = "evk2"
    """Reports of 64 bytes, each acknowledged; those that read are also answered with data."""
    UNITS = "zcu104"
    """A stream of units of 8 bytes, of which only those that read are answered."""


@dataclass(frozen=True, slots=True)
class LinkRules:
    """What a link makes its packets wait for.

    Attributes:
        packets: what it is made of.
        slot_s: time between two packets of one direction, 0 where none is prescribed.
        window: most requests in flight.
        least_wide: batches of fewer reports go one at a time, whatever the window.
        blocks: the host waits until the link has taken what it sends, as on USB.
    """

    packets: Packets
    slot_s: float = 0.0
    window: int = 1
    least_wide: int = 0
    blocks: bool = False


def usb_rules(speed: str, window: int) -> LinkRules:
    """Give the rules of an EVK2 on USB.

    Args:
        speed: "full" or "high".
        window: most requests in flight.
    """
    return LinkRules(Packets.REPORTS, USB_SLOTS_S[speed], window, LEAST_WIDE, blocks=True)
