"""Checking the inputs of a model (FQIR reference 4.1: every input becomes int64)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError
from hostrt.fqir.semantics.integers import limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from hostrt.fqir.graph import Array, Tensor

_BITS = re.compile(r"^(?:fq)?int(\d+)$")


def bits_of(dtype: str) -> int | None:
    """Give the bits of a dtype name (FQIR reference 1.9), None for what is no integer type."""
    match = _BITS.match(dtype)
    return int(match[1]) if match and int(match[1]) > 0 else None


def check_frame(inputs: Sequence[ArrayLike], tensors: Sequence[Tensor]) -> list[Array]:
    """Check one frame of inputs and give them as int64.

    An input must be integers in the signed range of its declared dtype, in its declared shape. A
    declared shape without axes, or with a length below 1, says nothing: then any shape is taken,
    as the reference takes any (it never reads declared shapes).

    Args:
        inputs: one value per tensor, by position.
        tensors: the graph's inputs.

    Raises:
        FrameError: the wrong number of inputs, or one of the wrong type, shape or range.
    """
    require_count(inputs, tensors)
    return [_checked(value, tensor, 0) for value, tensor in zip(inputs, tensors, strict=True)]


class FrameDoor:
    """Checks many frames, one after the other, by the rule of `check_frame`.

    What `check_frame` finds out about the declared shapes and types is found out once here; only
    what the quick look cannot let pass is looked at again in full.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = tuple(tensors)
        self._shapes = [tensor.shape for tensor in tensors]
        self._types = [_narrow_type(tensor) for tensor in tensors]

    def check(self, inputs: Sequence[ArrayLike]) -> list[Array]:
        """Give one frame of inputs as new int64 arrays; see `check_frame`."""
        found: list[Array] = []
        for value, shape, narrow in zip(inputs, self._shapes, self._types, strict=False):
            if narrow is None or type(value) is not np.ndarray or value.shape != shape:
                break
            if value.dtype == narrow:
                found.append(value.astype(np.int64))
                continue
            if value.dtype != np.int64:
                break
            # numbers that survive the narrow type are in its range
            same = value.astype(narrow).astype(np.int64)
            if same.tobytes() != value.tobytes():
                break
            found.append(same)
        if len(found) == len(self._tensors) == len(inputs):
            return found
        return check_frame(inputs, self._tensors)


def _narrow_type(tensor: Tensor) -> np.dtype[np.signedinteger] | None:
    """Give the numpy type that has exactly the declared range, None if there is none."""
    bits = bits_of(tensor.dtype)
    is_said = bool(tensor.shape) and min(tensor.shape) > 0
    return np.dtype(f"i{bits // 8}") if is_said and bits in (8, 16, 32) else None


def check_frames(inputs: Sequence[ArrayLike], tensors: Sequence[Tensor]) -> list[Array]:
    """Check a sequence of frames and give the inputs as int64, each (T, *shape).

    The rule is that of `check_frame`, with one axis for time before the declared ones.

    Raises:
        FrameError: the wrong number of inputs, one of the wrong type, shape or range, or inputs
            of different lengths.
    """
    require_count(inputs, tensors)
    arrays = [_checked(value, tensor, 1) for value, tensor in zip(inputs, tensors, strict=True)]
    lengths = {tensor.name: len(array) for tensor, array in zip(tensors, arrays, strict=True)}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
        raise FrameError(f"inputs of different lengths: {found} frames, expected one length")
    return arrays


def require_count(inputs: Sequence[ArrayLike], tensors: Sequence[Tensor]) -> None:
    """Refuse inputs that are not as many as the graph has.

    Raises:
        FrameError: too many or too few.
    """
    if len(inputs) != len(tensors):
        names = ", ".join(repr(tensor.name) for tensor in tensors) or "none"
        raise FrameError(
            f"{len(inputs)} inputs given, expected {len(tensors)}: {names}",
            hint="give one array per input, in the model's order",
        )


def _checked(value: ArrayLike, tensor: Tensor, more_axes: int) -> Array:
    array = np.asarray(value)
    _check_type(array, tensor)
    _check_shape(array, tensor, more_axes)
    _check_range(array, tensor)
    return array.astype(np.int64, copy=False)


def _check_type(array: Array, tensor: Tensor) -> None:
    if array.dtype.kind not in "iu" and array.size:
        raise FrameError(
            f"input {tensor.name!r}: {array.dtype} found, expected integers",
            hint="quantize real numbers first: integer = floor(value / 2**quanta)",
        )


def _check_shape(array: Array, tensor: Tensor, more_axes: int) -> None:
    declared = tensor.shape
    if array.ndim < more_axes:
        raise FrameError(f"input {tensor.name!r}: a single number found, expected frames")
    is_said = bool(declared) and min(declared) > 0
    if is_said and array.shape[more_axes:] != declared:
        expected = ("T", *declared) if more_axes else declared
        raise FrameError(
            f"input {tensor.name!r}: shape {_shown(array.shape)} found, expected {_shown(expected)}"
        )


def _check_range(array: Array, tensor: Tensor) -> None:
    bits = bits_of(tensor.dtype)
    if bits is None or not array.size:
        return
    low, high = limits(bits)
    found_low, found_high = int(np.min(array)), int(np.max(array))
    if found_low < low or found_high > high:
        worst = found_low if found_low < low else found_high
        raise FrameError(
            f"input {tensor.name!r}: value {worst} found, expected {low}..{high} ({tensor.dtype})"
        )


def _shown(shape: Sequence[object]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
