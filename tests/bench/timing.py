"""Timing on a machine that others use too."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def best_seconds(call: Callable[[], object], repeats: int = 7) -> float:
    """Time a call `repeats` times after one that warms up; the least disturbed one counts."""
    call()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    """Give the median of `repeats` calls, for goals that speak of the usual case."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison.

    Attributes:
        name: what was done.
        ours: hostrt's value, in `unit`.
        theirs: the reference's value, None where there is none.
        unit: unit of both.
        ratio: how many times better hostrt is, or the value over its bound.
        goal: the goal in words, "" for rows that only inform.
        met: whether the goal was met, None without a goal.
        note: what the reference is, and what else the reader must know.
    """

    name: str
    ours: float
    theirs: float | None = None
    unit: str = "s"
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""


def faster(name: str, ours: float, theirs: float | None, goal: float, note: str = "") -> Row:
    """Compare two durations; the goal is a ratio that must be reached."""
    if theirs is None:
        return Row(name, ours, note=note or "no peer")
    ratio = theirs / ours
    return Row(name, ours, theirs, "s", ratio, f">= {goal:g}x", ratio >= goal, note)


def within(name: str, ours: float, bound: float, goal: str, note: str = "", unit: str = "s") -> Row:
    """Compare a value with its bound; `ratio` is the value over the bound."""
    return Row(name, ours, None, unit, ours / bound, goal, ours <= bound, note)
