"""Inputs are checked, named when they do not suit, and made int64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hostrt.errors import FrameError
from hostrt.fqir.inputs import bits_of, check_frame, check_frames
from hostrt.fqir.interpreter import Interpreter
from tests.fqir.inspected import golden, tensor

MIC = tensor("mic", 3, dtype="fqint16")
CTL = tensor("ctl", 1, dtype="int8")


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [
        ("int8", 8),
        ("fqint24", 24),
        ("int4", 4),
        ("fqint16_fp", None),
        ("float", None),
        ("int", None),
    ],
)
def test_bits_of_dtype_names(dtype: str, bits: int | None) -> None:
    assert bits_of(dtype) == bits


@pytest.mark.parametrize("kind", ["i1", "i2", "i8", "u1", "u8", ">i4"])
def test_integers_of_every_type_become_int64(kind: str) -> None:
    (result,) = check_frame([np.array([1, 2, 100], kind)], [MIC])

    assert result.tolist() == [1, 2, 100]
    assert result.dtype == np.dtype("=i8")


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ([[1, 2, 3]], "^1 inputs given, expected 2: 'mic', 'ctl'$"),
        ([[1, 2, 3], [128]], r"^input 'ctl': value 128 found, expected -128\.\.127 \(int8\)$"),
        ([[1, -40000, 50000], [0]], r"^input 'mic': value -40000 found, expected -32768\.\.32767"),
        ([[1, 2], [0]], r"^input 'mic': shape \(2,\) found, expected \(3,\)$"),
        ([[[1, 2, 3]], [0]], r"^input 'mic': shape \(1, 3\) found, expected \(3,\)$"),
        ([[1, 2, 3], 0], r"^input 'ctl': shape \(\) found, expected \(1,\)$"),
        ([[1.0, 2.0, 3.0], [0]], "^input 'mic': float64 found, expected integers$"),
        ([[True, False, True], [0]], "^input 'mic': bool found, expected integers$"),
        ([np.array([1, 2, 2**63], np.uint64), [0]], "value 9223372036854775808 found"),
    ],
)
def test_a_frame_that_does_not_suit_is_refused(inputs: Any, found: str) -> None:
    with pytest.raises(FrameError, match=found):
        check_frame(inputs, [MIC, CTL])


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ([[[1, 2, 3]], [[0], [0]]], "different lengths: 'mic': 1, 'ctl': 2 frames"),
        ([[[1, 2]], [[0]]], r"shape \(1, 2\) found, expected \(T, 3\)"),
        ([[1, 2, 3], [[0]]], r"shape \(3,\) found, expected \(T, 3\)"),
        ([5, [[0]]], "'mic': a single number found, expected frames"),
        ([[[1, 2, 3]], [[200]]], "'ctl': value 200"),
    ],
)
def test_frames_that_do_not_suit_are_refused(inputs: Any, found: str) -> None:
    with pytest.raises(FrameError, match=found):
        check_frames(inputs, [MIC, CTL])


def test_no_frames_are_frames() -> None:
    results = check_frames([np.zeros((0, 3)), np.zeros((0, 1), np.int8)], [MIC, CTL])

    assert [result.shape for result in results] == [(0, 3), (0, 1)]
    assert all(result.dtype == np.int64 for result in results)


@pytest.mark.parametrize("shape", [(), (0,), (-1, 3)])
def test_a_declaration_that_says_nothing_allows_every_shape(shape: tuple[int, ...]) -> None:
    free = tensor("x", *shape)

    for value in (5, [1, 2], [[1], [2]]):
        assert check_frame([value], [free])[0].tolist() == value
        assert check_frames([[value]], [free])[0].tolist() == [value]


def test_an_undeclared_type_allows_every_number() -> None:
    assert check_frame([[2**40]], [tensor("x", 1, dtype="float")])[0].tolist() == [2**40]


def test_the_interpreter_checks_its_inputs_and_stays_usable() -> None:
    interpreter = Interpreter(golden("identity32"))

    with pytest.raises(FrameError, match="'x'"):
        interpreter.step([[70000] * 32])

    assert interpreter.frame == 0
    assert interpreter.step([range(32)])[0].tolist() == list(range(32))
