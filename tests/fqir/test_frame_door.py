"""The quick check of frames lets through what the full check does, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import FrameError
from hostrt.fqir.graph import Tensor
from hostrt.fqir.inputs import FrameDoor, check_frame

SHAPES = st.sampled_from([(), (0,), (1,), (3,), (2, 2)])
TYPES = st.sampled_from(["int8", "fqint16", "int24", "int32", "int4", "float", "int64"])
EDGES = st.sampled_from(
    [0, 1, -1, 127, 128, -128, -129, 32767, 32768, -32768, -32769, 2**31, -(2**63)]
)


@st.composite
def values(draw: st.DrawFn) -> Any:
    shape = draw(SHAPES)
    kind = draw(st.sampled_from(["i1", "i2", "i4", "i8", ">i2", "u2", "u8", "f8", "b1"]))
    size = int(np.prod(shape))
    numbers = np.array(draw(st.lists(EDGES, min_size=size, max_size=size)), object)
    array = numbers.astype("i8").astype(kind).reshape(shape)
    return array.tolist() if draw(st.booleans()) else array


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(SHAPES, TYPES), max_size=3), st.lists(values(), max_size=3))
def test_the_quick_check_is_the_full_check(declared: list[Any], inputs: list[Any]) -> None:
    tensors = [Tensor(f"t{i}", kind, shape) for i, (shape, kind) in enumerate(declared)]
    try:
        expected = check_frame(inputs, tensors)
    except FrameError as error:
        try:
            FrameDoor(tensors).check(inputs)
        except FrameError as again:
            assert str(again) == str(error)  # noqa: PT017 - the message is the point
            return
        raise AssertionError(f"let through: {error}") from error
    found = FrameDoor(tensors).check(inputs)
    assert [array.dtype for array in found] == [np.dtype(np.int64)] * len(found)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_what_is_let_through_is_not_the_callers_array() -> None:
    mine = np.array([1, 2, 3])
    (found,) = FrameDoor([Tensor("x", "int16", (3,))]).check([mine])
    mine[:] = 0
    assert found.tolist() == [1, 2, 3]
