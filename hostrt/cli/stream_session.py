"""One invocation of `hostrt stream`: the loop that takes results, and what is kept of them."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from hostrt.cli.run_work import make_runner
from hostrt.cli.stream_rows import KeptArrays, input_rows, output_rows
from hostrt.cli.stream_view import StreamView
from hostrt.errors import HostrtError
from hostrt.frames.stream_sink import open_sink
from hostrt.streaming.levels import LevelMeter
from hostrt.streaming.stream import Stream

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.board.board import Board
    from hostrt.cli.subject import Subject
    from hostrt.frames.stream_sink import FrameSink
    from hostrt.frames.stream_source import FrameSource
    from hostrt.power.base import PowerMeter
    from hostrt.power.trace import PowerTrace
    from hostrt.runner.result import RunResult
    from hostrt.streaming.frame import StreamFrame
    from hostrt.streaming.options import StreamOptions
    from hostrt.streaming.status import StreamStatus

_TAKE_S = 0.05
_VIEW_S = 0.1


class Session:
    """Plays a source through a runner and keeps what was asked for.

    Attributes:
        arguments: of `stream`.
        subject: what runs.
        source: where frames come from.
        options: how time is kept.
        interrupted: it ended before its source did; what was kept is complete up to then.
        signal_number: the signal that ended it, 0 for none.
        failure: what ended it, None when nothing failed.
        out_specs: the model's outputs, by name.
        inputs: name -> (T, L) of what went in, when that was kept.
        power: what a meter measured.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        subject: Subject,
        source: FrameSource,
        options: StreamOptions,
        *,
        keeps: bool,
    ) -> None:
        """Open every place for results, so that what cannot be written fails before it begins.

        Args:
            arguments: of `stream`.
            subject: what runs.
            source: where frames come from.
            options: how time is kept.
            keeps: keep all inputs and outputs on disk until the end.

        Raises:
            UsageError, StorageError: a place that cannot be used.
        """
        self.arguments = arguments
        self.subject = subject
        self.source = source
        self.options = options
        self.interrupted = False
        self.signal_number = 0
        self.failure: HostrtError | None = None
        self.inputs: dict[str, NDArray[np.signedinteger]] = {}
        self.power: PowerTrace | None = None
        self._result: RunResult | None = None
        self._rows: NDArray[np.void] | None = None
        self._in_specs = {spec.name: spec for spec in subject.input_specs}
        self.out_specs = {name: port.spec for name, port in subject.io.outputs.items()}
        self._power_w: float | None = None
        self._in_level, self._out_level = LevelMeter(), LevelMeter()
        self._kept_in: KeptArrays | None = None
        self._kept_out: KeptArrays | None = None
        with contextlib.ExitStack() as stack:
            self._sink = self._open_sink(stack)
            if keeps:
                self._kept_in = stack.enter_context(KeptArrays(self._in_specs))
                self._kept_out = stack.enter_context(KeptArrays(self.out_specs))
            self._held = stack.pop_all()

    @property
    def result(self) -> RunResult:
        """The run; its outputs are there if they were kept."""
        if self._result is None:
            raise AssertionError("a session has a result once it was played")
        return self._result

    @property
    def rows(self) -> NDArray[np.void]:
        """One row per frame, see `hostrt.streaming.records.ROW`."""
        if self._rows is None:
            raise AssertionError("a session has rows once it was played")
        return self._rows

    @property
    def underflows(self) -> int:
        """How often a loudspeaker had nothing to play."""
        return 0 if self._sink is None else self._sink.underflows

    def play(self, board: Board | None, meter: PowerMeter | None) -> None:
        """Stream to the end, to the first failure or until somebody stops it.

        Args:
            board: for the `hw` runner; its program is loaded now.
            meter: a power meter to run along.

        Raises:
            HostrtError: it could not begin. What fails later is `failure`.
        """
        arguments = self.arguments
        with contextlib.ExitStack() as stack:
            runner = make_runner(self.subject, arguments, arguments.runner, board)
            stack.enter_context(runner)
            # the view before the stream: loading what draws it takes longer than a frame
            view = stack.enter_context(
                StreamView.open(
                    f"{self.source.title} through {self.subject.name}",
                    quiet=arguments.quiet or arguments.json,
                    deadline_s=self.options.allowed_s,
                )
            )
            stream = stack.enter_context(Stream(self.source, runner, self.options, meter=meter))
            stack.enter_context(self._stopped_by_signals(stream.stop))
            try:
                self._loop(stream, view, meter)
            except HostrtError as error:
                self.failure = error
                # a sink that failed leaves the stream running
                stream.close()
            self.interrupted = stream.interrupted or self.failure is not None
            self._sink_done()
            self._take_result(stream)
            view.finish(self._status(stream, meter), interrupted=self.interrupted)

    def close(self) -> None:
        """Take temporary files away, and what a sink that was not finished left. Idempotent."""
        self._held.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside ---------------------------------------------------------------------------------

    def _open_sink(self, stack: contextlib.ExitStack) -> FrameSink | None:
        arguments = self.arguments
        if arguments.output is None:
            return None
        sink = open_sink(
            arguments.output,
            self.out_specs,
            self.source.sample_rate,
            output=arguments.output_name,
        )
        stack.callback(sink.close, interrupted=True)
        return sink

    def _loop(self, stream: Stream, view: StreamView, meter: PowerMeter | None) -> None:
        shown_s = 0.0
        while not stream.ended:
            frames = stream.take(_TAKE_S)
            if frames:
                self._keep(frames, fills_gaps=stream.gives_output_each_frame)
            if self._sink is not None and self._sink.ended:
                # whoever listened has left
                stream.stop()
            if time.monotonic() - shown_s >= _VIEW_S:
                shown_s = time.monotonic()
                view.update(self._status(stream, meter))

    def _keep(self, frames: list[StreamFrame], *, fills_gaps: bool) -> None:
        inputs = input_rows(frames, self.source.specs)
        outputs = output_rows(frames, self.out_specs, fills_gaps=fills_gaps)
        if self._sink is not None:
            self._sink.write(outputs)
        if self._kept_in is not None and self._kept_out is not None:
            self._kept_in.add(inputs)
            self._kept_out.add(outputs)
        self._in_level.add(inputs)
        self._out_level.add(outputs)

    def _status(self, stream: Stream, meter: PowerMeter | None) -> StreamStatus:
        in_peak, in_rms = self._in_level.read()
        out_peak, out_rms = self._out_level.read()
        return replace(
            stream.status,
            input_peak=in_peak,
            input_rms=in_rms,
            output_peak=out_peak,
            output_rms=out_rms,
            power_w=self._power(meter) if not stream.ended else self._power_w,
        )

    def _power(self, meter: PowerMeter | None) -> float | None:
        """Give the last power that the meter told; it need not tell one as often as it is asked."""
        told = meter.read_recent() if meter is not None else None
        if told is not None:
            self._power_w = told
        return self._power_w

    def _sink_done(self) -> None:
        if self._sink is not None:
            try:
                self._sink.close(interrupted=self.interrupted)
            except HostrtError as error:
                self.failure = self.failure or error

    def _take_result(self, stream: Stream) -> None:
        outputs: Mapping[str, NDArray[np.signedinteger]] = {}
        if self._kept_in is not None and self._kept_out is not None:
            self.inputs, outputs = self._kept_in.arrays(), self._kept_out.arrays()
        self._result = stream.result(outputs)
        self._rows = stream.rows
        self.power = stream.power

    @contextlib.contextmanager
    def _stopped_by_signals(self, stop: Callable[[], None]) -> Iterator[None]:
        """Let the first Ctrl-C end the stream after its frame; the second one ends everything."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: object) -> None:
            del frame
            if self.signal_number:
                raise KeyboardInterrupt
            self.signal_number = number
            # not from here: the handler may have interrupted whoever holds a lock
            threading.Thread(target=stop, name="hostrt-stream-stop", daemon=True).start()

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
