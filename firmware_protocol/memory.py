"""What a program puts into a chip's memories, independent of where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from firmware_protocol.words import DWords, frozen_dwords


class MemoryKind(StrEnum):
    """The memories of one SPU core, named as in the register reference.

    `IM_MSB` is the part of an instruction above its low 64 bits (SPU-150 only).
    """

    DM = "DM"
    TM = "TM"
    SB = "SB"
    RQ = "RQ"
    PB = "PB"
    IM = "IM"
    IM_MSB = "IM_MSB"


@dataclass(frozen=True, slots=True, eq=False)
class BankImage:
    """The used prefix of one memory bank.

    Attributes:
        core: core number, from 0.
        kind: which memory.
        index: bank number inside that memory, from 0.
        words: uint64 (n,), read-only, the words from the start of the bank. Never empty.
    """

    core: int
    kind: MemoryKind
    index: int
    words: DWords

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", frozen_dwords(self.words))

    @property
    def name(self) -> str:
        """`DM3` for banked memories, `RQ` for the others."""
        banked = self.kind in (MemoryKind.DM, MemoryKind.TM)
        return f"{self.kind}{self.index}" if banked else str(self.kind)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BankImage):
            return NotImplemented
        same_place = (self.core, self.kind, self.index) == (other.core, other.kind, other.index)
        return same_place and np.array_equal(self.words, other.words)

    def __hash__(self) -> int:
        return hash((self.core, self.kind, self.index, self.words.tobytes()))
