"""What is known about every frame, as columns of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.analysis.series import frame_differences
from hostrt.runner.result import CLOCKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from hostrt.power.trace import PowerTrace
    from hostrt.report.model import Report
    from hostrt.runner.result import RunMetrics, RunResult

    Floats = NDArray[np.float64]

FRAME_COLUMNS: Final = (
    *(f"{clock}_s" for clock in CLOCKS),
    "late_s",
    "slack_s",
    "missed",
    "dropped",
    "cycles",
    "power_w",
    "energy_j",
)
"""Columns in order: times in seconds, flags as 0 or 1, power in watts, energy in joules."""

INTEGER_COLUMNS: Final = frozenset({"missed", "dropped", "cycles"})
"""Columns whose numbers are whole."""


def frame_columns(metrics: RunMetrics, trace: PowerTrace | None = None) -> dict[str, Floats]:
    """Give every column of FRAME_COLUMNS as (n_frames,) numbers, NaN where nothing was measured.

    A frame's slack is the deadline minus its latency by the clock that sees most of the way.
    Without a schedule a frame was missed when its slack is negative. Power and energy come from a
    meter's trace if it has a mark for every frame, else from the run's own figures.
    """
    n_frames, deadline_s = metrics.n_frames, metrics.deadline_s
    columns = {name: np.full(n_frames, np.nan) for name in FRAME_COLUMNS}
    for clock, values in metrics.latencies_s.items():
        columns[f"{clock}_s"] = _measured(values)
    judged_by = LatencyMetrics(metrics).deadline_clock
    if judged_by and deadline_s is not None:
        slack = columns["slack_s"] = deadline_s - columns[f"{judged_by}_s"]
        columns["missed"] = np.where(np.isnan(slack), np.nan, slack < 0)
    if metrics.schedule is not None:
        columns["late_s"] = metrics.schedule.late_s
        columns["missed"] = _flags(metrics.schedule.missed, n_frames)
        columns["dropped"] = _flags(metrics.schedule.dropped, n_frames)
    columns["cycles"] = _simulated(metrics, "cycles_per_frame")
    columns["power_w"], columns["energy_j"] = _power_and_energy(metrics, trace)
    return columns


def is_known(column: Floats) -> bool:
    """Tell whether anything was measured."""
    return bool(np.isfinite(column).any())


def differences(
    first: RunResult, second: RunResult
) -> Iterator[tuple[str, NDArray[np.generic], Floats]]:
    """Give (output, largest, mean difference per row) for each output that can be compared.

    Rows are those of the outputs: as many as frames, unless a model gives an output only every few
    frames. Largest differences are whole numbers, exact.
    """
    for name, left in first.outputs.items():
        right = second.outputs.get(name)
        if right is not None and left.ndim == right.ndim:
            yield name, *frame_differences(left, right)


def differences_from_first(
    report: Report, runner: str
) -> dict[str, tuple[NDArray[np.generic], Floats]]:
    """Give output -> (largest, mean) difference per frame between a runner and the first one.

    Only outputs that both gave for every frame are there: rows of others are not frames.
    """
    first = next(iter(report.results), runner)
    if runner == first:
        return {}
    sides = report.results[first], report.results[runner]
    return {
        name: (largest, mean)
        for name, largest, mean in differences(*sides)
        if all(len(side.outputs[name]) == side.metrics.n_frames for side in sides)
    }


def _measured(values: ArrayLike) -> Floats:
    array = np.array(values, np.float64)
    array[~(np.isfinite(array) & (array >= 0))] = np.nan
    return array


def _flags(frames: NDArray[np.int64], n_frames: int) -> Floats:
    flags = np.zeros(n_frames)
    flags[frames] = 1
    return flags


def _power_and_energy(metrics: RunMetrics, trace: PowerTrace | None) -> tuple[Floats, Floats]:
    if trace is not None and len(trace.marks_s) == metrics.n_frames:
        return trace.frame_power_w(), trace.frame_energy_j()
    energy_j = _simulated(metrics, "energy_per_frame_j")
    if metrics.frame_power_w is None:
        return np.full(metrics.n_frames, np.nan), energy_j
    power_w = _measured(metrics.frame_power_w)
    if metrics.input_period_s is not None and not is_known(energy_j):
        energy_j = power_w * metrics.input_period_s
    return power_w, energy_j


def _simulated(metrics: RunMetrics, key: str) -> Floats:
    values = metrics.simulation.get(key)
    if isinstance(values, list) and len(values) == metrics.n_frames:
        return _measured(values)
    return np.full(metrics.n_frames, np.nan)
