"""The behavioural simulator: assembly straight into a machine's memories, no image in between.

A simulated board executes the images that a transport wrote; this executes what the assembly says,
instruction by instruction, on the same machine, and can tell what each one cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import FIRST_PC, MARK
from hostrt.chip import get_chip
from hostrt.fasmir.assembly import unpack
from hostrt.sim.isa.machine import Machine
from hostrt.sim.isa.memories import CoreMemories

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.words import DWords, Words
    from hostrt.fasmir.assembly import Assembly, Core, Int64s
    from hostrt.sim.isa.code import Executed


@dataclass(frozen=True, slots=True)
class FrameCost:
    """What one frame took.

    Attributes:
        cycles: from its first message to the moment at which all cores are free.
        busy_cycles: per core, cycles of its threads.
        executed: per core, how often each instruction was executed.
    """

    cycles: int
    busy_cycles: tuple[int, ...]
    executed: tuple[tuple[Executed, ...], ...]


class Simulator:
    """Executes an assembly.

    Attributes:
        assembly: what it executes.
        machine: what executes it.
    """

    def __init__(self, assembly: Assembly) -> None:
        """Prepare; the memories are those of the chip that the assembly was made for."""
        self.assembly = assembly
        self._memories: list[CoreMemories] = []
        self.machine = self._make_machine()

    def reset(self) -> None:
        """Begin anew with the contents that the assembly states."""
        self.machine = self._make_machine()

    def send(self, core: int, pc: int, payload: DWords) -> None:
        """Give a message of a frame to the machine and let it work.

        Args:
            core: core that takes it.
            pc: where its thread begins.
            payload: uint64 (n,).
        """
        self.machine.message(core, pc, payload)

    def run(self) -> list[Words]:
        """Execute until nothing is left to do; gives the messages for the host."""
        return self.machine.run()

    def begin_frame(self) -> None:
        """Count cycles and events from 0."""
        self.machine.begin_frame()
        self.machine.reset_counts()

    def cost(self) -> FrameCost:
        """Give what was counted since `begin_frame`."""
        cores = range(len(self._memories))
        return FrameCost(
            self.machine.frame_cycles,
            tuple(self.machine.busy_cycles),
            tuple(tuple(self.machine.executed(core)) for core in cores),
        )

    def watched(self) -> dict[str, Int64s]:
        """Give the tensors that the assembly keeps, as they are now."""
        found = {}
        for item in self.assembly.watched:
            core = self.assembly.core(item.core)
            symbol = next(one for one in core.symbols if one.name == item.symbol)
            words = self._memories[item.core].dm[symbol.address : symbol.end]
            found[item.name] = unpack(words, symbol.type, symbol.length).reshape(item.shape)
        return found

    def _make_machine(self) -> Machine:
        n_cores = get_chip(self.assembly.chip).map.n_cores
        self._memories = [_blank(self.assembly.chip, core) for core in range(n_cores)]
        for core in self.assembly.cores:
            _fill(self._memories[core.number], core)
        return Machine(self._memories)


def _blank(chip: str, core: int) -> CoreMemories:
    sizes = dict.fromkeys((MemoryKind.IM, MemoryKind.DM, MemoryKind.TM), 0)
    for region in get_chip(chip).map.regions:
        if region.core == core and region.kind in sizes:
            sizes[region.kind] += region.n_dwords
    return CoreMemories.blank(sizes[MemoryKind.IM], sizes[MemoryKind.DM], sizes[MemoryKind.TM])


def _fill(memories: CoreMemories, core: Core) -> None:
    words = [word for line in core.lines for word in line.instruction.words()]
    memories.im[0] = MARK
    memories.im[FIRST_PC : FIRST_PC + len(words)] = np.array(words, np.uint64)
    for symbol in core.symbols:
        if symbol.initial is not None:
            memories.dm[symbol.address : symbol.end] = symbol.words()
    for table in core.tables:
        memories.tm[table.address : table.address + table.n_words] = table.words()
    for thread in core.threads:
        memories.pb[thread.number] = core.labels[thread.label]
        memories.sb[thread.number] = thread.score


def input_messages(assembly: Assembly) -> Sequence[tuple[str, int, int, int]]:
    """Give (input, core, pc, payload words) of every message that a frame takes."""
    found = []
    for item in assembly.inputs:
        core = assembly.core(item.core)
        found.append((item.name, item.core, core.labels[item.label], item.n_words))
    return found
