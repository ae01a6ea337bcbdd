"""The memories of one core as execution sees them: arrays of 64-bit words, and their power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.open_isa import N_THREADS
from firmware_protocol.open_isa_ops import Type

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_protocol.memory import MemoryKind

MemoryWords: TypeAlias = NDArray[np.uint64]
"""Words of a memory, little endian whatever the host (dtype `<u8`), so that elements of every
type are views of them."""

DTYPES = {Type.I8: "<i1", Type.I16: "<i2", Type.I32: "<i4", Type.I64: "<i8"}


def _always_powered(kind: MemoryKind, first: int, count: int) -> bool:
    del kind, first, count
    return True


def _always_runs() -> bool:
    return True


@dataclass(frozen=True, slots=True, eq=False)
class CoreMemories:
    """What one core works with. Arrays have dtype `<u8`; execution changes dm and sb in place.

    Attributes:
        im: instruction memory.
        dm: data memory, all banks in a row.
        tm: table memory, all banks in a row.
        rq: ready queue, (64,).
        pb: program buffer, (64,).
        sb: score board, (64,).
        powered: tells whether a number of words (at least 1) from a first one on can be used; the
            words exist. Asked when instructions are prepared, so `Machine.changed` must be called
            when the answer changes.
        runs: tells whether the core runs; messages to one that does not are lost.
    """

    im: MemoryWords
    dm: MemoryWords
    tm: MemoryWords
    rq: MemoryWords
    pb: MemoryWords
    sb: MemoryWords
    powered: Callable[[MemoryKind, int, int], bool] = _always_powered
    runs: Callable[[], bool] = _always_runs

    @classmethod
    def blank(cls, im: int = 4096, dm: int = 65536, tm: int = 8192) -> CoreMemories:
        """Make memories of that many words, full of zeros, powered, of a core that runs."""
        sizes = (im, dm, tm, N_THREADS, N_THREADS, N_THREADS)
        words = [np.zeros(size, "<u8") for size in sizes]
        return cls(words[0], words[1], words[2], words[3], words[4], words[5])
