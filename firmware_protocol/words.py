"""Names for the arrays that travel through the package."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint32]
"""One-dimensional array of 32-bit words, native byte order."""

DWords: TypeAlias = NDArray[np.uint64]
"""One-dimensional array of 64-bit memory words, native byte order."""


_Scalar = TypeVar("_Scalar", bound=np.generic)


def frozen_words(values: object) -> Words:
    """Give `values` as a read-only one-dimensional uint32 array (a copy if it was writable)."""
    return _frozen(np.asarray(values, dtype=np.uint32))


def frozen_dwords(values: object) -> DWords:
    """Give `values` as a read-only one-dimensional uint64 array (a copy if it was writable)."""
    return _frozen(np.asarray(values, dtype=np.uint64))


def _frozen(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    flat = array.reshape(-1)
    if flat.flags.writeable:
        flat = flat.copy()
        flat.flags.writeable = False
    return flat
