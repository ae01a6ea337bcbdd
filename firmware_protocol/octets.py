"""The name for raw bytes in signatures; `collections.abc.Buffer` only exists from Python 3.12."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Octets: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
"""Anything that holds bytes contiguously."""


def view_of(data: Octets) -> memoryview:
    """Give the bytes of `data` without a copy."""
    return data.data if isinstance(data, np.ndarray) else memoryview(data)
