"""Any report makes a page."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hostrt.analysis.compare import compare_all
from hostrt.power.trace import PowerTrace
from hostrt.report.html import render_html
from hostrt.report.model import BankFill, Report, ReportSubject
from hostrt.runner.result import CLOCKS, Provenance, RunMetrics, RunResult, Schedule
from tests.report.test_report_html import Page

pytest.importorskip("bokeh")

NAMES = st.text(st.characters(exclude_categories=()), max_size=20)
MEASURED = st.floats(-1, 10) | st.sampled_from([np.nan, np.inf, -1.0, 0.0])
KINDS = st.sampled_from([np.int8, np.int16, np.int32, np.int64, np.uint64, np.bool_])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def series(n: int) -> st.SearchStrategy[Any]:
    return st.lists(MEASURED, min_size=n, max_size=n).map(lambda x: np.array(x, np.float64))


def arrays(n: int) -> st.SearchStrategy[Any]:
    inner = st.sampled_from([(), (0,), (1,), (4,), (9,), (2, 3), (1, 0)])
    shapes = st.builds(lambda rows, rest: (rows, *rest), st.integers(0, n), inner)
    return KINDS.flatmap(lambda kind: hnp.arrays(kind, shapes))


@st.composite
def schedules(draw: st.DrawFn, n: int) -> Schedule:
    frames = hnp.arrays(np.int64, st.integers(0, 4), elements=st.integers(0, max(n - 1, 0)))
    causes = draw(st.dictionaries(NAMES, st.integers(0, 9), max_size=2))
    return Schedule(draw(series(n)), draw(frames), draw(frames), causes)


@st.composite
def run_metrics(draw: st.DrawFn, n: int) -> RunMetrics:
    maybe = st.none() | st.floats(0, 1e3)
    simulation = st.dictionaries(
        st.sampled_from(["cycles_by_class", "cycles_by_thread", "cores", "clock_hz", "x"]),
        PLAIN | st.dictionaries(NAMES, PLAIN, max_size=3),
        max_size=3,
    )
    return RunMetrics(
        n,
        {clock: draw(series(n)) for clock in draw(st.sets(st.sampled_from(CLOCKS)))},
        input_period_s=draw(st.none() | st.floats(1e-6, 10)),
        frame_power_w=draw(st.none() | series(n)),
        energy_j=draw(maybe),
        duration_s=draw(maybe),
        work=draw(st.dictionaries(NAMES, st.floats(0, 1e9), max_size=2)),
        simulation=draw(simulation),
        schedule=draw(st.none() | schedules(n)),
    )


@st.composite
def results(draw: st.DrawFn, names: list[str]) -> RunResult:
    n = draw(st.integers(0, 12))
    outputs = {name: draw(arrays(n)) for name in names}
    source = Provenance(
        draw(NAMES), draw(st.booleans()), settings=draw(st.dictionaries(NAMES, PLAIN, max_size=2))
    )
    return RunResult(
        outputs, draw(run_metrics(n)), source, tuple(draw(st.lists(NAMES, max_size=2)))
    )


@st.composite
def traces(draw: st.DrawFn) -> PowerTrace:
    watts = hnp.arrays(np.float32, st.integers(0, 30), elements=st.floats(0, 9, width=32))
    marks = hnp.arrays(np.float64, st.integers(0, 5), elements=st.floats(0, 9))
    rate = draw(st.sampled_from([0.5, 10.0, 1e5]))
    return PowerTrace(
        draw(NAMES), draw(st.booleans()), 0.0, rate, draw(watts), np.sort(draw(marks))
    )


@st.composite
def reports(draw: st.DrawFn) -> Report:
    outputs = draw(st.lists(NAMES, max_size=2, unique=True))
    runs = draw(st.dictionaries(NAMES, results(outputs), max_size=3))
    banks = st.builds(BankFill, st.integers(0, 3), NAMES, st.integers(0, 9), st.integers(0, 9))
    return Report(
        draw(NAMES),
        ReportSubject(
            draw(NAMES), draw(NAMES), "", "", 3, tuple(draw(st.lists(banks, max_size=4)))
        ),
        runs,
        compare_all(runs, draw(st.sampled_from(["first", "pairwise"])), draw(st.integers(0, 3))),
        inputs=draw(st.dictionaries(NAMES, arrays(12), max_size=2)),
        sample_rate=draw(st.none() | st.just(16_000)),
        warm_up=draw(st.integers(0, 3)),
        power={name: draw(traces()) for name in runs if draw(st.booleans())},
        interrupted=draw(st.booleans()),
        command_line=tuple(draw(st.lists(NAMES, max_size=3))),
    )


def no_such_number(text: str) -> None:
    """Refuse what JSON does not have, and a browser does not read."""
    raise AssertionError(text)


@pytest.mark.slow
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(reports())
def test_any_report_makes_a_whole_page(report: Report) -> None:
    data = render_html(report)
    page = Page(data)
    assert not page.open
    assert page.text("title").startswith(report.verdict)
    _, found, rest = data.partition(b'<script type="application/json" id="plots">')
    if found:
        plots = json.loads(rest.partition(b"</script>")[0], parse_constant=no_such_number)
        assert set(plots["documents"]) == {"report"}
