"""A core's instruction memory, prepared: stretches of instructions as lists of calls.

Preparing happens once, when an instruction is first reached. It lasts until the instruction
memory, the tables, the power or weights that were converted change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import (
    FIRST_PC,
    Instruction,
    Status,
    decode,
    is_open_isa,
    n_operand_words,
)
from firmware_protocol.open_isa_cost import EVENT_NAMES, Events, cycles_of, events_of
from firmware_protocol.open_isa_ops import Op
from hostrt.sim.isa.access import accesses, find_fault
from hostrt.sim.isa.control import CONTROL_OPS, make_end, stop, then
from hostrt.sim.isa.kernels import lower
from hostrt.sim.isa.place import Place
from hostrt.sim.isa.traps import Trap

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.sim.isa.kernels import Call
    from hostrt.sim.isa.memories import CoreMemories
    from hostrt.sim.isa.scratch import Scratch
    from hostrt.sim.isa.thread import Links, Thread

_Key: TypeAlias = tuple[int, tuple[int, ...]]
"""First word and words of an instruction: the same place can hold another one later."""
_LONGEST = 128
"""Instructions of a stretch at most: a program can enter a stretch at every word of it."""


class Located(NamedTuple):
    """An instruction at its place; `instruction` is None where there is no legal one."""

    pc: int
    words: tuple[int, ...]
    instruction: Instruction | None

    @property
    def cycles(self) -> int:
        """Cycles of one execution."""
        return cycles_of(self.instruction) if self.instruction else 0

    @property
    def next_pc(self) -> int:
        """The word after it."""
        return self.pc + len(self.words)


class Executed(NamedTuple):
    """How often an instruction was executed.

    Attributes:
        pc: its first word in the instruction memory.
        instruction: which; None for words that are no legal instruction.
        n_words: instruction words that it takes.
        done: executions that had their effect.
        stopped: executions that stopped their thread instead.
    """

    pc: int
    instruction: Instruction | None
    n_words: int
    done: int
    stopped: int

    @property
    def cycles(self) -> int:
        """Cycles of all executions."""
        cost = cycles_of(self.instruction) if self.instruction else 0
        return cost * (self.done + self.stopped)

    @property
    def events(self) -> Events:
        """Events of all executions."""
        each = events_of(self.instruction) if self.instruction else Events()
        total = {name: self.done * getattr(each, name) for name in EVENT_NAMES}
        total["im_reads"] += self.stopped * self.n_words
        return Events(**total)


class Segment:
    """Instructions that are executed one after the other.

    Attributes:
        calls: what all but the last one do.
        end: what the last one does; gives the next pc, or raises Trap.
        length: number of instructions.
        cycles: cycles of all.
        parts: the instructions.
        count: how often it was executed.
    """

    __slots__ = ("calls", "count", "cycles", "end", "length", "parts")

    def __init__(
        self, calls: list[Call], end: Callable[[Thread], int], parts: list[Located]
    ) -> None:
        self.calls = tuple(calls)
        self.end = end
        self.length = len(parts)
        self.cycles = sum(part.cycles for part in parts)
        self.parts = parts
        self.count = 0


class Code:
    """The instructions of one core.

    Attributes:
        core: which.
        segments: prepared stretches by their first pc.
    """

    def __init__(
        self,
        core: int,
        memories: CoreMemories,
        scratch: Scratch,
        links: Links,
        *,
        longest: int = _LONGEST,
    ) -> None:
        self.core = core
        self.segments: dict[int, Segment] = {}
        self._memories = memories
        self._longest = longest
        self._place = Place(core, memories, scratch, links, self._drop)
        self._lowered: dict[int, list[Call]] = {}
        self._once: list[Segment] = []
        self._words: list[int] = []
        self._counts: dict[_Key, int] = {}
        self._stops: dict[_Key, int] = {}
        self._instructions: dict[_Key, Instruction | None] = {}

    # -- changes -------------------------------------------------------------------------------

    def forget(self) -> None:
        """Drop all that was prepared."""
        self._drop()
        self._words = []
        self._place.forget()

    def changed(self, kind: MemoryKind, first: int, count: int) -> None:
        """Drop what depends on words of a memory."""
        if kind in (MemoryKind.IM, MemoryKind.TM) or (
            kind is MemoryKind.DM and self._place.weights.hold(first, count)
        ):
            self.forget()

    def reset_counts(self) -> None:
        """Count executions from 0."""
        self._fold()
        self._counts.clear()
        self._stops.clear()
        self._instructions.clear()

    # -- questions -----------------------------------------------------------------------------

    def mark(self) -> int:
        """Give word 0 of the instruction memory if it is a mark, else 0."""
        word = self._look()[0]
        return word if is_open_isa(word) else 0

    def executed(self) -> list[Executed]:
        """Give what was executed, by rising pc."""
        self._fold()
        found = []
        for key, count in sorted(self._counts.items()):
            pc, words = key
            stopped = self._stops.get(key, 0)
            instruction = self._instructions[key]
            found.append(Executed(pc, instruction, len(words), count - stopped, stopped))
        return found

    def stopped(self, pc: int) -> None:
        """Note that the instruction at `pc`, just executed, stopped its thread."""
        part = self._locate(pc)
        key = (pc, part.words)
        self._stops[key] = self._stops.get(key, 0) + 1

    # -- preparing -----------------------------------------------------------------------------

    def segment(self, pc: int) -> Segment:
        """Prepare the instructions from `pc` on, and keep them.

        Raises:
            Trap: there is no word at `pc`, or an operand word is missing.
        """
        made = self._make(pc, self._longest)
        self.segments[pc] = made
        return made

    def shortened(self, pc: int, limit: int) -> Segment:
        """Prepare at most `limit` (at least 1) instructions from `pc` on, for once.

        Raises:
            Trap: see `segment`.
        """
        made = self._make(pc, limit)
        self._once.append(made)
        return made

    def _make(self, pc: int, limit: int) -> Segment:
        if not self._exists(pc):
            raise Trap(Status.BAD_ADDRESS, self.core, pc, fetched=False)
        parts = [self._locate(pc)]
        while not self._ends(parts[-1]) and len(parts) < limit and self._exists(parts[-1].next_pc):
            parts.append(self._locate(parts[-1].next_pc))
        last = parts[-1]
        body = parts[:-1] if self._ends(last) else parts
        for part in parts:
            if part.instruction and (part is not last or part.instruction.op is not Op.MOVEL):
                self._place.note_writes(accesses(part.instruction))
        calls = [call for part in body for call in self._lower(part)]
        return Segment(calls, self._end(last), parts)

    def _lower(self, part: Located) -> list[Call]:
        if part.pc not in self._lowered:
            made = lower(part.instruction, self._place) if part.instruction else []
            self._lowered[part.pc] = made
        return self._lowered[part.pc]

    def _end(self, part: Located) -> Callable[[Thread], int]:
        if part.instruction is None:
            return stop(Status.ILLEGAL_INSTRUCTION, part.pc)
        fault = find_fault(accesses(part.instruction), self._memories)
        if part.instruction.op in CONTROL_OPS:
            return make_end(part.instruction, part.pc, fault, self._place)
        return stop(fault, part.pc) if fault else then(part.next_pc)

    def _ends(self, part: Located) -> bool:
        """Tell whether a stretch ends with an instruction."""
        if part.instruction is None or part.instruction.op in CONTROL_OPS:
            return True
        return find_fault(accesses(part.instruction), self._memories) is not None

    def _exists(self, pc: int) -> bool:
        words = self._look()
        return FIRST_PC <= pc < len(words) and pc + n_operand_words(words[pc] >> 56) < len(words)

    def _locate(self, pc: int) -> Located:
        words = self._look()
        length = 1 + n_operand_words(words[pc] >> 56)
        return Located(pc, tuple(words[pc : pc + length]), decode(words, pc))

    def _look(self) -> list[int]:
        """Give the instruction memory; zeros while it is not powered."""
        if not self._words:
            im = self._memories.im
            powered = self._memories.powered(MemoryKind.IM, 0, im.size)
            self._words = im.tolist() if powered else [0] * im.size
        return self._words

    def _drop(self) -> None:
        """Drop calls and converted weights; what the instructions write stays known."""
        self._fold()
        self.segments.clear()
        self._lowered.clear()
        self._place.weights.drop()

    def _fold(self) -> None:
        """Move the counts of stretches to those of instructions."""
        for segment in [*self.segments.values(), *self._once]:
            if segment.count:
                for part in segment.parts:
                    key = (part.pc, part.words)
                    self._counts[key] = self._counts.get(key, 0) + segment.count
                    self._instructions[key] = part.instruction
                segment.count = 0
        self._once.clear()
