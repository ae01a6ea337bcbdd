"""Two integer arrays of frames, chunk by chunk: how much differs, where first, in which frames.

Distances are exact for every pair of integer types. The distance of two values of one type fits
into the unsigned type of the same width, where subtraction is exact although it wraps; only uint64
against negative values needs more than 64 bits, and those chunks use Python's integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hostrt.analysis.frame_ranges import FrameRanges
from hostrt.analysis.histogram import Histogram, HistogramBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CHUNK_VALUES = 1 << 17
"""Values of one side that are looked at for equality at a time (or one frame, if that is more)."""

PIECE_VALUES = 1 << 14
"""Values that differences are worked out for at a time: arrays of this size stay in the caches and
are not returned to the system after every step, which would triple the time."""

_INT64_MAX = np.iinfo(np.int64).max
_LOW_HALF = np.uint64(0xFFFF_FFFF)


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where two arrays differ.

    Attributes:
        frame: frame number.
        element: element inside the frame, counted in C order of the first side's frame.
        a: value on the first side.
        b: value on the second side.
        index: the element's place along each axis of the frame, empty for frames that are numbers.
    """

    frame: int
    element: int
    a: int
    b: int
    index: tuple[int, ...] = ()

    def describe(self) -> str:
        """Say frame, element and both values."""
        element = str(self.element) if len(self.index) < 2 else str(list(self.index))
        return f"frame {self.frame}, element {element}: {self.a} against {self.b}"

    def to_json(self) -> dict[str, object]:
        """Give everything as JSON-compatible values."""
        return {
            "frame": self.frame,
            "element": self.element,
            "index": list(self.index),
            "a": self.a,
            "b": self.b,
        }


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in the values that both arrays have.

    Attributes:
        compared: values compared.
        different: values that differ by more than the tolerance.
        max_abs_diff: largest distance, within tolerance or not.
        sum_abs_diff: sum of all distances, exact.
        first: first difference beyond the tolerance.
        frames: frames with a difference beyond the tolerance.
        histogram: all differences, within tolerance or not.
    """

    compared: int
    different: int
    max_abs_diff: int
    sum_abs_diff: int
    first: Difference | None
    frames: FrameRanges
    histogram: Histogram


def scan(a: NDArray[np.generic], b: NDArray[np.generic], tolerance: int) -> Scan:
    """Compare the values that two arrays have in common, index by index.

    Args:
        a: (T, ...) integers or booleans of any type.
        b: the same with as many axes; along each axis the shorter array decides how far.
        tolerance: differences up to this are accepted.
    """
    compared = math.prod(map(min, a.shape, b.shape))
    tally = _Tally(min(len(a), len(b)))
    for chunk in _different_chunks(a, b, tolerance):
        tally.add(chunk)
    return Scan(
        compared=compared,
        different=tally.different,
        max_abs_diff=tally.max_abs_diff,
        sum_abs_diff=tally.sum_abs_diff,
        first=tally.first,
        frames=FrameRanges.from_mask(tally.frames),
        histogram=tally.histogram.finish(compared),
    )


def first_difference(
    a: NDArray[np.generic], b: NDArray[np.generic], tolerance: int
) -> Difference | None:
    """Find the first difference beyond the tolerance and read no further; see `scan`."""
    for chunk in _different_chunks(a, b, tolerance):
        if chunk.beyond.any():
            return chunk.first()
    return None


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Frames that are not the same on both sides, (N, E) each.

    `frames` are their numbers, `sizes` the axes of what is compared of a frame and `shape` those of
    the first side's frames. Values are objects where no integer type holds both sides.
    """

    frames: NDArray[np.intp]
    left: NDArray[np.integer]
    right: NDArray[np.integer]
    magnitude: NDArray[np.integer]
    beyond: NDArray[np.bool_]
    sizes: tuple[int, ...]
    shape: tuple[int, ...]

    def first(self) -> Difference:
        row, at = divmod(int(np.argmax(self.beyond)), self.beyond.shape[1])
        index = tuple(int(i) for i in np.unravel_index(at, self.sizes)) if self.sizes else ()
        return Difference(
            frame=int(self.frames[row]),
            element=int(np.ravel_multi_index(index, self.shape)) if index else 0,
            a=int(self.left[row, at]),
            b=int(self.right[row, at]),
            index=index,
        )


def _different_chunks(
    a: NDArray[np.generic], b: NDArray[np.generic], tolerance: int
) -> Iterator[_Chunk]:
    n_frames, *sizes = map(min, a.shape, b.shape)
    per_frame = math.prod(sizes)
    if not per_frame:
        return
    inner = tuple(slice(size) for size in sizes)
    step = max(1, CHUNK_VALUES // per_frame)
    for start in range(0, n_frames, step):
        rows = (slice(start, min(start + step, n_frames)), *inner)
        left, right = alike(a[rows], b[rows])
        unequal = left != right
        if not unequal.any():
            continue
        different = np.flatnonzero(unequal.any(axis=1))
        piece = max(1, PIECE_VALUES // per_frame)
        for frames in (different[at : at + piece] for at in range(0, len(different), piece)):
            some, other = left[frames], right[frames]
            magnitude = distance(some, other)
            yield _Chunk(
                frames=frames + start,
                left=some,
                right=other,
                magnitude=magnitude,
                beyond=_exceeds(magnitude, tolerance),
                sizes=tuple(sizes),
                shape=a.shape[1:],
            )


class _Tally:
    """What adds up from chunk to chunk."""

    def __init__(self, n_frames: int) -> None:
        self.different = self.max_abs_diff = self.sum_abs_diff = 0
        self.first: Difference | None = None
        self.frames = np.zeros(n_frames, np.bool_)
        self.histogram = HistogramBuilder()

    def add(self, chunk: _Chunk) -> None:
        different = int(np.count_nonzero(chunk.beyond))
        if different:
            self.different += different
            self.first = self.first or chunk.first()
            self.frames[chunk.frames[chunk.beyond.any(axis=1)]] = True
        self.max_abs_diff = max(self.max_abs_diff, int(chunk.magnitude.max()))
        self.sum_abs_diff += _exact_sum(chunk.magnitude)
        self.histogram.add(chunk.magnitude.ravel(), (chunk.right < chunk.left).ravel())


def alike(
    a: NDArray[np.generic], b: NDArray[np.generic]
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Give both as (N, E) of one type that holds every value of either.

    Args:
        a: (N, ...) integers or booleans of any type, at least one.
        b: the same of the same shape.
    """
    kind = _common_type(a, b)
    left, right = (np.ascontiguousarray(one, kind).reshape(len(one), -1) for one in (a, b))
    return left, right


def _common_type(a: NDArray[np.generic], b: NDArray[np.generic]) -> np.dtype[np.generic]:
    common = np.result_type(a.dtype, b.dtype)
    if common.kind == "b":
        return np.dtype(np.uint8)
    if common.kind in "iu":
        return common.newbyteorder("=")
    # uint64 and a signed type, for which NumPy would take doubles
    signed, unsigned = (a, b) if a.dtype.kind == "i" else (b, a)
    if int(unsigned.max()) <= _INT64_MAX:
        return np.dtype(np.int64)
    return np.dtype(np.uint64 if int(signed.min()) >= 0 else np.object_)


def distance(left: NDArray[np.integer], right: NDArray[np.integer]) -> NDArray[np.integer]:
    """Give |left - right| exactly, as unsigned or, for objects, as Python integers.

    Args:
        left: integers of the type that `alike` gave.
        right: the same of the same shape.
    """
    if left.dtype.kind == "O":
        return abs(left - right)
    width = np.dtype(f"u{left.itemsize}")
    distance: NDArray[np.integer] = np.maximum(left, right).view(width)
    distance -= np.minimum(left, right).view(width)
    return distance


def _exceeds(magnitude: NDArray[np.integer], tolerance: int) -> NDArray[np.bool_]:
    if magnitude.dtype.kind != "O":
        # a bound above the type's range must not wrap either
        tolerance = min(tolerance, np.iinfo(magnitude.dtype).max)
    return magnitude > magnitude.dtype.type(tolerance)


def _exact_sum(magnitude: NDArray[np.integer]) -> int:
    if magnitude.dtype.kind == "O":
        return sum(magnitude.ravel().tolist())
    if magnitude.itemsize < np.dtype(np.uint64).itemsize:
        return int(magnitude.sum(dtype=np.uint64))
    high, low = magnitude >> np.uint64(32), magnitude & _LOW_HALF
    return (int(high.sum(dtype=np.uint64)) << 32) + int(low.sum(dtype=np.uint64))
