"""Do two sets of outputs say the same, and where do they first differ.

A difference in the number of frames, in the length of a vector or in the names is a failure, never
cut away. Differences of values are computed without wrap-around, whatever the arrays' types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hostrt.errors import CheckFailed, FrameError, UsageError

if TYPE_CHECKING:
    from hostrt.runner.result import RunResult

Outputs = Mapping[str, ArrayLike] | Sequence[Mapping[str, ArrayLike]]
"""Name -> (T, L) integer array, or one mapping name -> (L,) per frame."""

Reason = Literal["", "missing in a", "missing in b", "shape", "values"]

_UINT64_MAX = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two outputs differ.

    Attributes:
        frame: frame number.
        element: element inside the frame (C order if the frame has several axes).
        a: value on the first side.
        b: value on the second side.
    """

    frame: int
    element: int
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class OutputVerdict:
    """What was found about one output.

    Attributes:
        name: the output.
        reason: "" when equal, else why not.
        shape_a: shape on the first side, None when missing there.
        shape_b: shape on the second side.
        compared: values compared; with different shapes, those that both sides have.
        different: values that differ by more than the tolerance.
        max_abs_diff: largest difference, within tolerance or not.
        first: first difference beyond the tolerance.
    """

    name: str
    reason: Reason
    shape_a: tuple[int, ...] | None
    shape_b: tuple[int, ...] | None
    compared: int = 0
    different: int = 0
    max_abs_diff: int = 0
    first: Difference | None = None

    @property
    def equal(self) -> bool:
        """Whether this output is the same on both sides."""
        return not self.reason

    def describe(self) -> str:
        """Say the verdict in one line."""
        if self.equal:
            return f"{self.name}: equal"
        if self.reason.startswith("missing"):
            return f"{self.name}: {self.reason}"
        parts = []
        if self.reason == "shape":
            parts.append(f"shape {self.shape_a} against {self.shape_b}")
        if self.first is not None:
            parts.append(
                f"frame {self.first.frame}, element {self.first.element}: "
                f"{self.first.a} against {self.first.b}"
            )
            parts.append(
                f"{self.different} of {self.compared} values differ, at most by {self.max_abs_diff}"
            )
        return f"{self.name}: " + "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Verdict on two sets of outputs.

    Attributes:
        verdicts: one per output, in the order of the first side.
        tolerance: differences up to this are accepted.
    """

    verdicts: tuple[OutputVerdict, ...]
    tolerance: int = 0

    @property
    def equal(self) -> bool:
        """Whether all outputs are the same on both sides."""
        return all(verdict.equal for verdict in self.verdicts)

    def raise_if_different(self) -> None:
        """Do nothing if equal.

        Raises:
            CheckFailed: naming the first output that differs and where.
        """
        failed = [verdict for verdict in self.verdicts if not verdict.equal]
        if not failed:
            return
        more = f"; {len(failed) - 1} more outputs differ" if len(failed) > 1 else ""
        raise CheckFailed(
            f"outputs differ: {failed[0].describe()} (tolerance {self.tolerance}){more}",
            comparison=self.to_json(),
        )

    def to_json(self) -> dict[str, object]:
        """Give everything as JSON-compatible values."""
        return {
            "equal": self.equal,
            "tolerance": self.tolerance,
            "outputs": {
                verdict.name: {
                    "equal": verdict.equal,
                    "reason": verdict.reason,
                    "shape_a": _as_list(verdict.shape_a),
                    "shape_b": _as_list(verdict.shape_b),
                    "compared": verdict.compared,
                    "different": verdict.different,
                    "max_abs_diff": verdict.max_abs_diff,
                    "first": None if verdict.first is None else asdict(verdict.first),
                }
                for verdict in self.verdicts
            },
        }


def compare(a: RunResult, b: RunResult, *, tolerance: int = 0) -> Comparison:
    """Compare the outputs of two runs.

    Args:
        a: one run.
        b: another run on the same frames.
        tolerance: accept absolute differences up to this.

    Raises:
        UsageError: negative tolerance.
    """
    return compare_outputs(a.outputs, b.outputs, tolerance=tolerance)


def compare_outputs(a: Outputs, b: Outputs, *, tolerance: int = 0) -> Comparison:
    """Compare two sets of outputs.

    Args:
        a: name -> (T, L) integer array of any integer type, or one mapping per frame.
        b: the same.
        tolerance: accept absolute differences up to this.

    Raises:
        UsageError: negative tolerance.
        FrameError: outputs that are not integers, or frames of one side with different outputs.
    """
    if tolerance < 0:
        raise UsageError(f"tolerance {tolerance}, expected 0 or more")
    left, right = _as_arrays(a, "first"), _as_arrays(b, "second")
    if not any(len(array) for array in (*left.values(), *right.values())):
        return Comparison((), tolerance)
    verdicts = [
        _judge(name, left.get(name), right.get(name), tolerance)
        for name in dict.fromkeys((*left, *right))
    ]
    return Comparison(tuple(verdicts), tolerance)


def _judge(
    name: str, a: NDArray[np.int64] | None, b: NDArray[np.int64] | None, tolerance: int
) -> OutputVerdict:
    if a is None or b is None:
        side: Reason = "missing in a" if a is None else "missing in b"
        return OutputVerdict(name, side, _shape(a), _shape(b))
    reason: Reason = "" if a.shape == b.shape else "shape"
    if a.ndim != b.ndim:
        return OutputVerdict(name, reason, a.shape, b.shape)
    common = tuple(slice(min(sizes)) for sizes in zip(a.shape, b.shape, strict=True))
    left, right = a[common], b[common]
    # the distance of any two int64 fits into uint64, where subtraction is exact modulo 2**64
    distance = np.maximum(left, right).view(np.uint64) - np.minimum(left, right).view(np.uint64)
    beyond = distance > np.uint64(min(tolerance, _UINT64_MAX))
    different = int(np.count_nonzero(beyond))
    return OutputVerdict(
        name,
        reason or ("values" if different else ""),
        a.shape,
        b.shape,
        compared=distance.size,
        different=different,
        max_abs_diff=int(distance.max()) if distance.size else 0,
        first=_first(left, right, beyond) if different else None,
    )


def _first(a: NDArray[np.int64], b: NDArray[np.int64], beyond: NDArray[np.bool_]) -> Difference:
    flat = int(np.argmax(beyond))
    per_frame = beyond[0].size
    return Difference(
        frame=flat // per_frame,
        element=flat % per_frame,
        a=int(a.flat[flat]),
        b=int(b.flat[flat]),
    )


def _as_arrays(outputs: Outputs, side: str) -> dict[str, NDArray[np.int64]]:
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


def _as_integers(value: ArrayLike, name: str, side: str) -> NDArray[np.int64]:
    array = _as_array(value, name, side)
    if array.dtype.kind not in "iub" and array.size:
        raise FrameError(
            f"output {name!r} of the {side} side: type {array.dtype}, expected integers"
        )
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise FrameError(f"output {name!r} of the {side} side: {array.max()} exceeds 63 bits")
    if not array.ndim:
        raise FrameError(f"output {name!r} of the {side} side: a number, expected (frames, length)")
    return np.ascontiguousarray(array, dtype=np.int64)


def _shape(array: NDArray[np.int64] | None) -> tuple[int, ...] | None:
    return None if array is None else array.shape


def _as_list(shape: tuple[int, ...] | None) -> list[int] | None:
    return None if shape is None else list(shape)
