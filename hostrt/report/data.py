"""A report as data for other programs: JSON with everything in it, CSV with a row per frame.

`hostrt explain reports` documents keys and columns; `FORMAT_VERSION` counts changes that break a
reader.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from hostrt.analysis.frame_ranges import JSON_RANGES, FrameRanges
from hostrt.analysis.metrics import LatencyMetrics
from hostrt.analysis.series import envelope
from hostrt.analysis.statistics import summarise
from hostrt.report.columns import (
    FRAME_COLUMNS,
    INTEGER_COLUMNS,
    differences,
    differences_from_first,
    frame_columns,
    is_known,
)
from hostrt.runner.store import array_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hostrt.power.trace import PowerTrace
    from hostrt.report.model import Report, ReportSubject
    from hostrt.runner.result import RunResult, Schedule

    Tree = dict[str, object]

FORMAT_VERSION: Final = 1

MAX_SERIES: Final = 10_000
"""Values up to which JSON holds every one of a series."""

STRETCHES: Final = 1_000
"""Stretches of which JSON holds the smallest and largest value instead, for a longer series."""

_CSV_FRAMES = 4_096


# -- JSON -----------------------------------------------------------------------------------------


def report_json(report: Report) -> bytes:
    """Give everything that a report says as JSON.

    UTF-8, units in SI and in the keys; what was not measured is null or left out, NaN and infinity
    never appear. A series of more than `MAX_SERIES` values is given by the smallest and largest
    value of `STRETCHES` stretches.
    """
    tree: Tree = {
        "format": FORMAT_VERSION,
        "title": report.title,
        "verdict": report.verdict,
        "created": report.created,
        "interrupted": report.interrupted,
        "command_line": report.command_line,
        "notes": report.notes,
        "warm_up_frames": report.warm_up,
        "sample_rate_hz": report.sample_rate,
        "subject": _subject(report.subject),
        "inputs": {name: _array(array) for name, array in report.inputs.items()},
        "runners": {name: _runner(report, name) for name in report.results},
        "comparisons": report.comparisons.to_json(),
        "differences": _differences(report),
    }
    text = json.dumps(_plain(tree), indent=1, ensure_ascii=False, allow_nan=False)
    # bytes of a file name that are not UTF-8 arrive as half a pair; the escape is JSON's own
    return (text + "\n").encode("utf-8", "backslashreplace")


def _subject(subject: ReportSubject) -> Tree:
    return {
        "name": subject.name,
        "path": subject.path,
        "sha256": subject.sha256,
        "chip": subject.chip,
        "program_words": subject.n_words,
        "banks": [
            {
                "core": bank.core,
                "bank": bank.bank,
                "used_words": bank.used,
                "capacity_words": bank.capacity,
            }
            for bank in subject.banks
        ],
    }


def _array(array: NDArray[np.generic]) -> Tree:
    return {
        "shape": array.shape,
        "type": array.dtype.name,
        "min": array.min() if array.size else None,
        "max": array.max() if array.size else None,
        "sha256": array_sha256(array),
    }


def _runner(report: Report, name: str) -> Tree:
    result, trace = report.results[name], report.power.get(name)
    run, metrics = result.metrics, LatencyMetrics(result.metrics, report.warm_up)
    return {
        "n_frames": run.n_frames,
        "simulated": result.simulated,
        "provenance": result.provenance.to_tree(),
        "notes": result.notes,
        "outputs": {key: _array(array) for key, array in result.outputs.items()},
        "internals": {key: _array(array) for key, array in result.internals.items()},
        "duration_s": run.duration_s,
        "input_period_s": run.input_period_s,
        "pll_vco_hz": run.pll_vco_hz,
        "throughput_frames_per_s": metrics.throughput_fps,
        "host_per_frame_s": metrics.host_per_frame_s,
        "latency_clock": run.clock,
        "latency_s": {clock: one.to_tree() for clock, one in metrics.summaries.items()},
        "deadline": _deadline(metrics),
        "schedule": None if run.schedule is None else _schedule(run.schedule, report.warm_up),
        "power_w": run.power_w,
        "energy_j": run.energy_j,
        "work_per_frame": run.work,
        "simulation": _simulation(result),
        "power_trace": None if trace is None else _trace(trace),
        "frames": _frames(result, trace),
    }


def _deadline(metrics: LatencyMetrics) -> Tree | None:
    slack = metrics.slack_s
    if slack is None or not slack.size:
        return None
    return {
        "clock": metrics.deadline_clock,
        "frames": slack.size,
        "missed": np.count_nonzero(slack < 0),
        "slack_min_s": slack.min(),
        "slack_mean_s": slack.mean(),
    }


def _schedule(schedule: Schedule, warm_up: int) -> Tree:
    n_frames = len(schedule.late_s)
    return {
        "missed": _ranges(schedule.missed, n_frames),
        "dropped": _ranges(schedule.dropped, n_frames),
        "causes": schedule.causes,
        "late_s": summarise(schedule.late_s, warm_up=warm_up).to_tree(),
    }


def _ranges(frames: NDArray[np.int64], n_frames: int) -> Tree:
    mask = np.zeros(n_frames, np.bool_)
    mask[frames] = True
    ranges = FrameRanges.from_mask(mask)
    kept = [pair for _, pair in zip(range(JSON_RANGES), ranges, strict=False)]
    return {
        "count": ranges.count,
        "ranges": kept,
        "ranges_left_out": len(ranges.starts) - len(kept),
    }


def _simulation(result: RunResult) -> Tree:
    """Give a simulator's account but for what stands among the frames."""
    moved = ("cycles_per_frame", "energy_per_frame_j")
    return {k: v for k, v in result.metrics.simulation.items() if k not in moved}


def _trace(trace: PowerTrace) -> Tree:
    facts = trace.to_tree()
    del facts["start_s"]  # on a clock that nobody else has
    few = trace.decimated(STRETCHES)
    return {
        **facts,
        "min_w": np.fmin.reduce(few.lowest_w, initial=np.nan),
        "max_w": np.fmax.reduce(few.highest_w, initial=np.nan),
        "frame_starts_s": _series(trace.marks_s - trace.start_s),
        "stretches": {
            "edges_s": (few.times_s - trace.start_s).tolist(),
            "min_w": few.lowest_w.tolist(),
            "mean_w": few.mean_w.tolist(),
            "max_w": few.highest_w.tolist(),
        },
    }


def _frames(result: RunResult, trace: PowerTrace | None) -> Tree:
    return {
        name: _series(column, whole=name in INTEGER_COLUMNS)
        for name, column in frame_columns(result.metrics, trace).items()
        if is_known(column)
    }


def _differences(report: Report) -> list[Tree]:
    """Give how much each row of each output differs, per pair that was compared."""
    found: list[Tree] = []
    for pair in report.comparisons.pairs:
        sides = [report.results[name] for name in (pair.a, pair.b) if name in report.results]
        if len(sides) == 2:
            found += (
                {
                    "a": pair.a,
                    "b": pair.b,
                    "output": name,
                    "max_abs": _series(largest),
                    "mean_abs": _series(mean),
                }
                for name, largest, mean in differences(*sides)
            )
    return found


def _series(values: NDArray[np.generic], *, whole: bool = False) -> Tree:
    """Give every value, or what is left of them where there are too many.

    Args:
        values: (N,) numbers, NaN where nothing was measured.
        whole: those that are there are whole numbers.
    """

    def plain(some: NDArray[np.generic]) -> list[object]:
        return [int(x) if whole and x == x else x for x in some.tolist()]

    if len(values) <= MAX_SERIES:
        return {"n": len(values), "summarised": False, "values": plain(values)}
    starts, low, high = envelope(values, STRETCHES)
    return {
        "n": len(values),
        "summarised": True,
        "starts": starts.tolist(),
        "min": plain(low),
        "max": plain(high),
    }


def _plain(value: object) -> object:
    """Give what JSON can hold: NumPy's numbers as Python's, what is no number as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


# -- CSV ------------------------------------------------------------------------------------------


def report_csv(report: Report) -> bytes:
    """Give a row per runner and frame as CSV: UTF-8, commas, CRLF, a header line first.

    After `runner`, `frame` and `FRAME_COLUMNS` come, with several runners, two columns per output:
    largest and mean difference from the first runner's. Cells are empty where nothing was measured.
    """
    found = {name: differences_from_first(report, name) for name in report.results}
    outputs = list(dict.fromkeys(name for one in found.values() for name in one))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    heads = [f"{kind}[{name}]" for name in outputs for kind in ("max_abs_diff", "mean_abs_diff")]
    writer.writerow(["runner", "frame", *FRAME_COLUMNS, *heads])
    for runner, result in report.results.items():
        columns = frame_columns(result.metrics, report.power.get(runner))
        n_frames = result.metrics.n_frames
        for start in range(0, n_frames, _CSV_FRAMES):
            rows = slice(start, min(start + _CSV_FRAMES, n_frames))
            frames = range(rows.start, rows.stop)
            cells = [_cells(columns[key][rows], key in INTEGER_COLUMNS) for key in FRAME_COLUMNS]
            cells += _difference_cells(found[runner], outputs, rows)
            writer.writerows(zip([runner] * len(frames), frames, *cells, strict=True))
    return buffer.getvalue().encode("utf-8", "backslashreplace")


def _cells(values: NDArray[np.generic], whole: bool) -> list[object]:
    return ["" if x != x else int(x) if whole else x for x in values.tolist()]


def _difference_cells(
    found: Mapping[str, tuple[NDArray[np.generic], NDArray[np.generic]]],
    outputs: list[str],
    rows: slice,
) -> Iterator[list[object]]:
    for name in outputs:
        for column in found.get(name, ((), ())):
            # the shorter of two runs decides how far they were compared
            known = _cells(column[rows], whole=False) if len(column) else []
            yield known + [""] * (rows.stop - rows.start - len(known))
