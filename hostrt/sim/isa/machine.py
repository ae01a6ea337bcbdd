"""A chip that executes the open instruction set: cores, waiting starts, order and time.

The rules are those of hostrt/docs/open-isa.md, sections 3 to 5. The machine knows memories and
messages and nothing of boards; hostrt.sim.execute puts it behind a simulated chip's ports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa import (
    KNOWN_VERSIONS,
    LINK_CYCLES,
    LINK_WORDS,
    MAX_INSTRUCTIONS,
    N_THREADS,
    QUEUE_LENGTH,
    Status,
)
from firmware_protocol.stream import output_message
from hostrt.sim.isa.code import Code, Executed, Segment
from hostrt.sim.isa.scratch import Scratch
from hostrt.sim.isa.starts import Start, earliest
from hostrt.sim.isa.thread import ENDED, Thread
from hostrt.sim.isa.traps import Trap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.memory import MemoryKind
    from firmware_protocol.words import DWords, Words
    from hostrt.sim.isa.memories import CoreMemories
    from hostrt.sim.isa.observer import Observer

_NO_WORDS: DWords = np.zeros(0, np.uint64)
_LOW_HALF = 0xFFFF_FFFF
_THREAD_MASK = N_THREADS - 1
_MISSING_MASK = 0x1F
_NEEDED_SHIFT = 5
_VERSION_MASK = 0xFF
_TRAP_MAILBOX = 0
_MOST_OUTPUT_WORDS = 1 << 22
"""Output of one run, in 32-bit words; nobody can read any of it before the run is over."""


class Machine:
    """Cores that execute what their memories hold. Not for several threads at once.

    Attributes:
        clocks: per core, when it becomes free, in cycles since the frame began.
        busy_cycles: per core, cycles of its threads since the frame began.
        total_cycles: cycles of all threads since the last reset.
        last_trap: what stopped a thread last, None when nothing did since the last reset.
        lost: messages and starts since the last reset that had no effect, because there is no
            such core, it does not run or its instruction memory has not the mark of this
            instruction set, or because the queue was full; and output for which there was no room.
    """

    def __init__(
        self,
        cores: Sequence[CoreMemories],
        *,
        max_instructions: int = MAX_INSTRUCTIONS,
        observer: Observer | None = None,
    ) -> None:
        """Make a machine.

        Args:
            cores: memories of each core.
            max_instructions: instructions after which threads count as runaways.
            observer: is told of every instruction; that makes the machine several times slower.
        """
        self._memories = list(cores)
        self._outputs: list[Words] = []
        self._room = _MOST_OUTPUT_WORDS
        scratch, longest = Scratch(), {} if observer is None else {"longest": 1}
        self._codes = [
            Code(core, memories, scratch, self, **longest) for core, memories in enumerate(cores)
        ]
        self._max_instructions = max_instructions
        self._left = max_instructions
        self._observer = observer
        self._queues: list[list[Start]] = [[] for _ in self._memories]
        self._n_starts = 0
        self._answered = False
        self.clocks = [0] * len(self._memories)
        self.busy_cycles = [0] * len(self._memories)
        self.total_cycles = 0
        self.last_trap: Trap | None = None
        self.lost = 0

    @property
    def frame_cycles(self) -> int:
        """The latest clock of all cores: cycles of the frame so far."""
        return max(self.clocks)

    def reset(self) -> None:
        """Forget everything but the memories: a hard reset."""
        for code in self._codes:
            code.forget()
            code.reset_counts()
        for queue in self._queues:
            queue.clear()
        self._outputs.clear()
        self._answered = False
        self.begin_frame()
        self.total_cycles = 0
        self.last_trap = None
        self.lost = 0

    def begin_frame(self) -> None:
        """Set all clocks to 0."""
        for core in range(len(self._memories)):
            self.clocks[core] = 0
            self.busy_cycles[core] = 0
        self._answered = False

    def changed(
        self, core: int, kind: MemoryKind, first: int = 0, count: int | None = None
    ) -> None:
        """Take note that somebody else wrote to a memory.

        Args:
            core: whose.
            kind: which memory.
            first: first word that may be different.
            count: how many; all that follow without it.
        """
        size = self._memories[core].dm.size if count is None else count
        self._codes[core].changed(kind, first, size)

    def power_changed(self, core: int) -> None:
        """Take note that `CoreMemories.powered` of a core answers differently."""
        self._codes[core].forget()

    # -- starts --------------------------------------------------------------------------------

    def message(self, core: int, pc: int, payload: DWords, *, output_waits: bool = False) -> bool:
        """Take a message from the host; `run` executes what it starts.

        Args:
            core: core that its header names.
            pc: where its thread begins.
            payload: uint64 (n,).
            output_waits: earlier output was not read yet, so no new frame begins.

        Returns:
            False when the message was lost.
        """
        if not self._accepts(core) or len(self._queues[core]) >= QUEUE_LENGTH:
            self.lost += 1
            return False
        if self._answered and not output_waits:
            self.begin_frame()
        self._ask(core, 0, pc, payload)
        return True

    def wake(self, core: int, count: int) -> int:
        """Start the threads that the first `count` entries of a ready queue name.

        Returns:
            How many starts were not lost.
        """
        if not self._accepts(core):
            self.lost += min(count, QUEUE_LENGTH)
            return 0
        memories = self._memories[core]
        asked = 0
        for entry in memories.rq[: min(count, QUEUE_LENGTH)].tolist():
            if len(self._queues[core]) >= QUEUE_LENGTH:
                self.lost += 1
                continue
            self._ask(core, 0, int(memories.pb[entry & _THREAD_MASK]) & _LOW_HALF, _NO_WORDS)
            asked += 1
        return asked

    def send(self, message: Words) -> None:
        """See `Links.send`."""
        if message.size > self._room:
            self.lost += 1
        else:
            self._room -= message.size
            self._outputs.append(message)

    def signal(self, thread: Thread, number: int) -> bool:
        """See `Links.signal`."""
        memories = self._memories[thread.core]
        word = int(memories.sb[number])
        missing, needed = word & _MISSING_MASK, word >> _NEEDED_SHIFT & _MISSING_MASK
        if missing > 1:
            memories.sb[number] = word - 1
            return True
        if len(self._queues[thread.core]) >= QUEUE_LENGTH:
            return False
        memories.sb[number] = word - missing + needed
        pc = int(memories.pb[number]) & _LOW_HALF
        self._ask(thread.core, thread.begin + thread.cycles, pc, _NO_WORDS)
        return True

    def post(self, thread: Thread, core: int, pc: int, payload: DWords) -> bool:
        """See `Links.post`."""
        if not self._accepts(core):
            self.lost += 1
            return True
        queue = self._queues[core]
        waiting = sum(start.link_words for start in queue)
        if len(queue) >= QUEUE_LENGTH or waiting + payload.size > LINK_WORDS:
            return False
        arrival = thread.begin + thread.cycles + LINK_CYCLES
        self._ask(core, arrival, pc, payload.copy(), payload.size)
        return True

    # -- execution -----------------------------------------------------------------------------

    def run(self) -> list[Words]:
        """Execute until nothing is left to do.

        Returns:
            Messages for the host in the order in which they were sent, uint32 (2 + 2 n,) each, with
            header: see `firmware_protocol.stream`.
        """
        self._left = self._max_instructions
        self._room = _MOST_OUTPUT_WORDS
        # products of finite numbers may raise the flag: BLAS computes on lanes beyond a row's end
        with np.errstate(invalid="ignore"):
            while (found := self._next()) is not None:
                self._run(*found)
        outputs = self._outputs.copy()
        self._outputs.clear()
        self._answered = self._answered or bool(outputs)
        return outputs

    def executed(self, core: int) -> list[Executed]:
        """Give how often each instruction of a core was executed since `reset_counts`."""
        return self._codes[core].executed()

    def reset_counts(self) -> None:
        """Let `executed` count from 0."""
        for code in self._codes:
            code.reset_counts()

    def _accepts(self, core: int) -> bool:
        """Tell whether messages to a core have an effect."""
        return (
            core < len(self._memories)
            and self._memories[core].runs()
            and self._codes[core].mark() != 0
        )

    def _ask(self, core: int, arrival: int, pc: int, payload: DWords, link_words: int = 0) -> None:
        self._n_starts += 1
        self._queues[core].append(Start(arrival, self._n_starts, pc, payload, link_words))

    def _next(self) -> tuple[int, Start] | None:
        """Give the start that comes next, and its core; it no longer waits then."""
        first: tuple[int, int, Start] | None = None
        for core, queue in enumerate(self._queues):
            if queue:
                begin, start = earliest(queue, self.clocks[core])
                if first is None or begin < first[0]:
                    first = begin, core, start
        if first is None:
            return None
        _, core, start = first
        self._queues[core].remove(start)
        return core, start

    def _run(self, core: int, start: Start) -> None:
        """Execute a thread, from its start to its end."""
        begin = max(self.clocks[core], start.arrival)
        thread = Thread(core, begin, start.payload)
        trap = None
        try:
            self._execute(self._codes[core], thread, start.pc)
        except Trap as stopped:
            self.last_trap = trap = stopped
            self._report(stopped)
        self.clocks[core] = begin + thread.cycles
        self.busy_cycles[core] += thread.cycles
        self.total_cycles += thread.cycles
        if self._observer:
            self._observer.ended(core, start.pc, begin, self.clocks[core], trap)

    def _execute(self, code: Code, thread: Thread, pc: int) -> None:
        if code.mark() & _VERSION_MASK not in KNOWN_VERSIONS:
            raise Trap(Status.WRONG_VERSION, thread.core, pc, fetched=False)
        segments = code.segments
        while pc != ENDED:
            if not self._left:
                raise Trap(Status.RUNAWAY, thread.core, pc, fetched=False)
            segment = segments.get(pc) or code.segment(pc)
            if segment.length > self._left:
                segment = code.shortened(pc, self._left)
            self._left -= segment.length
            segment.count += 1
            thread.cycles += segment.cycles
            for call in segment.calls:
                call()
            pc = segment.end(thread)
            if self._observer:
                self._tell(self._observer, segment, thread)

    def _tell(self, observer: Observer, segment: Segment, thread: Thread) -> None:
        part = segment.parts[0]
        if part.instruction:
            observer.executed(thread.core, part.pc, part.instruction, thread.begin + thread.cycles)

    def _report(self, trap: Trap) -> None:
        if trap.fetched:
            self._codes[trap.core].stopped(trap.pc)
        where = np.array([trap.core << 32 | trap.pc & _LOW_HALF], np.uint64)
        self.send(output_message(_TRAP_MAILBOX, where, trap.status))
