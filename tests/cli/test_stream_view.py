"""How a running stream is shown: in place on a terminal, in lines elsewhere, not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from hostrt.cli.stream_view import LineView, MeterView, StreamView
from hostrt.streaming.status import StreamStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

TITLE = "a.wav through LOOPBACK"
BEGIN = StreamStatus(
    frame=0,
    n_frames=6250,
    elapsed_s=0.0,
    period_s=0.016,
    latency_s=0.00231,
    latency_p99_s=0.0026,
    input_peak=0.25,
    input_rms=0.123,
    output_peak=0.25,
    output_rms=0.123,
)
LAST = (
    "stream: 625 frames, 10.0 s, latency 2.31 ms (p99 2.60), missed 0, dropped 0, "
    "level in -18.2 dB out -18.2 dB"
)
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
BOUND_S = 20.0


def at(elapsed_s: float) -> StreamStatus:
    return replace(BEGIN, elapsed_s=elapsed_s, frame=round(elapsed_s / 0.016))


def steps(until_s: float, every_s: float = 0.1) -> Iterable[StreamStatus]:
    return (at(n * every_s) for n in range(1 + round(until_s / every_s)))


class Screen:
    """A terminal as far as it is used: returns, new lines, moves up and down, erased lines."""

    def __init__(self, text: str) -> None:
        self.lines = [""]
        self.row = self.column = 0
        for escape, char in re.findall(r"\x1b\[([?0-9;]*[A-Za-z])|([^\x1b])", text):
            if char:
                self.put(char)
            else:
                self.obey(escape)

    def put(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row, self.column = self.row + 1, 0
            self.lines += [""] * (self.row + 1 - len(self.lines))
        else:
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
            self.column += 1

    def obey(self, escape: str) -> None:
        match escape[-1], escape[:-1]:
            case "A", count:
                self.row = max(self.row - int(count or 1), 0)
            case "B", count:
                self.row = min(self.row + int(count or 1), len(self.lines) - 1)
            case "K", "2":
                self.lines[self.row] = ""
            case "m" | "h" | "l", _:
                pass
            case other:
                raise AssertionError(f"an escape sequence that is not known here: {other}")

    @property
    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.strip()]


def meters_on(width: int = 100, height: int = 24) -> tuple[MeterView, io.StringIO, Console]:
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, width=width, height=height, highlight=False, _environ={}
    )
    return MeterView(TITLE, console), out, console


def labels(screen: Screen) -> list[str]:
    return [line.split()[0] for line in screen.shown]


ALL_LABELS = ["a.wav", "frames", "input", "output", "-60", "latency", "queue", "late"]


def test_lines_come_now_and_then_and_at_the_end() -> None:
    out = io.StringIO()
    with LineView(out) as view:
        for status in steps(14.0):
            view.update(status)
        view.finish(at(14.0))

    lines = out.getvalue().splitlines()
    assert [line.split(", ")[1] for line in lines] == ["1.0 s", "6.0 s", "11.0 s", "14.0 s"]


def test_a_line_says_everything_in_few_words() -> None:
    out = io.StringIO()
    with LineView(out) as view:
        view.finish(at(10.0))

    assert out.getvalue() == f"{LAST}\n"


def test_a_line_names_what_is_not_as_it_should_be() -> None:
    out = io.StringIO()
    bad = replace(
        at(10.0),
        latency_s=1.5,
        latency_p99_s=2.0,
        missed=3,
        dropped=1,
        causes={"wire": 3, "device": 1},
        waiting=2,
        waiting_limit=8,
        power_w=0.0123,
    )
    with LineView(out) as view:
        view.finish(bad, interrupted=True)

    assert out.getvalue() == (
        "stream: interrupted after 625 frames, 10.0 s, latency 1.50 s (p99 2.00 s), missed 3, "
        "dropped 1 (wire 3, device 1), level in -18.2 dB out -18.2 dB, 2 of 8 waiting, "
        "power 12.3 mW\n"
    )


def test_the_last_line_tells_the_level_of_the_whole_stream() -> None:
    out = io.StringIO()
    silent = replace(at(10.0), input_rms=0.0, output_rms=0.0)
    with LineView(out) as view:
        view.update(at(5.0))
        view.finish(replace(silent, frame=2 * at(5.0).frame))

    first, last = out.getvalue().splitlines()
    assert first.endswith("level in -18.2 dB out -18.2 dB")
    assert last.endswith("level in -21.2 dB out -21.2 dB")


def test_a_stream_without_a_frame_has_a_line_too() -> None:
    out = io.StringIO()
    nothing = replace(BEGIN, latency_s=float("nan"), latency_p99_s=float("nan"))
    with LineView(out) as view:
        view.finish(nothing, interrupted=True)

    assert "after 0 frames, 0.0 s, latency - (p99 -)" in out.getvalue()


class HungUp(io.StringIO):
    """A terminal that somebody has closed."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "gone")


def test_nobody_reading_is_no_reason_to_stop() -> None:
    with LineView(HungUp()) as view:
        view.update(at(5.0))
        view.finish(at(10.0))


def test_a_terminal_that_goes_away_is_no_reason_to_stop() -> None:
    view, _, console = meters_on()
    with view:
        view.update(at(1.0))
        console.file = HungUp()
        view.update(at(2.0))
        view.finish(at(10.0))


def test_quiet_shows_nothing() -> None:
    out = io.StringIO()
    with StreamView.open(TITLE, quiet=True, stream=out) as view:
        for status in steps(7.0):
            view.update(status)
        view.finish(at(7.0), interrupted=True)

    assert out.getvalue() == ""


def test_what_is_no_terminal_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with StreamView.open(TITLE, quiet=False) as view:
        view.finish(at(10.0))

    assert capsys.readouterr() == ("", f"{LAST}\n")


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_meters_are_drawn_in_place(width: int) -> None:
    view, out, _ = meters_on(width)
    with view:
        for status in steps(3.0):
            view.update(status)
        screen = Screen(out.getvalue())

    assert labels(screen) == ALL_LABELS
    assert all(len(line) < width for line in screen.shown)
    assert "188 of 6250" in screen.shown[1]


def test_the_last_line_takes_the_place_of_the_meters() -> None:
    view, out, _ = meters_on()
    with view:
        view.update(at(9.9))
        view.finish(at(10.0))

    assert Screen(out.getvalue()).shown == [TITLE, LAST]
    assert out.getvalue().count(HIDE) == out.getvalue().count(SHOW) == 1
    assert out.getvalue().index(HIDE) < out.getvalue().index(SHOW)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_happens_the_cursor_and_standard_error_come_back(
    error: type[BaseException],
) -> None:
    before = sys.stderr
    view, out, _ = meters_on()

    def leave() -> None:
        with view:
            view.update(at(1.0))
            assert sys.stderr is not before
            raise error

    with pytest.raises(error):
        leave()

    assert out.getvalue().rindex(SHOW) > out.getvalue().rindex(HIDE)
    assert sys.stderr is before
    assert Screen(out.getvalue()).shown == [TITLE]


def test_a_low_terminal_shows_the_first_rows() -> None:
    view, out, _ = meters_on(height=4)
    with view:
        for status in steps(1.0):
            view.update(status)
        screen = Screen(out.getvalue())

    assert labels(screen) == ALL_LABELS[:4]


def test_lines_that_a_narrower_terminal_wraps_are_cleared() -> None:
    view, out, console = meters_on(100)
    with view:
        view.update(at(1.0))
        wide = len(out.getvalue())
        console.width = 60
        view.update(at(1.1))
        moves = out.getvalue()[wide:]
        drawn_once = len(out.getvalue())
        view.update(at(1.2))
        again = out.getvalue()[drawn_once:]

    # five of the seven lines were longer than 60: twelve rows in all
    cleared, _, _ = moves.partition("\x1b[6B")
    assert cleared.count("\x1b[1A") == 11
    assert again.count("\x1b[1A") == 6
    assert "\x1b[6B" not in again


def test_states_are_told_apart_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, _environ={"NO_COLOR": "1"})
    with MeterView(TITLE, console) as view:
        view.update(replace(at(1.0), input_peak=1.0, latency_s=0.02, waiting=8, waiting_limit=8))

    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", out.getvalue())
    for word in ("CLIP", "LATE", "FULL"):
        assert word in out.getvalue()


def test_the_log_is_written_above_the_meters() -> None:
    logger = logging.getLogger("hostrt")
    view, out, _ = meters_on()
    handler = logging.StreamHandler(original := io.StringIO())
    logger.addHandler(handler)
    with view:
        view.update(at(1.0))
        logger.warning("the link is slow")
        view.update(at(1.1))
        screen = Screen(out.getvalue())
    logger.removeHandler(handler)

    assert labels(screen) == ["a.wav", "the", *ALL_LABELS[1:]]
    assert handler.stream is original
    assert original.getvalue() == ""


SCRIPT = """
import sys, time
from dataclasses import replace
from hostrt.cli.stream_view import StreamView
from tests.cli.test_stream_view import TITLE, at
with StreamView.open(TITLE, quiet=False) as view:
    for n in range(1000):
        view.update(at(n / 10))
        if n == 3 and sys.argv[1] == "fail":
            raise RuntimeError("boom")
        if n == 3 and sys.argv[1] == "end":
            break
        if n == 3:
            print("ready", flush=True)
        if n > 3:
            time.sleep(0.01)
    view.finish(at(10.0))
"""


def on_a_terminal(how: str, **environment: str) -> tuple[str, int]:
    """Run the script with a terminal as standard error; give what was shown and its exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, how],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "24", **environment},
        cwd=os.path.dirname(os.path.dirname(os.path.dirname(__file__))),  # noqa: PTH120
    )
    os.close(theirs)
    assert process.stdout is not None
    if how == "interrupt":
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
    shown = b""
    until = time.monotonic() + BOUND_S
    with contextlib.suppress(OSError):  # how a terminal says that nobody is left
        while time.monotonic() < until and select.select([ours], [], [], BOUND_S)[0]:
            shown += os.read(ours, 1 << 16)
    os.close(ours)
    process.stdout.close()
    return shown.decode(), process.wait(BOUND_S)


def test_on_a_terminal_a_stream_is_drawn_and_leaves_a_line() -> None:
    shown, code = on_a_terminal("end")

    assert code == 0
    assert "▕" in shown
    assert Screen(shown).shown == [TITLE, LAST]
    assert shown.rindex(SHOW) > shown.rindex(HIDE)


@pytest.mark.parametrize("how", ["fail", "interrupt"])
def test_on_a_terminal_the_cursor_comes_back(how: str) -> None:
    shown, code = on_a_terminal(how)

    assert code != 0
    assert shown.rindex(SHOW) > shown.rindex(HIDE)
    assert "RuntimeError: boom" in shown or "KeyboardInterrupt" in shown


def test_a_terminal_that_can_do_nothing_gets_lines() -> None:
    shown, code = on_a_terminal("end", TERM="dumb")

    assert code == 0
    assert shown.splitlines() == [LAST]


def test_a_terminal_without_unicode_gets_plain_characters() -> None:
    shown, code = on_a_terminal("end", PYTHONIOENCODING="ascii")

    assert code == 0
    assert "#" in shown
    assert shown.isascii()
