"""The EVK2's reports over a TCP connection: a board behind a bridge, or a virtual board.

Exactly 64 bytes per report each way and nothing around them; the bytes are those of
`firmware_protocol.evk2`. Nothing tells who is at the other end, so what a USB board says with its
strings is said in the address: `evk2+tcp://host:port?chip=spu001&exec_time=yes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.evk2 import REPORT_BYTES
from firmware_protocol.requests import Read, Space
from hostrt.chip import get_chip
from hostrt.transport.base import TransportInfo
from hostrt.transport.evk2_link import (
    VERSION_QUESTION,
    Evk2Options,
    Evk2Transport,
    window_option,
)
from hostrt.transport.rules import USB_SLOTS_S, Packets
from hostrt.transport.socket_link import SocketLink, url_seconds

if TYPE_CHECKING:
    from hostrt.transport.url import BoardUrl

_YES_NO = ("no", "yes")
_SLOT_S = 0.002
"""Twice this without a report counts as quiet; a fence asks again when it was wrong."""

_SPEEDS_S = {"unlimited": 0.0, **USB_SLOTS_S}

_OPTIONS = (
    "window", "timeout", "connect", "chip", "exec_time", "simulated", "answer", "pack",
    "usb_speed",
)  # fmt: skip


def open_url(url: BoardUrl) -> Evk2Transport:
    """Connect to `evk2+tcp://HOST:PORT`.

    Options: `window` (auto, 1..62), `timeout` and `connect` (seconds), `chip`, `exec_time`,
    `simulated` (yes, no), `pack` (burst, across), `usb_speed` (what paces the board at the other
    end: unlimited, high, full).

    Raises:
        UsageError: an option makes no sense, or host or port is missing.
        BoardNotFound: nothing answers there.
    """
    url.allow(*_OPTIONS)
    chip = url.options.get("chip", "")
    speed = url.option("usb_speed", "unlimited", tuple(_SPEEDS_S))
    options = evk2_options(url, pipelines=True, chip=chip, slot_s=_SLOT_S)
    info = TransportInfo(
        url=str(url),
        platform="evk2",
        simulated=url.option("simulated", "no", _YES_NO) == "yes",
        reads_exec_time=url.option("exec_time", "no", _YES_NO) == "yes",
        chip=chip,
        packets=Packets.REPORTS.value,
        slot_s=_SPEEDS_S[speed],
        window=options.window,
    )
    link = SocketLink.connect(url, ("", None), whole=REPORT_BYTES)
    return Evk2Transport(link, info, options)


def evk2_options(url: BoardUrl, *, pipelines: bool, chip: str, slot_s: float) -> Evk2Options:
    """Give the options that every EVK2 address understands.

    Raises:
        UsageError: an option makes no sense.
    """
    return Evk2Options(
        window=window_option(url, pipelines=pipelines),
        timeout_s=url_seconds(url, "timeout", 1.0),
        slot_s=slot_s,
        pack_across=url.option("pack", "burst", ("burst", "across")) == "across",
        question=fence_question(chip),
    )


def fence_question(chip: str) -> Read:
    """Give the read of VERSION of a chip, spoken name, "" when it is not known."""
    if not chip:
        return VERSION_QUESTION
    return Read(Space.APB, get_chip(chip).map.address("VERSION"), register="VERSION")
