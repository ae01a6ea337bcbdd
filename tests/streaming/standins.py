"""A clock that is moved by hand, and a model and a source that take the time a test says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hostrt.frames.frames import VectorSpec, normalize_inputs
from hostrt.runner.feed import Block, Feed
from hostrt.runner.result import StepResult
from hostrt.streaming.inbox import Arrival

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostrt.runner.feed import Upcoming

SPEC = VectorSpec("x", 4, 4, 16)


class HandClock:
    """Time that passes only when somebody waits or works."""

    def __init__(self) -> None:
        self.time_s = 100.0
        self.stopped = False
        self.oversleeps_s = 0.0

    def now(self) -> float:
        return self.time_s

    def wait_until(self, when: float) -> bool:
        if when > self.time_s:
            self.time_s = when + self.oversleeps_s
        return not self.stopped

    def stop(self) -> None:
        self.stopped = True


@dataclass
class Arriving:
    """Frames that come at the times a test says; before the stream begins by default."""

    clock: HandClock
    n_frames: int
    ready_s: Mapping[int, float] = field(default_factory=dict)
    taken: int = 0

    def __post_init__(self) -> None:
        values = np.arange(4 * self.n_frames, dtype=np.int16).reshape(-1, 4)
        self.block = Block(normalize_inputs(values, [SPEC]))

    def take(self) -> Arrival | None:
        found = self._next()
        if found is not None:
            self.clock.time_s = max(self.clock.time_s, found.ready_s)
            self.taken += 1
        return found

    def peek(self) -> Arrival | None:
        found = self._next()
        return found if found is not None and found.ready_s <= self.clock.time_s else None

    def _next(self) -> Arrival | None:
        if self.taken >= self.n_frames:
            return None
        return Arrival(self.block, self.taken, self.ready_s.get(self.taken, 0.0))


@dataclass(frozen=True)
class Times:
    """What a frame takes."""

    device_s: float = 0.001
    wire_s: float = 0.002
    host_s: float = 0.0005


class TimedFeed(Feed):
    """A model that takes the time a test says and gives its inputs back."""

    def __init__(
        self,
        clock: HandClock,
        usual: Times | None = None,
        slow: Mapping[int, Times] | None = None,
        *,
        overlaps: bool = False,
        saves_s: float = 0.0,
    ) -> None:
        self.gives_output_each_frame = True
        self.overlaps = overlaps
        self.clock = clock
        self.usual = usual or Times()
        self.slow = slow or {}
        self.saves_s = saves_s
        self.seen: list[int] = []
        self.sent_ahead: list[int] = []

    def step(
        self, block: Block, index: int, upcoming: Callable[[], Upcoming | None] | None = None
    ) -> StepResult:
        times = self.slow.get(index, self.usual)
        wire_s = times.wire_s - (self.saves_s if index in self.sent_ahead else 0.0)
        self.clock.time_s += times.device_s
        if upcoming is not None:
            following = upcoming()
            if following is not None:
                self.sent_ahead.append(following[1])
        self.clock.time_s += wire_s + times.host_s
        self.seen.append(index)
        return StepResult(
            {"y": np.array(block.frames["x"][index])},
            times.device_s if not math.isnan(times.device_s) else math.nan,
            times.device_s + wire_s,
        )
