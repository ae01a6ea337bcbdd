"""How a running stream is shown while it runs: meters on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
from typing import IO, TYPE_CHECKING, TypeVar

from hostrt.cli.output import printable
from hostrt.cli.stream_meters import (
    ASCII,
    BLOCKS,
    Meters,
    causes_text,
    decibels,
    power_text,
    time_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from rich.console import Console, ConsoleOptions, RenderResult

    from hostrt.streaming.status import StreamStatus

FIRST_LINE_S = 1.0
LINES_EVERY_S = 5.0
_Self = TypeVar("_Self", bound="StreamView")


class StreamView:
    """Shows nothing: what --quiet gets. Others show something, none of them ever ends a stream.

    For one thread, not the one that streams. A context manager: what it did to the terminal is
    undone however it is left.
    """

    @staticmethod
    def open(
        title: str,
        *,
        quiet: bool,
        stream: IO[str] | None = None,
        deadline_s: float | None = None,
    ) -> StreamView:
        """Choose the view that suits.

        Args:
            title: what is streamed, shown once on a terminal.
            quiet: show nothing.
            stream: where to show it; standard error when None.
            deadline_s: seconds after which a frame is late; None: one period.
        """
        if quiet:
            return StreamView()
        stream = sys.stderr if stream is None else stream
        if stream.isatty():
            from rich.console import Console

            console = Console(file=stream, highlight=False)
            if console.is_interactive and not console.is_dumb_terminal:
                return MeterView(title, console, deadline_s)
        return LineView(stream)

    def update(self, status: StreamStatus) -> None:
        """Show how the stream is doing."""

    def finish(self, status: StreamStatus, *, interrupted: bool = False) -> None:
        """Show how the stream went; `interrupted` says that it ended before its end."""

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


class LineView(StreamView):
    """A line now and then and one at the end, for logs."""

    def __init__(self, stream: IO[str], first_s: float = FIRST_LINE_S) -> None:
        self._stream = stream
        self._recent = _Loudness()
        self._whole = _Loudness()
        self._frame = 0
        self._next_s = first_s

    def update(self, status: StreamStatus) -> None:
        """Print a line when the last one is some seconds of the stream old."""
        self._add(status)
        if status.elapsed_s >= self._next_s:
            self._next_s = status.elapsed_s + LINES_EVERY_S
            self._say(line_text(status, self._recent.text()))
            self._recent = _Loudness()

    def finish(self, status: StreamStatus, *, interrupted: bool = False) -> None:
        """Print the last line; its levels are those of the whole stream."""
        self._add(status)
        self._say(line_text(status, self._whole.text(), interrupted=interrupted))

    def _add(self, status: StreamStatus) -> None:
        n_frames = max(status.frame - self._frame, 0)
        self._frame = status.frame
        for loudness in (self._recent, self._whole):
            loudness.add(status, n_frames)

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads it: no reason to stop
            print(printable(text), file=self._stream, flush=True)


class MeterView(StreamView):
    """Meters that are drawn in place while the stream runs; one line stays when it has ended."""

    def __init__(self, title: str, console: Console, deadline_s: float | None = None) -> None:
        """Draw on `console`, which is a terminal."""
        from rich.live import Live

        self._title = title
        self._console = console
        # only its last line is wanted
        self._lines = LineView(console.file, math.inf)
        self._picture = _Picture(
            Meters(deadline_s, ASCII if console.options.ascii_only else BLOCKS), console
        )
        self._live = Live(
            self._picture,
            console=console,
            auto_refresh=False,  # no thread of its own beside the stream's
            transient=True,
            redirect_stdout=False,  # outputs may go there
            vertical_overflow="crop",
        )
        self._held = contextlib.ExitStack()

    def update(self, status: StreamStatus) -> None:
        """Draw the meters."""
        self._lines.update(status)
        self._picture.meters.add(status)
        with contextlib.suppress(OSError), self._console:
            self._picture.clear_wrapped()
            self._live.refresh()

    def finish(self, status: StreamStatus, *, interrupted: bool = False) -> None:
        """Take the meters away and leave the last line of `LineView`."""
        self._held.close()
        self._lines.finish(status, interrupted=interrupted)

    def __enter__(self) -> MeterView:
        with contextlib.ExitStack() as stack:
            self._console.print(printable(self._title), markup=False)
            stack.callback(self._stop)
            self._live.start()
            stack.enter_context(_log_above())
            self._held = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    def _stop(self) -> None:
        with contextlib.suppress(OSError), self._console:
            self._picture.clear_wrapped()
            self._live.stop()


class _Picture:
    """The meters as rich draws them, as many rows as the terminal has room for."""

    def __init__(self, meters: Meters, console: Console) -> None:
        self.meters = meters
        self._console = console
        self._drawn: list[int] = []
        """Lengths of the lines that stand on the terminal."""

    def clear_wrapped(self) -> None:
        """Clear lines that a narrower terminal has wrapped: they are more than were drawn."""
        from rich.control import Control
        from rich.segment import ControlType

        width = self._console.width
        n_lines = sum(max(1, -(-length // width)) for length in self._drawn)
        extra = n_lines - len(self._drawn)
        if extra:
            erase = (ControlType.ERASE_IN_LINE, 2)
            up = [(ControlType.CURSOR_UP, 1), erase] * (n_lines - 1)
            down = (ControlType.CURSOR_DOWN, len(self._drawn) - 1)
            ends_down = [down] if len(self._drawn) > 1 else []
            self._console.control(Control(ControlType.CARRIAGE_RETURN, erase, *up, *ends_down))
            self._drawn = [0] * len(self._drawn)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        # The last column stays free: a line that ends there may or may not wrap.
        rows = self.meters.rows(options.max_width - 1)[: max(options.size.height - 1, 1)]
        self._drawn = [sum(len(text) for text, _ in row) for row in rows]
        for i, row in enumerate(rows):
            if i:
                yield Segment.line()
            for text, style in row:
                yield Segment(text, console.get_style(style))


class _Loudness:
    """Levels of many frames from those of a few each."""

    def __init__(self) -> None:
        self._in = self._out = 0.0
        self._n_frames = 0

    def add(self, status: StreamStatus, n_frames: int) -> None:
        self._in += n_frames * status.input_rms**2
        self._out += n_frames * status.output_rms**2
        self._n_frames += n_frames

    def text(self) -> str:
        n = max(self._n_frames, 1)
        levels = [decibels(math.sqrt(total / n)) for total in (self._in, self._out)]
        return "level in {:.1f} dB out {:.1f} dB".format(*levels)


def line_text(status: StreamStatus, levels: str, *, interrupted: bool = False) -> str:
    """Give the state of a stream in one line; `levels` in words."""
    latency, p99 = (time_text(s) for s in (status.latency_s, status.latency_p99_s))
    p99 = p99.removesuffix(" ms") if latency.endswith(" ms") else p99
    parts = [
        f"stream: {'interrupted after ' if interrupted else ''}{status.frame} frames",
        f"{status.elapsed_s:.1f} s",
        f"latency {latency} (p99 {p99})",
        f"missed {status.missed}",
        f"dropped {status.dropped}{causes_text(status.causes)}",
        levels,
    ]
    if status.waiting:
        of = f" of {status.waiting_limit}" if status.waiting_limit else ""
        parts.append(f"{status.waiting}{of} waiting")
    if status.power_w is not None:
        parts.append(f"power {power_text(status.power_w)}")
    return ", ".join(parts)


@contextlib.contextmanager
def _log_above() -> Iterator[None]:
    """Let the log write above the meters, through what rich has put in standard error's place."""
    handlers = [
        handler
        for handler in logging.getLogger("hostrt").handlers
        if type(handler) is logging.StreamHandler
    ]
    before = [(handler, handler.setStream(sys.stderr)) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in before:
            if stream is not None:
                handler.setStream(stream)
