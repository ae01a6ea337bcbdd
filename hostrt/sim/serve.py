"""Virtual boards behind TCP ports, for any client in any process.

Each server has one thread and serves one client at a time; others wait until it leaves.
"""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from hostrt.errors import BoardUnavailable, UsageError
from hostrt.sim.pacing import wait_until
from hostrt.transport.socket_link import may_stay_awake

if TYPE_CHECKING:
    from types import TracebackType

    from hostrt.sim.sessions import Session

_RECEIVE_BYTES = 1 << 18
_MOST_UNSENT_BYTES = 1 << 22
_MOST_BACKLOG = 1 << 14
_BACKLOG = 4
_SPIN_S = 300e-6
_AWAKE_S = 500e-6
"""How long to listen after each message: a host that does nothing else sends the next by then."""

_STOP_TIMEOUT_S = 5.0
_STOP = "stop"


class BoardServer:
    """A board on a TCP port.

    Attributes:
        address: (host, port) that clients connect to; the port is never 0.
    """

    def __init__(self, host: str, port: int, session: Session, name: str) -> None:
        """Listen; clients are served from `start` on.

        Args:
            host: address to listen on.
            port: TCP port, 0 for any free one.
            session: the board.
            name: what is served, for messages.

        Raises:
            BoardUnavailable: the port is taken or may not be used.
        """
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise BoardUnavailable(
                f"{name} cannot listen on {host}:{port}: {error.strerror or error}",
                hint="choose another port; 0 takes any free one",
            ) from error
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._session = session
        self._wake, self._woken = socket.socketpair()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"serve {name}", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Close everything and wait for the thread. Idempotent."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)
        for sock in (self._wake, self._woken, self._listener):
            sock.close()

    def __enter__(self) -> BoardServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ, _STOP)
            selector.register(self._listener, selectors.EVENT_READ)
            while True:
                found = [key.data for key, _ in selector.select()]
                if _STOP in found:
                    return
                try:
                    client, _ = self._listener.accept()
                except OSError:
                    continue  # the client left before it was taken
                with client:
                    if not self._serve(client):
                        return

    def _serve(self, client: socket.socket) -> bool:
        """Serve one client until it leaves; false when the server is to stop."""
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setblocking(False)
        self._session.connected()
        connection = _Connection(client, self._session)
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ, _STOP)
            watched = 0
            while connection.flush():
                if not self._stopping and connection.hears_more():
                    continue
                wanted = connection.interests()
                if wanted != watched:
                    _watch(selector, client, wanted)
                    watched = wanted
                found = selector.select(connection.patience())
                if any(key.data == _STOP for key, _ in found):
                    return False
                if any(events & selectors.EVENT_READ for _, events in found):
                    connection.receive()
        return True


def _watch(selector: selectors.BaseSelector, client: socket.socket, events: int) -> None:
    """Have the selector report `events` of a client from now on; 0 for nothing."""
    watched = client in selector.get_map()
    if events and watched:
        selector.modify(client, events)
    elif events:
        selector.register(client, events)
    elif watched:
        selector.unregister(client)


class _Connection:
    """Bytes between a client's socket and a session."""

    def __init__(self, client: socket.socket, session: Session) -> None:
        self._client = client
        self._session = session
        self._incoming = memoryview(bytearray(_RECEIVE_BYTES))
        self._unsent: deque[memoryview] = deque()
        self._left = False
        self._heard = -math.inf
        self._awake_s = _AWAKE_S if may_stay_awake() else 0.0

    def interests(self) -> int:
        """Give what to wait for; a client far ahead of its answers is not listened to."""
        unsent = sum(map(len, self._unsent))
        ahead = unsent > _MOST_UNSENT_BYTES or self._session.backlog() > _MOST_BACKLOG
        return (selectors.EVENT_WRITE if unsent else 0) | (0 if ahead else selectors.EVENT_READ)

    def patience(self) -> float | None:
        """Give how long to wait for the client before something is to be sent."""
        due = self._session.next_due()
        if due is None:
            return None
        left = due - time.monotonic()
        if 0 < left <= _SPIN_S:
            wait_until(due)
        return max(left - _SPIN_S, 0.0)

    def hears_more(self) -> bool:
        """Stay awake for a moment after the client's last word: to be woken takes as long."""
        if not self.interests() & selectors.EVENT_READ:
            return False
        due = self._session.next_due()
        until = min(self._heard + self._awake_s, math.inf if due is None else due)
        while time.monotonic() < until:
            if self.receive():
                return True
        return False

    def receive(self) -> bool:
        """Take what the client sent; true when there was something, or the client left."""
        try:
            n_bytes = self._client.recv_into(self._incoming)
        except BlockingIOError:
            return False
        except OSError:
            n_bytes = 0
        self._heard = time.monotonic()
        if n_bytes:
            self._session.received(bytes(self._incoming[:n_bytes]))
        else:
            self._left = True
        return True

    def flush(self) -> bool:
        """Send what is due and can be sent; false when the connection is over."""
        self._unsent.extend(memoryview(piece) for piece in self._session.ready())
        while self._unsent:
            try:
                sent = self._client.send(self._unsent[0])
            except BlockingIOError:
                break
            except OSError:
                return False
            self._unsent[0] = self._unsent[0][sent:]
            if not self._unsent[0]:
                self._unsent.popleft()
        return not self._left and not self._session.gone


def parse_address(text: str) -> tuple[str, int]:
    """Parse `HOST:PORT`, `[HOST]:PORT` or `PORT`.

    Raises:
        UsageError: not such an address.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 0xFFFF:
        raise UsageError(f"address {text!r}: expected HOST:PORT with a port in 0..65535")
    return host.strip("[]") or "127.0.0.1", int(port)
