"""The ZCU104 board over TCP (zynq-ethernet): `zcu104://HOST[:7]`.

Writes are streamed without waiting, reads wait for exactly their replies wherever these are
split. The board acknowledges nothing, so what went wrong with a write shows at the next read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_protocol.errors import ProtocolError
from firmware_protocol.zynq import DEFAULT_HOST, DEFAULT_PORT, UNIT_BYTES
from firmware_protocol.zynq_conversation import ZynqConversation
from firmware_protocol.zynq_plan import build_units
from hostrt.errors import LinkOutOfStep, UsageError
from hostrt.transport.base import TransportInfo
from hostrt.transport.drive import drive, hostrt_error
from hostrt.transport.link_transport import LinkTransport
from hostrt.transport.owner import lock_board
from hostrt.transport.rules import Packets
from hostrt.transport.socket_link import SocketLink, url_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.requests import Request
    from firmware_protocol.words import Words
    from hostrt.transport.packet_link import PacketLink
    from hostrt.transport.url import BoardUrl

_QUIET_S = 0.05


@dataclass(slots=True)
class ZynqStats:
    """What happened on a link since it was opened."""

    batches: int = 0
    bytes_sent: int = 0
    timeouts: int = 0
    drained_bytes: int = 0


class Zcu104Transport(LinkTransport):
    """A ZCU104 board behind a byte stream.

    A stream loses nothing, so nothing is ever sent twice. After an error the next batch starts
    by throwing away what arrives until the link is quiet.
    """

    packet_bytes = UNIT_BYTES

    def __init__(
        self,
        link: PacketLink,
        info: TransportInfo,
        *,
        timeout_s: float = 1.0,
        reads_in_flight: int = 1,
    ) -> None:
        """Take over an open link.

        Args:
            link: byte stream to the board.
            info: what is known about it.
            timeout_s: longest silence while a reply is due.
            reads_in_flight: 512-byte read requests under way at once; the reference's host has 1.
        """
        super().__init__(link, info)
        self.stats = ZynqStats()
        self._timeout_s = timeout_s
        self._reads_in_flight = reads_in_flight
        self._in_step = True

    def _exchange(self, requests: Sequence[Request]) -> list[Words | None]:
        try:
            talk = ZynqConversation(
                build_units(requests),
                reads_in_flight=self._reads_in_flight,
                timeout_s=self._timeout_s,
            )
            if not self._in_step:
                self._drain()
            self._in_step = False
            drive(talk, self._link, _no_count)
            self._in_step = True
            self.stats.batches += 1
            self.stats.bytes_sent += len(talk.plan.data)
            return talk.result()
        except ProtocolError as error:
            raise hostrt_error(error, self.info.url) from error

    def _drain(self) -> None:
        until = time.monotonic() + self._timeout_s
        while data := self._link.read(_QUIET_S):
            self.stats.drained_bytes += len(data)
            if time.monotonic() > until:
                raise LinkOutOfStep(
                    f"{self.info.url}: {self.stats.drained_bytes} bytes came unasked, "
                    "expected silence",
                    hint="reset the board and open it again",
                    board=self.info.url,
                )


def _no_count(_packets: memoryview) -> int:
    return 0


def open_url(url: BoardUrl) -> Zcu104Transport:
    """Connect to `zcu104://[HOST][:PORT]`, by default 192.168.1.8 port 7.

    Options: `timeout` and `connect` (seconds), `reads` (read requests in flight, default 1),
    `pll` (no for an FPGA image without one), `simulated` and `lock` (yes, no).

    Raises:
        UsageError: an option makes no sense.
        BoardBusy: another process of this machine holds the board.
        BoardNotFound: nothing answers there.
    """
    url.allow("timeout", "connect", "reads", "pll", "simulated", "answer", "lock")
    simulated = url.option("simulated", "no", ("no", "yes")) == "yes"
    has_pll = url.option("pll", "yes", ("no", "yes")) == "yes"
    text = url.options.get("reads", "1")
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise UsageError(f"{url}: option reads={text!r}, expected 1 to 1024")
    info = TransportInfo(
        str(url),
        "zcu104",
        simulated=simulated,
        has_pll=has_pll,
        chip="spu001",
        packets=Packets.UNITS.value,
        window=int(text),
    )
    timeout_s = url_seconds(url, "timeout", 1.0)
    lock = None
    if url.option("lock", "no" if simulated else "yes", ("no", "yes")) == "yes":
        lock = lock_board(f"zcu104_{url.host or DEFAULT_HOST}_{url.port or DEFAULT_PORT}")
    try:
        link = SocketLink.connect(url, (DEFAULT_HOST, DEFAULT_PORT))
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    transport = Zcu104Transport(link, info, timeout_s=timeout_s, reads_in_flight=int(text))
    if lock is not None:
        transport.at_close(lock.release)
    return transport
