"""Places in the virtual machine's memory, before and after they are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hostrt.fqir.plan.vm_codes import DEPTH

Elements: TypeAlias = NDArray[np.signedinteger[Any]]

_ROUND = 64
"""Every buffer begins at a multiple of so many elements; it is a multiple of LANES and DEPTH."""

SLACK: Final = 2 * DEPTH
"""Elements behind the end of any buffer that may be read."""


@dataclass(eq=False, slots=True)
class Buffer:
    """Elements in one of the areas.

    Attributes:
        bits: which area.
        size: number of elements; there is room up to the next multiple of `_ROUND`.
        content: what it holds from the beginning, None for what is computed.
        kept: whether its content lives from frame to frame.
        first: when it is needed for the first time, see `Assembler.tick`.
        last: when it is needed for the last time, -1 if never.
        place: its first element in the area; set at the end.
    """

    bits: int
    size: int
    content: Elements | None = None
    kept: bool = False
    first: int = 0
    last: int = -1
    place: int = 0

    @property
    def room(self) -> int:
        """Number of elements that may be written."""
        return -(-max(self.size, 1) // _ROUND) * _ROUND


@dataclass(frozen=True, slots=True)
class Ref:
    """A place: some elements after the beginning of a buffer."""

    buffer: Buffer
    offset: int = 0

    @property
    def bits(self) -> int:
        """Which area."""
        return self.buffer.bits

    def plus(self, elements: int) -> Ref:
        """Give a place further on."""
        return Ref(self.buffer, self.offset + elements)


@dataclass(eq=False, slots=True)
class Label:
    """Where a jump goes; `word` is set when the place is reached."""

    word: int = -1
