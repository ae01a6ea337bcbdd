"""Statistics and the metrics tree."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.analysis.statistics import summarise
from hostrt.errors import UsageError
from hostrt.runner.result import RunMetrics

SPU = Path(__file__).parents[1] / "data" / "spu"
CASES: list[dict[str, Any]] = json.loads((SPU / "runner_rules.json").read_text())["hw_metrics"]
VCO_HZ = 150_011_904.0


def seconds(microseconds: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([x / 1e6 if x >= 0 else -1.0 for x in microseconds], np.float64)


def run_of(microseconds: list[float], period: float | None = 0.016, **more: Any) -> RunMetrics:
    return RunMetrics(
        len(microseconds),
        {"device": seconds(microseconds)},
        input_period_s=period,
        pll_vco_hz=VCO_HZ,
        **more,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["frames_us"]))
def test_the_reference_keys_hold_the_reference_values_with_the_unit_put_right(
    case: dict[str, Any],
) -> None:
    tree = LatencyMetrics(run_of(case["frames_us"], case["period"])).to_tree()
    expected = dict(case["metrics"])
    # the reference's number is in Hz under a name in MHz, and a rounded one
    expected["PLL VCO frequency (MHz)"] = 150.011904
    if not case["frames_us"]:
        expected["Latency (s)"] = -1.0  # the reference claims a latency of 0 without any frame
    found = {key: value for key, value in tree.items() if key in expected}
    assert list(found) == list(expected)
    assert approximate(json.loads(json.dumps(found))) == approximate(expected)


def approximate(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): approximate(item) for key, item in value.items()}
    if isinstance(value, list):
        return [approximate(item) for item in value]
    return round(value, 12) if isinstance(value, float) else value


def test_each_clock_has_its_own_statistics_and_the_device_comes_first() -> None:
    run = RunMetrics(
        3,
        {"end_to_end": np.array([3e-3, 4e-3, 5e-3]), "device": np.array([1e-4, np.nan, 3e-4])},
    )
    tree: Any = LatencyMetrics(run).to_tree()
    assert tree["latency_clock"] == "device"
    assert tree["Latency (s)"] == pytest.approx(2e-4)
    assert tree["latency_s"]["device"]["count"] == 2
    assert tree["latency_s"]["device"]["excluded"] == 1
    assert tree["latency_s"]["end_to_end"]["median"] == 4e-3
    assert tree["latency_per_frame_s"]["device"] == [1e-4, None, 3e-4]


def test_a_clock_that_measured_nothing_gives_way_to_the_next() -> None:
    run = RunMetrics(1, {"device": np.array([-1.0]), "host": np.array([2e-3])})
    assert (run.clock, run.latency_s) == ("host", 2e-3)
    assert RunMetrics(1).latency_s is None


def test_deadlines_are_judged_by_the_whole_way_when_it_was_measured() -> None:
    run = RunMetrics(
        4,
        {"device": np.full(4, 1e-3), "end_to_end": np.array([0.02, 0.010, 0.017, -1.0])},
        input_period_s=0.016,
        duration_s=2.0,
    )
    tree: Any = LatencyMetrics(run).to_tree()
    assert tree["throughput_frames_per_s"] == 2.0
    assert tree["deadline"]["clock"] == "end_to_end"
    assert (tree["deadline"]["missed"], tree["deadline"]["frames"]) == (2, 3)
    assert tree["deadline"]["slack_s"]["min"] == pytest.approx(-0.004)
    later: Any = LatencyMetrics(run, warm_up=1).to_tree()
    assert later["deadline"]["missed"] == 1


def test_measured_power_replaces_the_text() -> None:
    run = run_of([100.0, 200.0], frame_power_w=np.array([1e-3, -1.0]), energy_j=5e-6)
    tree: Any = LatencyMetrics(run).to_tree()
    assert tree["Power (W)"] == run.power_w == 1e-3
    assert tree["Frames"][1]["Power (W)"] == "not measured on hardware"
    assert tree["Frame Statistics"]["Power (W)"]["max"] == 1e-3
    assert tree["energy_j"] == 5e-6


def test_measurements_of_another_number_of_frames_are_refused() -> None:
    with pytest.raises(UsageError, match="expected 2 frames"):
        RunMetrics(2, {"device": np.zeros(3)})
    with pytest.raises(UsageError, match="latency clock 'moon'"):
        RunMetrics(2, {"moon": np.zeros(2)})  # type: ignore[dict-item]


def test_percentiles_leave_out_warm_up_and_what_was_not_measured() -> None:
    summary = summarise([9.0, 9.0, -1, math.nan, *range(1, 102)], warm_up=2)
    assert (summary.count, summary.excluded, summary.warm_up) == (101, 2, 2)
    assert (summary.min, summary.median, summary.p90, summary.p99, summary.max) == (
        1,
        51,
        91,
        100,
        101,
    )


def test_nothing_measured_gives_counts_only() -> None:
    summary = summarise([-1.0, math.inf], warm_up=0)
    assert math.isnan(summary.mean)
    assert summary.to_tree() == {"count": 0, "excluded": 2, "warm_up": 0}
    assert summarise([], warm_up=5).warm_up == 0
    with pytest.raises(UsageError, match="warm-up of -1"):
        summarise([1.0], warm_up=-1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1e3), max_size=30), st.integers(0, 10))
def test_statistics_are_ordered_and_every_value_is_accounted_for(
    values: list[float], warm_up: int
) -> None:
    summary = summarise(values, warm_up=warm_up)
    assert summary.count + summary.excluded + summary.warm_up == len(values)
    if summary.count:
        ordered = [summary.min, summary.median, summary.p90, summary.p95, summary.p99, summary.max]
        assert all(low <= high * (1 + 1e-12) for low, high in itertools.pairwise(ordered))
        assert summary.min <= summary.mean <= summary.max
