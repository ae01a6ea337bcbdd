"""Frames through a board one at a time, the next one's inputs under way with this one's outputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firmware_protocol.requests import ExecTime, FrameIn
from firmware_protocol.sequences import SequenceTracker
from hostrt.runner.feed import Block, Feed
from hostrt.runner.result import StepResult
from hostrt.runner.rounds import Round, rounds_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.chip.step import FrameOut, Step
    from hostrt.frames.frames import Frames
    from hostrt.runner.feed import Upcoming
    from hostrt.runner.hw import HwRunner


class HwFeed(Feed):
    """Frames through a board.

    Where a frame is one round, its outputs are fetched in two steps when somebody asks for overlap:
    wait until they are there, then ask for them and send the next frame behind the request. The
    chip sees the same order as without overlap; only the answers share the link with the inputs.
    """

    def __init__(self, runner: HwRunner) -> None:
        super().__init__(runner)
        # elsewhere a frame may be several rounds, or none that has outputs
        self.overlaps = self.gives_output_each_frame
        self._runner = runner
        self._tracker = SequenceTracker(runner.plan.iospec)
        self._is_ahead = False
        self._usual: tuple[str, ...] | None = None
        self._usual_due: tuple[str, ...] = ()
        self._split: dict[tuple[str, ...], tuple[list[Step], list[Step]]] = {}

    def encode(self, frames: Frames) -> Block:
        """See `Feed.encode`."""
        messages = self._runner.plan.encode(frames)
        always = tuple(name for name in frames if not frames.is_sent_once(name))
        sent = [tuple(frames), *[always] * (frames.n_frames - 1)]
        outs = [
            [self._runner.message(messages[name], index) for name in names]
            for index, names in enumerate(sent)
        ]
        return Block(frames, sent, outs)

    def step(
        self, block: Block, index: int, upcoming: Callable[[], Upcoming | None] | None = None
    ) -> StepResult:
        """See `Feed.step`."""
        self._runner.require_loaded()
        rounds = self._rounds(block, index)
        if self.overlaps and (upcoming is not None or self._is_ahead):
            return self._overlapped(block, rounds[0], upcoming)
        outputs: dict[str, NDArray[np.signedinteger]] = {}
        device_s = math.nan
        wire_s = 0.0
        for item in rounds:
            tail = self._runner.tail(item.due) if item.due else ()
            reply = self._runner.board.frame(self._messages(block, item), tail)
            wire_s += reply.wire_s
            if item.due:
                outputs |= self._runner.outputs_of(reply, item.due)
                known = not math.isnan(device_s)
                device_s = device_s + reply.device_s if known else reply.device_s
        return StepResult(outputs, device_s, wire_s)

    def _rounds(self, block: Block, index: int) -> list[Round]:
        """Give the rounds of a frame; one like the last frame has the same ones."""
        names = block.sent[index]
        if names == self._usual:
            return [Round(index, names, self._usual_due)]
        iospec = self._runner.plan.iospec
        rounds = list(rounds_at(iospec, block.frames, index, self._tracker))
        if self.gives_output_each_frame and len(rounds) == 1 and rounds[0].due:
            self._usual, self._usual_due = names, rounds[0].due
        return rounds

    def _overlapped(
        self, block: Block, item: Round, upcoming: Callable[[], Upcoming | None] | None
    ) -> StepResult:
        board = self._runner.board
        if not item.due:
            # latched inputs alone; sent already if they were sent ahead
            ahead_already, self._is_ahead = self._is_ahead, False
            if not ahead_already:
                board.frame(self._messages(block, item), ())
            return StepResult({})
        # whoever was sent ahead is this frame: see `Feed.step`
        messages = () if self._is_ahead else self._messages(block, item)
        self._is_ahead = False
        wait, fetch = self._parts(item.due)
        waited_s = board.frame(messages, wait).wire_s
        following = upcoming() if upcoming is not None else None
        ahead: Sequence[FrameOut] = ()
        if following is not None:
            self._is_ahead = True
            ahead = following[0].messages[following[1]]
        reply = board.frame((), fetch, ahead)
        # the time that this frame kept the link for itself; its beginning may lie in the last one
        wire_s = waited_s + reply.wire_s
        return StepResult(self._runner.outputs_of(reply, item.due), reply.device_s, wire_s)

    @staticmethod
    def _messages(block: Block, item: Round) -> Sequence[FrameOut]:
        names, messages = block.sent[item.frame], block.messages[item.frame]
        if names == item.inputs:
            return messages
        return [messages[names.index(name)] for name in item.inputs]

    def _parts(self, due: tuple[str, ...]) -> tuple[list[Step], list[Step]]:
        """Give the steps that wait for outputs, and those that fetch them."""
        if due not in self._split:
            tail = self._runner.tail(due)
            cut = next(i for i, step in enumerate(tail) if isinstance(step, ExecTime | FrameIn))
            self._split[due] = (tail[:cut], tail[cut:])
        return self._split[due]
