"""One exit code per kind of failure, one line and a hint, data and talk kept apart."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from hostrt.cli.explain import codes
from hostrt.cli.main import VERBS
from tests.cli.conftest import PROGRAMS, command_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt import errors

P001_A = PROGRAMS / "p001_a" / "p001_a.femto"
FULL_SPEED = "evk2+sim://spu001?usb_speed=full"

FAILURES: dict[str, tuple[list[object], int, str]] = {
    "runners differ": (["run", "LOOPBACK", "--board", "sim", "--runners", "hw,dummy"], 1, ""),
    "programs differ": (["diff", P001_A, PROGRAMS / "p001_b" / "p001_b.femto"], 1, ""),
    "unknown verb": (["frobnicate"], 2, "hostrt: error: no verb 'frobnicate'"),
    "verb misspelled": (["inspct", "x"], 2, "hint: did you mean inspect?"),
    "flag misspelled": (["inspect", "x", "--jsn"], 2, "hint: see hostrt"),
    "flag cut short": (["flash", "LOOPBACK", "--boa", "sim"], 2, "--boa"),
    "no verb": ([], 2, ""),
    "no file": (["inspect"], 2, "required"),
    "unknown board": (["flash", "LOOPBACK", "--board", "z80"], 2, "no board type 'z80'"),
    "frames": (
        ["run", "LOOPBACK", "--board", "sim", "--input-sample-indices", "1,9"], 2,
        "expected a range inside 0..2",
    ),
    "no program": (["inspect", "absent.femto"], 3, "absent.femto: no such file"),
    "wrong chip": (["flash", P001_A, "--board", "sim://spu150tc1"], 3, "was made for spu001"),
    "no board": (["flash", "LOOPBACK", "--board", "zcu104://127.0.0.1:9"], 4, "no board answers"),
    "silent link": (
        ["reset", "--board", "evk2+sim://spu001?faults=lose~1"], 5, "board answered nothing",
    ),
    "no clock": (["reset", "--board", "sim://spu001?pll=never"], 6, "PLL lock did not come"),
    "no folder": (["flash", "LOOPBACK", "--sd", "absent"], 8, "absent is not a folder"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
def test_each_kind_of_failure_has_its_exit_code(hostrt: Any, case: str) -> None:
    """A1: a failed comparison is a failure; A1..: no exception passes for another."""
    words, code, message = FAILURES[case]
    done = hostrt(*words)
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err


def error_of(kind: type[errors.HostrtError]) -> Callable[[Any], int]:
    def fail(arguments: Any) -> int:
        del arguments
        raise kind("found 1\n expected 2", hint="try again", board="sim")

    return fail


def register(monkeypatch: pytest.MonkeyPatch, run: Callable[[Any], int]) -> None:
    """Add a verb `fail` that does what `run` does."""

    def configure(parser: Any) -> None:
        parser.add_argument("--json", action="store_true")

    module = ModuleType("failing_verb")
    module.run = run  # type: ignore[attr-defined]
    module.configure = configure  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "failing_verb", module)
    monkeypatch.setitem(VERBS, "fail", ("failing_verb", "fails"))


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_error_becomes_one_line_a_hint_and_its_exit_code(
    hostrt: Any, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    kind = codes()[code]
    register(monkeypatch, error_of(kind))
    done = hostrt("fail")
    assert done.code == kind.exit_code
    assert done.err == (
        f"hostrt: error: found 1 expected 2\nhint: try again\n(hostrt explain {code})\n"
    )
    assert done.out == ""
    tree = hostrt("fail", "--json").json["error"]
    assert (tree["code"], tree["exit_code"], tree["hint"]) == (code, kind.exit_code, "try again")
    assert tree["context"] == {"board": "sim"}


def test_a_traceback_is_shown_with_debug_only(hostrt: Any) -> None:
    assert "Traceback" not in hostrt("inspect", "absent.femto").err
    done = hostrt("inspect", "absent.femto", "--debug")
    assert "Traceback" in done.err
    assert done.code == 3


def test_a_bug_becomes_a_report(
    hostrt: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def bug(arguments: Any) -> int:
        raise RuntimeError("seven\nis eight")

    register(monkeypatch, bug)
    done = hostrt("fail")
    assert done.code == 70
    assert "hostrt: internal error: RuntimeError: seven is eight" in done.err
    (report,) = (tmp_path / "temporary").glob("hostrt-bug-*.txt")
    assert str(report) in done.err
    assert "Traceback" in report.read_text()
    tree = hostrt("fail", "--json").json["error"]
    assert (tree["code"], tree["exit_code"]) == ("bug", 70)


def test_ctrl_c_leaves_quietly(hostrt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: Any) -> int:
        raise KeyboardInterrupt

    register(monkeypatch, interrupted)
    done = hostrt("fail")
    assert (done.code, done.err) == (130, "hostrt: interrupted\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_flashing_ends_it_and_says_what_the_board_holds(
    number: signal.Signals, code: int
) -> None:
    """B24: nothing but the message, no noise from finalisers."""
    words = command_line("flash", "LOOPBACK:60000", "--board", FULL_SPEED)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("flash: 0 %")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert out == ""
    assert "the board holds no usable program; flash it again" in err
    assert "Traceback" not in err
    assert ("hostrt: interrupted" in err) == (number is signal.SIGINT)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """`hostrt ... | head -1`."""
    with subprocess.Popen(
        command_line("inspect", P001_A), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=20)
    assert process.returncode == 141
    assert err == b""


def test_help_and_version_come_at_once_and_name_every_verb(cli: Any) -> None:
    """B25: neither numpy nor any board's package is needed for help."""
    started = time.perf_counter()
    done = cli("--help")
    took = time.perf_counter() - started
    assert done.code == 0
    assert all(re.search(rf"^    {verb} ", done.out, re.MULTILINE) for verb in VERBS)
    assert took < 2
    shown = cli("--version")
    assert (shown.code, shown.out) == (0, f"hostrt {version('hostrt')}\n")


def test_the_installed_command_works(p001_a: Path) -> None:
    command = Path(sys.executable).with_name("hostrt")
    if not command.exists():
        pytest.skip("hostrt is not installed as a command")
    done = subprocess.run(
        [command, "inspect", p001_a, "--json"], capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(hostrt: Any, verb: str) -> None:
    done = hostrt(verb, "--help")
    assert done.code == 0
    assert done.out.startswith(f"usage: hostrt {verb}")
    assert "--debug" in done.out
    assert done.err == ""


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    """B25."""
    script = (
        "import sys, hostrt.cli.main as m\n"
        "try: m.main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'usb', 'serial', 'soundfile', 'soxr', 'yaml', 'rich', 'construct'}\n"
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, timeout=30,
        env={**os.environ},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def on_a_terminal(*words: object) -> tuple[int, str, str]:
    """Run a command whose standard error is a terminal."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            command_line(*words), stdout=subprocess.PIPE, stderr=theirs, check=False, timeout=30
        )
        os.set_blocking(ours, False)
        shown = ""
        with contextlib.suppress(BlockingIOError):
            shown = os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout.decode(), shown


def test_a_terminal_gets_a_progress_bar_and_standard_output_stays_clean() -> None:
    code, out, err = on_a_terminal("flash", "LOOPBACK", "--board", "sim", "--force")
    assert code == 0
    assert out.startswith("sim://spu001: 192 bytes in ")
    assert "flash" in err
    assert "100 % (192 of 192 bytes)" not in err
    code, out, err = on_a_terminal("run", "LOOPBACK", "--board", "sim", "--json")
    assert code == 0
    assert err == ""
    assert out.startswith("{")
