"""Reports to write, made of runs that differ in known places."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any, cast

import numpy as np

from hostrt.analysis.compare import compare_all
from hostrt.power.trace import PowerTrace
from hostrt.report.data import report_csv, report_json
from hostrt.report.model import BankFill, Report, ReportSubject
from hostrt.runner.result import Provenance, RunMetrics, RunResult, Schedule

Array = np.ndarray[Any, Any]

PERIOD_S = 0.008
LENGTH = 128
RATE = 16_000


def sound(n_frames: int, length: int = LENGTH) -> Array:
    """Give frames of a tone that rises, (n_frames, length) int16."""
    times = np.arange(n_frames * length) / RATE
    wave = np.sin(2 * np.pi * (300 + 1_000 * times) * times) * np.minimum(1, times * 5)
    samples: Array = np.round(wave * 12_000).astype(np.int16)
    return samples.reshape(n_frames, length)


def streamed(n_frames: int, outputs: dict[str, Array]) -> RunResult:
    """Give a run on a board: every clock, a frame that was dropped and two that came late."""
    draw = np.random.default_rng(5)
    device = draw.normal(0.0021, 0.00005, n_frames)
    wire = device + draw.gamma(4, 0.0002, n_frames)
    end_to_end = wire + draw.gamma(2, 0.0002, n_frames)
    late, missed, dropped = [n_frames // 3, n_frames // 2], [], [n_frames - 2]
    if n_frames > 5:
        end_to_end[late] += PERIOD_S
        missed = late
    for values in (device, wire, end_to_end):
        values[dropped] = np.nan
    device[0] = -1
    delays = np.full(n_frames, 1e-5)
    delays[dropped] = np.nan
    metrics = RunMetrics(
        n_frames,
        {"device": device, "wire": wire, "end_to_end": end_to_end},
        PERIOD_S,
        duration_s=n_frames * PERIOD_S,
        schedule=Schedule(
            delays, np.array(dropped), np.array(missed, np.int64), {"wire": len(missed), "host": 1}
        ),
    )
    provenance = Provenance(
        "hw", False, "ab" * 32, "model.femto", "spu001", "evk2://123", settings={"window": 4}
    )
    return RunResult(outputs, metrics, provenance, ("Frames were sent by USB.",))


def simulated(n_frames: int, outputs: dict[str, Array]) -> RunResult:
    """Give a run in a simulator that counts cycles."""
    cycles = [40_000 + 7 * (frame % 9) for frame in range(n_frames)]
    energy = [cycle * 2e-11 for cycle in cycles]
    metrics = RunMetrics(
        n_frames,
        {"device": np.array(cycles) / 1.5e8},
        PERIOD_S,
        frame_power_w=np.array(energy) / PERIOD_S,
        energy_j=sum(energy),
        duration_s=0.25,
        work={"macs": 120_000.0},
        simulation={
            "clock_hz": 1.5e8,
            "spu_model": "spu001",
            "cycles_per_frame": cycles,
            "energy_per_frame_j": energy,
            "cycles_by_class": {"matvec": 30_100.5, "vector": 6_000.0, "move": 3_100.0, "sum": 8.0},
            "cycles_by_thread": {"core 0 frame": 30_000.0, "core 1 input x": 9_208.5},
            "cores": {
                0: {"busy_cycles": 30_000.0, "utilisation": 0.025, "traffic": {"dm_reads": 10.0}},
                1: {"busy_cycles": 9_208.5, "utilisation": 0.007, "traffic": {}},
            },
        },
    )
    return RunResult(outputs, metrics, Provenance("fasmir", True, settings={"a": math.nan}))


def plain(n_frames: int, outputs: dict[str, Array]) -> RunResult:
    """Give a run that was not measured frame by frame."""
    return RunResult(outputs, RunMetrics(n_frames, duration_s=0.5), Provenance("fqir", True))


def trace(n_frames: int) -> PowerTrace:
    """Give a meter's trace with a mark for every frame."""
    rate = 5_000.0
    n = int(n_frames * PERIOD_S * rate)
    times = np.arange(n) / rate
    watts = np.where(times % PERIOD_S < 0.002, 3.1e-3, 4e-4).astype(np.float32)
    watts += np.random.default_rng(2).normal(0, 2e-5, n).astype(np.float32)
    marks = 100.0 + np.arange(n_frames, dtype=np.float64) * PERIOD_S
    return PowerTrace("meter 7", False, 100.0, rate, watts, marks)


def full_report(n_frames: int = 60) -> Report:
    """Give a report on three runners, of which the second differs from the first."""
    y = sound(n_frames)
    spectrum = (np.arange(n_frames * 4) % 50).astype(np.int32).reshape(n_frames, 4)
    other = y.copy()
    other[n_frames // 2, 5] += 3
    other[n_frames - 1, :] -= 1
    results = {
        "fqir": plain(n_frames, {"y": y, "features": spectrum}),
        "hw": streamed(n_frames, {"y": other, "features": spectrum}),
        "fasmir": simulated(n_frames, {"y": y, "features": spectrum}),
    }
    return Report(
        "model on spu001",
        ReportSubject("model", "models/model.femto", "cd" * 32, "spu001", 5_000, banks()),
        results,
        compare_all(results),
        {"x": sound(n_frames)},
        RATE,
        warm_up=1,
        power={"hw": trace(n_frames)},
        command_line=("hostrt", "run", "model.femto"),
        created="2030-01-02T03:04:05.678+01:00",
        notes=("The input was padded.",),
    )


def small_report(**changes: Any) -> Report:
    """Give a report on one runner that measured nothing."""
    values: dict[str, Any] = {
        "title": "small",
        "subject": ReportSubject("LOOPBACK", "LOOPBACK", ""),
        "results": {"dummy": plain(3, {"y": np.arange(6, dtype=np.int16).reshape(3, 2)})},
    }
    return Report(**values | changes)


def banks() -> tuple[BankFill, ...]:
    """Give memory of two cores."""
    return tuple(
        BankFill(core, f"{kind}{number}", used, capacity)
        for core in (0, 1)
        for kind, capacity, count in (("DM", 8_192, 3), ("TM", 2_048, 2), ("IM", 4_096, 1))
        for number, used in enumerate((capacity, capacity // 3, 7)[:count])
    )


def _no_constant(text: str) -> None:
    raise ValueError(text)


def json_of(report: Report) -> dict[str, Any]:
    """Read a report's JSON as the strictest reader would."""
    tree = json.loads(report_json(report).decode("utf-8"), parse_constant=_no_constant)
    return cast("dict[str, Any]", tree)


def csv_of(report: Report) -> list[dict[str, str]]:
    """Read a report's CSV, a mapping per row."""
    text = report_csv(report).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
