"""What a power meter measured during a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _no_marks() -> NDArray[np.float64]:
    return np.empty(0, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class PowerTrace:
    """Power over time; immutable.

    Attributes:
        meter: what measured, for people ("PPK2 on /dev/ttyACM1, serial ...").
        simulated: the power comes from a model and not from a meter.
        start_s: time of the first sample on the clock of `time.perf_counter`.
        rate_hz: samples per second.
        watts: (n,) float32, mean power of each sample's interval.
        marks_s: (m,) times at which frames began, on the same clock, rising.
    """

    meter: str
    simulated: bool
    start_s: float
    rate_hz: float
    watts: NDArray[np.float32]
    marks_s: NDArray[np.float64] = field(default_factory=_no_marks)
