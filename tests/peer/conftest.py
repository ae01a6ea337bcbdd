"""Fixtures for talking to the peer: its interpreter, and our virtual boards as a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hostrt.transport.owner import evk2_lock_path
from tests.peer.calls import SERIAL, Boards, call_peer, find_peer
from tests.peer.serving import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Call = "Callable[..., dict[str, Any]]"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the peer where there is none."""
    mine = [item for item in items if item.get_closest_marker("peer")]
    if not mine:
        return
    python, reason = find_peer()
    if not python:
        for item in mine:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def lock_file() -> Iterator[Path]:
    """The lock file of the board that the peer sees; both sides would leave it in place."""
    path = evk2_lock_path(SERIAL)
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def peer(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Call one job of the peer in a folder of its own."""

    def call(job: dict[str, Any], **options: Any) -> dict[str, Any]:
        return call_peer(job, tmp_path, **options)

    return call


@pytest.fixture
def boards() -> Iterator[Callable[..., Boards]]:
    """Serve virtual boards that answer frames by the echo rule of a program."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda program, **options: stack.enter_context(serve(program, **options))
