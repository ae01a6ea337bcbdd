"""Execution of the open instruction set from the simulated chip's own memories.

The rules are those of hostrt/docs/open-isa.md. Nothing reaches this code but the bytes in the
memories, the registers and the messages of the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import MAX_INSTRUCTIONS
from firmware_protocol.packing import words_to_dwords
from hostrt.sim.answers import NOTHING, Reply
from hostrt.sim.isa.machine import Machine
from hostrt.sim.isa.memories import CoreMemories

if TYPE_CHECKING:
    from firmware_protocol.words import Words
    from hostrt.sim.control import Control
    from hostrt.sim.isa.traps import Trap
    from hostrt.sim.isa_c import CMachine
    from hostrt.sim.memory import Bank, Memories

PYTHON, IN_C = ENGINES = ("python", "c")
"""What can execute: Python, or the C library, compiled at first use by the system's compiler."""

_DWORD_WORDS = 2
_EXECUTED = (MemoryKind.IM, MemoryKind.DM, MemoryKind.TM)
"""Memories in banks that are powered."""


class _CoreBanks:
    """The banks of one core, by their place in its memories."""

    def __init__(self, memories: Memories, core: int) -> None:
        self._banks = {kind: memories.of(core, kind) for kind in _EXECUTED}
        self._sizes = {
            kind: banks[0].words.size // _DWORD_WORDS for kind, banks in self._banks.items()
        }

    def powered(self, kind: MemoryKind, first: int, count: int) -> bool:
        """See `CoreMemories.powered`."""
        size = self._sizes[kind]
        banks = self._banks[kind][first // size : (first + count - 1) // size + 1]
        return all(bank.powered for bank in banks)

    def first_word(self, bank: Bank) -> int:
        """Give the place of a bank's first word in its memory."""
        return self._banks[bank.kind].index(bank) * self._sizes[bank.kind]


class Executor:
    """Answers stream messages by executing what the instruction memories hold.

    Attributes:
        machine: the cores that do it, with all that they count.
    """

    def __init__(
        self,
        memories: Memories,
        control: Control,
        n_cores: int,
        *,
        max_instructions: int = MAX_INSTRUCTIONS,
        engine: str = PYTHON,
    ) -> None:
        self._control = control
        self._banks = [_CoreBanks(memories, core) for core in range(n_cores)]
        cores = [
            _core_memories(memories, control, self._banks[core], core) for core in range(n_cores)
        ]
        self.machine: Machine | CMachine = _make_machine(engine, cores, max_instructions)
        self._powered = {bank: bank.powered for bank in memories.banks}

    @property
    def frame_cycles(self) -> int:
        """Cycles of the frame under way or last finished: the latest clock of all cores."""
        return self.machine.frame_cycles

    @property
    def busy_cycles(self) -> list[int]:
        """Per core, cycles of its threads in that frame."""
        return self.machine.busy_cycles

    @property
    def total_cycles(self) -> int:
        """Cycles of all threads of all cores since the last reset."""
        return self.machine.total_cycles

    @property
    def last_trap(self) -> Trap | None:
        """What stopped a thread last, None when nothing did since the last reset."""
        return self.machine.last_trap

    @property
    def silent_starts(self) -> int:
        """Starts since the last reset that had no effect: see `Machine.lost`."""
        return self.machine.lost

    def reset(self) -> None:
        """See `Answer.reset`."""
        self.machine.reset()

    def changed(self, bank: Bank) -> None:
        """See `Answer.changed`."""
        if bank.kind not in _EXECUTED:
            return
        if bank.powered != self._powered[bank]:
            self._powered[bank] = bank.powered
            self.machine.power_changed(bank.core)
        else:
            first = self._banks[bank.core].first_word(bank)
            size = bank.words.size // _DWORD_WORDS
            self.machine.changed(bank.core, bank.kind, first, size)

    def message(self, words: Words, *, output_waits: bool) -> Reply:
        """See `Answer.message`: a message starts a thread at the pc its header names."""
        core, pc = int(words[0]), int(words[1])
        payload = words_to_dwords(words[2:])
        if not self.machine.message(core, pc, payload, output_waits=output_waits):
            return NOTHING
        return self._run()

    def wake(self, core: int, count: int) -> Reply:
        """See `Answer.wake`: ready-queue entries name threads, the program buffer their pc."""
        return self._run() if self.machine.wake(core, count) else NOTHING

    def _run(self) -> Reply:
        outputs = self.machine.run()
        seconds = self.machine.frame_cycles / self._control.clock_hz()
        return Reply(outputs, max(1, round(seconds * 1e6)))


def _make_machine(
    engine: str, cores: list[CoreMemories], max_instructions: int
) -> Machine | CMachine:
    if engine == PYTHON:
        return Machine(cores, max_instructions=max_instructions)
    from hostrt.sim.isa_c import CMachine

    return CMachine(cores, max_instructions=max_instructions)


def _core_memories(
    memories: Memories, control: Control, banks: _CoreBanks, core: int
) -> CoreMemories:
    return CoreMemories(
        im=memories.dwords(core, MemoryKind.IM),
        dm=memories.dwords(core, MemoryKind.DM),
        tm=memories.dwords(core, MemoryKind.TM),
        rq=memories.dwords(core, MemoryKind.RQ),
        pb=memories.dwords(core, MemoryKind.PB),
        sb=memories.dwords(core, MemoryKind.SB),
        powered=banks.powered,
        runs=lambda: control.runs(core),
    )
