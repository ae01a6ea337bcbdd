"""Memory test patterns: what to write into a bank and expect to read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_protocol.registers import Region
    from firmware_protocol.words import DWords

Pattern: TypeAlias = "Callable[[int], DWords]"
"""From a number of 64-bit words to their values."""


def _checkerboard(n: int) -> DWords:
    words = np.full(n, 0x5555_5555_5555_5555, np.uint64)
    words[1::2] = 0xAAAA_AAAA_AAAA_AAAA
    return words


def _walking_one(n: int) -> DWords:
    shifts = np.arange(n, dtype=np.uint64) % np.uint64(64)
    words: DWords = np.left_shift(np.uint64(1), shifts)
    return words


def _own_address(n: int) -> DWords:
    # every word differs, so a stuck address line shows as a repeated value
    return np.arange(n, dtype=np.uint64) * np.uint64(0x0001_0003_0007_000F) + np.uint64(1)


PATTERNS: dict[str, Pattern] = {
    "zeros": lambda n: np.zeros(n, np.uint64),
    "ones": lambda n: np.full(n, 0xFFFF_FFFF_FFFF_FFFF, np.uint64),
    "checkerboard": _checkerboard,
    "inverse checkerboard": lambda n: ~_checkerboard(n),
    "walking one": _walking_one,
    "own address": _own_address,
}
"""Patterns of the self-test, by name."""


def expected_words(region: Region, pattern: str) -> DWords:
    """Give the words of `pattern` for a whole bank, cut to the bits the bank really has."""
    mask = np.uint64((1 << region.width_bits) - 1)
    return PATTERNS[pattern](region.n_dwords) & mask
