"""Shortest failing sequences, against failures that are made up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from hostrt.analysis.shrink import MAX_RUNS, shrink

if TYPE_CHECKING:
    from collections.abc import Callable

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class At:
    frame: int


class Tried:
    """Counts tries, and checks what is tried."""

    def __init__(self, n_frames: int, fails: Callable[[Numbers], At | None]) -> None:
        self.n_frames, self.fails = n_frames, fails
        self.sequences: list[Numbers] = []
        self.failed: list[Numbers] = []

    def __call__(self, frames: Numbers) -> At | None:
        assert frames
        assert list(frames) == sorted(set(frames))
        assert set(frames) <= set(range(self.n_frames))
        assert frames not in set(self.sequences) - set(self.failed)
        self.sequences.append(frames)
        found = self.fails(frames)
        if found is not None:
            self.failed.append(frames)
        return found


def needs(wanted: set[int], *, late: int = 0) -> Callable[[Numbers], At | None]:
    """Fail when all of some frames are there, as soon as the last of them is."""

    def fails(frames: Numbers) -> At | None:
        if not wanted <= set(frames):
            return None
        return At(max(0, frames.index(max(wanted)) - late))

    return fails


sets = st.sets(st.integers(0, 60), min_size=1, max_size=6)


@given(sets, st.integers(0, 40), st.integers(0, 3))
def test_of_what_needs_some_frames_exactly_those_are_left(
    wanted: set[int], more: int, late: int
) -> None:
    n_frames = max(wanted) + 1 + more
    tried = Tried(n_frames, needs(wanted, late=late))

    found = shrink(n_frames, tried, first_frame=max(0, max(wanted) - late), max_runs=4000)

    assert found is not None
    assert found.is_complete
    assert set(found.frames) == wanted
    assert found.first == tried.fails(found.frames)


@given(sets, st.integers(0, 40), st.integers(1, 40))
def test_tries_are_bounded_and_what_is_left_has_failed(
    wanted: set[int], more: int, max_runs: int
) -> None:
    n_frames = max(wanted) + 1 + more
    tried = Tried(n_frames, needs(wanted))

    found = shrink(n_frames, tried, first_frame=max(wanted), max_runs=max_runs)

    assert len(tried.sequences) <= max_runs
    assert found is not None
    assert found.frames in tried.failed
    assert found.n_runs == len(tried.sequences)
    if found.is_complete:
        assert set(found.frames) == wanted


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 5))
def test_a_failure_that_needs_a_run_up_keeps_just_that(before: int, length: int, more: int) -> None:
    """As of a model with a memory: the last `length` frames must have come, whichever they are."""
    n_frames = before + length + more

    def fails(frames: Numbers) -> At | None:
        return At(length - 1) if len(frames) >= length else None

    found = shrink(n_frames, fails, first_frame=length - 1, max_runs=4000)

    assert found is not None
    assert len(found.frames) == length


def test_a_failure_of_one_frame_takes_few_tries() -> None:
    tried = Tried(100_000, needs({70_123}))
    found = shrink(100_000, tried, first_frame=70_123, max_runs=MAX_RUNS)
    assert found is not None
    assert found.frames == (70_123,)
    assert len(tried.sequences) == 2


def test_two_far_frames_are_found_within_the_usual_tries() -> None:
    tried = Tried(5000, needs({1200, 4321}))
    found = shrink(5000, tried, first_frame=4321)
    assert found is not None
    assert set(found.frames) == {1200, 4321}
    assert len(tried.sequences) <= MAX_RUNS


def test_what_does_not_fail_again_is_not_shrunk() -> None:
    tried = Tried(10, lambda _: None)
    assert shrink(10, tried, first_frame=4) is None
    assert tried.sequences == [(0, 1, 2, 3, 4), tuple(range(10))]
    assert shrink(1, Tried(1, lambda _: None), first_frame=0) is None


@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_a_failure_that_comes_and_goes_ends_and_gives_only_what_failed(
    random: object, n_frames: int
) -> None:
    def fails(frames: Numbers) -> At | None:
        comes: bool = random.random() < 0.5  # type: ignore[attr-defined]  # a random.Random
        return At(len(frames) - 1) if comes else None

    tried = Tried(n_frames, fails)
    found = shrink(n_frames, tried, first_frame=n_frames - 1, max_runs=50)
    assert len(tried.sequences) <= 50
    if found is None:
        assert not tried.failed
    else:
        assert found.frames == tried.failed[-1]
