"""Long writes are cut for progress without changing what is written, where and in which order."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.board.chunks import chunks
from hostrt.chip.step import Read, Space, Step, Wait, Write

SIZES = st.lists(st.integers(0, 70), max_size=12)


def steps_of(sizes: list[int]) -> list[Step]:
    """Give writes of these sizes, and something else for each zero."""
    steps: list[Step] = []
    for number, size in enumerate(sizes):
        words = np.arange(size, dtype=np.uint32) + np.uint32(1000 * number)
        write = Write(Space.APB, 0x1000 * number, words, idempotent=True, register=f"r{number}")
        steps.append(write if size else (Wait(1, 0.0), Read(Space.APB, number))[number % 2])
    return steps


def words_of(steps: list[Step]) -> list[object]:
    """Give each written word with its address, and the other steps as they are."""
    flat: list[object] = []
    for step in steps:
        if isinstance(step, Write):
            places = step.address + step.stride * np.arange(step.words.size)
            flat += zip(places.tolist(), step.words.tolist(), strict=True)
            assert step.idempotent
            assert step.register
        else:
            flat.append(step)
    return flat


@settings(max_examples=60, deadline=None)
@given(sizes=SIZES, size=st.integers(1, 40))
def test_every_word_is_written_once_in_order_and_in_batches_of_bounded_size(
    sizes: list[int], size: int
) -> None:
    steps = steps_of(sizes)
    batches = list(chunks(steps, size))
    assert words_of([step for batch in batches for step in batch]) == words_of(steps)
    for batch in batches:
        assert batch
        assert sum(step.words.size for step in batch if isinstance(step, Write)) <= size
