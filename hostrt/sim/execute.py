"""Execution of the open instruction set from the simulated chip's own memories.

The rules are those of hostrt/docs/open-isa.md. Nothing reaches this code but the bytes in the
memories, the registers and the messages of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import (
    FIRST_PC,
    KNOWN_VERSIONS,
    MAX_INSTRUCTIONS,
    THREAD_START_CYCLES,
    Status,
    decode,
    is_open_isa,
)
from firmware_protocol.open_isa_cost import cycles_of
from firmware_protocol.open_isa_ops import Op
from firmware_protocol.packing import words_to_dwords
from firmware_protocol.stream import output_message
from hostrt.sim.answers import NOTHING, Reply

if TYPE_CHECKING:
    from firmware_protocol.open_isa import Instruction
    from firmware_protocol.words import DWords, Words
    from hostrt.sim.control import Control
    from hostrt.sim.memory import Bank, Memories

_THREAD_MASK = 0x3F
_TRAP_MAILBOX = 0


class Trap(Exception):
    """A thread cannot go on.

    Attributes:
        status: why.
        pc: word of the instruction memory at which it stopped.
    """

    def __init__(self, status: Status, pc: int) -> None:
        super().__init__(f"{status.name} at pc {pc}")
        self.status = status
        self.pc = pc


@dataclass(slots=True)
class Thread:
    """A thread between its start and its HALT.

    Attributes:
        core: where it runs.
        pc: word of the instruction memory that is executed next.
        payload: uint64 (n,), words of its message that were not received yet.
        outputs: messages it sent.
        cycles: cycles it took.
    """

    core: int
    pc: int
    payload: DWords
    outputs: list[Words]
    cycles: int = THREAD_START_CYCLES


class CoreView:
    """One core's memories as execution sees them; decodes the instruction memory when it changed.

    Attributes:
        data: uint64 (n,), data memory, all banks in a row.
        im_banks: banks of the instruction memory.
    """

    def __init__(self, memories: Memories, core: int) -> None:
        self.data = memories.dwords(core, MemoryKind.DM)
        self.im_banks = memories.of(core, MemoryKind.IM)
        self.dm_banks = memories.of(core, MemoryKind.DM)
        self.ready = memories.dwords(core, MemoryKind.RQ)
        self.entries = memories.dwords(core, MemoryKind.PB)
        self._code = memories.dwords(core, MemoryKind.IM)
        self._bank_dwords = self.dm_banks[0].words.size // 2
        self._decoded: dict[int, Instruction | None] = {}

    def forget(self) -> None:
        """Drop what was decoded, because the instruction memory may have changed."""
        self._decoded.clear()

    def mark(self) -> int:
        """Give word 0 of the instruction memory; 0 while that is not powered."""
        return int(self._code[0]) if all(bank.powered for bank in self.im_banks) else 0

    def fetch(self, pc: int) -> Instruction | None:
        """Give the instruction at `pc`, None where there is no legal one.

        Raises:
            Trap: it lies outside the memory, its operand words included.
        """
        if pc not in self._decoded:
            if not FIRST_PC <= pc < self._code.size:
                raise Trap(Status.BAD_ADDRESS, pc)
            if pc + (int(self._code[pc]) >> 62) >= self._code.size:
                raise Trap(Status.BAD_ADDRESS, pc)
            self._decoded[pc] = decode(self._code, pc)  # type: ignore[arg-type]
        return self._decoded[pc]

    def span(self, pc: int, first: int, n: int) -> slice:
        """Give data words as a slice, checked for existence and power."""
        if first + n > self.data.size:
            raise Trap(Status.BAD_ADDRESS, pc)
        if n:
            banks = slice(first // self._bank_dwords, (first + n - 1) // self._bank_dwords + 1)
            if not all(bank.powered for bank in self.dm_banks[banks]):
                raise Trap(Status.BANK_OFF, pc)
        return slice(first, first + n)


class Executor:
    """Answers stream messages by executing what the instruction memories hold.

    Attributes:
        frame_cycles: cycles per core of the frame under way or last finished.
        total_cycles: cycles of all cores since the last reset.
        last_trap: status and word of the last trap, None when there was none.
        silent_starts: starts that had no effect because the core was not running or held no
            program of this instruction set.
    """

    def __init__(
        self,
        memories: Memories,
        control: Control,
        n_cores: int,
        *,
        max_instructions: int = MAX_INSTRUCTIONS,
    ) -> None:
        self._cores = [CoreView(memories, core) for core in range(n_cores)]
        self._control = control
        self._max_instructions = max_instructions
        self.frame_cycles = [0] * n_cores
        self.total_cycles = 0
        self.last_trap: Trap | None = None
        self.silent_starts = 0
        self._answered = False

    def reset(self) -> None:
        """See `Answer.reset`."""
        for core in self._cores:
            core.forget()
        self.frame_cycles = [0] * len(self._cores)
        self.total_cycles = 0
        self.last_trap = None
        self._answered = False

    def changed(self, bank: Bank) -> None:
        """See `Answer.changed`."""
        if bank.kind is MemoryKind.IM:
            self._cores[bank.core].forget()

    def message(self, words: Words, *, output_waits: bool) -> Reply:
        """See `Answer.message`: a message starts a thread at the pc its header names."""
        core, pc = int(words[0]), int(words[1])
        if not output_waits:
            self._begin_frame()
        return self._start(core, pc, words_to_dwords(words[2:]))

    def wake(self, core: int, count: int) -> Reply:
        """See `Answer.wake`: ready-queue entries name threads, the program buffer their pc."""
        view = self._cores[core]
        outputs: list[Words] = []
        reply = NOTHING
        for entry in view.ready[:count].tolist():
            pc = int(view.entries[entry & _THREAD_MASK])
            reply = self._start(core, pc, np.zeros(0, np.uint64))
            outputs += reply.outputs
        return Reply(outputs, reply.exec_time_us)

    def _begin_frame(self) -> None:
        if self._answered:
            self.frame_cycles = [0] * len(self._cores)
            self._answered = False

    def _start(self, core: int, pc: int, payload: DWords) -> Reply:
        runs = core < len(self._cores) and self._control.runs(core)
        if not runs or not is_open_isa(self._cores[core].mark()):
            self.silent_starts += 1
            return NOTHING
        thread = Thread(core, pc, payload, [])
        try:
            self._run(thread)
        except Trap as trap:
            self.last_trap = trap
            where = np.array([(core << 32) | trap.pc & 0xFFFF_FFFF], np.uint64)
            thread.outputs.append(output_message(_TRAP_MAILBOX, where, trap.status))
        self._answered = self._answered or bool(thread.outputs)
        self.frame_cycles[core] += thread.cycles
        self.total_cycles += thread.cycles
        return Reply(thread.outputs, self._exec_time_us())

    def _exec_time_us(self) -> int:
        return max(1, round(max(self.frame_cycles) / self._control.clock_hz() * 1e6))

    def _run(self, thread: Thread) -> None:
        view = self._cores[thread.core]
        if view.mark() & 0xFF not in KNOWN_VERSIONS:
            raise Trap(Status.WRONG_VERSION, thread.pc)
        for _ in range(self._max_instructions):
            found = view.fetch(thread.pc)
            if found is None:
                raise Trap(Status.ILLEGAL_INSTRUCTION, thread.pc)
            thread.cycles += cycles_of(found)
            if found.op is Op.HALT:
                if thread.payload.size:
                    raise Trap(Status.BAD_MESSAGE, thread.pc)
                return
            f = found.fields
            _execute(found.op, view, thread, f.get("n", 0), (f.get("a", 0), f.get("b", 0)))
            thread.pc += found.length
        raise Trap(Status.RUNAWAY, thread.pc)


def _execute(op: int, view: CoreView, thread: Thread, n: int, fields: tuple[int, int]) -> None:
    a, b = fields
    if op == Op.RECV:
        if thread.payload.size < n:
            raise Trap(Status.BAD_MESSAGE, thread.pc)
        view.data[view.span(thread.pc, a, n)] = thread.payload[:n]
        thread.payload = thread.payload[n:]
    elif op == Op.COPY:
        source = view.data[view.span(thread.pc, a, n)]
        # numpy reads all of an overlapping source before it writes
        view.data[view.span(thread.pc, b, n)] = source
    elif op == Op.SEND:
        thread.outputs.append(output_message(b, view.data[view.span(thread.pc, a, n)]))
    else:
        raise Trap(Status.ILLEGAL_INSTRUCTION, thread.pc)
