"""Comparison of outputs: the reference's cases, with our verdict where the reference is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hostrt.analysis.compare import compare_outputs
from hostrt.errors import CheckFailed, FrameError, UsageError

SPU = Path(__file__).parents[1] / "data" / "spu"
RULES = json.loads((SPU / "runner_rules.json").read_text())
# the cases over internal variables skip names and shapes on purpose; that is another comparison
CASES: list[dict[str, Any]] = [case for case in RULES["compare"] if not case["internals"]]

OUR_VERDICT = {
    "longer vector same prefix": False,  # the reference cuts both sides and passes
    "uint8 tolerance wraps": True,  # 1 against 2 is within 1; the reference computes 255
    "int16 difference wraps": False,  # 65535 apart; the reference computes 1
}
TYPES = {"uint8 tolerance wraps": np.uint8, "int16 difference wraps": np.int16}


def typed(outputs: Any, dtype: type | None) -> Any:
    if dtype is None or isinstance(outputs, list):
        return outputs
    return {name: np.array(value, dtype) for name, value in outputs.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"].replace(" ", "-"))
def test_verdicts_are_those_of_the_reference_unless_it_is_wrong(case: dict[str, Any]) -> None:
    dtype = TYPES.get(case["name"])
    found = compare_outputs(
        typed(case["a"], dtype), typed(case["b"], dtype), tolerance=case["tol"] or 0
    )
    # a reference that raises has not found the two equal either
    reference = case["result"].get("ok") == 0
    assert found.equal is OUR_VERDICT.get(case["name"], reference)


def test_the_cases_where_the_reference_is_wrong_are_still_there() -> None:
    reference = {case["name"]: case["result"].get("ok") == 0 for case in CASES}
    assert all(reference[name] is not verdict for name, verdict in OUR_VERDICT.items())


def test_each_output_has_its_own_verdict() -> None:
    a = {"u": np.zeros((2, 2), int), "v": np.zeros((2, 2), int), "w": np.zeros((2, 2), int)}
    b = a | {"u": np.ones((2, 2), int)}
    verdicts = {verdict.name: verdict.equal for verdict in compare_outputs(a, b).verdicts}
    assert verdicts == {"u": False, "v": True, "w": True}


def test_the_first_difference_is_named_in_the_error() -> None:
    a = {"y": np.array([[1, 2, 3], [4, 5, 6]])}
    b = {"y": np.array([[1, 2, 3], [4, 9, -6]]), "z": np.zeros((2, 1), int)}
    found = compare_outputs(a, b)
    first = found.verdicts[0].first
    assert first is not None
    assert (first.frame, first.element, first.a, first.b) == (1, 1, 5, 9)
    with pytest.raises(CheckFailed) as caught:
        found.raise_if_different()
    assert str(caught.value) == (
        "outputs differ: y: frame 1, element 1: 5 against 9; 2 of 6 values differ, at most by 12 "
        "(tolerance 0); 1 more outputs differ"
    )
    assert caught.value.exit_code == 1


def test_equal_outputs_raise_nothing_and_describe_themselves() -> None:
    found = compare_outputs({"y": [[1, 2]]}, {"y": [[1, 3]]}, tolerance=1)
    found.raise_if_different()
    assert found.verdicts[0].max_abs_diff == 1
    assert found.verdicts[0].describe() == "y: equal"


def test_another_shape_fails_and_still_says_where_values_differ_first() -> None:
    verdict = compare_outputs({"y": [[1, 2], [3, 4]]}, {"y": [[1, 2], [3, 5], [6, 7]]}).verdicts[0]
    assert verdict.reason == "shape"
    assert verdict.compared == 4
    assert verdict.describe() == (
        "y: shape (2, 2) against (3, 2); frame 1, element 1: 4 against 5; "
        "1 of 4 values differ, at most by 1"
    )


def test_another_rank_is_said_without_values() -> None:
    verdict = compare_outputs({"y": [[1]]}, {"y": [1]}).verdicts[0]
    assert verdict.describe() == "y: shape (1, 1) against (1,)"


def test_a_missing_output_is_said_on_the_right_side() -> None:
    found = compare_outputs({"y": [[1]]}, {"z": [[1]]})
    assert [v.describe() for v in found.verdicts] == ["y: missing in b", "z: missing in a"]


NO_FRAMES = {"y": np.zeros((0, 4), int)}


@pytest.mark.parametrize(
    ("a", "b"),
    [({}, {}), ([], []), (NO_FRAMES, NO_FRAMES), (NO_FRAMES, []), ([], {}), ({"y": []}, [])],
)
def test_no_frames_on_either_side_are_equal(a: Any, b: Any) -> None:
    assert compare_outputs(a, b).equal
    assert compare_outputs(b, a).equal


@pytest.mark.parametrize("b", [{}, {"y": np.zeros((0, 5), int)}, {"z": np.zeros((0, 4), int)}])
def test_without_frames_names_and_shapes_count_nevertheless(b: Any) -> None:
    assert not compare_outputs(NO_FRAMES, b).equal


@pytest.mark.parametrize("a", [{}, [], NO_FRAMES])
def test_no_frames_on_one_side_are_a_difference(a: Any) -> None:
    assert not compare_outputs(a, {"y": np.zeros((1, 4), int)}).equal


def test_vectors_of_length_zero_are_equal_when_there_are_as_many() -> None:
    three = {"y": np.zeros((3, 0), np.int16)}
    found = compare_outputs(three, {"y": np.zeros((3, 0), np.int8)})
    assert found.equal
    assert found.verdicts[0].compared == 0
    assert found.verdicts[0].mean_abs_diff == 0.0
    assert compare_outputs(three, {"y": np.zeros((4, 0), np.int16)}).verdicts[0].reason == "shape"


def test_outputs_are_matched_by_name_in_whatever_order() -> None:
    a = {"u": np.array([[1]]), "v": np.array([[2]])}
    found = compare_outputs(a, dict(reversed(a.items())))
    assert found.equal
    assert [verdict.name for verdict in found.verdicts] == ["u", "v"]


def test_neither_side_is_written_to_or_kept() -> None:
    a, b = np.arange(6, dtype=np.int16).reshape(2, 3), np.ones((2, 3), np.int64)
    for array in (a, b):
        array.flags.writeable = False
    assert not compare_outputs({"y": a}, {"y": b}).equal


def test_the_extremes_of_64_bits_do_not_wrap() -> None:
    low, high = -(2**63), 2**63 - 1
    verdict = compare_outputs({"y": [[low]]}, {"y": [[high]]}, tolerance=2**70).verdicts[0]
    assert verdict.max_abs_diff == 2**64 - 1
    assert verdict.equal


@pytest.mark.parametrize(
    "bad",
    [
        {"y": [[0.5]]},
        {"y": [[1, 2], [3]]},
        {"y": 5},
        {"y": [[float("nan")]]},
        {"y": np.array([[1]], np.float32)},
        {"y": np.array([[1]], np.complex64)},
        {"y": [[2**64]]},
        {"y": np.array([["1"]])},
        [{"y": [1]}, {"z": [1]}],
        [{"y": [1]}, {"y": [1, 2]}],
    ],
)
def test_outputs_that_are_not_integer_frames_are_refused(bad: Any) -> None:
    with pytest.raises(FrameError, match="first side"):
        compare_outputs(bad, {"y": [[1]]})


@pytest.mark.parametrize("tolerance", [-1, 0.5, None, "1"])
def test_a_tolerance_that_is_no_count_is_refused(tolerance: Any) -> None:
    with pytest.raises(UsageError, match=f"tolerance {tolerance!r}"):
        compare_outputs({}, {}, tolerance=tolerance)


def test_the_verdict_is_json() -> None:
    tree = compare_outputs({"y": [[1, 2]]}, {"y": [[1, 4]]}).to_json()
    assert json.loads(json.dumps(tree)) == tree
    assert tree["outputs"] == {
        "y": {
            "equal": False,
            "reason": "values",
            "shape_a": [1, 2],
            "shape_b": [1, 2],
            "compared": 2,
            "different": 1,
            "max_abs_diff": 2,
            "sum_abs_diff": 2,
            "mean_abs_diff": 1.0,
            "first": {"frame": 0, "element": 1, "index": [1], "a": 2, "b": 4},
            "frames": {"total": 1, "different": 1, "ranges": [[0, 0]], "ranges_left_out": 0},
            "histogram": {"exact": True, "bins": [[0, 0, 1], [2, 2, 1]]},
        }
    }
