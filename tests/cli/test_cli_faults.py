"""Faults of a board at any point of a flash or a run, seen from the command line.

Each board is served over TCP with one fault planned at its n-th answer. Whatever happens then, the
command ends in bounded time, right or with one line of the right kind, and the next command on the
same board works.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt.sim.serving import ServeOptions, evk2_server, zcu104_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.fault, pytest.mark.slow]

KINDS = ("lose", "double", "late", "corrupt", "split", "silence", "reset", "unplug")
LINK, BOARD = 5, 6
FRAMES = np.arange(8 * 32, dtype=np.int16).reshape(8, 32)
SERVERS = {"evk2": evk2_server, "zcu104": zcu104_server}


@pytest.fixture
def frames(away: Path) -> Path:
    path = away / "frames.npy"
    np.save(path, FRAMES)
    return path


@pytest.fixture(params=sorted(SERVERS))
def board(request: pytest.FixtureRequest, fault: str, at: int) -> Iterator[str]:
    """A board that fails once, at its `at`-th answer."""
    url, server = SERVERS[request.param](
        "127.0.0.1:0", ServeOptions(faults=f"{fault}@{at}", serial="S1")
    )
    with server:
        yield f"{url}&timeout=0.3"


@pytest.mark.parametrize("at", [4, 30])
@pytest.mark.parametrize("fault", KINDS)
def test_a_flash_ends_right_or_says_why_and_the_next_one_works(
    hostrt: Any, board: str, fault: str, at: int
) -> None:
    first = hostrt("flash", "LOOPBACK", "--board", board, "--json", "-q")
    second = hostrt("flash", "LOOPBACK", "--board", board, "--json", "--force", "--verify", "-q")

    assert_sound(first, fault, at)
    if first.code == 0:
        assert first.json["verified"]
    if stays_silent(board, fault):
        assert second.json["error"]["code"] == "link-timeout"
        return
    assert second.code == 0, second.err
    assert second.json["verified"]


@pytest.mark.parametrize("at", [9, 61])
@pytest.mark.parametrize("fault", KINDS)
def test_a_run_ends_right_or_says_why_and_the_next_one_works(
    hostrt: Any, board: str, frames: Path, fault: str, at: int
) -> None:
    words = ("run", "LOOPBACK", "--board", board, "--input-file", frames, "--timeout", "0.5", "-q")
    first = hostrt(*words, "-o", "first")
    second = hostrt(*words, "-o", "second")

    assert_sound(first, fault, at)
    # one flipped bit in the payload of an output cannot be told from an output: nothing on these
    # links checks it
    if first.code == 0 and fault != "corrupt":
        np.testing.assert_array_equal(outputs("first"), FRAMES)
    if stays_silent(board, fault):
        assert second.code == LINK
        return
    assert second.code == 0, second.err
    np.testing.assert_array_equal(outputs("second"), FRAMES)


def stays_silent(board: str, fault: str) -> bool:
    """An EVK2 that fell silent stays so until it is replugged, whoever connects."""
    return fault == "silence" and board.startswith("evk2")


def outputs(folder: str) -> Any:
    (path,) = Path(folder).glob("*/output_output.npy")
    return np.load(path)


def assert_sound(done: Any, fault: str, at: int) -> None:
    """The command succeeded, or named a failure of the link or the board in one line."""
    assert done.code in (0, LINK, BOARD), (fault, at, done.err)
    if done.code:
        errors = [line for line in done.err.splitlines() if line.startswith("hostrt: error: ")]
        assert len(errors) == 1
        assert "Traceback" not in done.err
        assert "hint: " in done.err
