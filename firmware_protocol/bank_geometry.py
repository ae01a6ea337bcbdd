"""Sizes and addresses of the memory banks of one chip generation, as program files see them.

Source: register reference 2 and 4.3, `.femto` reference 1.3 and 1.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.memory import BankImage, MemoryKind

if TYPE_CHECKING:
    from collections.abc import Mapping

LISTED_KINDS = (MemoryKind.DM, MemoryKind.TM, MemoryKind.IM)
"""Memories that have their own entry in the core table of a `.femto` file."""

WRITE_ORDER = (
    MemoryKind.DM,
    MemoryKind.TM,
    MemoryKind.SB,
    MemoryKind.RQ,
    MemoryKind.PB,
    MemoryKind.IM,
    MemoryKind.IM_MSB,
)
"""Order in which the banks of a core are written, to a chip and to a file."""


@dataclass(frozen=True, slots=True)
class BankGeometry:
    """Banks of one chip generation; sizes in 64-bit words, addresses in bytes.

    Attributes:
        name: chip family for messages.
        n_cores: cores on the chip.
        n_dm: data memory banks per core.
        dm_words: capacity of one of them, also the lines per bank of an image member.
        n_tm: table memory banks per core.
        tm_words: capacity of one of them.
        im_words: capacity of the instruction memory.
        has_im_msb: instructions are wider than 64 bits and have a second memory.
        small_words: capacity of SB, RQ and PB.
        core_base: address of DM0 of core 0.
        core_stride: address distance of two cores.
        bank_stride: address distance of two banks of one memory.
        offsets: offset of bank 0 of each memory in its core.
        digits: least hexadecimal digits of one word in an image member, per memory.
    """

    name: str
    n_cores: int
    n_dm: int
    dm_words: int
    n_tm: int
    tm_words: int
    im_words: int
    has_im_msb: bool
    core_base: int
    core_stride: int
    bank_stride: int
    offsets: Mapping[MemoryKind, int]
    digits: Mapping[MemoryKind, int]
    small_words: int = 64

    def n_banks(self, kind: MemoryKind) -> int:
        """Give the number of banks of `kind` in one core; 0 if the chip has no such memory."""
        if kind is MemoryKind.IM_MSB:
            return int(self.has_im_msb)
        return {MemoryKind.DM: self.n_dm, MemoryKind.TM: self.n_tm}.get(kind, 1)

    def bank_words(self, kind: MemoryKind) -> int:
        """Give the capacity of one bank of `kind` in 64-bit words."""
        big = {
            MemoryKind.DM: self.dm_words,
            MemoryKind.TM: self.tm_words,
            MemoryKind.IM: self.im_words,
            MemoryKind.IM_MSB: self.im_words,
        }
        return big.get(kind, self.small_words)

    def address(self, core: int, kind: MemoryKind, index: int = 0) -> int:
        """Give the byte address of a bank as `.femto` pages carry it."""
        stride = self.bank_stride * index
        return self.core_base + self.core_stride * core + self.offsets[kind] + stride

    def check(self, bank: BankImage) -> None:
        """Raise `LocalMisuseError` unless `bank` exists on the chip and holds its words."""
        place = f"core {bank.core} {bank.name}"
        if not (0 <= bank.core < self.n_cores and 0 <= bank.index < self.n_banks(bank.kind)):
            raise LocalMisuseError(
                f"{place}: no such bank on {self.name}; check the program's chip"
            )
        capacity = self.bank_words(bank.kind)
        if bank.words.size > capacity:
            raise LocalMisuseError(
                f"{place}: {bank.words.size} words, the bank of {self.name} holds {capacity}"
            )


_DIGITS: Mapping[MemoryKind, int] = MappingProxyType(
    {
        MemoryKind.DM: 16,
        MemoryKind.TM: 4,
        MemoryKind.SB: 3,
        MemoryKind.RQ: 16,
        MemoryKind.PB: 3,
        MemoryKind.IM: 16,
        MemoryKind.IM_MSB: 16,
    }
)

SPU001_GEOMETRY = BankGeometry(
    name="SPU-001",
    n_cores=2,
    n_dm=8,
    dm_words=8192,
    n_tm=4,
    tm_words=2048,
    im_words=4096,
    has_im_msb=False,
    core_base=0x0010_0000,
    core_stride=0x0010_0000,
    bank_stride=0x1_0000,
    offsets=MappingProxyType(
        {
            MemoryKind.DM: 0x0_0000,
            MemoryKind.TM: 0x8_0000,
            MemoryKind.SB: 0xC_0000,
            MemoryKind.RQ: 0xD_0000,
            MemoryKind.PB: 0xE_0000,
            MemoryKind.IM: 0xF_0000,
        }
    ),
    digits=_DIGITS,
)

SPU150_GEOMETRY = BankGeometry(
    name="SPU-150",
    n_cores=4,
    n_dm=1,
    dm_words=32768,
    n_tm=1,
    tm_words=8192,
    im_words=4096,
    has_im_msb=True,
    core_base=0x2030_0000,
    core_stride=0x0020_0000,
    bank_stride=0x1_0000,
    offsets=MappingProxyType(
        {
            MemoryKind.DM: 0x0_0000,
            MemoryKind.TM: 0x4_0000,
            MemoryKind.IM: 0x8_0000,
            MemoryKind.IM_MSB: 0x8_8000,
            MemoryKind.SB: 0x9_0000,
            MemoryKind.RQ: 0xA_0000,
            MemoryKind.PB: 0xB_0000,
        }
    ),
    digits=_DIGITS,
)


def in_write_order(banks: list[BankImage]) -> list[BankImage]:
    """Give the banks that hold words, cores ascending, each core in `WRITE_ORDER`."""
    held = [bank for bank in banks if bank.words.size]
    return sorted(held, key=lambda bank: (bank.core, WRITE_ORDER.index(bank.kind), bank.index))
