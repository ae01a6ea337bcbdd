from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hostrt.errors import BoardBusy
from hostrt.transport.owner import evk2_lock_path, lock_board

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = """
import sys
from pathlib import Path
from hostrt.transport.owner import lock_board
lock = lock_board("board", Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
VENDOR_HOLD = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o666)
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evk2_1.lock"


@pytest.fixture(params=[HOLD, VENDOR_HOLD], ids=["hostrt", "another tool"])
def holder(request: pytest.FixtureRequest, path: Path) -> Iterator[subprocess.Popen[str]]:
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", request.param, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_keeps_us_out_until_it_dies(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    started = time.monotonic()
    with pytest.raises(BoardBusy) as caught:
        lock_board("board", path)
    assert time.monotonic() - started < 10.0
    if "hostrt" in str(holder.args):
        assert str(holder.pid) in str(caught.value)
        assert caught.value.context["holder"] == holder.pid
    else:
        assert "another process" in str(caught.value)
    holder.kill()
    holder.wait(5)
    lock = lock_board("board", path)
    assert lock.held
    lock.release()


def test_a_lock_is_exclusive_in_one_process_too_and_release_is_idempotent(path: Path) -> None:
    first = lock_board("board", path)
    with pytest.raises(BoardBusy, match=str(os.getpid())):
        lock_board("board", path)
    first.release()
    first.release()
    second = lock_board("board", path)
    assert second.held
    second.release()


def test_the_file_is_for_everybody_whatever_the_umask_and_stays(path: Path) -> None:
    before = os.umask(0o077)
    try:
        lock_board("board", path).release()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666


def test_a_file_that_cannot_be_opened_counts_as_available(tmp_path: Path) -> None:
    lock = lock_board("board", tmp_path / "nowhere" / "x.lock")
    assert not lock.held
    lock.release()


def test_no_link_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("keep")
    link = tmp_path / "evk2_1.lock"
    link.symlink_to(target)
    lock_board("board", link).release()
    assert target.read_text() == "keep"


def test_names_of_locks_are_plain() -> None:
    assert evk2_lock_path("1234").name == "evk2_1234.lock"
    assert evk2_lock_path("../x y").name == "evk2_.._x_y.lock"
