"""The first internal variable that differs: earliest frame, then graph order."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.analysis.compare import compare
from hostrt.analysis.internals import InternalsVerdict, compare_internals
from hostrt.errors import UsageError
from hostrt.runner.result import Provenance, RunMetrics, RunResult

NAMES = ("%x.1", "%x.2", "%x.3")


def zeros(*shape: int) -> dict[str, np.ndarray[Any, Any]]:
    return {name: np.zeros(shape, np.int16) for name in NAMES}


def found_in(a: Any, b: Any, tolerance: int = 0) -> InternalsVerdict:
    found = compare_internals(a, b, tolerance)
    assert found is not None
    return found


def a_run(runner: str, y: int, internals: Any) -> RunResult:
    outputs = {"y": np.array([[0], [y]])}
    return RunResult(outputs, RunMetrics(2), Provenance(runner, simulated=True), (), internals)


def test_the_earliest_frame_comes_before_graph_order() -> None:
    a, b = zeros(4, 3), zeros(4, 3)
    b["%x.1"][3, 0] = 5
    b["%x.3"][1, 2] = 7
    b["%x.2"][1, 1] = -7
    found = found_in(a, b)
    assert [item.name for item in found.different] == ["%x.2", "%x.3", "%x.1"]
    assert found.first is not None
    assert found.first.describe() == "%x.2 (variable 1), frame 1, element 1: 0 against -7"
    assert found.describe().endswith("-7; 3 of 3 variables differ")


def test_graph_order_is_that_of_the_first_side() -> None:
    a, b = zeros(2, 1), {name: np.ones((2, 1), np.int64) for name in reversed(NAMES)}
    assert [item.order for item in found_in(a, b).different] == [0, 1, 2]


ROWS = st.lists(st.lists(st.integers(-2, 2), min_size=2, max_size=2), min_size=3, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.tuples(ROWS, ROWS, ROWS), st.tuples(ROWS, ROWS, ROWS), st.integers(0, 4))
def test_the_order_is_that_of_plain_python(a: Any, b: Any, tolerance: int) -> None:
    places = sorted(
        (frame, order, element)
        for order in range(3)
        for frame in range(3)
        for element in range(2)
        if abs(a[order][frame][element] - b[order][frame][element]) > tolerance
    )
    left, right = (
        {name: np.array(rows, np.int8) for name, rows in zip(NAMES, side, strict=True)}
        for side in (a, b)
    )
    first = found_in(left, right, tolerance).first
    assert (first is None) is (not places)
    if first is not None:
        assert (first.at.frame, first.order, first.at.element) == places[0]


def test_only_variables_of_both_sides_with_one_shape_are_compared() -> None:
    a = {"s": np.zeros((2, 3), int), "f": np.zeros((2, 1)), "c": np.zeros((2, 1), int)}
    b = {"s": np.ones((2, 4), int), "f": np.ones((2, 1)), "c": np.zeros((2, 1), int)}
    found = found_in(a | {"only": b["c"]}, b | {"other": b["c"]})
    assert found.equal
    assert (found.compared, found.only_a, found.only_b) == (1, ("only",), ("other",))
    assert dict(found.remarks) == {
        "s": "shape (2, 3) against (2, 4), not compared",
        "f": "type float64 against float64, not compared",
    }
    assert found.describe() == (
        "internals: 1 variables compared, all equal, 2 on one side only, 2 not comparable"
    )


def test_of_different_numbers_of_frames_the_common_ones_are_compared_and_that_is_said() -> None:
    found = found_in({"v": np.array([[1], [2], [3]])}, {"v": np.array([[1], [4]])})
    assert found.first is not None
    assert (found.first.at.frame, found.first.at.a, found.first.at.b) == (1, 2, 4)
    assert dict(found.remarks) == {"v": "3 frames against 2, the first 2 compared"}


@pytest.mark.parametrize(("a", "b"), [({}, {}), (zeros(1, 1), {}), ({}, zeros(1, 1))])
def test_there_is_no_verdict_when_a_side_reports_nothing(a: Any, b: Any) -> None:
    assert compare_internals(a, b, 0) is None
    assert compare(a_run("hw", 0, a), a_run("fqir", 0, b)).to_json()["internals"] is None


def test_internals_explain_a_failure() -> None:
    a, b = zeros(2, 1), zeros(2, 1)
    b["%x.2"][1] = 9
    found = compare(a_run("hw", 0, a), a_run("fqir", 1, b))
    assert found.describe().splitlines()[-1] == (
        "  first internal difference: %x.2 (variable 1), frame 1, element 0: 0 against 9; "
        "1 of 3 variables differ"
    )
    alike = compare(a_run("hw", 0, a), a_run("fqir", 1, a))
    assert alike.describe().splitlines()[-1] == "  internals: 3 variables compared, all equal"


def test_internals_do_not_decide_but_are_said() -> None:
    a, b = zeros(2, 1), zeros(2, 1)
    b["%x.2"][1] = 9
    found = compare(a_run("hw", 0, a), a_run("fqir", 0, b))
    assert found.equal
    assert found.internals is not None
    assert not found.internals.equal
    assert found.describe().splitlines()[1].startswith("  first internal difference: %x.2")
    assert compare(a_run("hw", 0, a), a_run("fqir", 0, a)).describe() == "hw,fqir: equal"
    assert compare(a_run("hw", 0, a), a_run("fqir", 0, b), tolerance=9).internals is not None


def test_the_verdict_is_json() -> None:
    a, b = zeros(2, 1), zeros(2, 1)
    b["%x.2"][1] = 9
    tree = found_in(a, b).to_json()
    assert json.loads(json.dumps(tree)) == tree
    assert tree["first"] == tree["different"][0]  # type: ignore[index]


def test_internals_of_a_result_are_checked_and_cannot_be_changed() -> None:
    result = a_run("hw", 0, zeros(2, 1))
    assert list(result.internals) == list(NAMES)
    with pytest.raises(ValueError, match="read-only"):
        result.internals["%x.1"][0, 0] = 1
    with pytest.raises(UsageError, match=r"variable '%x.1': shape \(3, 1\), expected at most 2"):
        a_run("hw", 0, zeros(3, 1))
