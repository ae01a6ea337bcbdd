"""Matrices of MATVEC, converted to numbers that multiply fast, while nothing can change them.

A matrix is read from DM at every execution. The result is the same when it was read once before,
as long as nothing wrote to its words since: neither the host, which is told by
`Machine.changed`, nor an instruction. Where instructions write is known when they are prepared,
and nothing is executed that was not prepared; so a matrix is kept while no prepared instruction
can write to any of its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firmware_protocol.open_isa_ops import Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.sim.isa.scratch import Array

_WIDEST_BYTES = 8
_MOST_ELEMENTS = 4 * 8 * 65536
"""Elements that are kept per core: the largest DM full of i8, four times over."""
_EXACT_BITS: Mapping[str, int] = {"f4": 24, "f8": 53}
"""Integers up to 2 to this power are exact, and so are their sums."""


class MatrixKey(NamedTuple):
    """Where a matrix lies: first word, rows, columns, words from row to row, type."""

    word: int
    rows: int
    columns: int
    stride: int
    code: int


class Matrix(NamedTuple):
    """A matrix that was read.

    Attributes:
        values: float32 or float64 (rows, columns) that makes exact products, or int64.
        bound: no sum of products with the vector is farther from 0.
    """

    values: Array
    bound: int


class Weights:
    """The matrices of one core."""

    def __init__(self, views: Mapping[Type, Array], n_words: int) -> None:
        self._views = views
        self._written = np.zeros(n_words, bool)
        self._held = np.zeros(n_words, bool)
        self._kept: dict[tuple[MatrixKey, int], Matrix] = {}
        self._n_elements = 0

    def forget(self) -> None:
        """Drop matrices and what is known of writes."""
        self.drop()
        self._written[:] = False

    def drop(self) -> None:
        """Drop matrices."""
        self._kept.clear()
        self._held[:] = False
        self._n_elements = 0

    def hold(self, first: int, count: int) -> bool:
        """Tell whether a matrix was made from any of these words."""
        return bool(self._held[first : first + count].any())

    def note_write(self, first: int, count: int) -> None:
        """Take note that a prepared instruction can write there."""
        self._written[first : first + count] = True

    def rows(self, key: MatrixKey) -> Array:
        """Give the matrix itself, (rows, columns); a read-only view."""
        lanes = Type(key.code).lanes
        base = self._views[Type(key.code)][key.word * lanes :]
        shape = (key.rows, key.columns)
        steps = (key.stride * 8, base.itemsize)
        return np.lib.stride_tricks.as_strided(base, shape, steps, writeable=False)

    def kept(self, key: MatrixKey, x_bits: int) -> Matrix | None:
        """Give a matrix that stays as it is, for products with elements of `x_bits` bits.

        Returns:
            None when an instruction can change it, or when it would take too much room.
        """
        n_words = (key.rows - 1) * key.stride + -(-key.columns // Type(key.code).lanes)
        words = slice(key.word, key.word + n_words)
        if self._written[words].any():
            return None
        if (key, x_bits) not in self._kept:
            size = key.rows * key.columns
            if self._n_elements + size > _MOST_ELEMENTS:
                return None
            self._n_elements += size
            self._held[words] = True
            self._kept[key, x_bits] = read_matrix(self.rows(key), x_bits)
        return self._kept[key, x_bits]


def read_matrix(rows: Array, x_bits: int) -> Matrix:
    """Convert a matrix, (rows, columns), to the fastest type that gives exact products."""
    if rows.dtype.itemsize < _WIDEST_BYTES:
        largest = int(np.abs(rows.astype(np.int64)).sum(axis=1).max())
    else:
        largest = rows.shape[1] << (8 * _WIDEST_BYTES - 1)
    bound = largest << (x_bits - 1)
    return Matrix(np.ascontiguousarray(rows, dtype=type_for(bound)), bound)


def type_for(bound: int) -> str:
    """Give the type whose sums are exact as long as none is farther from 0 than `bound`."""
    return next((dtype for dtype, bits in _EXACT_BITS.items() if bound < 1 << bits), "i8")
