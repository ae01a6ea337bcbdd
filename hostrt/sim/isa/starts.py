"""Threads that were asked for and wait for their core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware_protocol.words import DWords


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A thread that waits for its core.

    Attributes:
        arrival: when it was asked for, in cycles since the frame began.
        order: counts what was asked for.
        pc: where it begins.
        payload: uint64 (n,), the words of its message.
        link_words: words of it that came from another core.
    """

    arrival: int
    order: int
    pc: int
    payload: DWords
    link_words: int = 0


def earliest(queue: list[Start], clock: int) -> tuple[int, Start]:
    """Give when the first of the starts that wait on a core can begin, and which that is."""
    begin, chosen = queue[0].arrival, queue[0]
    for start in queue:
        if start.arrival <= clock:
            return clock, start
        if start.arrival < begin:
            begin, chosen = start.arrival, start
    return begin, chosen
