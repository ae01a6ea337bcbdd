"""Registers, fields and memory regions of a chip as plain data.

A chip's map is a value: it names an address in an error message, fills a table in the user guide
and tells a simulated chip what lies where.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from firmware_protocol.memory import MemoryKind
from firmware_protocol.requests import Space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DWORD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Field:
    """Some adjacent bits of a register."""

    name: str
    lsb: int
    width: int = 1
    doc: str = ""

    @property
    def mask(self) -> int:
        """The field's bits, in place."""
        return ((1 << self.width) - 1) << self.lsb


@dataclass(frozen=True, slots=True)
class Register:
    """One register.

    Attributes:
        name: as in the register reference.
        address: APB byte address, or top register address in the chip's own counting.
        space: `Space.APB` or `Space.TOP`.
        read_only: writes have no effect.
        fields: known bits.
        doc: what it is for.
    """

    name: str
    address: int
    space: Space = Space.APB
    read_only: bool = False
    fields: tuple[Field, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Region:
    """The address range of one memory bank; each 64-bit word takes 8 bytes of address space."""

    core: int
    kind: MemoryKind
    index: int
    base: int
    n_dwords: int
    width_bits: int

    @property
    def name(self) -> str:
        """`C0_DM3` for banked memories, `C0_RQ` for the others."""
        banked = self.kind in (MemoryKind.DM, MemoryKind.TM)
        return f"C{self.core}_{self.kind}{self.index if banked else ''}"

    @property
    def end(self) -> int:
        """First byte address after the region."""
        return self.base + self.n_dwords * DWORD_BYTES


@dataclass(frozen=True)
class ChipMap:
    """Everything a host needs to know about a chip's address space.

    Attributes:
        name: spoken name, also used for folders: "spu001", "spu150tc1", "spu150".
        title: name for people.
        version: expected value of the VERSION register (high nibble major, low nibble minor).
        part: part number in `.femto` files.
        n_cores: cores on the chip.
        max_clock_mhz: highest clock the chip is specified for.
        top_stride: address distance of consecutive top registers (4, or 1 for an index).
        registers: every register by name, APB and top.
        regions: every memory bank, by rising address.
        physical_dm_dwords: words of one separately powered DM bank.
        physical_tm_dwords: words of one separately powered TM bank.
    """

    name: str
    title: str
    version: int
    part: int
    n_cores: int
    max_clock_mhz: int
    top_stride: int
    registers: Mapping[str, Register]
    regions: tuple[Region, ...]
    physical_dm_dwords: int = 8192
    physical_tm_dwords: int = 2048

    def address(self, name: str) -> int:
        """Give the address of the register `name`; KeyError when the chip has none."""
        return self.registers[name].address

    def region(self, core: int, kind: MemoryKind, index: int = 0) -> Region:
        """Give the region of one bank; KeyError when the chip has no such bank."""
        return self._by_bank[core, kind, index]

    def has_bank(self, core: int, kind: MemoryKind, index: int = 0) -> bool:
        """Tell whether the chip has this bank."""
        return (core, kind, index) in self._by_bank

    def find_region(self, address: int) -> Region | None:
        """Give the bank that holds the APB byte address, or None."""
        position = bisect.bisect_right(self._bases, address) - 1
        if position < 0:
            return None
        region = self.regions[position]
        return region if address < region.end else None

    def describe(self, space: Space, address: int) -> str:
        """Name an address for people: `C0_DM0+0x40`, `VERSION` or `0x1234`."""
        region = self.find_region(address) if space is Space.APB else None
        if region is not None:
            offset = address - region.base
            return f"{region.name}+0x{offset:x}" if offset else region.name
        return self._by_address.get((space, address), f"0x{address:x}")

    def of_space(self, space: Space) -> Iterator[Register]:
        """Iterate over the registers of one space, in declaration order."""
        return (register for register in self.registers.values() if register.space is space)

    @cached_property
    def _by_bank(self) -> dict[tuple[int, MemoryKind, int], Region]:
        return {(region.core, region.kind, region.index): region for region in self.regions}

    @cached_property
    def _bases(self) -> list[int]:
        return [region.base for region in self.regions]

    @cached_property
    def _by_address(self) -> dict[tuple[Space, int], str]:
        return {(item.space, item.address): name for name, item in self.registers.items()}
