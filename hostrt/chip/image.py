"""What a chip is asked to load: banks, encryption and where wake-on-start threads wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_protocol.memory import BankImage, MemoryKind

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_ENCRYPTED = 32
"""Key index that stands for "not encrypted" in files."""


@dataclass(frozen=True, slots=True)
class Encryption:
    """Key and salt an encrypted program needs. `key_index` 0..31, `salt` 64 bits."""

    key_index: int
    salt: int = 0


@dataclass(frozen=True, slots=True)
class LoadImage:
    """The memories of one program.

    Attributes:
        banks: used prefixes of banks, in any order; at most one per core, kind and index.
        n_cores: cores the program uses, numbered from 0.
        encryption: None for a program that is not encrypted.
    """

    banks: tuple[BankImage, ...]
    n_cores: int
    encryption: Encryption | None = None

    def of(self, core: int, kind: MemoryKind) -> Iterator[BankImage]:
        """Iterate over the banks of one memory by rising bank number."""
        return iter(
            sorted(
                (bank for bank in self.banks if bank.core == core and bank.kind is kind),
                key=lambda bank: bank.index,
            )
        )

    def n_ready_threads(self, core: int) -> int:
        """Give the number of ready-queue entries of `core`."""
        return sum(bank.words.size for bank in self.of(core, MemoryKind.RQ))

    @property
    def n_words(self) -> int:
        """Number of 32-bit words in all banks."""
        return sum(2 * bank.words.size for bank in self.banks)
