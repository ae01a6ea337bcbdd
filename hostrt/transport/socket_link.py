"""A TCP connection as a link: bounded connect, no delayed sends, no deadlock, prompt close."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING

from hostrt.errors import BoardNotFound, LinkLost, LinkTimeout, UsageError

if TYPE_CHECKING:
    from hostrt.transport.url import BoardUrl

CONNECT_TIMEOUT_S = 3.0
WRITE_TIMEOUT_S = 5.0
_RECEIVE_BYTES = 1 << 18
_CLOSE_WAIT_S = 1.0
_AWAKE_S = 200e-6
"""How long to ask for an answer again and again: to be woken takes about as long."""


def may_stay_awake() -> bool:
    """Tell whether whoever is waited for can work meanwhile: there is another core."""
    cores = getattr(os, "sched_getaffinity", None)
    return (len(cores(0)) if cores else os.cpu_count() or 1) > 1


class SocketLink:
    """Bytes over TCP. `whole` keeps back an incomplete packet until the rest of it arrives."""

    def __init__(self, sock: socket.socket, name: str, *, whole: int = 1) -> None:
        """Take over a connected socket.

        Args:
            sock: connected stream socket; closed by `close`.
            name: address of the board, for messages.
            whole: `read` gives multiples of this many bytes.
        """
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self._sock = sock
        self._name = name
        self._whole = whole
        self._early = bytearray()
        self._incoming = memoryview(bytearray(_RECEIVE_BYTES))
        self._selector = selectors.DefaultSelector()
        self._selector.register(sock, selectors.EVENT_READ)
        self._awake_s = _AWAKE_S if may_stay_awake() else 0.0
        self._lock = threading.Lock()
        self._closed = threading.Event()

    @classmethod
    def connect(
        cls, url: BoardUrl, default: tuple[str, int | None], *, whole: int = 1
    ) -> SocketLink:
        """Connect to the host and port of `url`, bounded in time (`?connect=SECONDS`).

        Raises:
            UsageError: no port is known.
            BoardNotFound: nothing answers there.
        """
        host, port = url.host or default[0], url.port if url.port is not None else default[1]
        if port is None or not host:
            raise UsageError(f"{url}: host and port are needed", hint=f"{url.scheme}://HOST:PORT")
        try:
            sock = socket.create_connection((host, port), timeout=url_seconds(url))
        except OSError as error:
            raise BoardNotFound(
                f"{url}: no board answers at {host} port {port}: {error.strerror or error}",
                hint="check the address, the cable and that the board's server is running",
                board=str(url),
            ) from error
        return cls(sock, str(url), whole=whole)

    def write(self, packets: bytes | memoryview, n_answers: int) -> None:
        """Send everything; what arrives meanwhile is kept, so that neither side can block."""
        with self._lock:
            self._check_open()
            view = memoryview(packets).cast("B")
            sent = self._send(view)
            if sent < len(view):
                self._send_slowly(view[sent:])

    def read(self, timeout_s: float) -> bytes:
        """Give the bytes that arrived."""
        with self._lock:
            self._check_open()
            deadline = time.monotonic() + timeout_s
            while True:
                data = self._take_whole()
                left = deadline - time.monotonic()
                if data or left < 0:
                    return data
                self._receive(left)

    def close(self) -> None:
        """Close the connection; a read under way in another thread ends at once."""
        if self._closed.is_set():
            return
        self._closed.set()
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        # Closing under a reader could hand its descriptor number to somebody else.
        held = self._lock.acquire(timeout=_CLOSE_WAIT_S)
        self._sock.close()
        if held:
            self._selector.close()
            self._lock.release()

    def _send(self, view: memoryview) -> int:
        try:
            return self._sock.send(view)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost(error) from error

    def _send_slowly(self, view: memoryview) -> None:
        deadline = time.monotonic() + WRITE_TIMEOUT_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while view:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise LinkTimeout(
                        f"{self._name}: board took no bytes for {WRITE_TIMEOUT_S:g} s, "
                        f"{len(view)} bytes left to send",
                        hint="the board's server hangs: restart the board",
                        board=self._name,
                    )
                for _, events in selector.select(left):
                    if events & selectors.EVENT_READ:
                        self._receive(0.0)
                    if events & selectors.EVENT_WRITE:
                        sent = self._send(view)
                        view = view[sent:]
                        deadline = time.monotonic() + WRITE_TIMEOUT_S

    def _receive(self, timeout_s: float) -> None:
        """Wait for bytes and keep them; awake at first."""
        began = time.monotonic()
        awake = min(timeout_s, self._awake_s)
        n_bytes = self._take_incoming()
        # without giving way: on a busy machine that takes until everybody else had a turn
        while n_bytes is None and time.monotonic() - began < awake:
            n_bytes = self._take_incoming()
        if n_bytes is None and timeout_s > awake:
            self._selector.select(timeout_s - awake)
            n_bytes = self._take_incoming()
        if n_bytes is not None:
            self._early += self._incoming[:n_bytes]

    def _take_incoming(self) -> int | None:
        """Give how many bytes came, None for none yet."""
        try:
            n_bytes = self._sock.recv_into(self._incoming)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._lost(error) from error
        if not n_bytes:
            raise self._lost(None)
        return n_bytes

    def _take_whole(self) -> bytes:
        n_bytes = len(self._early) - len(self._early) % self._whole
        data = bytes(memoryview(self._early)[:n_bytes])
        del self._early[:n_bytes]
        return data

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise self._lost(None)

    def _lost(self, error: OSError | None) -> LinkLost:
        if self._closed.is_set():
            return LinkLost(f"{self._name}: the link is closed", board=self._name)
        reason = f": {error.strerror or error}" if error is not None else ""
        return LinkLost(
            f"{self._name}: the board closed the connection{reason}",
            hint="the board was reset or its server ended: open it again",
            board=self._name,
        )


def url_seconds(url: BoardUrl, name: str = "connect", default: float = CONNECT_TIMEOUT_S) -> float:
    """Give an option that is a positive number of seconds.

    Raises:
        UsageError: not a positive number.
    """
    text = url.options.get(name, "")
    try:
        seconds = float(text) if text else default
    except ValueError as error:
        raise UsageError(f"{url}: option {name}={text!r} is not a number of seconds") from error
    if not 0 < seconds < 3600:
        raise UsageError(f"{url}: option {name}={text!r}, expected 0 to 3600 seconds")
    return seconds
