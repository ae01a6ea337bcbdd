"""A simulated SPU seen from its buses: registers, memories, stream ports and reset.

It has the programmer's view of the real chips (address map, power states, clocks, resets,
interrupt, mailbox headers, execution time). What it does with a message is the `Answer`'s matter;
normally it executes its memories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import MAX_INSTRUCTIONS
from firmware_protocol.requests import Space
from hostrt.chip.platform import EVK2
from hostrt.sim.control import LOCK_REGISTERS, RESET_VALUES, make_control
from hostrt.sim.execute import PYTHON, Executor
from hostrt.sim.memory import Memories
from hostrt.sim.registers import RegisterFile

if TYPE_CHECKING:
    from firmware_protocol.words import Words
    from hostrt.chip.base import Chip
    from hostrt.chip.platform import Platform
    from hostrt.sim.answers import Answer, Reply

_RTL_RESET = 1
_RTL_INTERRUPT = 2
_HEAD_TAIL = "_HEAD_TAIL_REG"
_MAX_QUEUED_WORDS = 1 << 22
"""Output that nobody fetches: 16 MiB, then further messages are dropped and counted."""


@dataclass(slots=True)
class SpuCounters:
    """Things that went wrong without the chip having a way to say so.

    Attributes:
        dropped_writes: words written to memory that was not powered.
        dead_reads: words read from memory that was not powered.
        unmapped: words written to or read from addresses where there is nothing.
        lost_messages: input messages that could not be taken, output that found no room.
    """

    dropped_writes: int = 0
    dead_reads: int = 0
    unmapped: int = 0
    lost_messages: int = 0


class SimulatedSpu:
    """One simulated chip. Not for several threads at once.

    Attributes:
        chip: which chip.
        memories: its memories.
        registers: its registers.
        counters: silent failures.
        executor: what executes the memories; None when something else answers.
        exec_time_us: the execution time register, microseconds of the last frame.
    """

    def __init__(
        self,
        chip: Chip,
        platform: Platform = EVK2,
        *,
        answer: Answer | None = None,
        pll_locks: bool = True,
        max_instructions: int = MAX_INSTRUCTIONS,
        engine: str = PYTHON,
    ) -> None:
        """Make a chip that was just powered.

        Args:
            chip: which chip.
            platform: board around it, for the reference clock.
            answer: what answers messages instead of executing the memories.
            pll_locks: false for a board whose reference clock is missing.
            max_instructions: instructions after which a thread counts as runaway.
            engine: "python", or "c" for the C library.

        Raises:
            ExtraMissing: the C library cannot be compiled here.
        """
        self.chip = chip
        self.memories = Memories(chip.map)
        self.registers = RegisterFile(chip.map, RESET_VALUES.get(chip.name, {}))
        self.control = make_control(chip, platform, self.registers, pll_locks=pll_locks)
        self.counters = SpuCounters()
        self.executor: Executor | None = None
        if answer is None:
            answer = self.executor = Executor(
                self.memories,
                self.control,
                chip.map.n_cores,
                max_instructions=max_instructions,
                engine=engine,
            )
        self.answer: Answer = answer
        self.exec_time_us = 0
        self._queue: list[Words] = []
        self._in_reset = False

    # -- buses ---------------------------------------------------------------------------------

    def write(self, space: Space, address: int, words: Words, stride: int = 4) -> None:
        """Write words to consecutive addresses.

        Args:
            space: `Space.APB` or `Space.TOP`.
            address: address of the first word.
            words: uint32 (n,).
            stride: address distance of two words.
        """
        if space is Space.APB and stride == 4:
            for bank, start, count in self.memories.segments(address, words.size):
                part = words[start : start + count]
                here = address + 4 * start
                if bank is None:
                    self._write_registers(space, here, part, stride)
                elif self._reachable(bank.powered, here, "dropped_writes", count):
                    first = (here - bank.base) // 4
                    bank.words[first : first + count] = part
                    self.answer.changed(bank)
        else:
            self._write_registers(space, address, words, stride)

    def read(self, space: Space, address: int, n_words: int = 1, stride: int = 4) -> Words:
        """Read consecutive words, uint32 (n,); zero where there is nothing."""
        words = np.zeros(n_words, np.uint32)
        if space is Space.APB and stride == 4:
            for bank, start, count in self.memories.segments(address, n_words):
                here = address + 4 * start
                if bank is None:
                    words[start : start + count] = self._read_registers(space, here, count, stride)
                elif self._reachable(bank.powered, here, "dead_reads", count):
                    first = (here - bank.base) // 4
                    words[start : start + count] = bank.words[first : first + count]
            return words
        return self._read_registers(space, address, n_words, stride)

    def hard_reset(self) -> None:
        """Reset everything: registers, power states, memories, streams."""
        self.registers.reset()
        self.memories.reset()
        self.answer.reset()
        self._queue.clear()
        self.exec_time_us = 0

    def host_write(self, register: int, value: int) -> None:
        """Carry out a host action: 0/0 hard reset; harness: 1 reset pin, 0 clock cycles."""
        if register == _RTL_RESET:
            self._in_reset = bool(value)
            self.hard_reset()
        elif register == 0 and value == 0:
            self.hard_reset()

    # -- streams -------------------------------------------------------------------------------

    def send(self, words: Words) -> None:
        """Take one input message, uint32 (2 + 2 n,); a malformed one is lost."""
        if self._in_reset or not self.control.streams() or words.size < 2 or words.size % 2:
            self.counters.lost_messages += 1
            return
        self._take(self.answer.message(words, output_waits=bool(self._queue)))

    def receive(self, n_words: int) -> Words:
        """Take queued output, uint32 (n_words,); zeros follow when less is queued."""
        words = np.zeros(n_words, np.uint32)
        have = 0
        while self._queue and have < n_words:
            message = self._queue[0]
            count = min(message.size, n_words - have)
            words[have : have + count] = message[:count]
            have += count
            if count == message.size:
                self._queue.pop(0)
            else:
                self._queue[0] = message[count:]
        return words

    def exec_time(self) -> Words:
        """Give the execution time register, uint32 (1,), microseconds of the last frame."""
        return np.array([self.exec_time_us], np.uint32)

    @property
    def output_waits(self) -> bool:
        """True while output is queued: the interrupt."""
        return bool(self._queue)

    # -- inside --------------------------------------------------------------------------------

    def _take(self, reply: Reply) -> None:
        for message in reply.outputs:
            if sum(queued.size for queued in self._queue) + message.size > _MAX_QUEUED_WORDS:
                self.counters.lost_messages += 1
            else:
                self._queue.append(message)
        if reply.exec_time_us:
            self.exec_time_us = reply.exec_time_us

    def _reachable(self, powered: bool, address: int, counter: str, n_words: int) -> bool:
        if address % 4:
            self.counters.unmapped += n_words
            return False
        if not powered:
            setattr(self.counters, counter, getattr(self.counters, counter) + n_words)
        return powered

    def _write_registers(self, space: Space, address: int, words: Words, stride: int) -> None:
        found = self.registers.within(space, address, words.size, stride)
        self.counters.unmapped += words.size - len(found)
        for position in found:
            where, value = address + stride * position, int(words[position])
            if self.registers.store(space, where, value):
                self._react(self.registers.name_at(space, where), value)

    def _read_registers(self, space: Space, address: int, n_words: int, stride: int) -> Words:
        words = np.zeros(n_words, np.uint32)
        if space is Space.HOST:
            words[0] = int(self.output_waits and address == _RTL_INTERRUPT)
            return words
        found = self.registers.within(space, address, n_words, stride)
        self.counters.unmapped += n_words - len(found)
        for position in found:
            words[position] = self._register_value(space, address + stride * position)
        return words

    def _register_value(self, space: Space, address: int) -> int:
        name = self.registers.name_at(space, address)
        if name == "VERSION":
            return self.chip.map.version
        if name == "OUTPUT_INT":
            return int(self.output_waits)
        if name in LOCK_REGISTERS:
            return int(self.control.locked())
        return self.registers.load(space, address)

    def _react(self, name: str, value: int) -> None:
        for bank in self.memories.switched_by(name):
            bank.set_power(value)
            self.answer.changed(bank)
        if name.endswith(_HEAD_TAIL) and value:
            core = int(name[1 : -len(_HEAD_TAIL)])
            depth = self.memories.dwords(core, MemoryKind.RQ).size
            self._take(self.answer.wake(core, min(value, depth)))
        elif name == "RST" and value:
            self._queue.clear()
