"""Where two implementations part: the first internal variable that differs.

Internal variables are a means to find a cause; they do not decide whether two runs are equal. Each
implementation has variables of its own, so only those that both report are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostrt.analysis.scan import first_difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.analysis.scan import Difference

    Internals = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class InternalDifference:
    """The first place where one internal variable differs.

    Attributes:
        name: the variable.
        order: its place among the first side's variables, in graph order, from 0.
        at: frame, element and both values.
    """

    name: str
    order: int
    at: Difference

    def describe(self) -> str:
        """Say variable, frame, element and both values."""
        return f"{self.name} (variable {self.order}), {self.at.describe()}"

    def to_json(self) -> dict[str, object]:
        """Give everything as JSON-compatible values."""
        return {"name": self.name, "order": self.order, **self.at.to_json()}


@dataclass(frozen=True, slots=True)
class InternalsVerdict:
    """What was found about the internal variables of two runs.

    Attributes:
        compared: number of variables compared.
        different: those that differ, by frame and inside a frame in graph order.
        only_a: variables that only the first side reports.
        only_b: variables that only the second side reports.
        remarks: (variable, why it was not compared, or not in all frames).
        skipped: variables that both sides report in ways that cannot be compared.
    """

    compared: int
    different: tuple[InternalDifference, ...] = ()
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()
    skipped: int = 0

    @property
    def equal(self) -> bool:
        """Whether no variable that was compared differs."""
        return not self.different

    @property
    def first(self) -> InternalDifference | None:
        """The variable to look at: first in graph order among those of the earliest frame."""
        return self.different[0] if self.different else None

    def describe(self) -> str:
        """Say the verdict in one line."""
        if self.first is None:
            alone = len(self.only_a) + len(self.only_b)
            more = f", {alone} on one side only" if alone else ""
            more += f", {self.skipped} not comparable" if self.skipped else ""
            return f"internals: {self.compared} variables compared, all equal{more}"
        return (
            f"first internal difference: {self.first.describe()}; "
            f"{len(self.different)} of {self.compared} variables differ"
        )

    def to_json(self) -> dict[str, object]:
        """Give everything as JSON-compatible values."""
        return {
            "equal": self.equal,
            "compared": self.compared,
            "skipped": self.skipped,
            "first": None if self.first is None else self.first.to_json(),
            "different": [item.to_json() for item in self.different],
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "remarks": dict(self.remarks),
        }


def compare_internals(a: Internals, b: Internals, tolerance: int) -> InternalsVerdict | None:
    """Compare the internal variables that both sides report; None when a side reports none.

    Args:
        a: name -> (T, ...) values after each frame, in graph order, which decides the order.
        b: the same of the other side, in any order.
        tolerance: differences up to this are accepted.
    """
    if not a or not b:
        return None
    compared = 0
    different = []
    remarks = []
    for order, (name, left) in enumerate(a.items()):
        right = b.get(name)
        if right is None:
            continue
        reason = _incomparable(left, right)
        if reason:
            remarks.append((name, f"{reason}, not compared"))
            continue
        if len(left) != len(right):
            shared = min(len(left), len(right))
            remarks.append(
                (name, f"{len(left)} frames against {len(right)}, the first {shared} compared")
            )
        compared += 1
        at = first_difference(left, right, tolerance)
        if at is not None:
            different.append(InternalDifference(name, order, at))
    return InternalsVerdict(
        compared=compared,
        different=tuple(sorted(different, key=lambda item: (item.at.frame, item.order))),
        only_a=tuple(name for name in a if name not in b),
        only_b=tuple(name for name in b if name not in a),
        remarks=tuple(remarks),
        skipped=sum(name in b for name in a) - compared,
    )


def _incomparable(a: NDArray[np.generic], b: NDArray[np.generic]) -> str:
    """Say why two arrays cannot be compared value by value, "" when they can."""
    if a.shape[1:] != b.shape[1:] or not a.ndim or a.ndim != b.ndim:
        return f"shape {a.shape} against {b.shape}"
    if a.dtype.kind not in "iub" or b.dtype.kind not in "iub":
        return f"type {a.dtype} against {b.dtype}"
    return ""
