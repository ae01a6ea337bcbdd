"""What a comparison found: per output, per pair of runs, and for all pairs; as text and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hostrt.analysis.frame_ranges import FrameRanges
from hostrt.analysis.histogram import Histogram
from hostrt.errors import CheckFailed

if TYPE_CHECKING:
    from hostrt.analysis.internals import InternalsVerdict
    from hostrt.analysis.scan import Difference

Reason = Literal["", "missing in a", "missing in b", "shape", "values"]
"""Why an output is not equal; "" when it is."""

Mode = Literal["first", "pairwise"]
"""Every run against the first one, or every run against every other."""


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
        sum_abs_diff: sum of all differences without sign, within tolerance or not.
        first: first difference beyond the tolerance.
        frames: frames that are not the same on both sides: with a difference beyond the tolerance,
            with another shape, or on one side only.
        histogram: how often which difference occurs.
    """

    name: str
    reason: Reason
    shape_a: tuple[int, ...] | None
    shape_b: tuple[int, ...] | None
    compared: int = 0
    different: int = 0
    max_abs_diff: int = 0
    sum_abs_diff: int = 0
    first: Difference | None = None
    frames: FrameRanges = field(default_factory=lambda: FrameRanges.span(0, 0))
    histogram: Histogram = field(default_factory=Histogram)

    @property
    def equal(self) -> bool:
        """Whether this output is the same on both sides."""
        return not self.reason

    @property
    def n_frames(self) -> int:
        """Frames of the longer side."""
        return max(shape[0] for shape in (self.shape_a or (0,), self.shape_b or (0,)))

    @property
    def mean_abs_diff(self) -> float:
        """Mean difference without sign over all values compared, 0.0 without any."""
        return self.sum_abs_diff / self.compared if self.compared else 0.0

    def describe(self, a: str = "a", b: str = "b") -> str:
        """Say the verdict in one line.

        Args:
            a: what to call the first side.
            b: what to call the second side.
        """
        if self.equal:
            return f"{self.name}: equal"
        if self.reason.startswith("missing"):
            return f"{self.name}: missing in {a if self.shape_a is None else b}"
        parts = []
        if self.reason == "shape":
            parts.append(f"shape {self.shape_a} against {self.shape_b}")
        if self.first is not None:
            parts.append(self.first.describe())
            parts.append(
                f"{self.different} of {self.compared} values differ, at most by {self.max_abs_diff}"
            )
        return f"{self.name}: " + "; ".join(parts)

    def details(self) -> list[str]:
        """Say in further lines which frames differ and how; none when equal or missing."""
        if self.reason not in ("shape", "values"):
            return []
        lines = []
        if self.frames:
            lines.append(
                f"in {self.frames.count} of {self.n_frames} frames: {self.frames.describe()}"
            )
        if self.different:
            lines.append(f"second minus first: {self.histogram.describe()}")
            lines.append(f"mean absolute difference {self.mean_abs_diff:.4g}")
        return lines

    def to_json(self) -> dict[str, object]:
        """Give everything as JSON-compatible values."""
        return {
            "equal": self.equal,
            "reason": self.reason,
            "shape_a": _as_list(self.shape_a),
            "shape_b": _as_list(self.shape_b),
            "compared": self.compared,
            "different": self.different,
            "max_abs_diff": self.max_abs_diff,
            "sum_abs_diff": self.sum_abs_diff,
            "mean_abs_diff": self.mean_abs_diff,
            "first": None if self.first is None else self.first.to_json(),
            "frames": self.frames.to_json(self.n_frames),
            "histogram": self.histogram.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Verdict on two sets of outputs.

    Attributes:
        verdicts: one per output, in the order of the first side.
        tolerance: differences up to this are accepted.
        a: name of the first side.
        b: name of the second side.
        internals: what was found about internal variables, None unless both sides report some;
            they do not decide whether the sides are equal.
    """

    verdicts: tuple[OutputVerdict, ...]
    tolerance: int = 0
    a: str = "a"
    b: str = "b"
    internals: InternalsVerdict | None = None

    @property
    def equal(self) -> bool:
        """Whether all outputs are the same on both sides."""
        return all(verdict.equal for verdict in self.verdicts)

    @property
    def failed(self) -> tuple[OutputVerdict, ...]:
        """The outputs that are not the same."""
        return tuple(verdict for verdict in self.verdicts if not verdict.equal)

    @property
    def frames(self) -> FrameRanges:
        """Frames in which any output is not the same; every output counts its own frames."""
        return FrameRanges.union(*(verdict.frames for verdict in self.verdicts))

    @property
    def n_frames(self) -> int:
        """Frames of the longest output."""
        return max((verdict.n_frames for verdict in self.verdicts), default=0)

    @property
    def label(self) -> str:
        """Both names with a comma between them."""
        return f"{self.a},{self.b}"

    def describe(self) -> str:
        """Say the verdict in one line, and of what differs where and how in a few more."""
        equal = f"equal within {self.tolerance}" if self.tolerance else "equal"
        failed = self.failed
        if failed:
            accepted = f", tolerance {self.tolerance}" if self.tolerance else ""
            equal = f"DIFFERENT in {len(failed)} of {len(self.verdicts)} outputs{accepted}"
        lines = [f"{self.label}: {equal}"]
        for verdict in failed:
            lines.append(f"  {verdict.describe(self.a, self.b)}")
            lines += [f"    {line}" for line in verdict.details()]
        if self.internals is not None and not (self.equal and self.internals.equal):
            lines.append(f"  {self.internals.describe()}")
        return "\n".join(lines)

    def raise_if_different(self) -> None:
        """Do nothing if equal.

        Raises:
            CheckFailed: naming the first output that differs and where.
        """
        if self.failed:
            raise CheckFailed(f"outputs differ: {self.summary()}", comparison=self.to_json())

    def summary(self) -> str:
        """Say in one line, without names of sides, what differs first; "equal" if nothing does."""
        failed = self.failed
        if not failed:
            return "equal"
        first = failed[0].describe(self.a, self.b)
        more = f"; {len(failed) - 1} more outputs differ" if len(failed) > 1 else ""
        return f"{first} (tolerance {self.tolerance}){more}"

    def to_json(self) -> dict[str, object]:
        """Give everything as JSON-compatible values."""
        return {
            "a": self.a,
            "b": self.b,
            "equal": self.equal,
            "tolerance": self.tolerance,
            "frames": self.frames.to_json(self.n_frames),
            "outputs": {verdict.name: verdict.to_json() for verdict in self.verdicts},
            "internals": None if self.internals is None else self.internals.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Verdicts on several runs.

    Attributes:
        pairs: one comparison per pair; none when there are fewer than two runs.
        mode: "first" if every run was compared with the first, "pairwise" if with every other.
        tolerance: differences up to this are accepted.
    """

    pairs: tuple[Comparison, ...]
    mode: Mode = "first"
    tolerance: int = 0

    @property
    def equal(self) -> bool:
        """Whether all pairs are equal."""
        return all(pair.equal for pair in self.pairs)

    @property
    def by_pair(self) -> dict[str, Comparison]:
        """The comparisons by their labels, `first,second`."""
        return {pair.label: pair for pair in self.pairs}

    def describe(self) -> str:
        """Say every pair's verdict in one line, and of what differs where and how in a few more."""
        return "\n".join(pair.describe() for pair in self.pairs)

    def raise_if_different(self) -> None:
        """Do nothing if all pairs are equal.

        Raises:
            CheckFailed: naming the first pair that differs, the output and where.
        """
        failed = [pair for pair in self.pairs if not pair.equal]
        if not failed:
            return
        more = f"; {len(failed) - 1} more pairs differ" if len(failed) > 1 else ""
        raise CheckFailed(
            f"outputs of {failed[0].a} and {failed[0].b} differ: {failed[0].summary()}{more}",
            comparisons=self.to_json(),
        )

    def to_json(self) -> dict[str, object]:
        """Give everything as JSON-compatible values."""
        return {
            "equal": self.equal,
            "mode": self.mode,
            "tolerance": self.tolerance,
            "pairs": [pair.to_json() for pair in self.pairs],
        }


def _as_list(shape: tuple[int, ...] | None) -> list[int] | None:
    return None if shape is None else list(shape)
