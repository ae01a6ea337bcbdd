"""Shapes, slices and constants (FQIR reference 4.9). Results may be views of the arguments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.semantics.integers import KernelError, fits_int64, widest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fqir.graph import Array


def transpose(x: Array, *, dim0: int, dim1: int) -> Array:
    """Swap the axes of a matrix; fewer axes stay as they are.

    Raises:
        ValueError: three axes or more, or the dims are not the two axes.
    """
    if x.ndim < 2:
        return x
    return np.transpose(x, (max(dim0, dim1), min(dim0, dim1)))


def reshape(x: Array, *, shape: int | Sequence[int]) -> Array:
    """Give the elements in row order in another shape; one length may be -1.

    Raises:
        ValueError: the number of elements differs.
    """
    return np.reshape(x, shape if isinstance(shape, int) else tuple(shape))


def chunk(x: Array, *, chunks: int, dim: int) -> list[Array]:
    """Cut into `chunks` parts along an axis, the first ones longer by one where it does not fit."""
    return list(np.array_split(x, chunks, axis=dim))


def split(x: Array, *, lengths: Sequence[int]) -> list[Array]:
    """Cut consecutive pieces off axis 0; `dim` of the file has no effect."""
    if not x.ndim:
        raise KernelError("split of a value without axes")
    parts, start = [], 0
    for length in lengths:
        parts.append(x[start : start + length])
        start += length
    return parts


def cat(arrays: Sequence[Array], *, dim: int) -> Array:
    """Join along an axis, in the widest of the storage types.

    Raises:
        ValueError: the shapes do not fit, or there is nothing to join.
    """
    kind = _widest(arrays)
    return np.concatenate([array.astype(kind, copy=False) for array in arrays], axis=dim)


def stack(arrays: Sequence[Array], *, dim: int) -> Array:
    """Join along a new axis, in the widest of the storage types.

    Raises:
        ValueError: the shapes differ, or there is nothing to join.
    """
    kind = _widest(arrays)
    return np.stack([array.astype(kind, copy=False) for array in arrays], axis=dim)


def _widest(arrays: Sequence[Array]) -> np.dtype[np.generic]:
    if not arrays:
        raise KernelError("nothing to join")
    return widest(*arrays)


_LARGEST = 1 << 27
"""Elements of the largest constant: a gigabyte; a file of a few bytes may ask for any number."""


def zeros(*, shape: int | Sequence[int]) -> Array:
    """Give int64 zeros.

    Raises:
        KernelError: a negative length, or more elements than any model has.
    """
    return np.zeros(_possible(shape), np.int64)


def _possible(shape: int | Sequence[int]) -> tuple[int, ...]:
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    if min(lengths, default=0) < 0 or math.prod(lengths) > _LARGEST:
        raise KernelError(f"a constant of shape {lengths}, expected at most {_LARGEST} elements")
    return lengths


def constant(*, shape: int | Sequence[int], value: int | np.integer | Array) -> Array:
    """Give int64 values, all the same or broadcast to the shape.

    Raises:
        KernelError: the value leaves 64 bits, or the shape is impossible.
        ValueError: an array that cannot be broadcast.
    """
    lengths = _possible(shape)
    if isinstance(value, np.ndarray):
        return np.broadcast_to(value.astype(np.int64), lengths)
    if not fits_int64(int(value)):
        raise KernelError(f"the constant {value} does not fit 64 bits")
    return np.full(lengths, int(value), np.int64)


def constant_like(x: Array, *, imm: int | np.integer) -> Array:
    """Give a constant in the shape and the storage type of x.

    Raises:
        KernelError: the constant does not fit that type.
    """
    if int(imm) not in range(np.iinfo(x.dtype.str).min, np.iinfo(x.dtype.str).max + 1):
        raise KernelError(f"the constant {imm} does not fit {x.dtype}")
    return np.full(x.shape, int(imm), x.dtype)
