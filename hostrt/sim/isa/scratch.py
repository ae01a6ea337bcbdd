"""Room for values between operands and result, shared by all instructions of a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

Array: TypeAlias = NDArray[Any]
"""Numbers or booleans of a dtype that depends on the instruction, (n,) or ()."""

_SLOT_BYTES = 8 * 0x10000
"""Enough for the longest vector of any type."""


class Scratch:
    """Named pieces of memory; each is used by one instruction at a time."""

    def __init__(self) -> None:
        self._slots: dict[str, NDArray[np.uint8]] = {}

    def view(self, slot: str, dtype: DTypeLike, n: int) -> Array:
        """Give the first n elements of a slot, (n,), as that dtype."""
        n_bytes = n * np.dtype(dtype).itemsize
        found = self._slots.get(slot)
        if found is None or found.size < n_bytes:
            found = self._slots[slot] = np.empty(max(n_bytes, _SLOT_BYTES), np.uint8)
        return found[:n_bytes].view(dtype)
