"""Values of which neighbours are alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def noise(rng: np.random.Generator, n: int, correlation: float = 0.0) -> NDArray[np.float64]:
    """Give normal values of which neighbours are alike."""
    values = rng.standard_normal(n)
    for i in range(1, n if correlation else 0):
        values[i] = correlation * values[i - 1] + math.sqrt(1 - correlation**2) * values[i]
    return values
