from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hostrt.errors import LinkCorrupt
from hostrt.power.ppk2_words import WordSplitter
from tests.power.ppk2_emulator import words


def stream(first: int, n: int) -> bytes:
    numbers = np.arange(first, first + n)
    return words(numbers, (numbers % 50).astype(np.float64) * 1e-4)


def split(data: bytes, cuts: list[int]) -> tuple[bytes, int]:
    """Give the bytes and the number of lost samples that come of feeding in portions."""
    splitter = WordSplitter()
    edges = [0, *sorted(cuts), len(data)]
    runs = []
    for begin, end in pairwise(edges):
        runs += splitter.feed(data[begin:end])
    runs += splitter.flush()
    return b"".join(run.data for run in runs), sum(run.lost for run in runs)


CUTS = st.lists(st.integers(0, 1200), max_size=8)


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(14, 300), CUTS)
def test_portions_do_not_matter(first: int, n: int, cuts: list[int]) -> None:
    data = stream(first, n)

    assert split(data, cuts) == (data, 0)


@settings(deadline=None)
@given(st.integers(20, 150), st.integers(1, 63), CUTS)
def test_lost_samples_are_counted(before: int, lost: int, cuts: list[int]) -> None:
    left, right = stream(0, before), stream(before + lost, 100)

    assert split(left + right, cuts) == (left + right, lost)


@settings(deadline=None)
@given(st.integers(20, 150), st.integers(1, 40), st.integers(1, 3), CUTS)
@example(40, 24, 3, [])  # the word put together counts on, and the one after it too
def test_words_are_found_again_after_lost_bytes(
    before: int, lost: int, stray: int, cuts: list[int]
) -> None:
    left, right = stream(0, before), stream(before + lost, 100)
    torn = stream(before, 1)[:stray]

    found, n_lost = split(left + torn + right, cuts)

    check_genuine(found, n_lost, left, right)


def check_genuine(found: bytes, n_lost: int, left: bytes, right: bytes) -> None:
    """Insist that no word was put together, at most two are left out, and all are counted."""
    given_words = np.frombuffer(found, "<u4").tolist()
    genuine = [*np.frombuffer(left, "<u4").tolist(), *np.frombuffer(right, "<u4").tolist()]
    kept = iter(genuine)
    assert all(word in kept for word in given_words)
    assert len(given_words) >= len(genuine) - 2
    last = (given_words[-1] >> 18) - (given_words[0] >> 18)
    assert (len(given_words) - 1 + n_lost - last) % 64 == 0


def test_a_stream_may_begin_in_the_middle_of_a_word() -> None:
    data = stream(7, 60)

    assert split(data[3:], []) == (data[8:], 0)


def test_a_word_put_together_from_two_is_not_given() -> None:
    left, right = stream(0, 50), stream(51, 60)
    for stray in range(1, 4):
        for last in range(256):
            torn = bytes([last]) * stray
            found, n_lost = split(left + torn + right, [])
            check_genuine(found, n_lost, left, right)


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_noise_is_refused(seed: int) -> None:
    noise = np.random.default_rng(seed).bytes(4000)

    with pytest.raises(LinkCorrupt, match="that are no samples"):
        WordSplitter().feed(noise)


def test_a_range_that_does_not_exist_is_no_sample() -> None:
    data = np.frombuffer(stream(0, 40), "<u4") | 7 << 14

    with pytest.raises(LinkCorrupt, match="that are no samples"):
        WordSplitter().feed(data.astype("<u4").tobytes())
