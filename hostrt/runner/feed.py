"""One frame after another through a started runner, each with its times: what streams need."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostrt.runner.result import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from firmware_protocol.requests import FrameOut
    from hostrt.frames.frames import Frames
    from hostrt.runner.base import BaseRunner


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some consecutive frames, ready to be sent.

    Attributes:
        frames: the frames.
        sent: per frame the names of the inputs that it brings, in order; empty if nobody asked.
        messages: per frame their messages, for runners that send such; else empty.
    """

    frames: Frames
    sent: Sequence[tuple[str, ...]] = ()
    messages: Sequence[Sequence[FrameOut]] = ()


Upcoming = tuple[Block, int]
"""A frame that has come: its block and its place in it."""


class Feed(ABC):
    """Frames one at a time.

    `encode` may be called by another thread than `step`, ahead of it.

    Attributes:
        overlaps: `step` can send the next frame while the last one's outputs are on their way.
        gives_output_each_frame: every frame completes an output, so that a frame that is dropped
            leaves a gap of one row.
    """

    overlaps = False

    def __init__(self, runner: BaseRunner) -> None:
        self.gives_output_each_frame = runner.plan.iospec.is_simple

    def encode(self, frames: Frames) -> Block:
        """Do ahead of time, for many frames at once, what can be done without the model."""
        return Block(frames)

    @abstractmethod
    def step(
        self, block: Block, index: int, upcoming: Callable[[], Upcoming | None] | None = None
    ) -> StepResult:
        """Run frame `index` of `block`.

        Args:
            block: from `encode`.
            index: number of the frame in the block.
            upcoming: asked once, when the frame has been computed and its outputs are about to be
                fetched, for the frame that is to be sent along; that frame must then be the next
                one that is run. None: nothing is sent ahead.

        Raises:
            HostrtError: see the runner's `step`.
        """

    def simulation(self) -> Mapping[str, object]:
        """Give where a simulator's cycles and energy went so far, as plain values; else empty."""
        return {}


class PlainFeed(Feed):
    """Frames through `BaseRunner.step`."""

    def __init__(self, runner: BaseRunner) -> None:
        super().__init__(runner)
        self._runner = runner

    def step(
        self, block: Block, index: int, upcoming: Callable[[], Upcoming | None] | None = None
    ) -> StepResult:
        """See `Feed.step`."""
        del upcoming
        return StepResult(self._runner.step(block.frames.at(index)))
