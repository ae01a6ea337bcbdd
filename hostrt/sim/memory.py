"""The memories of a simulated chip: what bytes they hold and whether they are powered.

A *bank* here is what has one power switch. A logical bank of the SPU-150 consists of several
(spu-registers 2 and 7.4); each of them is a view into the array of its memory.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.memory import MemoryKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_protocol.registers import ChipMap, Region

WORD_BYTES = 4
_OFF = 0x0_1000
_POWERED = frozenset({0x1_1000, 0x1_5000})
_STATE_BITS = 0x1_F000

LittleWords: TypeAlias = NDArray[np.uint32]
LittleDWords: TypeAlias = NDArray[np.uint64]
"""Little endian whatever the host, so that the same bytes can be seen 32 and 64 bits wide."""


class Bank:
    """One separately powered piece of memory.

    Attributes:
        core: core it belongs to.
        kind: which memory.
        base: first APB byte address.
        end: first byte address after it.
        switch: CONF register that powers it, "" for memories that are always on.
        words: uint32 (2 n,), view of the memory's array.
        powered: it can be read and written.
    """

    __slots__ = ("base", "core", "end", "kind", "powered", "switch", "words")

    def __init__(self, region: Region, base: int, switch: str, words: LittleWords) -> None:
        self.core = region.core
        self.kind = region.kind
        self.base = base
        self.end = base + WORD_BYTES * words.size
        self.switch = switch
        self.words = words
        self.powered = not switch

    def set_power(self, conf: int) -> None:
        """Follow a write to the CONF register; a bank that is switched off forgets."""
        state = conf & _STATE_BITS
        if state in (_OFF, 0):
            self.words.fill(0)
        self.powered = state in _POWERED

    def reset(self) -> None:
        """Lose power, and with it the contents."""
        self.words.fill(0)
        self.powered = not self.switch


class Memories:
    """Every memory of one chip, addressed as the APB bus addresses them."""

    def __init__(self, chip_map: ChipMap) -> None:
        self._arrays = _arrays(chip_map)
        self.banks = sorted(_banks(chip_map, self._arrays), key=lambda bank: bank.base)
        self._bases = [bank.base for bank in self.banks]
        self._by_switch: dict[str, list[Bank]] = {}
        for bank in self.banks:
            self._by_switch.setdefault(bank.switch, []).append(bank)

    def dwords(self, core: int, kind: MemoryKind) -> LittleDWords:
        """Give one memory of a core, all banks in a row, uint64 (n,); a view, not a copy."""
        return self._arrays[core, kind].view("<u8")

    def switched_by(self, register: str) -> list[Bank]:
        """Give the banks behind a CONF register."""
        return self._by_switch.get(register, [])

    def of(self, core: int, kind: MemoryKind) -> list[Bank]:
        """Give the banks of one memory, by rising address."""
        return [bank for bank in self.banks if (bank.core, bank.kind) == (core, kind)]

    def segments(self, address: int, n_words: int) -> Iterator[tuple[Bank | None, int, int]]:
        """Cut a burst where banks begin and end.

        Yields:
            (bank or None between banks, position in the burst, number of words).
        """
        done = 0
        while done < n_words:
            here = address + WORD_BYTES * done
            bank, limit = self._bank_at(here)
            room = n_words - done
            if limit is not None:
                room = min(room, -(-(limit - here) // WORD_BYTES))
            yield bank, done, room
            done += room

    def reset(self) -> None:
        """Forget everything, as when the supply fails."""
        for bank in self.banks:
            bank.reset()

    def _bank_at(self, address: int) -> tuple[Bank | None, int | None]:
        """Give the bank at an address and where that answer stops being true."""
        position = bisect.bisect_right(self._bases, address) - 1
        if position >= 0 and address < self.banks[position].end:
            return self.banks[position], self.banks[position].end
        following = position + 1
        return None, self._bases[following] if following < len(self._bases) else None


def _arrays(chip_map: ChipMap) -> dict[tuple[int, MemoryKind], LittleWords]:
    sizes: dict[tuple[int, MemoryKind], int] = {}
    for region in chip_map.regions:
        key = (region.core, region.kind)
        sizes[key] = sizes.get(key, 0) + 2 * region.n_dwords
    return {key: np.zeros(size, "<u4") for key, size in sizes.items()}


def _banks(chip_map: ChipMap, arrays: dict[tuple[int, MemoryKind], LittleWords]) -> Iterator[Bank]:
    used = dict.fromkeys(arrays, 0)
    physical = {
        MemoryKind.DM: chip_map.physical_dm_dwords,
        MemoryKind.TM: chip_map.physical_tm_dwords,
    }
    for region in sorted(chip_map.regions, key=lambda item: item.base):
        key = (region.core, region.kind)
        size = min(physical.get(region.kind, region.n_dwords), region.n_dwords)
        for first in range(0, region.n_dwords, size):
            start = used[key]
            used[key] += 2 * size
            index = region.index * (region.n_dwords // size) + first // size
            words = arrays[key][start : used[key]]
            yield Bank(region, region.base + 8 * first, _switch(region, index), words)


def _switch(region: Region, index: int) -> str:
    if region.kind in (MemoryKind.DM, MemoryKind.TM):
        return f"C{region.core}_{region.kind}_CONF{index}"
    if region.kind in (MemoryKind.IM, MemoryKind.IM_MSB):
        return f"C{region.core}_IM_CONF"
    return ""
