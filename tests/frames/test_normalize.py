"""Three ways to write frames, one checked form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import FrameError
from hostrt.frames.frames import VectorSpec, normalize_inputs

SPU = Path(__file__).parents[1] / "data" / "spu"
PADDING: list[dict[str, Any]] = json.loads((SPU / "runner_rules.json").read_text())["padding"]
X = VectorSpec("x", 4, 4, 16)
P = VectorSpec("p", 2, 4, 16, is_latched=True)


@pytest.mark.parametrize("case", PADDING, ids=lambda case: f"{case['length']}-{case['given']}")
def test_padding_is_that_of_the_reference(case: dict[str, Any]) -> None:
    spec = VectorSpec("x", case["length"], case["padded"], 16)
    given_frame: Any = np.arange(1, case["given"] + 1)[np.newaxis]
    if "raises" in case["result"]:
        with pytest.raises(FrameError, match="frames of 9 elements, expected 5"):
            normalize_inputs(given_frame, [spec])
        return
    frames = normalize_inputs(given_frame, [spec])
    assert frames["x"].tolist() == [case["result"]["ok"]["sent"]]
    assert frames.logical("x").tolist() == [case["result"]["ok"]["returned"]]


def test_an_array_a_mapping_and_a_list_of_frames_say_the_same() -> None:
    array = np.arange(12).reshape(3, 4)
    forms: list[Any] = [array, array.tolist(), {"x": array}, [{"x": row} for row in array]]
    results = [normalize_inputs(form, [X])["x"] for form in forms]
    for result in results:
        assert result.dtype == np.int16
        assert result.flags.c_contiguous
        assert result.tolist() == array.tolist()


def test_the_result_cannot_be_changed_and_does_not_follow_the_callers_array() -> None:
    array = np.zeros((1, 4), np.int16)
    frames = normalize_inputs(array, [X])
    array[0, 0] = 7
    assert frames["x"][0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        frames["x"][0, 0] = 1


def test_a_latched_vector_is_sent_once_and_first() -> None:
    frames = normalize_inputs({"x": np.zeros((3, 4), int), "p": [1, 2]}, [X, P])
    assert frames.latched == {"p"}
    assert frames.is_sent_once("p")
    assert list(frames.at(0)) == ["p", "x"]
    assert frames.at(0)["p"].tolist() == [1, 2, 0, 0]
    assert list(frames.at(1)) == ["x"]
    assert frames.cut(1, 3).at(0)["p"].tolist() == [1, 2, 0, 0]


def test_a_latched_input_with_a_value_per_frame_is_sent_in_every_frame() -> None:
    frames = normalize_inputs({"x": np.zeros((2, 4), int), "p": [[1, 2], [3, 4]]}, [X, P])
    assert [frames.at(t)["p"][:2].tolist() for t in range(2)] == [[1, 2], [3, 4]]


def test_in_a_list_a_latched_input_keeps_its_last_value() -> None:
    x: Any = np.zeros(4, int)
    once = normalize_inputs([{"x": x, "p": [1, 2]}, {"x": x}], [X, P])
    assert once.is_sent_once("p")
    changing = normalize_inputs([{"x": x, "p": [1, 2]}, {"x": x}, {"x": x, "p": [3, 4]}], [X, P])
    assert changing["p"][:, :2].tolist() == [[1, 2], [1, 2], [3, 4]]
    with pytest.raises(FrameError, match="frame 0: input 'p' is missing"):
        normalize_inputs([{"x": x}, {"x": x, "p": [1, 2]}], [X, P])


def test_a_latched_input_alone_is_one_frame() -> None:
    assert normalize_inputs({"p": [5, 6]}, [P]).n_frames == 1


def test_absent_latched_inputs_are_accepted_only_when_asked() -> None:
    with pytest.raises(FrameError, match="'p' is missing"):
        normalize_inputs({"x": np.zeros((1, 4), int)}, [X, P])
    frames = normalize_inputs({"x": np.zeros((1, 4), int)}, [X, P], latched_may_be_absent=True)
    assert list(frames) == ["x"]


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), {"x": np.zeros((0, 4), int)}])
def test_no_frames_are_frames(empty: Any) -> None:
    frames = normalize_inputs(empty, [X])
    assert frames.n_frames == 0
    assert frames["x"].shape == (0, 4)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"y": [[1, 2, 3, 4]]}, "unknown input 'y', the model's inputs are x"),
        ({}, "input 'x' is missing"),
        ([[1, 2, 3, 4], [1, 2]], "rows of different lengths"),
        (
            [{"x": [1, 2]}, {"x": [1, 2, 3]}],
            r"frame 1: input 'x' has shape \(3,\), expected \(2,\)",
        ),
        ([{"x": [1, 2]}, 5], "frame 1: found int, expected a mapping"),
        ([1, 2, 3, 4], r"shape \(4,\), expected \(frames, 4\)"),
        ([[[1, 2, 3, 4]]], r"shape \(1, 1, 4\)"),
        ([[1, 2, 3, 4, 5]], "frames of 5 elements, expected 4"),
        (np.zeros((2, 0)), "frames of 0 elements"),
        ([{"x": np.zeros(0, int)}], "frames of 0 elements"),
        ([{"x": []}], "frames of 0 elements"),
        ([{"x": np.zeros(2, int)}, {"x": np.zeros(3, int)}], r"frame 1: .* has shape \(3,\)"),
        ([{"x": np.zeros(2, int)}, {}], "frame 1: input 'x' is missing"),
        ([{"x": 5}], r"frame 0: input 'x' has shape \(\)"),
        ([[0, 0, 0, 0], [0, 0, 32768, 0]], "frame 1, element 2: found 32768, .* -32768..32767"),
        (np.array([[2**63 + 5]], np.uint64), "element 0: found 9223372036854775813"),
        ([[10**30]], "elements of type object, expected integers"),
        ([[0.5, 1, 2, 3]], "element 0: found 0.5, expected an integer"),
        ([[0, np.nan, 2, 3]], "element 1: found nan, expected an integer"),
        ([[0, 1, 2, np.inf]], "element 3: found inf, expected an integer"),
        ([["a", "b"]], "expected integers"),
        (np.ones((1, 4), bool), "elements of type bool, expected integers"),
    ],
)
def test_wrong_frames_are_refused_with_the_place(inputs: Any, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        normalize_inputs(inputs, [X])


def test_two_inputs_need_names_and_equally_many_frames() -> None:
    specs = [X, VectorSpec("z", 4, 4, 8)]
    with pytest.raises(FrameError, match="one array given, expected a mapping"):
        normalize_inputs(np.zeros((1, 4), int), specs)
    with pytest.raises(FrameError, match="'z' has 3 frames and input 'x' 2"):
        normalize_inputs({"x": np.zeros((2, 4), int), "z": np.zeros((3, 4), int)}, specs)


def test_frames_outside_cannot_be_asked_for() -> None:
    frames = normalize_inputs(np.zeros((2, 4), int), [X])
    with pytest.raises(FrameError, match=r"frame 2, expected 0\.\.1"):
        frames.at(2)
    with pytest.raises(FrameError, match=r"inside 0\.\.2"):
        frames.cut(1, 3)


@pytest.mark.parametrize("wrong", [(0, 4, 16), (5, 4, 16), (4, 4, 12)])
def test_a_description_that_cannot_be_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(FrameError):
        VectorSpec("x", *wrong)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([8, 16]), st.integers(1, 6), st.integers(0, 4), st.integers(0, 5))
def test_what_fits_comes_back_unchanged_in_every_form(
    data: st.DataObject, precision: int, length: int, extra: int, n_frames: int
) -> None:
    spec = VectorSpec("x", length, length + extra, precision)
    low, high = spec.limits
    row = st.lists(st.integers(low, high), min_size=length, max_size=length)
    rows = data.draw(st.lists(row, min_size=n_frames, max_size=n_frames))
    array = np.array(rows, np.int64).reshape(n_frames, length)
    for form in (array, array.astype(float), {"x": array}, [{"x": r} for r in rows]):
        frames = normalize_inputs(form, [spec])
        assert frames["x"].dtype == spec.dtype
        assert frames.logical("x").tolist() == rows
        assert not frames["x"][:, length:].any()


@settings(max_examples=40, deadline=None)
@given(st.integers(-(2**63), 2**64 - 1), st.sampled_from([8, 16]))
def test_an_element_is_accepted_exactly_when_it_is_in_range(value: int, precision: int) -> None:
    spec = VectorSpec("x", 1, 1, precision)
    low, high = spec.limits
    if low <= value <= high:
        assert normalize_inputs([[value]], [spec])["x"].item() == value
    else:
        with pytest.raises(FrameError, match=str(value)):
            normalize_inputs([[value]], [spec])
