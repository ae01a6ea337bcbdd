"""In which order a run sends inputs and collects outputs, from the model's sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_protocol.sequences import SequenceRuleError
from hostrt.errors import SequenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_protocol.iospec import IOSpec
    from firmware_protocol.sequences import SequenceTracker
    from hostrt.frames.frames import Frames


@dataclass(frozen=True, slots=True)
class Round:
    """Some inputs of one frame, and the outputs that are due after them.

    Attributes:
        frame: frame number.
        inputs: names to send, in order.
        due: names to collect afterwards; empty when these inputs complete nothing.
    """

    frame: int
    inputs: tuple[str, ...]
    due: tuple[str, ...]


def rounds_of(iospec: IOSpec, frames: Frames, tracker: SequenceTracker) -> Iterator[Round]:
    """Give the rounds of a run.

    A simple model has one round per frame. Models with several sequences, or with rate changes,
    have a round whenever a sequence is complete, because its outputs must be collected before its
    inputs may come again.

    Args:
        iospec: the model's sequences.
        frames: what is to be sent.
        tracker: what was sent before; afterwards what was sent altogether.

    Raises:
        SequenceError: an input comes too often, or before earlier outputs were collected.
    """
    for index in range(frames.n_frames):
        yield from rounds_at(iospec, frames, index, tracker)


def rounds_at(
    iospec: IOSpec, frames: Frames, index: int, tracker: SequenceTracker
) -> Iterator[Round]:
    """Give the rounds of one frame; see `rounds_of`."""
    names = [name for name in frames if index == 0 or not frames.is_sent_once(name)]
    waiting: list[str] = []
    try:
        for name in names:
            tracker.send([name])
            waiting.append(name)
            due = tuple(tracker.due)
            if due and (not iospec.is_simple or name == names[-1]):
                tracker.receive()
                yield Round(index, tuple(waiting), due)
                waiting = []
        if waiting:
            yield Round(index, tuple(waiting), ())
    except SequenceRuleError as error:
        raise SequenceError(
            str(error), hint="see the sequences in the I/O specification"
        ) from error
