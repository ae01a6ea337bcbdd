"""The C library of the open instruction set as an engine of the simulated chip.

`CMachine` does what `hostrt.sim.isa.machine.Machine` does, with firmware_protocol/c compiled by the
system's compiler: the same results, cycles and events, sooner. It does not count per instruction
and has no observer. Nothing here is used unless it is asked for.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import LINK_WORDS, MAX_INSTRUCTIONS, QUEUE_LENGTH, Status
from firmware_protocol.open_isa_cost import Events
from hostrt.errors import UsageError
from hostrt.sim.isa.traps import Trap
from hostrt.sim.isa_c_build import Core, Memory, Output, Setup, build, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from firmware_protocol.words import DWords, Words
    from hostrt.sim.isa.memories import CoreMemories

MAX_CORES = 4
"""Cores that the library is compiled for."""
BANK_WORDS: Mapping[MemoryKind, int] = {
    MemoryKind.IM: 4096,
    MemoryKind.DM: 8192,
    MemoryKind.TM: 2048,
}
"""Words with one power switch, the same on all chips."""

_SLICE = 1 << 20
"""Instructions between two chances to be interrupted."""
_DONE = 0
_MORE = 1
_STATUSES = frozenset(int(status) for status in Status)
_NOT_FETCHED = frozenset({Status.RUNAWAY, Status.WRONG_VERSION})


class CMachine:
    """Cores that execute what their memories hold, in C. Not for several threads at once.

    Attributes:
        total_cycles: cycles of all threads since the last reset.
        lost: messages and starts since the last reset that had no effect.
        last_trap: what stopped a thread last, None when nothing did since the last reset.
    """

    def __init__(
        self,
        cores: Sequence[CoreMemories],
        *,
        max_instructions: int = MAX_INSTRUCTIONS,
        bank_words: Mapping[MemoryKind, int] = BANK_WORDS,
        library: Path | None = None,
    ) -> None:
        """Make a machine that was just reset.

        Args:
            cores: memories of each core, 1 to 4; execution changes them in place.
            max_instructions: how many are a runaway.
            bank_words: words of a bank of each memory.
            library: shared library from `build`; default: build it.

        Raises:
            ExtraMissing: no compiler, or this computer keeps numbers high byte first.
            UsageError: the library cannot work with these memories.
        """
        self.total_cycles = 0
        self.lost = 0
        self.last_trap: Trap | None = None
        self._memories = tuple(cores)
        self._bank_words = bank_words
        self._outputs: list[Words] = []
        self._message = np.zeros(1, np.uint64)
        self._library = load(library or build())
        self._chip = ctypes.create_string_buffer(self._library.oisa_size())
        self._cores = (Core * max(len(self._memories), 1))()
        for mine, core in zip(self._cores, self._memories, strict=False):
            self._describe(mine, core)
        n_links = LINK_WORDS * (len(self._memories) + 1)
        largest = max((core.dm.size for core in self._memories), default=0)
        self._links, self._scratch = np.zeros(n_links, np.uint64), np.zeros(largest, np.uint64)
        self._callback = Output(self._take)
        setup = Setup(
            *(self._cores, len(self._memories), self._scratch.ctypes.data, self._scratch.size),
            *(self._links.ctypes.data, n_links, self._callback, None, max_instructions),
        )
        if self._library.oisa_init(self._chip, ctypes.byref(setup)) != _DONE:
            raise UsageError(
                f"memories of {len(self._memories)} cores cannot be used by the library in C",
                hint=f"1 to {MAX_CORES} cores, no empty memory, at most 32 banks",
            )

    @property
    def frame_cycles(self) -> int:
        """The latest clock of all cores: cycles of the frame so far."""
        return int(self._library.oisa_frame_cycles(self._chip))

    @property
    def clocks(self) -> list[int]:
        """Per core, when it becomes free, in cycles since the frame began."""
        return [self._library.oisa_clock(self._chip, i) for i in range(len(self._memories))]

    @property
    def busy_cycles(self) -> list[int]:
        """Per core, cycles of its threads since the frame began."""
        return [self._library.oisa_busy_cycles(self._chip, i) for i in range(len(self._memories))]

    def events(self, core: int) -> Events:
        """Give what happened on a core since the frame began."""
        counts = self._library.oisa_events(self._chip, core).contents
        return Events(*(int(count) for count in counts))

    def reset(self) -> None:
        """Forget everything but the memories: a hard reset."""
        self._library.oisa_reset(self._chip)
        self._outputs = []
        self.total_cycles = 0
        self.lost = 0
        self.last_trap = None

    def begin_frame(self) -> None:
        """Set all clocks, and what is counted per frame, to 0."""
        self._library.oisa_begin_frame(self._chip)

    def changed(
        self, core: int, kind: MemoryKind, first: int = 0, count: int | None = None
    ) -> None:
        """Take note that somebody else wrote to a memory: nothing to do, nothing is prepared."""

    def power_changed(self, core: int) -> None:
        """Take note that `CoreMemories.powered` of a core answers differently."""
        self._describe(self._cores[core], self._memories[core])

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
        self._note_clocks()
        if not output_waits:
            self._library.oisa_drained(self._chip)
        self._message = np.concatenate([np.array([pc << 32 | core], np.uint64), payload])
        words = ctypes.c_void_p(self._message.ctypes.data)
        taken = self._library.oisa_message(self._chip, words, self._message.size) == _DONE
        self.lost += not taken
        return bool(taken)

    def wake(self, core: int, count: int) -> int:
        """Start the threads that the first `count` entries of a ready queue name.

        Returns:
            How many starts were not lost.
        """
        self._note_clocks()
        starts = min(count, QUEUE_LENGTH)
        if self._library.oisa_wake(self._chip, core, starts) == _DONE:
            return starts
        self.lost += starts
        return 0

    def run(self) -> list[Words]:
        """Execute until nothing is left to do.

        Returns:
            Messages for the host in the order in which they were sent, uint32 (2 + 2 n,) each, with
            header: see `firmware_protocol.stream`.
        """
        before = sum(self.busy_cycles)
        while self._library.oisa_run(self._chip, _SLICE) == _MORE:
            pass
        self.total_cycles += sum(self.busy_cycles) - before
        outputs, self._outputs = self._outputs, []
        return outputs

    def _note_clocks(self) -> None:
        for mine, core in zip(self._cores, self._memories, strict=True):
            mine.runs = int(core.runs())

    def _describe(self, mine: Core, core: CoreMemories) -> None:
        """Hand over addresses and power of a core's memories."""
        for kind in (MemoryKind.IM, MemoryKind.DM, MemoryKind.TM):
            words: DWords = getattr(core, kind.lower())
            size = self._bank_words[kind]
            power = 0
            for bank, first in enumerate(range(0, words.size, size)):
                count = min(size, words.size - first)
                power |= int(core.powered(kind, first, count)) << bank
            fields = (_address(words), words.size, size, power & 0xFFFF_FFFF)
            setattr(mine, kind.lower(), Memory(*fields))
        mine.sb, mine.pb, mine.rq = (_address(words) for words in (core.sb, core.pb, core.rq))
        mine.runs = int(core.runs())

    def _take(self, _user: int | None, header: int, words: int | None, n_words: int) -> None:
        """Take an output message."""
        payload = ctypes.string_at(words, 8 * n_words) if words else b""
        message = header.to_bytes(8, "little") + payload
        self._outputs.append(np.frombuffer(message, np.uint32))
        if header != Status.OK and header in _STATUSES:
            place = int.from_bytes(payload, "little")
            self.last_trap = self._trap(Status(header), place >> 32, place & 0xFFFF_FFFF)

    def _trap(self, status: Status, core: int, pc: int) -> Trap:
        im = self._memories[core].im
        is_there = 0 < pc < im.size and pc + (int(im[pc]) >> 62) < im.size
        return Trap(status, core, pc, fetched=is_there and status not in _NOT_FETCHED)


def _address(words: DWords) -> int:
    if not (words.flags.c_contiguous and words.flags.aligned and words.dtype == np.uint64):
        raise UsageError(
            f"a memory of {words.dtype}, strides {words.strides}, expected uint64 in a row"
        )
    return words.ctypes.data
