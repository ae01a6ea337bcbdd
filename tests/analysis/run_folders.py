"""Folders as runs and streams leave them, with times that are known."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hostrt.analysis.measured import STREAM_POWER, STREAM_ROWS
from hostrt.analysis.metrics import LatencyMetrics
from hostrt.runner.result import Provenance, RunMetrics, RunResult
from hostrt.runner.store import OutputFolder
from hostrt.streaming.records import ROW

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hostrt.power.trace import PowerTrace
    from hostrt.runner.result import Clock

    Floats = NDArray[np.float64]

N = 200
PERIOD_S = 0.016
FRAMES = np.arange(8, dtype=np.int16)


def times(seed: int = 1, scale: float = 5e-3, n: int = N) -> Floats:
    """Give latencies; those of one seed have the same hard frames."""
    own = np.random.default_rng(round(1e6 * scale)).random(n)
    return scale * (1 + 0.2 * np.random.default_rng(seed).random(n) + 1e-3 * own)


def keep(
    folder: str | Path,
    latencies: dict[Clock, Floats],
    *,
    inputs: NDArray[np.int16] = FRAMES,
    power: Floats | None = None,
    simulated: bool = True,
) -> Path:
    """Write the folder of a run."""
    n = len(next(iter(latencies.values())))
    metrics = RunMetrics(n, latencies, PERIOD_S, frame_power_w=power)
    result = RunResult({}, metrics, Provenance("hw", simulated, board="sim"))
    out = OutputFolder(folder)
    out.write_result(result, metrics_tree=LatencyMetrics(metrics).to_tree())
    out.finish(result, inputs={"x": inputs})
    return Path(folder)


def keep_stream(
    folder: str | Path, rows: NDArray[np.void], power: PowerTrace | None = None
) -> Path:
    """Write the folder of a stream."""
    metrics = RunMetrics(len(rows), {"wire": rows["wire_s"]}, PERIOD_S)
    result = RunResult({}, metrics, Provenance("hw", simulated=True, board="sim"))
    out = OutputFolder(folder)
    out.write_result(result, metrics_tree=LatencyMetrics(metrics).to_tree(per_frame=False))
    buffer = io.BytesIO()
    np.save(buffer, rows)
    out.write_file(STREAM_ROWS, buffer.getvalue())
    if power is not None:
        power.save(out.path / STREAM_POWER)
        out.adopt(STREAM_POWER)
    out.finish(result, inputs={"x": FRAMES})
    return Path(folder)


def stream_rows(wire_s: Floats) -> NDArray[np.void]:
    rows = np.zeros(len(wire_s), ROW)
    for clock in ("device", "host", "end_to_end"):
        rows[f"{clock}_s"] = np.nan
    rows["wire_s"], rows["energy_j"] = wire_s, np.nan
    return rows


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Put other contents into a run, as if it had been made with them."""
    out = OutputFolder(folder)
    out.write_file(name, data)
    result = RunResult({}, RunMetrics(2), Provenance("hw", simulated=True))
    out.finish(result, inputs={"x": FRAMES})
