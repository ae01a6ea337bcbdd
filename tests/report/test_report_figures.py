"""Figures of pictures: what they show of known runs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt.analysis.compare import compare_all
from hostrt.report.picture_resources import MAX_BANKS, cycles, memory
from hostrt.report.picture_style import STYLES, drawing, to_png
from hostrt.report.picture_time import latency_histogram, latency_timeline, power_timeline
from hostrt.report.picture_values import (
    MAX_OUTPUTS,
    difference_histogram,
    difference_timeline,
    sound,
)
from hostrt.runner.result import Provenance, RunMetrics
from tests.report.sample_reports import (
    PERIOD_S,
    banks,
    full_report,
    plain,
    simulated,
    streamed,
    trace,
)
from tests.report.sample_reports import sound as tone

matplotlib = pytest.importorskip("matplotlib")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.figure import Figure

    from hostrt.report.model import Report

LIGHT = STYLES["light"]


@pytest.fixture
def _drawing() -> Iterator[None]:
    with drawing(LIGHT):
        yield


def axes_of(figure: Figure | None) -> list[Any]:
    assert figure is not None
    return list(figure.axes)


def legend_of(panel: Any) -> list[str]:
    found = panel.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


# -- axes -----------------------------------------------------------------------------------------

DRAWERS: dict[str, Callable[[Report], Figure | None]] = {
    "latency histogram": lambda r: latency_histogram("hw", r.results["hw"], 1, LIGHT),
    "latency timeline": lambda r: latency_timeline("hw", r.results["hw"], LIGHT),
    "power": lambda r: power_timeline("hw", r.results["hw"], r.power["hw"], LIGHT),
    "power per frame": lambda r: power_timeline("fasmir", r.results["fasmir"], None, LIGHT),
    "difference histogram": lambda r: difference_histogram(r.comparisons.pairs[0], LIGHT),
    "sound": lambda r: sound("x", r.inputs["x"], 16_000, LIGHT),
    "memory": lambda r: memory(r.subject, LIGHT),
    "cycles": lambda r: cycles("fasmir", r.results["fasmir"], LIGHT),
}
UNITS = ("(s)", "(ms)", "(µs)", "(mW)", "(µW)", "(%)", "(kHz)", "(% of the time)", "full scale")
COUNTED = ("frame", "frames", "values", "difference (grey: none)", "cycles per frame")


@pytest.mark.usefixtures("_drawing")
@pytest.mark.parametrize("name", DRAWERS)
def test_axes_say_what_they_show_in_which_unit(name: str) -> None:
    figure = DRAWERS[name](full_report())

    labels = [
        text for panel in axes_of(figure) for text in (panel.get_xlabel(), panel.get_ylabel())
    ]
    found = [text for text in labels if text]
    assert found
    assert all(any(unit in text for unit in UNITS) or text in COUNTED for text in found), found
    for panel in axes_of(figure):
        # bars have their names at the side, the waveform its time below
        assert panel.get_ylabel() or panel.get_yticklabels()
        assert panel.get_xlabel() or name == "sound"


# -- latency --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_drawing")
def test_histograms_count_the_frames_after_warm_up() -> None:
    panels = axes_of(latency_histogram("hw", streamed(60, {}), 5, LIGHT))

    assert [panel.get_title(loc="left") for panel in panels] == ["device", "wire", "end to end"]
    counts = [panel.patches[0].get_data().values.sum() for panel in panels]
    assert counts == [54, 54, 54]
    assert [text.split()[0] for text in legend_of(panels[2])] == ["median", "p99", "deadline"]
    assert "deadline" not in " ".join(legend_of(panels[0]))


@pytest.mark.usefixtures("_drawing")
@pytest.mark.parametrize("draw", [latency_timeline, power_timeline])
def test_simulated_figures_are_called_so(draw: Any) -> None:
    rest = (None, LIGHT) if draw is power_timeline else (LIGHT,)

    titles = [
        draw("r", replace(simulated(3, {}), provenance=provenance), *rest).get_suptitle()
        for provenance in (Provenance("fasmir", True), Provenance("hw", False))
    ]

    assert [title.endswith(" (simulated)") for title in titles] == [True, False]


@pytest.mark.usefixtures("_drawing")
def test_rare_latencies_are_seen_beside_many() -> None:
    latency = np.append(np.full(5_000, 0.002), 0.009)
    run = replace(plain(5_001, {}), metrics=RunMetrics(5_001, {"wire": latency}))

    (panel,) = axes_of(latency_histogram("r", run, 0, LIGHT))

    assert panel.get_yscale() == "log"
    low, high = panel.get_ylim()
    assert low < 1
    assert high > 5_000


@pytest.mark.usefixtures("_drawing")
def test_equal_latencies_stand_in_the_middle_of_their_bar() -> None:
    run = replace(plain(9, {}), metrics=RunMetrics(9, {"wire": np.full(9, 0.002)}))

    (panel,) = axes_of(latency_histogram("r", run, 0, LIGHT))

    counts, edges, _ = panel.patches[0].get_data()
    (at,) = np.flatnonzero(counts)
    assert (edges[at] + edges[at + 1]) / 2 == pytest.approx(2.0)


@pytest.mark.usefixtures("_drawing")
def test_the_timeline_marks_deadline_and_lost_frames() -> None:
    above, below = axes_of(latency_timeline("hw", streamed(60, {}), LIGHT))

    assert legend_of(above) == [
        *("device", "wire", "end to end", "deadline 8 ms", "2 missed", "1 dropped"),
    ]
    lines = {line.get_label(): line for line in above.lines}
    assert list(lines["2 missed"].get_xdata()) == [20, 30]
    assert list(lines["1 dropped"].get_xdata()) == [58]
    assert set(lines["deadline 8 ms"].get_ydata()) == {8.0}
    assert math.isnan(lines["end to end"].get_ydata()[58])
    assert above.get_ylim()[1] > 1e3 * np.nanmax(streamed(60, {}).metrics.latencies_s["end_to_end"])
    assert below.get_ylabel() == "begun late (µs)"


@pytest.mark.usefixtures("_drawing")
def test_a_deadline_far_away_is_named_but_not_drawn() -> None:
    (panel,) = axes_of(latency_timeline("fasmir", simulated(60, {}), LIGHT))

    assert legend_of(panel) == ["device", "deadline 8 ms (above)"]
    assert panel.get_ylim()[1] < 1_000 * PERIOD_S * 1_000


@pytest.mark.usefixtures("_drawing")
def test_one_slow_frame_among_many_is_seen() -> None:
    latency = np.full(200_000, 0.001)
    latency[123_456] = 0.5
    run = replace(plain(200_000, {}), metrics=RunMetrics(200_000, {"wire": latency}))

    (panel,) = axes_of(latency_timeline("r", run, LIGHT))

    vertices = panel.collections[0].get_paths()[0].vertices
    assert len(vertices) < 5_000
    slow = vertices[vertices[:, 1] == 500]
    assert slow[0, 0] == pytest.approx(123_456, abs=150)


@pytest.mark.usefixtures("_drawing")
def test_clocks_far_apart_are_drawn_on_a_logarithmic_axis() -> None:
    latencies: Any = {"device": np.full(9, 1e-5), "wire": np.full(9, 1e-2)}
    run = replace(plain(9, {}), metrics=RunMetrics(9, latencies))

    (panel,) = axes_of(latency_timeline("r", run, LIGHT))

    assert panel.get_yscale() == "log"


@pytest.mark.usefixtures("_drawing")
@pytest.mark.parametrize("values", [[0.0], [-1.0, 0.002], [math.nan, math.nan], []])
def test_odd_measurements_are_drawn_or_left_out(values: list[float]) -> None:
    run = replace(
        plain(len(values), {}), metrics=RunMetrics(len(values), {"wire": np.array(values)})
    )

    figures = latency_histogram("r", run, 0, LIGHT), latency_timeline("r", run, LIGHT)

    is_known = any(x >= 0 for x in values)
    assert [figure is not None for figure in figures] == [is_known, is_known]
    assert all(to_png(figure) for figure in figures if figure is not None)


# -- power ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_drawing")
def test_power_is_drawn_with_its_mean_and_energy() -> None:
    meter = trace(60)

    (panel,) = axes_of(power_timeline("hw", None, meter, LIGHT))

    power, mean, begins = panel.lines
    assert mean.get_label().startswith("mean 1.07")
    assert mean.get_label().endswith("in 480 ms")
    assert len(begins.get_xdata()) == 60
    assert np.nanmax(power.get_ydata()) <= float(meter.watts.max()) * 1e3
    assert panel.get_xlim() == (0, 0.48)


@pytest.mark.usefixtures("_drawing")
def test_beginnings_that_cannot_be_told_apart_are_left_out() -> None:
    (panel,) = axes_of(power_timeline("hw", None, trace(500), LIGHT))

    assert "frame begins" not in legend_of(panel)


@pytest.mark.usefixtures("_drawing")
def test_a_trace_that_measured_nothing_is_left_out() -> None:
    nothing = replace(trace(1), watts=np.full(40, np.nan, np.float32))

    assert power_timeline("hw", None, nothing, LIGHT) is None
    assert power_timeline("hw", plain(2, {}), None, LIGHT) is None
    unknown = RunMetrics(2, frame_power_w=np.array([-1, math.nan]))
    assert power_timeline("hw", replace(plain(2, {}), metrics=unknown), None, LIGHT) is None
    (panel,) = axes_of(power_timeline("r", simulated(3, {}), nothing, LIGHT))
    assert legend_of(panel) == ["mean of each frame"]


# -- differences ----------------------------------------------------------------------------------


def two_runs(n_outputs: int, a: int, b: int, kind: str = "i2") -> tuple[Any, Any]:
    left = {f"y{i}": np.full((3, 2), a, kind) for i in range(n_outputs)}
    right = {f"y{i}": np.full((3, 2), b, kind) for i in range(n_outputs)}
    return plain(3, left), plain(3, right)


@pytest.mark.usefixtures("_drawing")
def test_bars_are_the_histogram_of_the_verdict() -> None:
    pair = full_report().comparisons.pairs[0]

    (panel,) = axes_of(difference_histogram(pair, LIGHT))

    texts = [text.get_text() for text in panel.get_xticklabels()]
    heights = [patch.get_height() for patch in panel.patches]
    assert dict(zip(texts, heights, strict=True)) == {"-1": 128, "0": 7_680 - 129, "+3": 1}
    assert panel.get_title(loc="left") == "y: 129 of 7680 values differ"


@pytest.mark.usefixtures("_drawing")
def test_many_differences_are_drawn_in_ranges() -> None:
    a, b = (plain(1, {"y": values[np.newaxis]}) for values in (np.zeros(500, int), np.arange(500)))

    (panel,) = axes_of(difference_histogram(compare_all({"a": a, "b": b}).pairs[0], LIGHT))

    texts = [text.get_text() for text in panel.get_xticklabels()]
    assert texts[:4] == ["0", "+1", "+2…+3", "+4…+7"]
    assert [patch.get_height() for patch in panel.patches][:4] == [1, 1, 2, 4]
    assert panel.get_yscale() == "log"


@pytest.mark.usefixtures("_drawing")
def test_long_labels_of_differences_are_slanted() -> None:
    values = np.arange(-(2**20), 2**20, 1_021)
    a, b = plain(1, {"y": 0 * values[np.newaxis]}), plain(1, {"y": values[np.newaxis]})

    (panel,) = axes_of(difference_histogram(compare_all({"a": a, "b": b}).pairs[0], LIGHT))

    labels = panel.get_xticklabels()
    assert len(labels) <= 24
    assert {text.get_rotation() for text in labels} == {40}


@pytest.mark.usefixtures("_drawing")
def test_differences_of_each_frame_are_drawn() -> None:
    report = full_report()
    pair = report.comparisons.pairs[0]

    (panel,) = axes_of(
        difference_timeline(pair, report.results["fqir"], report.results["hw"], LIGHT)
    )

    largest, mean = (patch.get_data().values for patch in panel.patches)
    assert {t: x for t, x in enumerate(largest) if x} == {30: 3, 59: 1}
    assert mean[59] == 1
    assert panel.get_title(loc="left") == "y"


@pytest.mark.usefixtures("_drawing")
def test_equal_outputs_are_not_drawn() -> None:
    a, b = two_runs(2, 5, 5)
    pair = compare_all({"a": a, "b": b}).pairs[0]

    assert difference_histogram(pair, LIGHT) is None
    assert difference_timeline(pair, a, b, LIGHT) is None


@pytest.mark.usefixtures("_drawing")
def test_more_outputs_than_fit_are_counted() -> None:
    a, b = two_runs(MAX_OUTPUTS + 3, 5, -5)
    pair = compare_all({"a": a, "b": b}, tolerance=2).pairs[0]

    for figure in (difference_histogram(pair, LIGHT), difference_timeline(pair, a, b, LIGHT)):
        assert len(axes_of(figure)) == MAX_OUTPUTS
        assert figure is not None
        assert figure.get_suptitle().endswith("6 of 9 outputs")
    assert "tolerance 2" in legend_of(axes_of(figure)[0])


@pytest.mark.usefixtures("_drawing")
def test_differences_beyond_64_bits_are_drawn() -> None:
    a = plain(1, {"y": np.array([[2**64 - 1]], np.uint64)})
    b = plain(1, {"y": np.array([[-(2**63)]], np.int64)})
    pair = compare_all({"a": a, "b": b}).pairs[0]

    for figure in (difference_histogram(pair, LIGHT), difference_timeline(pair, a, b, LIGHT)):
        assert figure is not None
        assert to_png(figure)


# -- sound ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_drawing")
def test_sound_is_drawn_relative_to_full_scale() -> None:
    frames = tone(60)

    wave, bands, bar = axes_of(sound("x", frames, 16_000, LIGHT))

    vertices = wave.collections[0].get_paths()[0].vertices
    assert vertices[:, 1].max() == float(frames.max()) / 32_768
    assert wave.get_xlim() == bands.get_xlim() == (0, 0.48)
    assert bands.get_ylim() == (0, 8)
    assert bar.get_ylabel() == "dB of full scale"


@pytest.mark.usefixtures("_drawing")
@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (np.array([[-128, 127]], np.int8), 128),
        (np.array([[100]], np.int32), 32_768),
        (np.array([[-(2**23), 5]], np.int32), 2**23),
        (np.array([[-(2**63)]], np.int64), 2.0**63),
    ],
)
def test_full_scale_is_that_of_the_samples(values: Any, scale: float) -> None:
    wave = axes_of(sound("x", values, 8_000, LIGHT))[0]

    vertices = wave.collections[0].get_paths()[0].vertices
    assert np.abs(vertices[:, 1]).max() * scale == np.abs(values.astype(float)).max()


@pytest.mark.usefixtures("_drawing")
def test_no_samples_are_no_sound() -> None:
    assert sound("x", np.zeros((0, 128), np.int16), 16_000, LIGHT) is None


# -- memory and cycles ----------------------------------------------------------------------------


@pytest.mark.usefixtures("_drawing")
def test_memory_is_drawn_bank_by_bank() -> None:
    (panel,) = axes_of(memory(full_report().subject, LIGHT))

    widths = [patch.get_width() for patch in panel.patches][len(banks()) :]
    assert widths == pytest.approx([100 * bank.used / bank.capacity for bank in banks()])
    texts = [text.get_text() for text in panel.get_yticklabels()]
    assert texts[:2] == ["core 0 DM0", "core 0 DM1"]


@pytest.mark.usefixtures("_drawing")
def test_more_banks_than_fit_are_counted() -> None:
    subject = replace(full_report().subject, banks=banks() * 9)

    figure = memory(subject, LIGHT)

    assert figure is not None
    assert figure.get_suptitle() == f"model: memory (and {12 * 9 - MAX_BANKS} more banks)"


@pytest.mark.usefixtures("_drawing")
def test_cycles_are_drawn_by_class_thread_and_core() -> None:
    by_class, by_thread, cores = axes_of(cycles("fasmir", simulated(3, {}), LIGHT))

    assert [text.get_text() for text in by_class.get_yticklabels()] == [
        *("matvec", "vector", "move", "sum"),
    ]
    assert by_class.patches[0].get_width() == 30_100.5
    assert len(by_thread.patches) == 2
    assert [patch.get_width() for patch in cores.patches] == pytest.approx([2.5, 0.7])


@pytest.mark.usefixtures("_drawing")
def test_many_threads_are_drawn_as_others() -> None:
    run = simulated(1, {})
    threads = {f"core 0 thread {i:02}": 100.0 - i for i in range(20)}
    many = replace(run, metrics=replace(run.metrics, simulation={"cycles_by_thread": threads}))

    (panel,) = axes_of(cycles("fasmir", many, LIGHT))

    assert panel.get_yticklabels()[-1].get_text() == "8 others"
    assert sum(patch.get_width() for patch in panel.patches) == sum(threads.values())


@pytest.mark.usefixtures("_drawing")
@pytest.mark.parametrize("tree", [{}, {"cycles_by_class": {}, "cores": {}}, {"cores": [1]}])
def test_a_simulation_that_counted_nothing_is_left_out(tree: dict[str, object]) -> None:
    run = simulated(1, {})
    empty = replace(run, metrics=replace(run.metrics, simulation=tree))

    assert cycles("r", empty, LIGHT) is None
