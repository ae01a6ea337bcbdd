"""How a link over TCP waits: awake at first, then asleep."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from hostrt.errors import LinkLost
from hostrt.transport import socket_link
from hostrt.transport.socket_link import SocketLink, may_stay_awake

if TYPE_CHECKING:
    from collections.abc import Iterator

LATE_S = 0.03


class CountingLink(SocketLink):
    """Counts how often it asked the socket."""

    asked = 0

    def _take_incoming(self) -> int | None:
        self.asked += 1
        return super()._take_incoming()

    def count_read(self, timeout_s: float) -> tuple[bytes, int]:
        """Read, and give how often the socket was asked meanwhile."""
        before = self.asked
        return self.read(timeout_s), self.asked - before


@contextmanager
def link() -> Iterator[tuple[CountingLink, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = CountingLink(socket.create_connection(server.getsockname(), timeout=5), "test")
        theirs, _ = server.accept()
    with theirs:
        yield made, theirs
        made.close()


def send_late(far: socket.socket) -> threading.Timer:
    timer = threading.Timer(LATE_S, far.sendall, [b"late"])
    timer.start()
    return timer


def test_an_answer_that_comes_soon_is_waited_for_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_link, "may_stay_awake", lambda: True)
    monkeypatch.setattr(socket_link, "_AWAKE_S", 10.0)  # soon on a machine of any speed
    asked = []
    with link() as (near, far):
        for _ in range(4):
            send_late(far)
            data, count = near.count_read(5.0)
            asked.append(count)
            assert data == b"late"

    assert max(asked) > 10


def test_with_one_core_nobody_stays_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert not may_stay_awake()
    with link() as (near, far):
        send_late(far)
        data, asked = near.count_read(5.0)

    assert data == b"late"
    assert asked <= 2  # before it slept and after


def test_silence_ends_at_the_deadline_awake_or_asleep() -> None:
    with link() as (near, _):
        assert near.read(0.02) == b""
        assert near.read(0.0) == b""
        near._awake_s = 10.0
        assert near.read(0.02) == b""


@pytest.mark.parametrize("awake_s", [0.0, 10.0])
def test_closing_ends_a_wait_at_once(awake_s: float) -> None:
    with link() as (near, _):
        near._awake_s = awake_s
        closer = threading.Timer(LATE_S, near.close)
        closer.start()
        with pytest.raises(LinkLost, match="closed"):
            near.read(20.0)
