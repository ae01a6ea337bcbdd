"""A stream: a source's frames through a runner on a clock, results as an iterator.

Three threads: one reads the source ahead, one keeps time and talks to the runner, and whoever
iterates takes the results, with a bounded queue on both sides of the middle one.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import math
import queue
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from hostrt.closing import Closing
from hostrt.errors import HostrtError, UsageError
from hostrt.runner.result import RunResult
from hostrt.streaming.clock import StreamClock
from hostrt.streaming.engine import Engine
from hostrt.streaming.frame import StreamFrame
from hostrt.streaming.inbox import Inbox
from hostrt.streaming.records import Records, metrics_of
from hostrt.streaming.status import StreamStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from hostrt.frames.stream_source import FrameSource
    from hostrt.power.base import PowerMeter
    from hostrt.power.trace import PowerTrace
    from hostrt.runner.base import BaseRunner
    from hostrt.streaming.options import StreamOptions

RESULTS_HELD: Final = 256
"""Results that may wait for whoever iterates; with more, the stream waits too."""

_LOOK_S = 0.05
_JOIN_S = 10.0
_RECENT = 256
_SWITCH_S = 2e-4
"""How long Python lets one thread run while another one waits: its own 5 ms are a whole frame."""


class Stream(Closing):
    """A running stream; iterate over it, or call `take`, to get its frames.

    As a context manager it is closed at the end; leaving a `for` loop early needs that, or `close`.

    Attributes:
        source: where frames come from.
        runner: where they go.
        options: how time is kept.
    """

    def __init__(
        self,
        source: FrameSource,
        runner: BaseRunner,
        options: StreamOptions,
        *,
        meter: PowerMeter | None = None,
    ) -> None:
        """Begin at once: the first frame is due as soon as it has been read.

        Args:
            source: frames; closed with the stream.
            runner: where frames go; one that was not started is started now and finished at the
                end.
            options: how time is kept.
            meter: power meter, started and stopped here.
        """
        self.source = source
        self.runner = runner
        self.options = options
        self._meter = meter
        self._clock = StreamClock()
        self._owns_runner = not runner.started
        if self._owns_runner:
            runner.__enter__()
        self._started_at = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        self._provenance = runner.provenance(self._started_at)
        self._notes: tuple[str, ...] = ()
        self._records = Records()
        self._feed = runner.feed()
        self._inbox = Inbox(source.blocks(), self._feed.encode, lambda: self._clock.stopped)
        self._engine = Engine(self._feed, self._inbox, self._clock, options, is_live=source.is_live)
        self._results: queue.Queue[StreamFrame | BaseException | None] = queue.Queue(RESULTS_HELD)
        self._recent: collections.deque[float] = collections.deque(maxlen=_RECENT)
        self._last: tuple[BaseException | None] | None = None
        self._ended = False
        self._abandoned = False
        self._was_stopped = False
        self._trace: PowerTrace | None = None
        self._began_s = time.perf_counter()
        self._took_s = 0.0
        _settle()
        self._switch_s = sys.getswitchinterval()
        sys.setswitchinterval(min(_SWITCH_S, self._switch_s))
        self._thread = threading.Thread(target=self._work, name="hostrt-stream", daemon=True)
        self._inbox.start()
        self._thread.start()

    # -- results --------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[StreamFrame]:
        while frames := self.take():
            yield from frames

    def take(self, timeout_s: float | None = None) -> list[StreamFrame]:
        """Give all frames that are done and were not given before, waiting for one.

        Args:
            timeout_s: longest wait; None waits until there is a frame.

        Returns:
            At least one frame, or none at the end of the stream or of the wait: `ended` tells.

        Raises:
            DeadlineMissed: under "stop", after the late frame was given.
            HostrtError: what source or runner raised, after the frames before were given.
        """
        until = math.inf if timeout_s is None else time.perf_counter() + timeout_s
        found: list[StreamFrame] = []
        while not self._ended:
            left = until - time.perf_counter()
            try:
                item = self._next(0.0 if found else left)
            except queue.Empty:
                if found or left <= 0:
                    break
                continue
            if isinstance(item, StreamFrame):
                found.append(item)
                self._recent.append(item.end_to_end_s)
                continue
            self._last = (item,)
            if not found:
                self._end()
                if item is not None:
                    raise item
            break
        return found

    def _next(self, left_s: float) -> StreamFrame | BaseException | None:
        """Give what was done next; the end stays the end, however often it is asked for."""
        if self._last is not None:
            return self._last[0]
        if left_s <= 0:
            return self._results.get_nowait()
        return self._results.get(timeout=min(left_s, _LOOK_S))

    @property
    def ended(self) -> bool:
        """Whether everything was given."""
        return self._ended

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped the stream before its source ended."""
        return self._was_stopped

    @property
    def gives_output_each_frame(self) -> bool:
        """Whether every frame has outputs, so that a dropped frame leaves a gap of one row."""
        return self._feed.gives_output_each_frame

    @property
    def status(self) -> StreamStatus:
        """How it goes; levels and power are for the caller to add."""
        engine, period_s = self._engine, self.options.period_s
        recent = np.array(self._recent, np.float64)
        measured = recent[np.isfinite(recent)]
        elapsed_s = 0.0
        waiting = 0
        if not math.isnan(engine.start_s):
            elapsed_s = time.perf_counter() - engine.start_s
            if self.options.realtime and not self.source.is_live and not self._ended:
                waiting = max(int(elapsed_s / period_s) + 1 - engine.done, 0)
        total = self._total()
        return StreamStatus(
            frame=engine.done,
            n_frames=total,
            elapsed_s=elapsed_s,
            period_s=period_s if self.options.realtime else None,
            latency_s=float(recent[-1]) if recent.size else math.nan,
            latency_p99_s=float(np.percentile(measured, 99)) if measured.size else math.nan,
            missed=engine.missed,
            dropped=engine.dropped,
            causes={name: count for name, count in engine.causes.items() if count},
            waiting=waiting if total is None else min(waiting, total - engine.done),
            waiting_limit=self.options.queue,
        )

    def result(self, outputs: Mapping[str, NDArray[np.signedinteger]] | None = None) -> RunResult:
        """Give the run as `Runner.run` would, once it has ended.

        Args:
            outputs: name -> (T, L) of what was collected; None for none.

        Raises:
            UsageError: the stream has not ended.
        """
        if not self._ended:
            raise UsageError("the stream has not ended", hint="take all frames, or close it, first")
        rows = self._records.rows()
        trace = self._trace
        energy = None
        if trace is not None and len(trace.marks_s):
            energy = np.full(len(rows), np.nan)
            energy[np.flatnonzero(~rows["dropped"])[: len(trace.marks_s)]] = trace.frame_energy_j()
        metrics = metrics_of(
            rows,
            self.options.period_s,
            deadline_s=self.options.allowed_s if self.options.realtime else None,
            duration_s=self._took_s,
            frame_energy_j=energy,
            simulation=self._feed.simulation(),
        )
        notes = [*self.source.notes, *self._notes]
        if self.source.overflows:
            notes.append(f"live input was lost {self.source.overflows} times before it was read")
        if self._was_stopped:
            notes.append(f"interrupted after {len(rows)} frames; everything up to then is complete")
        elif self._last is not None and self._last[0] is not None:
            notes.append(f"ended after {len(rows)} frames: {self._last[0]}")
        return RunResult(
            outputs or {},
            metrics,
            self._provenance,
            tuple(dict.fromkeys(notes)),
        )

    @property
    def rows(self) -> NDArray[np.void]:
        """One row per frame, see `hostrt.streaming.records.ROW`; once it has ended."""
        return self._records.rows()

    @property
    def power(self) -> PowerTrace | None:
        """What the meter measured, once the stream has ended."""
        return self._trace

    # -- end ------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End after the frame under way; its results can still be taken. From any thread."""
        if not self._ended:
            self._was_stopped = True
        self._clock.stop()
        self.source.close()

    def close(self) -> None:
        """Stop, let go of results that nobody took, and end the threads. Idempotent."""
        if not self._ended:
            self.stop()
            self._abandoned = True
            self._end()
        self.source.close()

    def _end(self) -> None:
        self._ended = True
        self._clock.stop()
        self._thread.join(_JOIN_S)
        self._inbox.join(_JOIN_S)
        self._notes = self.runner.notes
        if self._owns_runner:
            self.runner.finish()
        gc.unfreeze()
        sys.setswitchinterval(self._switch_s)

    # -- inside ---------------------------------------------------------------------------------

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            with contextlib.ExitStack() as stack:
                if self._meter is not None:
                    self._meter.start()
                    stack.callback(self._stop_meter)
                self._engine.run(self._emit, self._records, self._meter)
        except BaseException as caught:  # noqa: BLE001 - handed to the thread that takes results
            error = caught
        self._took_s = time.perf_counter() - self._began_s
        self._emit(error)

    def _stop_meter(self) -> None:
        if self._meter is not None:
            try:
                self._trace = self._meter.stop()
            except HostrtError:
                # the meter was lost; what it measured before is as good as ever
                self._trace = self._meter.measured()
                raise

    def _emit(self, item: StreamFrame | BaseException | None) -> None:
        while not self._abandoned:
            try:
                self._results.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
            return

    def _total(self) -> int | None:
        known = [n for n in (self.source.n_frames, self.options.n_frames) if n is not None]
        return min(known, default=None)


def _settle() -> None:
    """Do now what would otherwise hold up the first frames.

    A collection of everything that was loaded takes several frames; what is frozen is not looked
    at again. Percentiles load a part of numpy when they are first asked for.
    """
    gc.collect()
    gc.freeze()
    np.percentile(np.zeros(1), 99)
