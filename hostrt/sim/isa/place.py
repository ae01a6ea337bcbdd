"""Where the instructions of a core work: its memories as elements of every type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa_ops import Type
from hostrt.sim.isa.memories import DTYPES
from hostrt.sim.isa.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.sim.isa.access import Access
    from hostrt.sim.isa.memories import CoreMemories
    from hostrt.sim.isa.scratch import Array, Scratch
    from hostrt.sim.isa.thread import Links

TableKey = tuple[int, int, bool, int]
"""First word, entries, wide, type of the elements that it gives."""


class Place:
    """A core's memories, and what was converted from them.

    Attributes:
        core: which core.
        memories: its memories.
        scratch: room for values in between.
        links: how messages are sent and threads started.
        weights: matrices.
    """

    def __init__(
        self,
        core: int,
        memories: CoreMemories,
        scratch: Scratch,
        links: Links,
        conflict: Callable[[], None],
    ) -> None:
        """Make views.

        Args:
            core: which core.
            memories: its memories.
            scratch: room for values in between.
            links: how messages are sent and threads started.
            conflict: called when an instruction can write to a matrix that was converted.
        """
        self.core = core
        self.memories = memories
        self.scratch = scratch
        self.links = links
        self._views = {code: memories.dm.view(DTYPES[code]) for code in Type}
        self._entries = memories.tm.view(DTYPES[Type.I16])[::4]
        self._tables: dict[TableKey, Array] = {}
        self.weights = Weights(self._views, memories.dm.size)
        self._conflict = conflict

    def forget(self) -> None:
        """Drop all that was converted, and what is known of writes."""
        self._tables.clear()
        self.weights.forget()

    def elements(self, word: int, code: int, n: int) -> Array:
        """Give the vector of n elements at a word of DM, (n,); a view."""
        first = word * Type(code).lanes
        return self._views[Type(code)][first : first + n]

    def element(self, word: int, code: int) -> Array:
        """Give element 0 of the vector at a word of DM, (); a view."""
        return self.elements(word, code, 1).reshape(())

    def table(self, key: TableKey) -> Array:
        """Give a table of TM, (entries,), its entries cut to the type they are stored as."""
        if key not in self._tables:
            first, entries, wide, code = key
            low = self._entries[first : first + entries * (1 + wide)]
            if wide:
                low = (low[::2].astype(np.int32) & 0xFFFF) | (low[1::2].astype(np.int32) << 16)
            self._tables[key] = low.astype(DTYPES[Type(code)])
        return self._tables[key]

    def note_writes(self, used: list[Access]) -> None:
        """Take note of what an instruction that is prepared can write."""
        for access in used:
            if access.writes and access.kind is MemoryKind.DM and access.size:
                touched = self.weights.hold(access.first, access.size)
                self.weights.note_write(access.first, access.size)
                if touched:
                    self._conflict()
