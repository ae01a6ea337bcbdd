"""The loop of a stream: every frame begun when it is due, late ones treated as the user chose.

Frame k is due at `start + k * period`, whatever happened to the frames before it, so that delays
never add up. A source with a clock of its own (a microphone) says itself when its frames are due:
when they come. The loop knows no threads; time and waiting are handed to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hostrt.errors import DeadlineMissed, HostrtError
from hostrt.streaming.frame import StreamFrame
from hostrt.streaming.records import CAUSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.runner.feed import Feed, Upcoming
    from hostrt.runner.result import StepResult
    from hostrt.streaming.inbox import Arrival, Arrivals
    from hostrt.streaming.options import StreamOptions
    from hostrt.streaming.records import Cause, Records


class Clock(Protocol):
    """What the loop needs to know of time."""

    @property
    def stopped(self) -> bool:
        """Whether the stream is to end."""

    def now(self) -> float:
        """Give the time in seconds."""

    def wait_until(self, when: float) -> bool:
        """Wait until it is `when`; false when the stream is to end."""


class Meter(Protocol):
    """What the loop tells a power meter."""

    def mark(self, when_s: float | None = None) -> None:
        """Take note that a frame begins."""

    def add_frame(self, start_s: float, device_s: float, energy_j: float | None = None) -> None:
        """Take note of what a simulator knows of a frame."""


@dataclass(slots=True)
class _Begun:
    """A frame under way."""

    arrival: Arrival
    number: int
    due: float
    start: float


class Engine:
    """Runs the frames of one stream.

    Attributes:
        done: frames that are done, dropped ones included.
        missed: frames whose outputs came after their deadline.
        dropped: frames given up.
        causes: where time was lost -> missed or dropped frames.
        start_s: when the first frame was due on the clock, NaN before that.
    """

    def __init__(
        self,
        feed: Feed,
        arrivals: Arrivals,
        clock: Clock,
        options: StreamOptions,
        *,
        is_live: bool = False,
    ) -> None:
        """Prepare.

        Args:
            feed: where frames go.
            arrivals: where they come from.
            clock: the time.
            options: how to keep it.
            is_live: the source decides when its frames are due.
        """
        self.done = self.missed = self.dropped = 0
        self.causes = dict.fromkeys(CAUSES, 0)
        self.start_s = math.nan
        self._feed = feed
        self._arrivals = arrivals
        self._clock = clock
        self._options = options
        self._is_live = is_live
        self._taken = 0
        self._ahead: _Begun | None = None
        self._busy_s = 0.0
        self._blocker: Cause = "host"
        self._free_s = -math.inf

    def run(
        self, emit: Callable[[StreamFrame], None], records: Records, meter: Meter | None = None
    ) -> None:
        """Run all frames.

        Args:
            emit: takes each frame when it is done.
            records: takes a row per frame.
            meter: is told when each frame begins.

        Raises:
            DeadlineMissed: under "stop", after the frame that was late was handed out.
            HostrtError: what the source or the runner raises, naming the frame.
        """
        while (begun := self._begin()) is not None:
            late = begun.start - begun.due
            if self._gives_up(late) and begun is not self._ahead:
                frame = self._give_up(begun)
            else:
                self._ahead = None
                if meter is not None:
                    meter.mark(begun.start)
                frame = self._judge(begun, self._step(begun))
                if meter is not None and not math.isnan(frame.device_s):
                    known = None if math.isnan(frame.energy_j) else frame.energy_j
                    meter.add_frame(begun.start, frame.device_s, known)
            self.done += 1
            records.add(_row(frame))
            handed = self._clock.now()
            emit(frame)
            if self._clock.now() - handed > self._busy_s:
                # whoever takes the results held the stream up
                self._blocker = "host"
            if frame.missed and self._options.on_late == "stop":
                raise self._miss(frame)

    # -- one frame ------------------------------------------------------------------------------

    def _begin(self) -> _Begun | None:
        """Wait until the next frame is there and due; None when there is none."""
        if self._ahead is not None:
            return self._ahead
        if self._clock.stopped or self._is_full():
            return None
        arrival = self._arrivals.take()
        if arrival is None:
            return None
        due = self._due(arrival)
        if self._options.realtime and not self._clock.wait_until(due):
            return None
        self._taken += 1
        now = self._clock.now()
        return _Begun(arrival, self._taken - 1, due if self._options.realtime else now, now)

    def _due(self, arrival: Arrival) -> float:
        if math.isnan(self.start_s):
            self.start_s = arrival.ready_s if self._is_live else self._clock.now()
        if self._is_live:
            return arrival.ready_s
        return self.start_s + self._taken * self._options.period_s

    def _is_full(self) -> bool:
        limit = self._options.n_frames
        return limit is not None and self._taken >= limit

    def _step(self, begun: _Begun) -> StepResult:
        arrival = begun.arrival
        try:
            return self._feed.step(
                arrival.block, arrival.index, self._upcoming if self._is_pressed() else None
            )
        except HostrtError as error:
            raise type(error)(
                f"frame {begun.number}: {error.message}",
                hint=error.hint,
                **{**error.context, "frame": begun.number},
            ) from error

    def _is_pressed(self) -> bool:
        """Tell whether the next frame will have come before this one is done."""
        if not (self._options.overlap and self._feed.overlaps):
            return False
        if not self._options.realtime:
            return True
        if self._is_live:
            return self._arrivals.peek() is not None
        next_due = self.start_s + self._taken * self._options.period_s
        return next_due <= self._clock.now() + self._busy_s

    def _upcoming(self) -> Upcoming | None:
        """Begin the next frame if it has come, for it to be sent along."""
        if self._clock.stopped or self._is_full() or self._options.on_late == "stop":
            return None
        arrival = self._arrivals.peek()
        if arrival is None:
            return None
        due, now = self._due(arrival), self._clock.now()
        if self._options.realtime and (due > now or self._gives_up(now - due)):
            return None
        self._arrivals.take()
        self._taken += 1
        self._ahead = _Begun(arrival, self._taken - 1, due if self._options.realtime else now, now)
        return arrival.block, arrival.index

    # -- verdicts -------------------------------------------------------------------------------

    def _gives_up(self, late_s: float) -> bool:
        options = self._options
        return (
            options.realtime
            and options.on_late == "drop"
            and late_s >= options.queue * options.period_s
        )

    def _give_up(self, begun: _Begun) -> StreamFrame:
        source_s = max(begun.arrival.ready_s - begun.due, 0.0)
        blocked_s = begun.start - begun.due - source_s
        if source_s > blocked_s:
            # frames behind this one are late for the same reason
            self._blocker = "source"
        cause = self._blocker
        self.dropped += 1
        self.causes[cause] += 1
        return StreamFrame(
            begun.number,
            {},
            begun.due - self.start_s,
            begun.start - begun.due,
            dropped=True,
            cause=cause,
            _place=(begun.arrival.block, begun.arrival.index),
        )

    def _judge(self, begun: _Begun, step: StepResult) -> StreamFrame:
        end = self._clock.now()
        wire_s = 0.0 if math.isnan(step.wire_s) else step.wire_s
        device_s = min(0.0 if math.isnan(step.device_s) else step.device_s, wire_s)
        # a frame sent ahead shares its time with the one before it
        began = max(begun.start, self._free_s)
        host_s = max(end - began - wire_s, 0.0)
        self._busy_s = end - begun.start
        cause = self._blame(begun, {"host": host_s, "wire": wire_s - device_s, "device": device_s})
        missed = self._options.realtime and end - begun.due > self._options.allowed_s
        self.missed += missed
        if missed:
            self.causes[cause] += 1
        self._free_s = end
        return StreamFrame(
            begun.number,
            step.outputs,
            begun.due - self.start_s,
            begun.start - begun.due,
            end - begun.due,
            step.device_s,
            step.wire_s,
            host_s,
            step.energy_j,
            missed=missed,
            cause=cause if missed else "",
            _place=(begun.arrival.block, begun.arrival.index),
        )

    def _blame(self, begun: _Begun, own: dict[Cause, float]) -> Cause:
        """Say where most time went; a frame that waited for another one inherits from that."""
        source_s = max(begun.arrival.ready_s - begun.due, 0.0)
        own = {"source": source_s, **own}
        worst = max(own, key=lambda name: own[name])
        blocked_s = begun.start - begun.due - source_s
        if blocked_s <= own[worst]:
            self._blocker = worst
        return self._blocker

    def _miss(self, frame: StreamFrame) -> DeadlineMissed:
        late_ms = 1e3 * (frame.end_to_end_s - self._options.allowed_s)
        return DeadlineMissed(
            f"frame {frame.number} was {late_ms:.3g} ms late, most time was lost by the "
            f"{frame.cause}",
            hint="give a longer --input-period or --deadline, or choose --on-late wait or drop",
            frame=frame.number,
            cause=frame.cause,
        )


def _row(frame: StreamFrame) -> tuple[float | bool | int, ...]:
    return (
        frame.due_s,
        math.nan if frame.dropped else frame.late_s,
        frame.end_to_end_s,
        frame.device_s,
        frame.wire_s,
        frame.host_s,
        frame.energy_j,
        frame.missed,
        frame.dropped,
        CAUSES.index(frame.cause) + 1 if frame.cause else 0,
    )
