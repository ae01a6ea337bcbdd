"""What two runs' outputs hold around the place where they first differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hostrt.analysis.scan import Difference

NEIGHBOURS = 4
"""Elements and frames shown on either side of the first difference."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place of both outputs.

    Attributes:
        frame: frame number.
        element: element inside the frame, in C order of the first side's frame.
        a: value on the first side, None where it has no such place.
        b: value on the second side.
    """

    frame: int
    element: int
    a: int | None
    b: int | None


def elements_around(
    first: Difference, a: NDArray[np.generic], b: NDArray[np.generic]
) -> list[Place]:
    """Give the elements before and after a difference, in its frame."""
    span = range(first.element - NEIGHBOURS, first.element + NEIGHBOURS + 1)
    return list(_places(((first.frame, element) for element in span), a, b))


def frames_around(first: Difference, a: NDArray[np.generic], b: NDArray[np.generic]) -> list[Place]:
    """Give the element of a difference in the frames before and after it."""
    span = range(first.frame - NEIGHBOURS, first.frame + NEIGHBOURS + 1)
    return list(_places(((frame, first.element) for frame in span), a, b))


def _places(
    where: Iterator[tuple[int, int]], a: NDArray[np.generic], b: NDArray[np.generic]
) -> Iterator[Place]:
    for frame, element in where:
        if frame < 0 or element < 0:
            continue
        index = np.unravel_index(element, a.shape[1:]) if _has(a, frame, element) else None
        left = None if index is None else int(a[(frame, *index)])
        right = _value(b, frame, element, index)
        if left is not None or right is not None:
            yield Place(frame, element, left, right)


def _has(array: NDArray[np.generic], frame: int, element: int) -> bool:
    return frame < len(array) and element < int(np.prod(array.shape[1:]))


def _value(
    array: NDArray[np.generic], frame: int, element: int, index: tuple[np.intp, ...] | None
) -> int | None:
    """Give the value at the first side's index, or where that has none at its own."""
    if index is None:
        if not _has(array, frame, element):
            return None
        index = np.unravel_index(element, array.shape[1:])
    inside = frame < len(array) and all(
        at < size for at, size in zip(index, array.shape[1:], strict=True)
    )
    return int(array[(frame, *index)]) if inside else None
