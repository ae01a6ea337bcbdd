"""One program, two chips: the machine under test and the oracle, and what must be equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import MARK, MAX_INSTRUCTIONS
from firmware_protocol.open_isa_cost import EVENT_NAMES, Events
from hostrt.sim.isa.machine import Machine
from hostrt.sim.isa.memories import CoreMemories
from tests.sim.isa_oracle import Oracle, OracleCore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hostrt.sim.isa.observer import Observer

DM, TM, IM = 48, 24, 200
"""Words of the memories that are compared."""


@dataclass
class Content:
    """What the memories of a core hold; the rest are zeros.

    Attributes:
        code: words from word 1 of IM on.
        off: words of DM without power.
        tm_off: words of TM without power.
    """

    code: Sequence[int] = ()
    dm: Sequence[int] = ()
    tm: Sequence[int] = ()
    pb: Sequence[int] = ()
    sb: Sequence[int] = ()
    rq: Sequence[int] = ()
    off: frozenset[int] = frozenset()
    tm_off: frozenset[int] = frozenset()
    mark: int = MARK
    runs: bool = True
    dm_size: int = DM
    tm_size: int = TM
    im_size: int = IM


def memories_of(content: Content) -> CoreMemories:
    blank = CoreMemories.blank(content.im_size, content.dm_size, content.tm_size)
    filled = {"im": [content.mark, *content.code], "dm": content.dm, "tm": content.tm}
    filled |= {"pb": content.pb, "sb": content.sb, "rq": content.rq}
    for name, words in filled.items():
        getattr(blank, name)[: len(words)] = np.array(words, np.uint64)
    off = {MemoryKind.DM: content.off, MemoryKind.TM: content.tm_off, MemoryKind.IM: frozenset()}

    def powered(kind: MemoryKind, first: int, count: int) -> bool:
        assert count > 0
        return off[kind].isdisjoint(range(first, first + count))

    parts = (blank.im, blank.dm, blank.tm, blank.rq, blank.pb, blank.sb)
    return CoreMemories(*parts, powered=powered, runs=lambda: content.runs)


def oracle_core(content: Content, memories: CoreMemories) -> OracleCore:
    """Give the oracle's copy of the memories."""
    parts = (memories.im, memories.dm, memories.tm, memories.rq, memories.pb, memories.sb)
    im, dm, tm, rq, pb, sb = (part.tolist() for part in parts)
    dm_on = [word not in content.off for word in range(len(dm))]
    tm_on = [word not in content.tm_off for word in range(len(tm))]
    return OracleCore(im, dm, tm, rq, pb, sb, dm_on, tm_on, content.runs)


@dataclass
class Pair:
    """Both chips with equal memories."""

    contents: Sequence[Content]
    most: int = MAX_INSTRUCTIONS
    observer: Observer | None = None
    memories: list[CoreMemories] = field(init=False)
    machine: Machine = field(init=False)
    oracle: Oracle = field(init=False)

    def __post_init__(self) -> None:
        self.memories = [memories_of(content) for content in self.contents]
        self.machine = Machine(self.memories, max_instructions=self.most, observer=self.observer)
        pairs = zip(self.contents, self.memories, strict=True)
        self.oracle = Oracle([oracle_core(*pair) for pair in pairs], self.most)

    def message(
        self, core: int, pc: int, payload: Iterable[int] = (), *, waits: bool = False
    ) -> None:
        """Send a message to both, let both run, and compare."""
        words = list(payload)
        taken = self.machine.message(core, pc, np.array(words, np.uint64), output_waits=waits)
        assert taken == self.oracle.message(core, pc, words, output_waits=waits)
        self.compare()

    def wake(self, core: int, count: int) -> None:
        """Start threads of the ready queue on both, let both run, and compare."""
        self.machine.wake(core, count)
        self.oracle.wake(core, count)
        self.compare()

    def poke(self, kind: MemoryKind, word: int, value: int) -> None:
        """Write a word of a memory of core 0 from outside, and tell the machine."""
        name = kind.value.lower()
        getattr(self.memories[0], name)[word] = value
        getattr(self.oracle.cores[0], name)[word] = value
        self.machine.changed(0, kind, word, 1)

    def compare(self) -> None:
        """Let both run: messages, memories, clocks, cycles and events must be equal."""
        sent = [(int(m[1]), int(m[0]), m[2:].view("<u8").tolist()) for m in self.machine.run()]
        assert sent == self.oracle.run()
        for number, (mine, theirs) in enumerate(zip(self.memories, self.oracle.cores, strict=True)):
            assert mine.dm.tolist() == theirs.dm
            assert mine.sb.tolist() == theirs.sb
            assert self.machine.clocks[number] == theirs.clock
            assert self.machine.busy_cycles[number] == theirs.busy
            done = sum((each.events for each in self.machine.executed(number)), Events())
            assert {name: getattr(done, name) for name in EVENT_NAMES if getattr(done, name)} == {
                name: count for name, count in theirs.events.items() if count
            }

    @property
    def dm(self) -> list[int]:
        """Data memory of core 0."""
        return [int(word) for word in self.memories[0].dm]


def run_both(content: Content, payload: Iterable[int] = (), most: int = MAX_INSTRUCTIONS) -> Pair:
    """Run a program of one core from pc 1."""
    pair = Pair([content], most)
    pair.message(0, 1, payload)
    return pair
