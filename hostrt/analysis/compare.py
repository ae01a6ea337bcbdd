"""Do two or more sets of outputs say the same, and where do they first differ.

A difference in the number of frames, in the length of a vector or in the names is a failure, never
cut away. Differences of values are computed without wrap-around, whatever the arrays' types.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hostrt.analysis.frame_ranges import FrameRanges
from hostrt.analysis.internals import compare_internals
from hostrt.analysis.scan import Difference, scan
from hostrt.analysis.verdicts import Comparison, Comparisons, Mode, OutputVerdict, Reason
from hostrt.errors import FrameError, UsageError

if TYPE_CHECKING:
    from hostrt.runner.result import RunResult

__all__ = [
    "MODES",
    "Comparison",
    "Comparisons",
    "Difference",
    "OutputVerdict",
    "Outputs",
    "compare",
    "compare_all",
    "compare_outputs",
]

Outputs = Mapping[str, ArrayLike] | Sequence[Mapping[str, ArrayLike]]
"""Name -> (T, L) integer array, or one mapping name -> (L,) per frame."""

MODES: tuple[Mode, ...] = get_args(Mode)

_Arrays = dict[str, NDArray[np.generic]]


def compare(a: RunResult, b: RunResult, *, tolerance: int = 0) -> Comparison:
    """Compare two runs: their outputs and, where both report some, their internal variables.

    Args:
        a: one run.
        b: another run on the same frames.
        tolerance: accept absolute differences up to this.

    Raises:
        UsageError: negative tolerance.
        FrameError: outputs that are not integers.
    """
    names = (a.provenance.runner, b.provenance.runner)
    first, second = names if names[0] != names[1] else ("a", "b")
    return _compare_runs(first, a, second, b, _checked(tolerance))


def compare_all(
    results: Mapping[str, RunResult] | Sequence[RunResult],
    mode: Mode = "first",
    tolerance: int = 0,
) -> Comparisons:
    """Compare any number of runs on the same frames.

    Args:
        results: name -> run, or runs, which are then called after their runners (`hw`, `hw#2`).
        mode: "first" compares every run with the first, "pairwise" every run with every other.
        tolerance: accept absolute differences up to this.

    Raises:
        UsageError: negative tolerance, or another mode.
        FrameError: outputs that are not integers.
    """
    if mode not in MODES:
        raise UsageError(f"comparison mode {mode!r}, expected one of {', '.join(MODES)}")
    tolerance = _checked(tolerance)
    named = _named(results)
    pairs = list(combinations(named, 2))
    if mode == "first":
        # combinations come in order: the first run's are at the beginning
        pairs = pairs[: max(0, len(named) - 1)]
    found = (_compare_runs(a, named[a], b, named[b], tolerance) for a, b in pairs)
    return Comparisons(tuple(found), mode, tolerance)


def compare_outputs(a: Outputs, b: Outputs, *, tolerance: int = 0) -> Comparison:
    """Compare two sets of outputs.

    Args:
        a: name -> (T, ...) integers or booleans of any type, or one mapping per frame.
        b: the same. An empty sequence has no frames and no names: it equals what has no frames.
        tolerance: accept absolute differences up to this.

    Raises:
        UsageError: negative tolerance.
        FrameError: outputs that are not integers, or frames of one side with different outputs.
    """
    tolerance = _checked(tolerance)
    left, right = _as_arrays(a, "first"), _as_arrays(b, "second")
    nameless = any(not isinstance(side, Mapping) and not side for side in (a, b))
    if nameless and not any(len(array) for array in (*left.values(), *right.values())):
        return Comparison((), tolerance)
    return Comparison(_judge_all(left, right, tolerance), tolerance)


def _compare_runs(
    first: str, a: RunResult, second: str, b: RunResult, tolerance: int
) -> Comparison:
    left, right = _as_arrays(a.outputs, first), _as_arrays(b.outputs, second)
    return Comparison(
        _judge_all(left, right, tolerance),
        tolerance,
        first,
        second,
        compare_internals(a.internals, b.internals, tolerance),
    )


def _judge_all(a: _Arrays, b: _Arrays, tolerance: int) -> tuple[OutputVerdict, ...]:
    names = dict.fromkeys((*a, *b))
    return tuple(_judge(name, a.get(name), b.get(name), tolerance) for name in names)


def _judge(
    name: str, a: NDArray[np.generic] | None, b: NDArray[np.generic] | None, tolerance: int
) -> OutputVerdict:
    if a is None or b is None:
        reason: Reason = "missing in a" if a is None else "missing in b"
        frames = FrameRanges.span(0, len(a if a is not None else b if b is not None else ()))
        return OutputVerdict(name, reason, _shape(a), _shape(b), frames=frames)
    longer = max(len(a), len(b))
    if a.ndim != b.ndim:
        return OutputVerdict(name, "shape", a.shape, b.shape, frames=FrameRanges.span(0, longer))
    found = scan(a, b, tolerance)
    frames = found.frames
    if a.shape[1:] != b.shape[1:]:
        frames = FrameRanges.span(0, longer)
    elif len(a) != len(b):
        frames = FrameRanges.union(frames, FrameRanges.span(min(len(a), len(b)), longer))
    return OutputVerdict(
        name,
        "shape" if a.shape != b.shape else "values" if found.different else "",
        a.shape,
        b.shape,
        compared=found.compared,
        different=found.different,
        max_abs_diff=found.max_abs_diff,
        sum_abs_diff=found.sum_abs_diff,
        first=found.first,
        frames=frames,
        histogram=found.histogram,
    )


def _named(results: Mapping[str, RunResult] | Sequence[RunResult]) -> dict[str, RunResult]:
    if isinstance(results, Mapping):
        return dict(results)
    named: dict[str, RunResult] = {}
    for result in results:
        name, number = result.provenance.runner, 1
        while name in named:
            number += 1
            name = f"{result.provenance.runner}#{number}"
        named[name] = result
    return named


def _checked(tolerance: int) -> int:
    try:
        tolerance = operator.index(tolerance)
    except TypeError as error:
        raise UsageError(f"tolerance {tolerance!r}, expected a whole number") from error
    if tolerance < 0:
        raise UsageError(f"tolerance {tolerance}, expected 0 or more")
    return tolerance


# -- arrays ---------------------------------------------------------------------------------------


def _as_arrays(outputs: Outputs, side: str) -> _Arrays:
    if not isinstance(outputs, Mapping):
        outputs = _stack(outputs, side)
    return {name: _as_integers(value, name, side) for name, value in outputs.items()}


def _stack(frames: Sequence[Mapping[str, ArrayLike]], side: str) -> dict[str, ArrayLike]:
    names = list(frames[0]) if frames else []
    for index, frame in enumerate(frames):
        if set(frame) != set(names):
            raise FrameError(
                f"frame {index} of the {side} side has the outputs {sorted(frame)}, "
                f"expected {sorted(names)}"
            )
    return {name: _as_array([frame[name] for frame in frames], name, side) for name in names}


def _as_array(value: object, name: str, side: str) -> NDArray[np.generic]:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise FrameError(
            f"output {name!r} of the {side} side: frames of different lengths"
        ) from error


def _as_integers(value: ArrayLike, name: str, side: str) -> NDArray[np.generic]:
    array = _as_array(value, name, side)
    if not array.ndim:
        raise FrameError(f"output {name!r} of the {side} side: a number, expected (frames, length)")
    if array.dtype.kind not in "iub":
        if array.size:
            raise FrameError(
                f"output {name!r} of the {side} side: type {array.dtype}, expected integers"
            )
        return array.astype(np.int64)
    return array


def _shape(array: NDArray[np.generic] | None) -> tuple[int, ...] | None:
    return None if array is None else array.shape
