"""What becomes of a client without its child and of a child without its client."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.chip.step import Read, Space, Wait, Write
from hostrt.errors import BoardUnavailable, LinkError, LinkLost, LinkTimeout
from hostrt.transport.apart import ApartTransport
from hostrt.transport.url import open_transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hostrt.chip.step import Step

pytestmark = [pytest.mark.fault, pytest.mark.slow]

ADDRESS = "apart+fakezynq"
WAITS = "apart+evk2+sim://spu001"
"""A board that really lets time pass."""

BOUND_S = 10.0
"""Far more than starting and ending take: only what never ends takes this long."""

LONG = Wait(1, 60.0)
READ = Read(Space.TOP, 0)


def open_apart(address: str = ADDRESS) -> ApartTransport:
    transport = open_transport(address)
    assert isinstance(transport, ApartTransport)
    return transport


@contextlib.contextmanager
def in_bounded_time() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < BOUND_S


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(process_id: int) -> None:
    with in_bounded_time():
        while is_running(process_id):
            time.sleep(0.01)


def fail(transport: ApartTransport, steps: list[Step]) -> tuple[threading.Thread, list[LinkError]]:
    """Execute steps that take long beside this thread, and keep how that fails."""
    errors: list[LinkError] = []

    def work() -> None:
        try:
            transport.execute(steps)
        except LinkError as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    return worker, errors


def test_a_child_that_is_killed_is_a_lost_link_at_once() -> None:
    with open_apart(WAITS) as transport, in_bounded_time():
        worker, errors = fail(transport, [LONG])
        time.sleep(0.05)
        os.kill(transport.process_id, signal.SIGKILL)
        worker.join(BOUND_S)

        assert isinstance(errors[0], LinkLost)
        assert "killed by signal 9" in str(errors[0])
        assert transport.info.url in str(errors[0])
        assert errors[0].hint
        with pytest.raises(LinkLost, match="killed by signal 9"):
            transport.execute([READ])
    assert not is_running(transport.process_id)


def test_a_child_that_is_killed_between_two_requests_is_a_lost_link() -> None:
    with open_apart() as transport:
        transport.execute([READ])
        os.kill(transport.process_id, signal.SIGKILL)
        with pytest.raises(LinkLost, match="killed by signal 9"):
            transport.execute([Write(Space.APB, 0, np.zeros(500_000, np.uint32))])


def test_a_child_that_stands_still_is_a_timeout_and_ends_all_the_same() -> None:
    with in_bounded_time(), open_apart(f"{ADDRESS}?patience=0.2") as transport:
        os.kill(transport.process_id, signal.SIGSTOP)
        with pytest.raises(LinkTimeout, match=r"no answer within 0\.2") as caught:
            transport.execute([READ])
        assert "patience" in caught.value.hint
        # What comes late must not be taken for the answer to something else.
        os.kill(transport.process_id, signal.SIGCONT)
        with pytest.raises(LinkLost, match="did not answer in time"):
            transport.execute([READ])
    assert not is_running(transport.process_id)


@pytest.mark.slow
def test_a_child_that_does_not_leave_is_killed() -> None:
    transport = open_apart()
    os.kill(transport.process_id, signal.SIGSTOP)
    with in_bounded_time():
        transport.close()
    assert not is_running(transport.process_id)


def test_steps_are_given_the_time_they_ask_for() -> None:
    with open_apart(f"{WAITS}?patience=0.2") as transport:
        assert transport.execute([Wait(1, 0.3)]) == [None]


def test_an_interrupted_request_is_not_answered_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_apart() as transport:
        with monkeypatch.context() as patch:
            patch.setattr(transport._channel, "receive", lambda: (_ for _ in ()).throw(Interrupt()))
            with pytest.raises(KeyboardInterrupt):
                transport.execute([READ])
        with pytest.raises(LinkLost, match="given up"):
            transport.execute([READ, READ])


class Interrupt(KeyboardInterrupt):
    """As raised by Ctrl-C while an answer is waited for."""


def test_a_child_takes_no_notice_of_ctrl_c() -> None:
    with open_apart() as transport:
        os.kill(transport.process_id, signal.SIGINT)
        assert transport.execute([READ])[0] is not None
        assert os.getpgid(transport.process_id) != os.getpgid(0)


def test_an_interpreter_that_cannot_be_started_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(BoardUnavailable, match="/nowhere/python") as caught:
        open_apart()
    assert "apart+" in caught.value.hint


def test_a_child_that_ends_at_once_is_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho first >&2\necho no such interpreter >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(LinkLost, match="ended with exit code 3: no such interpreter"):
        open_apart()


SCRIPT = """
import sys, time
from hostrt.transport.url import open_transport
from hostrt.chip.step import Read, Space, Wait
transport = open_transport("apart+evk2+sim://spu001")
print(transport.process_id, transport.execute([Read(Space.TOP, 0)]), flush=True)
"""


def start(rest: str, *, from_stdin: bool = False) -> tuple[subprocess.Popen[str], int]:
    """Run a script without a guarded `__main__`; give it and the number of its child."""
    script = SCRIPT + rest
    process = subprocess.Popen(
        [sys.executable, "-"] if from_stdin else [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    if from_stdin:
        process.stdin.write(script)
    process.stdin.close()
    process.stdin = None
    return process, int(process.stdout.readline().split()[0])


@pytest.mark.parametrize("rest", ["time.sleep(60)", "transport.execute([Wait(1, 0.5)])"])
def test_a_child_ends_when_its_client_is_killed(rest: str) -> None:
    process, child = start(rest)
    process.kill()
    process.communicate(timeout=BOUND_S)
    wait_until_gone(child)


def test_a_child_ends_when_its_client_forgets_to_close() -> None:
    process, child = start("", from_stdin=True)
    process.communicate(timeout=BOUND_S)
    wait_until_gone(child)


def test_ctrl_c_at_the_terminal_ends_the_client_in_good_order() -> None:
    process, child = start(
        "try:\n    transport.execute([Wait(1, 60)])\n"
        "except KeyboardInterrupt:\n    transport.close()\n    print('closed')\n"
    )
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=BOUND_S)

    assert (out, err, process.returncode) == ("closed\n", "", 0)
    assert not is_running(child)


def test_modules_of_the_current_folder_do_not_get_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    monkeypatch.chdir(tmp_path)
    with open_apart() as transport:
        assert transport.execute([READ])[0] is not None
