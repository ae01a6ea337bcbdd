"""Stands in for the `hid` package inside the peer's process: one virtual EVK2 behind TCP.

Reports go to the address in `HOSTRT_PEER_EVK2` as they are, 64 bytes each way. The board's names
come from `HOSTRT_PEER_SERIAL`, `HOSTRT_PEER_PRODUCT` and `HOSTRT_PEER_MANUFACTURER`.
"""

from __future__ import annotations

import os
import socket
import time

REPORT_BYTES = 64
VENDOR_ID = 0x16C0
PRODUCT_ID = 0x0486

sent_at: list[float] = []
"""When each report was handed over, for timing from inside (`time.perf_counter`)."""


class HIDException(Exception):
    """What the real package raises."""


def enumerate(vid: int = 0, pid: int = 0) -> list[dict[str, object]]:  # noqa: A001
    """List the board, as its two interfaces."""
    if not os.environ.get("HOSTRT_PEER_EVK2") or vid not in (0, VENDOR_ID):
        return []
    if pid not in (0, PRODUCT_ID):
        return []
    return [_interface(number) for number in (0, 1)]


def _interface(number: int) -> dict[str, object]:
    return {
        "path": f"virtual-{number}".encode(),
        "vendor_id": VENDOR_ID,
        "product_id": PRODUCT_ID,
        "serial_number": os.environ.get("HOSTRT_PEER_SERIAL", "PEER0001"),
        "release_number": 0,
        "manufacturer_string": os.environ.get("HOSTRT_PEER_MANUFACTURER", "FemtoAI"),
        "product_string": os.environ.get("HOSTRT_PEER_PRODUCT", "SPU001"),
        "usage_page": 0xFFAB if number == 0 else 0xFFC9,
        "usage": 0x0200 if number == 0 else 0x0004,
        "interface_number": number,
    }


class Device:
    """The open board."""

    def __init__(
        self,
        vid: int | None = None,
        pid: int | None = None,
        serial: str | None = None,
        path: bytes | None = None,
    ) -> None:
        host, _, port = os.environ["HOSTRT_PEER_EVK2"].rpartition(":")
        try:
            self._sock = socket.create_connection((host, int(port)), timeout=10.0)
        except OSError as error:
            raise HIDException(str(error)) from error
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.nonblocking = False
        names = _interface(0)
        self.serial = names["serial_number"]
        self.product = names["product_string"]
        self.manufacturer = names["manufacturer_string"]

    def write(self, data: bytes) -> int:
        """Send one report; a first byte that is not 0 goes out as it is, as hidraw does."""
        report = bytes(data)
        body = report[1:] if report[:1] == b"\0" else report
        sent_at.append(time.perf_counter())
        self._sock.sendall(body.ljust(REPORT_BYTES, b"\0")[:REPORT_BYTES])
        return len(report)

    def read(self, size: int, timeout: int | None = None) -> bytes:
        """Take one report; empty when none came within `timeout` milliseconds."""
        self._sock.settimeout(timeout / 1000 if timeout else None)
        data = bytearray()
        while len(data) < REPORT_BYTES:
            try:
                piece = self._sock.recv(REPORT_BYTES - len(data))
            except TimeoutError:
                return b""
            if not piece:
                raise HIDException("the board closed the connection")
            data += piece
        return bytes(data[:size])

    def close(self) -> None:
        """Let the board go."""
        self._sock.close()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
