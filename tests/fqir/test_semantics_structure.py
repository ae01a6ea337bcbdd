"""Shapes, slices and constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hostrt.fqir.semantics import structure
from hostrt.fqir.semantics.integers import KernelError

X = np.arange(6, dtype=np.int32).reshape(2, 3)


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        ((0, 1), X.T),
        ((1, 0), X.T),
        ((-2, -1), X.T),
        ((-1, 0), X),  # permuted to (0, -1), which is how it was
    ],
)
def test_a_matrix_is_transposed(dims: tuple[int, int], expected: Any) -> None:
    result = structure.transpose(X, dim0=dims[0], dim1=dims[1])

    assert np.array_equal(result, expected)
    assert result.dtype == np.int32


def test_what_cannot_be_transposed() -> None:
    vector = np.arange(3)

    assert structure.transpose(vector, dim0=0, dim1=1) is vector
    for x, dim0, dim1 in ((np.zeros((2, 2, 2)), 0, 1), (X, 0, 0), (X, 1, 2)):
        with pytest.raises(ValueError, match="ax"):
            structure.transpose(x, dim0=dim0, dim1=dim1)


def test_elements_keep_their_row_order_in_another_shape() -> None:
    assert structure.reshape(X, shape=(3, -1)).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert structure.reshape(X.T, shape=6).tolist() == [0, 3, 1, 4, 2, 5]
    with pytest.raises(ValueError, match="reshape"):
        structure.reshape(X, shape=(4, -1))


def test_the_first_chunks_are_longer_by_one() -> None:
    def run(length: int, chunks: int) -> list[list[int]]:
        return [part.tolist() for part in structure.chunk(np.arange(length), chunks=chunks, dim=0)]

    assert run(7, 3) == [[0, 1, 2], [3, 4], [5, 6]]
    assert run(2, 3) == [[0], [1], []]
    assert [part.tolist() for part in structure.chunk(X, chunks=2, dim=-1)] == [
        [[0, 1], [3, 4]],
        [[2], [5]],
    ]


def test_split_cuts_along_the_first_axis() -> None:
    def run(x: Any, *lengths: int) -> list[Any]:
        return [part.tolist() for part in structure.split(x, lengths=lengths)]

    assert run(np.arange(7), 2, 3) == [[0, 1], [2, 3, 4]]
    assert run(np.arange(4), 3, 5) == [[0, 1, 2], [3]]
    assert run(X, 1, 1) == [[[0, 1, 2]], [[3, 4, 5]]]
    with pytest.raises(KernelError, match="without axes"):
        run(np.array(5), 1)


def test_joined_arrays_have_the_widest_type_whatever_their_values() -> None:
    small, wide = np.array([1], np.int8), np.array([2], np.int64)

    assert structure.cat([small, wide], dim=0).tolist() == [1, 2]
    assert structure.cat([small, wide], dim=0).dtype == np.int64
    assert structure.cat([small, small], dim=-1).dtype == np.int8
    assert structure.stack([small, wide], dim=-1).tolist() == [[1, 2]]
    assert structure.stack([X, X], dim=1).shape == (2, 2, 3)
    for join in (structure.cat, structure.stack):
        with pytest.raises(KernelError, match="nothing to join"):
            join([], dim=0)
        with pytest.raises(ValueError, match=r"dimension|same shape"):
            join([X, small], dim=0)


def test_constants_are_int64() -> None:
    for result, expected in (
        (structure.zeros(shape=(2, 2)), [[0, 0], [0, 0]]),
        (structure.zeros(shape=2), [0, 0]),
        (structure.constant(shape=(2,), value=np.int32(7)), [7, 7]),
        (structure.constant(shape=(2,), value=2**40), [2**40, 2**40]),
        (structure.constant(shape=(2,), value=np.array([3, 4], np.int32)), [3, 4]),
    ):
        assert result.tolist() == expected
        assert result.dtype == np.int64


@pytest.mark.parametrize("shape", [(-1,), (2**40,), (2**14, 2**14), -3])
def test_no_constant_is_made_of_an_impossible_shape(shape: Any) -> None:
    for make in (structure.zeros, lambda shape: structure.constant(shape=shape, value=1)):
        with pytest.raises(KernelError, match="a constant of shape"):
            make(shape=shape)


def test_constants_that_do_not_fit() -> None:
    x = np.zeros(2, np.int8)

    assert structure.constant_like(x, imm=-128).tolist() == [-128, -128]
    assert structure.constant_like(x, imm=-128).dtype == np.int8
    with pytest.raises(KernelError, match="300 does not fit int8"):
        structure.constant_like(x, imm=300)
    with pytest.raises(KernelError, match="does not fit 64 bits"):
        structure.constant(shape=1, value=2**63)
