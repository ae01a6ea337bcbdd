"""Artifacts of any kind, compared where they hold the same outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from hostrt.analysis.compare import MODES, compare_outputs
from hostrt.analysis.internals import compare_internals
from hostrt.analysis.verdicts import Comparison, Comparisons, Mode
from hostrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.analysis.artifacts import Artifact

    Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class ArtifactsVerdict:
    """What was found about several artifacts.

    Attributes:
        comparisons: verdicts on the pairs.
        inputs_equal: whether all that tell went by the same inputs, None when fewer than two do.
        notes: what a user should know, one sentence each.
        steps: pair -> the request of each recording behind the first difference.
        outputs: artifact -> its outputs as they were compared, frames first.
    """

    comparisons: Comparisons
    inputs_equal: bool | None
    notes: tuple[str, ...]
    steps: dict[str, str]
    outputs: dict[str, dict[str, Array]]

    @property
    def equal(self) -> bool:
        """Whether all pairs are equal."""
        return self.comparisons.equal

    def to_json(self) -> dict[str, object]:
        """Give everything as JSON-compatible values."""
        return {
            **self.comparisons.to_json(),
            "inputs_equal": self.inputs_equal,
            "steps": dict(self.steps),
            "notes": list(self.notes),
        }


def compare_artifacts(
    artifacts: Sequence[Artifact],
    mode: Mode = "first",
    tolerance: int = 0,
    outputs: Sequence[str] = (),
) -> ArtifactsVerdict:
    """Compare artifacts.

    Args:
        artifacts: two or more; names that occur twice get numbers.
        mode: "first" compares every one with the first, "pairwise" every one with every other.
        tolerance: accept absolute differences up to this.
        outputs: compare these outputs only; none means all.

    Raises:
        UsageError: fewer than two, an output that one does not hold, kinds that do not go together,
            a negative tolerance or another mode.
        FrameError: outputs that are not integers.
    """
    if mode not in MODES:
        raise UsageError(f"comparison mode {mode!r}, expected one of {', '.join(MODES)}")
    if len(artifacts) < 2:
        raise UsageError(f"{len(artifacts)} set of outputs to compare, expected two or more")
    chosen = [_choose(item, outputs) for item in _numbered(artifacts)]
    pairs = list(combinations(chosen, 2))
    if mode == "first":
        pairs = pairs[: len(chosen) - 1]
    compared: list[Comparison] = []
    notes: list[str] = []
    steps: dict[str, str] = {}
    aligned: dict[str, dict[str, Array]] = {}
    for a, b in pairs:
        left, right, remarks = _aligned(a, b)
        aligned |= {a.name: left, b.name: right}
        comparison = compare_outputs(left, right, tolerance=tolerance)
        internals = (
            compare_internals(a.internals, b.internals, tolerance)
            if a.internals and b.internals
            else None
        )
        compared.append(replace(comparison, a=a.name, b=b.name, internals=internals))
        notes += remarks
        step = _step(a, b, comparison)
        if step:
            steps[compared[-1].label] = step
    different = _different_inputs(pairs)
    known = sum(bool(item.inputs) for item in chosen)
    return ArtifactsVerdict(
        Comparisons(tuple(compared), mode, tolerance),
        None if known < 2 else not different,
        (*different, *dict.fromkeys(notes)),
        steps,
        aligned,
    )


# -- which outputs --------------------------------------------------------------------------------


def _numbered(artifacts: Sequence[Artifact]) -> list[Artifact]:
    """Give every artifact a name of its own."""
    seen: dict[str, int] = {}
    named = []
    for item in artifacts:
        seen[item.name] = seen.get(item.name, 0) + 1
        number = seen[item.name]
        named.append(item if number == 1 else replace(item, name=f"{item.name}#{number}"))
    return named


def _choose(item: Artifact, wanted: Sequence[str]) -> Artifact:
    if not wanted:
        return item
    if item.is_lone and len(wanted) == 1:
        (array,) = item.outputs.values()
        return replace(item, outputs={wanted[0]: array})
    missing = [name for name in wanted if name not in item.outputs]
    if missing:
        known = ", ".join(item.outputs) or "none"
        raise UsageError(
            f"{item.name}: no output {missing[0]!r}", hint=f"the outputs there are {known}"
        )
    return replace(item, outputs={name: item.outputs[name] for name in wanted})


def _aligned(a: Artifact, b: Artifact) -> tuple[dict[str, Array], dict[str, Array], list[str]]:
    """Give both sides' outputs with the same names and, where samples have no frames, the same."""
    if (a.kind == "recording") != (b.kind == "recording"):
        raise UsageError(
            f"{a.name} is a {a.kind} and {b.name} is a {b.kind}: a recording holds words of the "
            "board, not outputs",
            hint="compare it with another recording",
        )
    left, right = _named_alike(a, b)
    notes = []
    if a.sample_rate and b.sample_rate and a.sample_rate != b.sample_rate:
        notes.append(
            f"sample rates differ: {a.name} {a.sample_rate} Hz, {b.name} {b.sample_rate} Hz"
        )
    for name in left.keys() & right.keys():
        if left[name].ndim == right[name].ndim or 1 not in (left[name].ndim, right[name].ndim):
            continue
        left[name], right[name], note = _framed(left[name], right[name])
        if note:
            notes.append(f"{name}: {note}")
    return left, right, notes


def _named_alike(a: Artifact, b: Artifact) -> tuple[dict[str, Array], dict[str, Array]]:
    left, right = dict(a.outputs), dict(b.outputs)
    if not (a.is_lone or b.is_lone) or left.keys() == right.keys():
        return left, right
    if len(left) == len(right) == 1:
        # one array each: what the file is called does not matter
        name = next(iter(right if a.is_lone else left))
        return {name: next(iter(left.values()))}, {name: next(iter(right.values()))}
    lone, other = (a, b) if a.is_lone else (b, a)
    (name,) = lone.outputs
    if name not in other.outputs:
        raise UsageError(
            f"{lone.name} is one output and {other.name} holds {len(other.outputs)}: "
            f"{', '.join(other.outputs)}",
            hint="choose one with --output NAME",
        )
    return {name: left[name]}, {name: right[name]}


def _framed(a: Array, b: Array) -> tuple[Array, Array, str]:
    """Cut samples into the other side's frames; where they do not fit, compare as samples."""
    flat, other = (a, b) if a.ndim == 1 else (b, a)
    size = math.prod(other.shape[1:])
    if size and len(flat) % size == 0:
        flat, note = flat.reshape(-1, *other.shape[1:]), ""
    else:
        note = f"{len(flat)} samples are no whole frames of {size}, compared sample by sample"
        other = other.reshape(-1)
    return (flat, other, note) if a.ndim == 1 else (other, flat, note)


# -- what else there is to say --------------------------------------------------------------------


def _different_inputs(pairs: Sequence[tuple[Artifact, Artifact]]) -> list[str]:
    notes = []
    for a, b in pairs:
        if a.inputs and b.inputs and a.inputs != b.inputs:
            names = {*a.inputs, *b.inputs}
            wrong = sorted(n for n in names if a.inputs.get(n) != b.inputs.get(n))
            notes.append(f"INPUTS DIFFER between {a.name} and {b.name}: {', '.join(wrong)}")
    return notes


def _step(a: Artifact, b: Artifact, comparison: Comparison) -> str:
    """Say which request of each recording gave the first difference, "" without one."""
    found: list[tuple[int, int]] = []
    for verdict in comparison.failed:
        if verdict.first is None or verdict.name not in a.steps or verdict.name not in b.steps:
            continue
        frame = verdict.first.frame
        found.append((a.steps[verdict.name][frame], b.steps[verdict.name][frame]))
    if not found:
        return ""
    one, two = min(found)
    return f"first difference in request {one} of {a.name} and request {two} of {b.name}"
