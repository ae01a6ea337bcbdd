"""Reports as JSON and CSV: everything is there, and nothing that a reader trips over."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.analysis.compare import compare_all
from hostrt.report import data
from hostrt.report.columns import frame_columns
from hostrt.report.data import FORMAT_VERSION, MAX_SERIES, STRETCHES, report_csv, report_json
from hostrt.runner.result import Provenance, RunMetrics
from tests.report.sample_reports import (
    PERIOD_S,
    RATE,
    csv_of,
    full_report,
    json_of,
    plain,
    simulated,
    small_report,
    streamed,
    trace,
)

Array = np.ndarray[Any, Any]

NAMES = st.text(max_size=12)


# -- JSON -----------------------------------------------------------------------------------------


def test_json_says_what_ran_and_how_it_went() -> None:
    tree = json_of(full_report())

    assert tree["format"] == FORMAT_VERSION
    assert (tree["title"], tree["verdict"]) == ("model on spu001", "fail")
    assert tree["command_line"] == ["hostrt", "run", "model.femto"]
    assert tree["sample_rate_hz"] == RATE
    assert tree["subject"]["program_words"] == 5_000
    assert tree["subject"]["banks"][0] == {
        "core": 0,
        "bank": "DM0",
        "used_words": 8_192,
        "capacity_words": 8_192,
    }
    assert list(tree["runners"]) == ["fqir", "hw", "fasmir"]
    assert tree["inputs"]["x"]["shape"] == [60, 128]
    assert [pair["equal"] for pair in tree["comparisons"]["pairs"]] == [False, True]


def test_json_holds_every_value_of_a_short_series() -> None:
    report = full_report()

    frames = json_of(report)["runners"]["hw"]["frames"]

    expected = report.results["hw"].metrics.latencies_s["end_to_end"]
    series = frames["end_to_end_s"]
    assert (series["n"], series["summarised"]) == (60, False)
    assert series["values"] == [None if math.isnan(x) else x for x in expected.tolist()]
    assert frames["device_s"]["values"][0] is None  # -1: not measured
    assert [i for i, x in enumerate(frames["missed"]["values"]) if x] == [20, 30]
    assert "cycles" not in frames


def test_json_says_so_when_a_series_is_summarised() -> None:
    n = MAX_SERIES + 1

    tree = json_of(small_report(results={"fasmir": simulated(n, {"y": np.zeros((n, 1), np.int8)})}))

    series = tree["runners"]["fasmir"]["frames"]["cycles"]
    assert (series["n"], series["summarised"], "values" in series) == (n, True, False)
    assert len(series["starts"]) == len(series["min"]) == len(series["max"]) == STRETCHES
    assert (min(series["min"]), max(series["max"])) == (40_000, 40_056)
    assert "cycles_per_frame" not in tree["runners"]["fasmir"]["simulation"]


def test_json_gives_differences_per_frame_of_every_pair() -> None:
    found = {(one["b"], one["output"]): one for one in json_of(full_report())["differences"]}

    assert set(found) == {(b, name) for b in ("hw", "fasmir") for name in ("y", "features")}
    hw = found["hw", "y"]
    assert [(t, x) for t, x in enumerate(hw["max_abs"]["values"]) if x] == [(30, 3), (59, 1)]
    assert hw["mean_abs"]["values"][59] == 1.0
    assert not any(found["fasmir", "y"]["max_abs"]["values"])


def test_differences_beyond_64_bits_are_exact() -> None:
    results = {
        "a": plain(1, {"y": np.array([[2**64 - 1]], np.uint64)}),
        "b": plain(1, {"y": np.array([[-(2**63)]], np.int64)}),
    }

    tree = json_of(small_report(results=results, comparisons=compare_all(results)))

    assert tree["differences"][0]["max_abs"]["values"] == [2**64 + 2**63 - 1]


def test_many_differences_beyond_64_bits_are_summarised() -> None:
    n = MAX_SERIES + 1
    unsigned, signed = np.zeros((n, 1), np.uint64), np.full((n, 1), -(2**63))
    unsigned[7] = 2**64 - 1
    results = {"a": plain(n, {"y": unsigned}), "b": plain(n, {"y": signed})}

    tree = json_of(small_report(results=results, comparisons=compare_all(results)))

    series = tree["differences"][0]["max_abs"]
    assert (series["min"][0], series["max"][0]) == (2**63, 2**64 + 2**63 - 1)


def test_json_of_a_schedule_names_frames_and_causes() -> None:
    schedule = json_of(full_report())["runners"]["hw"]["schedule"]

    assert schedule["missed"] == {
        "count": 2,
        "ranges": [[20, 20], [30, 30]],
        "ranges_left_out": 0,
    }
    assert schedule["dropped"]["ranges"] == [[58, 58]]
    assert schedule["causes"] == {"wire": 2, "host": 1}
    assert schedule["late_s"]["max"] == 1e-5


def test_json_of_a_power_trace_adds_up() -> None:
    report = full_report()

    found = json_of(report)["runners"]["hw"]["power_trace"]

    watts = report.power["hw"].watts
    assert found["energy_j"] == pytest.approx(float(watts.sum(dtype=float)) / 5_000)
    assert (found["min_w"], found["max_w"]) == (float(watts.min()), float(watts.max()))
    assert found["frame_starts_s"]["values"][1] == pytest.approx(PERIOD_S)
    assert len(found["stretches"]["edges_s"]) == len(found["stretches"]["mean_w"]) + 1
    assert "start_s" not in found


def test_what_is_no_number_is_null() -> None:
    report = small_report(
        results={"r": simulated(2, {})},
        power={"r": replace(trace(2), watts=np.full(80, np.nan, np.float32))},
    )

    tree = json_of(report)["runners"]["r"]

    assert tree["provenance"]["settings"] == {"a": None}
    assert tree["power_trace"]["mean_w"] is None
    assert set(tree["power_trace"]["stretches"]["max_w"]) == {None}


def test_what_runners_put_into_settings_and_accounts_is_written() -> None:
    settings = {"sizes": (1, np.int16(2)), "array": np.array([0.5, math.inf]), "path": Path("a")}
    run = replace(plain(1, {}), provenance=Provenance("r", True, settings=settings))
    account: Any = {3: {"x": np.float32(0.25)}}
    run = replace(run, metrics=replace(run.metrics, simulation=account))

    tree = json_of(small_report(results={"r": run}))["runners"]["r"]

    assert tree["provenance"]["settings"] == {
        "sizes": [1, 2],
        "array": [0.5, None],
        "path": "a",
    }
    assert tree["simulation"] == {"3": {"x": 0.25}}


def test_a_report_on_nothing_is_written_too() -> None:
    tree = json_of(small_report(results={}))

    assert (tree["verdict"], tree["runners"]) == ("not compared", {})
    assert len(csv_of(small_report(results={}))) == 0


def test_an_empty_run_is_written_too() -> None:
    report = small_report(results={"r": plain(0, {"y": np.zeros((0, 4), np.int16)})})

    assert json_of(report)["runners"]["r"]["outputs"]["y"]["min"] is None
    assert csv_of(report) == []


def test_equal_reports_give_equal_bytes() -> None:
    assert report_json(full_report()) == report_json(full_report())
    assert report_csv(full_report()) == report_csv(full_report())


@settings(max_examples=60, deadline=None)
@given(NAMES, NAMES, st.lists(NAMES, max_size=2))
def test_any_name_survives_json(title: str, runner: str, words: list[str]) -> None:
    report = small_report(
        title=title,
        command_line=tuple(words),
        results={runner: plain(1, {title: np.zeros((1, 1), np.int8)})},
    )

    tree = json_of(report)

    assert (tree["title"], tree["command_line"]) == (title, words)
    assert list(tree["runners"][runner]["outputs"]) == [title]


def test_a_path_that_is_not_utf8_survives_json() -> None:
    name = b"caf\xe9.wav".decode("utf-8", "surrogateescape")

    assert json_of(small_report(title=name))["title"] == name


def test_streamed_figures_are_those_of_the_run() -> None:
    run = streamed(30, {}).metrics
    tree = json_of(small_report(results={"hw": streamed(30, {})}))["runners"]["hw"]

    assert tree["latency_clock"] == run.clock
    assert tree["latency_s"]["wire"]["count"] == 29
    assert tree["deadline"]["missed"] == 2
    assert tree["throughput_frames_per_s"] == pytest.approx(1 / PERIOD_S)


# -- CSV ------------------------------------------------------------------------------------------


def test_csv_has_a_row_per_runner_and_frame() -> None:
    rows = csv_of(full_report())

    assert [(row["runner"], int(row["frame"])) for row in rows] == [
        (runner, frame) for runner in ("fqir", "hw", "fasmir") for frame in range(60)
    ]


def test_csv_cells_are_empty_where_nothing_was_measured() -> None:
    rows = {(row["runner"], int(row["frame"])): row for row in csv_of(full_report())}

    assert set(rows["fqir", 3]) - {k for k, v in rows["fqir", 3].items() if not v} == {
        "runner",
        "frame",
    }
    dropped = rows["hw", 58]
    assert (dropped["dropped"], dropped["end_to_end_s"], dropped["late_s"]) == ("1", "", "")
    assert rows["hw", 0]["device_s"] == ""
    assert rows["fasmir", 4]["cycles"] == "40028"


def test_csv_has_the_figures_of_each_frame() -> None:
    report = full_report()
    row = next(row for row in csv_of(report) if (row["runner"], row["frame"]) == ("hw", "20"))

    metrics = report.results["hw"].metrics
    latency = float(metrics.latencies_s["end_to_end"][20])
    assert float(row["end_to_end_s"]) == latency
    assert float(row["slack_s"]) == PERIOD_S - latency
    assert (row["missed"], row["dropped"]) == ("1", "0")
    assert float(row["energy_j"]) == pytest.approx(float(row["power_w"]) * PERIOD_S)


def test_csv_gives_differences_from_the_first_runner() -> None:
    rows = [row for row in csv_of(full_report()) if row["runner"] == "hw"]

    assert {
        row["frame"]: row["max_abs_diff[y]"] for row in rows if row["max_abs_diff[y]"] != "0"
    } == {"30": "3", "59": "1"}
    assert float(rows[30]["mean_abs_diff[y]"]) == 3 / 128
    assert rows[0]["max_abs_diff[features]"] == "0"


def test_a_shorter_run_is_compared_as_far_as_it_goes() -> None:
    results = {
        "a": plain(2, {"y": np.zeros((2, 1), np.int8)}),
        "b": plain(4, {"y": np.ones((4, 1), np.int8)}),
    }

    rows = csv_of(small_report(results=results))

    assert [row["max_abs_diff[y]"] for row in rows] == ["", "", "1", "1", "", ""]


def test_outputs_that_come_every_few_frames_have_no_cells() -> None:
    results = {name: plain(4, {"y": np.zeros((2, 1), np.int8)}) for name in "ab"}

    assert "max_abs_diff[y]" not in csv_of(small_report(results=results))[0]


def test_a_run_of_many_frames_is_written_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = report_csv(full_report())

    monkeypatch.setattr(data, "_CSV_FRAMES", 7)

    assert report_csv(full_report()) == whole


@settings(max_examples=60, deadline=None)
@given(NAMES.filter(bool), NAMES)
def test_any_name_survives_csv(runner: str, output: str) -> None:
    array = np.zeros((2, 1), np.int8)
    report = small_report(
        results={"first": plain(2, {output: array}), runner: plain(2, {output: array})}
    )

    rows = csv_of(report)

    if runner != "first":
        assert [row["runner"] for row in rows] == ["first", "first", runner, runner]
        assert f"max_abs_diff[{output}]" in rows[0]


# -- columns --------------------------------------------------------------------------------------


def test_without_a_schedule_a_frame_is_missed_when_it_took_longer() -> None:
    metrics = RunMetrics(3, {"wire": np.array([0.009, -1, 0.001])}, PERIOD_S)

    columns = frame_columns(metrics)

    np.testing.assert_array_equal(columns["missed"], [1, math.nan, 0])
    np.testing.assert_allclose(columns["slack_s"], [-0.001, math.nan, 0.007])
    assert np.isnan(columns["dropped"]).all()


def test_energy_is_power_times_period_unless_it_is_known_better() -> None:
    power = np.array([1e-3, math.nan])
    plain_run = RunMetrics(2, input_period_s=0.5, frame_power_w=power)

    np.testing.assert_array_equal(frame_columns(plain_run)["energy_j"], [5e-4, math.nan])
    counted = simulated(2, {}).metrics
    assert frame_columns(counted)["energy_j"].tolist() == counted.simulation["energy_per_frame_j"]


def test_a_meter_goes_before_the_runs_own_figures() -> None:
    metrics, meter = simulated(4, {}).metrics, trace(4)

    columns = frame_columns(metrics, meter)

    np.testing.assert_array_equal(columns["energy_j"], meter.frame_energy_j())
    np.testing.assert_array_equal(columns["power_w"], meter.frame_power_w())
    others = frame_columns(metrics, trace(3))
    np.testing.assert_array_equal(others["power_w"], metrics.frame_power_w)
