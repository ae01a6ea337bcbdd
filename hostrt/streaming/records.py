"""What is written down about every frame of a stream, in memory that does not grow.

Rows go to a temporary file in pieces, so that ten hours of frames can be summarised exactly at the
end.
"""

from __future__ import annotations

import tempfile
import weakref
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from hostrt.runner.result import RunMetrics, Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hostrt.runner.result import Clock

Cause = str
"""Where time was lost: one of CAUSES, or "" for a frame that lost none."""

CAUSES: Final = ("source", "host", "wire", "device")

ROW: Final = np.dtype(
    [
        ("due_s", "<f8"),
        ("late_s", "<f8"),
        ("end_to_end_s", "<f8"),
        ("device_s", "<f8"),
        ("wire_s", "<f8"),
        ("host_s", "<f8"),
        ("energy_j", "<f8"),
        ("missed", "?"),
        ("dropped", "?"),
        ("cause", "u1"),
    ]
)
"""One frame: when it was due after the stream's beginning, how late it was begun, its times.

NaN stands where nothing was measured; `cause` is 0 for none, else 1 more than its place in CAUSES.
"""

_PIECE = 4096


class Records:
    """Rows in the order of the frames."""

    def __init__(self) -> None:
        self._piece = np.zeros(_PIECE, ROW)
        self._used = 0
        self._file: IO[bytes] | None = None
        self._written = 0

    def __len__(self) -> int:
        return self._written + self._used

    def add(self, row: tuple[float | bool | int, ...]) -> None:
        """Write down one frame, in the order of ROW's fields."""
        if self._used == _PIECE:
            self._flush()
        self._piece[self._used] = row
        self._used += 1

    def rows(self) -> NDArray[np.void]:
        """Give all rows, of a long stream as a read-only view of the file."""
        if self._file is None:
            return self._piece[: self._used].copy()
        self._flush()
        found: NDArray[np.void] = np.memmap(self._file, ROW, "r", shape=(self._written,))
        return found

    def _flush(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="hostrt-stream-")  # noqa: SIM115 - see below
            # open as long as these records are; views that were given out outlive it
            weakref.finalize(self, self._file.close)
        self._file.seek(0, 2)
        self._file.write(self._piece[: self._used].tobytes())
        self._file.flush()
        self._written += self._used
        self._used = 0


def metrics_of(
    rows: NDArray[np.void],
    period_s: float,
    *,
    deadline_s: float | None,
    duration_s: float,
    pll_vco_hz: float | None = None,
    frame_energy_j: NDArray[np.float64] | None = None,
    simulation: Mapping[str, object] | None = None,
) -> RunMetrics:
    """Make a run's measurements of rows.

    Args:
        rows: from `Records.rows`.
        period_s: seconds between frames.
        deadline_s: seconds from when a frame is due until it is late, None when frames were not
            held to the period: then there is no schedule.
        duration_s: time that the whole stream took.
        pll_vco_hz: frequency of the PLL's oscillator, if there is one.
        frame_energy_j: (n,) energies from a meter, else those in the rows are taken.
        simulation: where a simulator's cycles went.
    """
    clocks: tuple[Clock, ...] = ("device", "wire", "host", "end_to_end")
    latencies = {clock: np.array(rows[f"{clock}_s"], np.float64) for clock in clocks}
    energy = np.array(rows["energy_j"]) if frame_energy_j is None else frame_energy_j
    is_known = bool(np.isfinite(energy).any())
    return RunMetrics(
        len(rows),
        latencies_s={clock: x for clock, x in latencies.items() if np.isfinite(x).any()},
        input_period_s=period_s,
        frame_power_w=energy / period_s if is_known else None,
        energy_j=float(np.nansum(energy)) if is_known else None,
        pll_vco_hz=pll_vco_hz,
        duration_s=duration_s,
        simulation=simulation or {},
        schedule=None if deadline_s is None else _schedule(rows, deadline_s),
    )


def _schedule(rows: NDArray[np.void], deadline_s: float) -> Schedule:
    causes = np.bincount(rows["cause"], minlength=len(CAUSES) + 1)[1:]
    return Schedule(
        late_s=np.array(rows["late_s"], np.float64),
        dropped=np.flatnonzero(rows["dropped"]),
        missed=np.flatnonzero(rows["missed"]),
        causes={name: int(count) for name, count in zip(CAUSES, causes, strict=True)},
        deadline_s=deadline_s,
    )
