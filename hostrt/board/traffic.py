"""What the frames of a program send and fetch, as the steps that a board would be given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.sequences import SequenceRuleError, SequenceTracker
from hostrt.chip.step import ExecTime, FrameIn, FrameOut
from hostrt.errors import ProgramUnsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_protocol.iospec import IOSpec
    from hostrt.chip.base import Chip
    from hostrt.chip.platform import Platform
    from hostrt.chip.step import Step
    from hostrt.program.model import Program

_MOST_CYCLE = 64
"""Frames after which models of several rates are taken to begin anew."""

_MOST_DWORDS = 1 << 17
"""64-bit words that no chip's memory holds (1 MiB)."""

_TIMEOUT_S = 60.0
"""Of waits that are only counted."""


@dataclass(frozen=True, slots=True)
class Round:
    """Some inputs and what fetches the outputs that they complete.

    Attributes:
        messages: the inputs.
        wait: steps until the outputs are there; empty when none are due.
        fetch: steps that take them.
    """

    messages: tuple[FrameOut, ...]
    wait: tuple[Step, ...] = ()
    fetch: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the frames of a program send and fetch.

    Attributes:
        frames: rounds of each frame of one cycle; models whose rates differ need several frames
            until everything begins anew.
    """

    frames: tuple[tuple[Round, ...], ...]

    @property
    def overlaps(self) -> bool:
        """The next frame's inputs can be sent while a frame's outputs come."""
        return all(len(rounds) == 1 and rounds[0].fetch for rounds in self.frames)


def traffic_of(program: Program, chip: Chip, platform: Platform, *, exec_time: bool) -> Traffic:
    """Give what a program's frames send and fetch.

    Args:
        program: what runs.
        chip: the chip that it runs on.
        platform: kind of board around the chip.
        exec_time: the board tells the duration of an inference, and is asked for it.

    Raises:
        ProgramUnsupported: its I/O specification is missing, from before compilation, or cannot be
            followed frame by frame.
    """
    spec = program.iospec
    if spec is None:
        raise ProgramUnsupported(
            f"{program.source} does not say which inputs and outputs the model has",
            hint="give its I/O specification with --iospec FILE",
        )
    tracker = SequenceTracker(spec)
    frames: list[tuple[Round, ...]] = []
    try:
        n_frames = _cycle(spec)
        # once more than needed: what cannot go on for ever fails in the second cycle
        for _ in range(2 * n_frames):
            rounds = []
            for inputs, sizes in _rounds(spec, tracker):
                words = [spec.inputs[key].words for key in inputs]
                if max([*words, *sizes]) > _MOST_DWORDS:
                    raise LocalMisuseError(f"{max([*words, *sizes])} words in one message")
                messages = tuple(FrameOut(np.zeros(2 + 2 * n, np.uint32)) for n in words)
                steps = chip.collect(platform, sizes, _TIMEOUT_S, exec_time=exec_time)
                rounds.append(_round(messages, steps if sizes else []))
            frames.append(tuple(rounds))
    except (SequenceRuleError, LocalMisuseError) as error:
        raise ProgramUnsupported(f"{program.source}: {error}") from error
    return Traffic(tuple(frames[n_frames:]))


def _round(messages: tuple[FrameOut, ...], steps: list[Step]) -> Round:
    fetches = (i for i, step in enumerate(steps) if isinstance(step, ExecTime | FrameIn))
    cut = next(fetches, len(steps))
    return Round(messages, tuple(steps[:cut]), tuple(steps[cut:]))


def _cycle(spec: IOSpec) -> int:
    counts = [n for sequence in spec.sequences for n in sequence.inputs.values()]
    return min(math.lcm(*counts), _MOST_CYCLE)


def _rounds(spec: IOSpec, tracker: SequenceTracker) -> Iterator[tuple[list[str], list[int]]]:
    """Give inputs of one frame, and the words of the outputs that are due after them."""
    streamed = [key for key in spec.inputs if key not in spec.latched]
    inputs: list[str] = []
    for key in streamed:
        tracker.send([key])
        inputs.append(key)
        if tracker.due and (not spec.is_simple or key == streamed[-1]):
            yield inputs, [spec.outputs[name].words for name in tracker.receive()]
            inputs = []
    if inputs:
        yield inputs, []
