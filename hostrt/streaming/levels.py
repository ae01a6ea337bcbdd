"""How loud frames are: peak and root mean square against full scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class LevelMeter:
    """Collects levels until they are read."""

    def __init__(self) -> None:
        self._peak = 0.0
        self._sum = 0.0
        self._count = 0

    def add(self, rows: Mapping[str, NDArray[np.integer]]) -> None:
        """Take rows of any inputs or outputs; full scale is that of their type."""
        for array in rows.values():
            if array.size:
                full = -float(np.iinfo(array.dtype).min) or float(np.iinfo(array.dtype).max)
                values = array.astype(np.float64).reshape(-1) / full
                self._peak = max(self._peak, float(np.abs(values).max()))
                self._sum += float(values @ values)
                self._count += values.size

    def read(self) -> tuple[float, float]:
        """Give peak and root mean square since the last reading, each 0..1, and begin anew."""
        rms = math.sqrt(self._sum / self._count) if self._count else 0.0
        peak = self._peak
        self._peak, self._sum, self._count = 0.0, 0.0, 0
        return peak, min(rms, peak)
