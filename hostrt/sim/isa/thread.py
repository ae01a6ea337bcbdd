"""A thread between its start and its HALT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from firmware_protocol.open_isa import THREAD_START_CYCLES

if TYPE_CHECKING:
    from firmware_protocol.words import DWords, Words

ENDED = -1
"""In place of the next pc: the thread has halted."""


class Thread:
    """A thread that runs.

    Attributes:
        core: where it runs.
        begin: when it began, in cycles since the frame began.
        cycles: cycles it took so far, its start included.
        payload: uint64 (n,), words of the message that started it.
        taken: how many of these it received.
        loops: the loop registers.
    """

    __slots__ = ("begin", "core", "cycles", "loops", "payload", "taken")

    def __init__(self, core: int, begin: int, payload: DWords) -> None:
        self.core = core
        self.begin = begin
        self.cycles = THREAD_START_CYCLES
        self.payload = payload
        self.taken = 0
        self.loops = [0, 0, 0, 0]


class Links(Protocol):
    """How a thread reaches the host and other threads."""

    def send(self, message: Words) -> None:
        """Queue a message for the host, uint32 (2 + 2 n,) with header."""

    def signal(self, thread: Thread, number: int) -> bool:
        """Signal a thread of the same core; False, and nothing done, when the queue is full."""

    def post(self, thread: Thread, core: int, pc: int, payload: DWords) -> bool:
        """Send a message to a core; False, and nothing done, when there is no room there."""
