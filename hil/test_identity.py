"""Who is there, and at which clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from hostrt.board.board import BoardState, open_board
from hostrt.chip.step import Poll, Read
from hostrt.errors import OutputNeverCame

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.board.board import Board

LONGEST_BOOT_S = 10.0


def test_the_board_says_who_it_is(
    board: Board, record_property: Callable[[str, object], None]
) -> None:
    info = board.info
    for name in ("url", "platform", "serial", "product", "firmware"):
        record_property(name, getattr(info, name))
    record_property("chip", board.chip.map.title)
    assert board.state is BoardState.BOOTED
    assert board.chip.name in ("spu001", "spu150tc1", "spu150")
    assert board.platform.name == info.platform
    assert info.chip in ("", board.chip.name)


def test_the_version_register_is_that_of_the_chip(answering: Board) -> None:
    for _ in range(3):
        assert answering.read_version() == answering.chip.map.version


def test_it_boots_twice_in_a_row_in_bounded_time(
    answering: Board, record_property: Callable[[str, object], None]
) -> None:
    for attempt in (1, 2):
        started = time.monotonic()
        answering.boot()
        seconds = time.monotonic() - started
        assert seconds < LONGEST_BOOT_S
        record_property(f"boot_{attempt}_s", seconds)
    assert answering.read_version() == answering.chip.map.version


def test_it_boots_after_a_failure(answering: Board) -> None:
    answering.mark_broken(OutputNeverCame("a failure made by the test"))
    answering.boot()
    assert answering.read_version() == answering.chip.map.version


def test_it_boots_after_it_was_closed(
    answering: Board, board_url: str, request: pytest.FixtureRequest
) -> None:
    answering.close()
    with open_board(board_url, chip=request.config.getoption("--chip")) as again:
        again.boot()
        assert again.read_version() == again.chip.map.version


def test_the_pll_has_locked(answering: Board) -> None:
    polls = [step for step in answering.chip.clock(answering.platform) if isinstance(step, Poll)]
    if not polls:
        pytest.skip(f"the lock cannot be read on {answering.platform.name}")
    for poll in polls:
        (words,) = answering.execute([Read(poll.space, poll.address, register=poll.register)])
        assert words is not None
        assert int(words[0]) & poll.mask


def test_the_clock_is_the_one_that_was_asked_for(answering: Board) -> None:
    """At least 150 MHz, and less than one step of the reference clock above it."""
    clock_hz = answering.chip.clock_hz(answering.platform)
    assert 150e6 <= clock_hz < 150e6 + answering.platform.f_ref_hz
