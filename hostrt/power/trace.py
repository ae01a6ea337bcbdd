"""What a power meter measured during a run."""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hostrt.errors import UsageError
from hostrt.files import write_file
from hostrt.program.archive import open_zip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_ARRAYS = {
    "watts": np.float32,
    "marks_s": np.float64,
    "frame_j": np.float64,
    "frame_measured_s": np.float64,
    "measured": np.float32,
    "lowest": np.float32,
    "highest": np.float32,
}
_FACTS = ("meter", "simulated", "start_s", "rate_hz", "folded", "lost_samples")
_UNREADABLE = (
    # what a broken file makes of zipfile, zlib, numpy and json
    *(OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, OverflowError),
    *(MemoryError, zipfile.BadZipFile, zlib.error),
)
_LARGEST_FILE = 1 << 30
"""Bytes that a trace file may unpack to; a million intervals and a million frames are 32 MB."""


def _no_marks() -> NDArray[np.float64]:
    return np.empty(0, np.float64)


class Decimated(NamedTuple):
    """A trace in few intervals, for plots.

    Attributes:
        times_s: (n + 1,) edges of the intervals on the clock of `time.perf_counter`.
        lowest_w: (n,) lowest power of each interval; NaN where nothing was measured.
        mean_w: (n,) mean power.
        highest_w: (n,) highest power.
    """

    times_s: NDArray[np.float64]
    lowest_w: NDArray[np.float32]
    mean_w: NDArray[np.float32]
    highest_w: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PowerTrace:
    """Power over time; immutable.

    A meter's samples may have been folded: each sample of the trace then stands for `folded`
    samples of the meter. Energies per frame were integrated before that.

    Attributes:
        meter: what measured, for people ("PPK2 on /dev/ttyACM1, serial ...").
        simulated: the power comes from a model and not from a meter.
        start_s: time of the first sample on the clock of `time.perf_counter`.
        rate_hz: samples of the trace per second.
        watts: (n,) float32, mean power of what was measured of each sample's interval; NaN where
            nothing was.
        marks_s: (m,) times at which frames began, on the same clock, rising.
        frame_j: (m,) energy from each mark to the next, the last to the end of the trace; None to
            have it integrated over `watts`.
        frame_measured_s: (m,) seconds of each of these frames for which there are samples.
        folded: samples of the meter per sample of the trace.
        lost_samples: samples of the meter that never arrived.
        measured: (n,) share 0..1 of each sample's interval that was measured, None for all of it.
        lowest: (n,) lowest sample of the meter in each interval, None for `watts`.
        highest: (n,) highest sample of the meter in each interval, None for `watts`.
    """

    meter: str
    simulated: bool
    start_s: float
    rate_hz: float
    watts: NDArray[np.float32]
    marks_s: NDArray[np.float64] = field(default_factory=_no_marks)
    frame_j: NDArray[np.float64] | None = None
    frame_measured_s: NDArray[np.float64] | None = None
    folded: int = 1
    lost_samples: int = 0
    measured: NDArray[np.float32] | None = None
    lowest: NDArray[np.float32] | None = None
    highest: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and self.rate_hz > 0 and math.isfinite(self.rate_hz)):
            raise UsageError(f"power trace: {self.rate_hz} samples/s from {self.start_s} s")
        if self.folded < 1 or self.lost_samples < 0:
            raise UsageError(f"power trace: folded {self.folded}, lost {self.lost_samples} samples")
        for name in _ARRAYS:
            array = getattr(self, name)
            length = len(self.marks_s if name.startswith(("marks", "frame")) else self.watts)
            if array is not None and array.shape != (length,):
                raise UsageError(f"power trace: {name} of shape {array.shape}, expected {length}")
        if not (np.diff(self.marks_s) >= 0).all():
            raise UsageError("power trace: marks do not rise")

    @property
    def duration_s(self) -> float:
        """Seconds from the first sample to the end of the last, which may not be full."""
        return len(self.watts) / self.rate_hz

    @property
    def stop_s(self) -> float:
        """Time at which the last sample ends."""
        return self.start_s + self.duration_s

    @property
    def mean_w(self) -> float | None:
        """Mean power of what was measured in watts, None when nothing was."""
        seconds = float(self._seconds().sum())
        return float(self._joules().sum()) / seconds if seconds else None

    def energy_j(self, start_s: float, stop_s: float) -> float:
        """Integrate power over a time; samples that lie partly in it count in part.

        What was not measured counts as nothing: samples that were lost, times before the first
        sample and after the last.

        Raises:
            UsageError: the time ends before it begins.
        """
        if not start_s <= stop_s:
            raise UsageError(f"energy from {start_s} s to {stop_s} s: it ends before it begins")
        first, last = (
            min(max((time_s - self.start_s) * self.rate_hz, 0.0), float(len(self.watts)))
            for time_s in (start_s, stop_s)
        )
        inside = slice(math.floor(first), math.ceil(last))
        joules = self._joules(inside)
        numbers = np.arange(inside.start, inside.stop)
        shares = np.minimum(numbers + 1, last) - np.maximum(numbers, first)
        return float(joules @ shares)

    def frame_energy_j(self) -> NDArray[np.float64]:
        """Give each frame's energy: from its mark to the next, the last to the end of the trace.

        Returns:
            (m,) joules of what was measured of the frame; NaN where nothing was.
        """
        joules = self.frame_j if self.frame_j is not None else self._per_frame(self._joules())
        return np.where(self.frame_seconds() > 0, joules, np.nan)

    def frame_seconds(self) -> NDArray[np.float64]:
        """Give the seconds of each frame for which there are samples: all of it, or less."""
        if self.frame_measured_s is not None:
            return self.frame_measured_s
        return self._per_frame(self._seconds())

    def frame_power_w(self) -> NDArray[np.float64]:
        """Give each frame's mean power in watts over what was measured of it; NaN for nothing."""
        seconds = self.frame_seconds()
        return self.frame_energy_j() / np.where(seconds > 0, seconds, np.nan)

    def decimated(self, n: int) -> Decimated:
        """Give the trace in at most `n` intervals, with lowest, mean and highest power of each."""
        if n < 1:
            raise UsageError(f"{n} intervals, expected at least 1")
        edges = np.linspace(0, len(self.watts), min(n, len(self.watts)) + 1).astype(np.int64)
        starts = edges[:-1]
        times = self.start_s + edges / self.rate_hz
        if not len(starts):
            empty = np.empty(0, np.float32)
            return Decimated(times, empty, empty, empty)
        low = np.fmin.reduceat(self.watts if self.lowest is None else self.lowest, starts)
        high = np.fmax.reduceat(self.watts if self.highest is None else self.highest, starts)
        seconds = np.add.reduceat(self._seconds(), starts)
        mean = np.add.reduceat(self._joules(), starts) / np.where(seconds > 0, seconds, np.nan)
        return Decimated(times, low, mean.astype(np.float32), high)

    def to_tree(self) -> dict[str, object]:
        """Give what there is to say without the samples, as plain values."""
        facts: dict[str, object] = {name: getattr(self, name) for name in _FACTS}
        return {
            **facts,
            "samples": len(self.watts),
            "frames": len(self.marks_s),
            "duration_s": self.duration_s,
            "energy_j": float(self._joules().sum()),
            "mean_w": self.mean_w,
        }

    def save(self, path: Path) -> None:
        """Write the trace as an `.npz` file.

        Raises:
            StorageError: it cannot be written.
        """
        facts = json.dumps({name: getattr(self, name) for name in _FACTS}).encode()
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        present = {name: array for name, array in arrays.items() if array is not None}
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, allow_pickle=False, facts=np.frombuffer(facts, np.uint8), **present
        )
        write_file(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> PowerTrace:
        """Read a file that `save` wrote.

        Raises:
            UsageError: it cannot be read, or is no power trace.
        """
        try:
            return cls._from_arrays(_read_arrays(path))
        except _UNREADABLE as error:
            raise UsageError(
                f"{path}: not a usable power trace: {error}",
                hint="expected an .npz file that PowerTrace.save wrote",
            ) from error

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> PowerTrace:
        facts = json.loads(arrays["facts"].tobytes())
        found = {
            name: arrays[name].astype(kind, casting="same_kind")
            for name, kind in _ARRAYS.items()
            if name in arrays
        }
        return cls(
            meter=str(facts["meter"]),
            simulated=facts["simulated"] is True,
            start_s=float(facts["start_s"]),
            rate_hz=float(facts["rate_hz"]),
            folded=int(facts["folded"]),
            lost_samples=int(facts["lost_samples"]),
            **found,
        )

    def _seconds(self, inside: slice = slice(None)) -> NDArray[np.float64]:
        """Give the measured seconds of each sample."""
        share = np.isfinite(self.watts[inside]).astype(np.float64)
        if self.measured is not None:
            share *= self.measured[inside]
        return share / self.rate_hz

    def _joules(self, inside: slice = slice(None)) -> NDArray[np.float64]:
        """Give the measured energy of each sample."""
        return np.nan_to_num(self.watts[inside].astype(np.float64)) * self._seconds(inside)

    def _per_frame(self, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum what belongs to each sample over each frame."""
        total = np.concatenate([[0.0], np.cumsum(amounts)])
        places = (np.append(self.marks_s, self.stop_s) - self.start_s) * self.rate_hz
        return np.diff(np.interp(places, np.arange(len(total)), total))


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    with open_zip(path) as archive:
        members = archive.infolist()
    known = {f"{name}.npy" for name in ("facts", *_ARRAYS)}
    for item in members:
        if item.filename not in known:
            raise UsageError(f"member {item.filename!r} is none of a power trace")
    size = sum(item.file_size for item in members)
    if size > _LARGEST_FILE:
        raise UsageError(f"it unpacks to {size} bytes, at most {_LARGEST_FILE} are accepted")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
