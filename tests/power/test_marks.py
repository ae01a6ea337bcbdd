from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.power.marks import FrameEnergy


def energies(frames: FrameEnergy) -> list[float]:
    return list(map(float, frames.finish()[0]))


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 4), min_size=1, max_size=60),
    st.lists(st.floats(0, 70), min_size=1, max_size=8).map(sorted),
    st.data(),
)
def test_frames_share_the_energy_whenever_marks_and_samples_come(
    watts: list[float], marks: list[float], data: st.DataObject
) -> None:
    frames = FrameEnergy(0.0, 100.0)
    waiting = list(marks)
    for end, power in enumerate(watts, 1):
        frames.extend(np.array([float(end)]), np.array([power]), np.array([1.0]))
        while waiting and waiting[0] <= end and data.draw(st.booleans()):
            frames.mark(waiting.pop(0))
    for place in waiting:
        frames.mark(place)

    joules, seconds = frames.finish()

    total = np.concatenate([[0.0], np.cumsum(watts)])
    edges = np.append(np.minimum(marks, len(watts)), len(watts))
    expected = np.diff(np.interp(edges, np.arange(len(total)), total))
    assert joules == pytest.approx(expected, abs=1e-9)
    assert seconds == pytest.approx(np.diff(edges), abs=1e-9)


def test_without_marks_there_are_no_frames() -> None:
    frames = FrameEnergy(0.0, 1.0)
    frames.extend(np.array([1.0]), np.array([1.0]), np.array([1.0]))

    assert energies(frames) == []


def test_only_the_history_is_kept() -> None:
    frames = FrameEnergy(0.0, 10.0)
    for end in range(1, 101):
        frames.extend(np.array([float(end)]), np.array([1.0]), np.array([1.0]))

    assert frames.oldest == 89
    frames.mark(0.0)
    assert energies(frames) == [11.0]


def test_a_mark_never_goes_back() -> None:
    frames = FrameEnergy(0.0, 10.0)
    frames.extend(np.array([10.0]), np.array([10.0]), np.array([10.0]))

    frames.mark(5.0)
    frames.mark(4.0)

    assert energies(frames) == [0.0, 5.0]


def test_finishing_changes_nothing() -> None:
    frames = FrameEnergy(0.0, 10.0)
    frames.mark(0.0)
    frames.extend(np.array([1.0]), np.array([2.0]), np.array([1.0]))
    assert energies(frames) == [2.0]

    frames.extend(np.array([2.0]), np.array([3.0]), np.array([0.0]))

    joules, seconds = frames.finish()
    assert joules.tolist() == [5.0]
    assert seconds.tolist() == [1.0]
