"""Reports over an open USB device, one or several per transfer.

With one report in flight everything happens in the caller's thread. With several, a thread reads
exactly as many reports as are still to come while the caller goes on writing, in transfers of
several reports (evk2-usb 9: a bus moves one report each way per interval, Python does not make
that many calls). The thread never asks for more than is outstanding, because a USB read of
several packets only ends when all of them arrived.
"""

from __future__ import annotations

import errno
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hostrt.errors import HostrtError, LinkCorrupt, LinkLost, LinkTimeout
from hostrt.transport.packet_link import READ_SLICE_S

if TYPE_CHECKING:
    from collections.abc import Callable

WRITE_TIMEOUT_S = 1.0
BOARD_BUFFERS = 4
"""Reports that the board keeps for a host that does not read (evk2-usb 9)."""

_MOST_PER_READ = 8
_CLOSE_WAIT_S = 3.0
_GONE = frozenset({errno.ENODEV, errno.EIO, errno.ENOENT, errno.ESHUTDOWN, errno.EPROTO})


class UsbDevice(Protocol):
    """What is used of `usb.core.Device`."""

    def read(self, endpoint: int, size_or_buffer: int, timeout: int | None = None) -> bytes:
        """Read up to that many bytes."""
        ...

    def write(self, endpoint: int, data: bytes, timeout: int | None = None) -> int:
        """Write bytes, give how many were taken."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the descriptors of the board's interface say.

    Attributes:
        interface: its number.
        in_address, out_address: endpoint addresses.
        packet_bytes: size of a packet.
        interval_s: time between two packets.
    """

    interface: int
    in_address: int
    out_address: int
    packet_bytes: int
    interval_s: float


class UsbLink:
    """A `PacketLink` over a claimed interface."""

    def __init__(
        self,
        device: UsbDevice,
        endpoints: Endpoints,
        name: str,
        release: Callable[[], None],
        *,
        timeout_s: float = 1.0,
    ) -> None:
        """Take over a device.

        Args:
            device: opened and claimed.
            endpoints: where to read and write.
            name: address of the board, for messages.
            release: gives everything back; called once, when nothing uses the device any more.
            timeout_s: after this much silence the caller asks again. A read of several reports
                has to be over by then, or it would swallow the first new answers.
        """
        self._device = device
        self._endpoints = endpoints
        self._name = name
        self._release = release
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._expected = 0
        self._reader = _Reader(
            self._read_packets, endpoints.packet_bytes, min(READ_SLICE_S, timeout_s / 2)
        )

    def write(self, packets: bytes | memoryview, n_answers: int) -> None:
        """Send reports; several ones go out in one transfer."""
        with self._lock:
            self._check_open()
            self._expected += n_answers
            if self._expected > BOARD_BUFFERS or self._reader.busy:
                most = len(packets) // self._endpoints.packet_bytes // 2
                self._reader.expect(self._expected, min(max(most, 1), _MOST_PER_READ))
                self._expected = 0
            data = bytes(packets)
            try:
                sent = self._device.write(
                    self._endpoints.out_address, data, int(WRITE_TIMEOUT_S * 1000)
                )
            except OSError as error:
                if error.errno != errno.ETIMEDOUT:
                    raise self._failed(error) from error
                sent = 0
            if sent < len(data):
                raise LinkTimeout(
                    f"{self._name}: board took {sent} of {len(data)} bytes within "
                    f"{WRITE_TIMEOUT_S:g} s",
                    hint="reset the board (hostrt reset) or replug it",
                    board=self._name,
                )

    def read(self, timeout_s: float) -> bytes:
        """Give the reports that arrived."""
        with self._lock:
            self._check_open()
            data = self._reader.take(timeout_s)
            if data is None:
                # One at a time: a read that waits for more loses what came when time is up.
                data = self._read_packets(1, timeout_s)
                self._expected = max(self._expected - 1, 0) if data else 0
            return data

    def close(self) -> None:
        """Stop reading and give the device back; bounded in time."""
        if self._closed.is_set():
            return
        self._closed.set()
        idle = self._reader.stop(_CLOSE_WAIT_S)
        held = self._lock.acquire(timeout=_CLOSE_WAIT_S)
        # Nothing is promised when a device is disposed of under a transfer: rather keep it.
        if idle and held:
            self._release()
        if held:
            self._lock.release()

    def _read_packets(self, n_packets: int, timeout_s: float) -> bytes:
        packet = self._endpoints.packet_bytes
        milliseconds = max(1, int(min(timeout_s, READ_SLICE_S) * 1000))
        try:
            # A short packet is passed on as it is: the conversation says what is wrong with it.
            return bytes(
                self._device.read(self._endpoints.in_address, n_packets * packet, milliseconds)
            )
        except OSError as error:
            if error.errno == errno.ETIMEDOUT:
                return b""
            raise self._failed(error) from error

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise LinkLost(f"{self._name}: the link is closed", board=self._name)

    def _failed(self, error: OSError) -> HostrtError:
        if error.errno == errno.EOVERFLOW:
            return LinkCorrupt(
                f"{self._name}: a report is longer than {self._endpoints.packet_bytes} bytes",
                hint="is this board an EVK2? Other devices use the same USB ids",
                board=self._name,
            )
        reason = "was unplugged" if error.errno in _GONE else f"cannot be used: {error}"
        return LinkLost(
            f"{self._name}: the board {reason}",
            hint="plug it in again and open it again",
            board=self._name,
        )


class _Reader:
    """A thread that reads as many packets as were announced, then rests."""

    def __init__(
        self, read_packets: Callable[[int, float], bytes], packet_bytes: int, slice_s: float
    ) -> None:
        self._read_packets = read_packets
        self._slice_s = slice_s
        self._packet_bytes = packet_bytes
        self._condition = threading.Condition()
        self._arrived: queue.SimpleQueue[bytes | HostrtError] = queue.SimpleQueue()
        self._expected = 0
        self._most = 1
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Packets are still to come through this thread."""
        return self._expected > 0

    def expect(self, n_packets: int, most_per_read: int) -> None:
        """Announce packets."""
        with self._condition:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="usb reader", daemon=True)
                self._thread.start()
            self._expected += n_packets
            self._most = max(self._most, most_per_read)
            self._condition.notify()

    def take(self, timeout_s: float) -> bytes | None:
        """Give what was read, b"" when nothing came in time, None when nothing is announced.

        Raises:
            HostrtError: what ended the thread's reading.
        """
        until = time.monotonic() + timeout_s
        while True:
            # In this order: the thread first hands over and then ceases to be busy.
            if not self.busy and self._arrived.empty():
                return None
            try:
                data = self._arrived.get(timeout=max(until - time.monotonic(), 0.0))
            except queue.Empty:
                return b""
            if isinstance(data, HostrtError):
                raise data
            if data:
                return data

    def stop(self, timeout_s: float) -> bool:
        """End the thread; False when it would not end in time."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._expected and not self._stopping:
                    self._condition.wait()
                if self._stopping:
                    return
                wanted = min(self._expected, self._most)
            try:
                data = self._read_packets(wanted, self._slice_s)
            except HostrtError as error:
                self._rest(0)
                self._arrived.put(error)
                continue
            self._arrived.put(data)
            # Silence means that what was announced may never come.
            self._rest(len(data))

    def _rest(self, n_bytes: int) -> None:
        with self._condition:
            n_packets = -(-n_bytes // self._packet_bytes)
            self._expected = max(self._expected - n_packets, 0) if n_bytes else 0
