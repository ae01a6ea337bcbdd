"""Which frames differ, as ranges: a verdict per frame that is short to read and to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SHOWN_RANGES = 8
"""Ranges that a line of text shows."""

JSON_RANGES = 1000
"""Ranges that JSON holds; a run in which every other frame differs has one for every two frames."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameRanges:
    """A set of frame numbers as ascending ranges that neither overlap nor touch.

    Attributes:
        starts: (R,) first frame of each range.
        stops: (R,) the frame after the last one of each range.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    @classmethod
    def span(cls, start: int, stop: int) -> FrameRanges:
        """Give the frames from `start` up to and without `stop`."""
        if start >= stop:
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))
        return cls(np.array([start], np.int64), np.array([stop], np.int64))

    @classmethod
    def from_mask(cls, mask: NDArray[np.bool_]) -> FrameRanges:
        """Give the frames where a (T,) mask is true."""
        padded = np.zeros(len(mask) + 2, np.int8)
        padded[1:-1] = mask
        edges = np.flatnonzero(np.diff(padded)).astype(np.int64)
        return cls(edges[::2].copy(), edges[1::2].copy())

    @classmethod
    def union(cls, *sets: FrameRanges) -> FrameRanges:
        """Give the frames that are in any of the sets."""
        starts = np.concatenate([np.zeros(0, np.int64), *(one.starts for one in sets)])
        stops = np.concatenate([np.zeros(0, np.int64), *(one.stops for one in sets)])
        if not len(starts):
            return cls.span(0, 0)
        order = np.argsort(starts, kind="stable")
        starts, reach = starts[order], np.maximum.accumulate(stops[order])
        # a range of the union begins where nothing before it reaches
        begins = np.flatnonzero(np.concatenate([[True], starts[1:] > reach[:-1]]))
        ends = np.append(begins[1:], len(starts)) - 1
        return cls(starts[begins], reach[ends])

    @property
    def count(self) -> int:
        """Number of frames in the set."""
        return int((self.stops - self.starts).sum())

    @property
    def first(self) -> int | None:
        """The first frame, None when there is none."""
        return int(self.starts[0]) if len(self.starts) else None

    def to_mask(self, n_frames: int) -> NDArray[np.bool_]:
        """Give a (n_frames,) mask that is true at the frames of the set."""
        steps = np.zeros(n_frames + 1, np.int8)
        steps[np.minimum(self.starts, n_frames)] += 1
        steps[np.minimum(self.stops, n_frames)] -= 1
        return np.cumsum(steps[:-1], dtype=np.int8).astype(np.bool_)

    def describe(self, limit: int = SHOWN_RANGES) -> str:
        """Write `12-40, 77`; beyond `limit` ranges, how many more there are and up to where."""
        parts = [
            f"{first}" if first == last else f"{first}-{last}"
            for _, (first, last) in zip(range(limit), self, strict=False)
        ]
        left = len(self.starts) - len(parts)
        if left:
            parts.append(f"and {left} more up to {int(self.stops[-1]) - 1}")
        return ", ".join(parts)

    def to_json(self, n_frames: int) -> dict[str, object]:
        """Give everything as JSON-compatible values.

        Args:
            n_frames: number of frames that were looked at.
        """
        kept = [list(pair) for _, pair in zip(range(JSON_RANGES), self, strict=False)]
        return {
            "total": n_frames,
            "different": self.count,
            "ranges": kept,
            "ranges_left_out": len(self.starts) - len(kept),
        }

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Give (first, last) of each range, both inside it."""
        for start, stop in zip(self.starts, self.stops, strict=True):
            yield int(start), int(stop) - 1

    def __contains__(self, frame: int) -> bool:
        at = int(np.searchsorted(self.starts, frame, side="right")) - 1
        return at >= 0 and frame < int(self.stops[at])

    def __bool__(self) -> bool:
        return bool(len(self.starts))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrameRanges):
            return NotImplemented
        return np.array_equal(self.starts, other.starts) and np.array_equal(self.stops, other.stops)

    def __hash__(self) -> int:
        return hash((self.starts.tobytes(), self.stops.tobytes()))
