from __future__ import annotations

import numpy as np
import pytest

from firmware_protocol.errors import (
    LocalMisuseError,
    OutOfStepError,
    RemoteRefusedError,
    RemoteSilenceError,
)
from firmware_protocol.evk2 import Command, ack, data_reply
from firmware_protocol.evk2_fence import Fence
from firmware_protocol.requests import Read, Space

VERSION = Read(Space.APB, 0)
SLOT_S = 0.001
ANSWER = ack(0) + data_reply(Command.APB_READ, 0, [0x13])
LATE = ack(0x10_0000)


def fence(expected: int | None = 0x13) -> Fence:
    return Fence(VERSION, 0.0, slot_s=SLOT_S, expected=expected)


def answer_rounds(guard: Fence, reply: bytes) -> None:
    for round_ in range(4):
        guard.to_send(1.0 + round_)
        guard.receive(reply, 1.0 + round_)


def wait_in_vain(guard: Fence, *, most_waits: int) -> None:
    now = 0.0
    for _ in range(most_waits):
        guard.to_send(now)
        due = guard.deadline()
        assert due is not None
        now = max(now, due)
        guard.expire(now)


def chatter(guard: Fence, *, n_slots: int) -> None:
    for slot in range(n_slots):
        guard.to_send(slot * SLOT_S)
        guard.receive(LATE, slot * SLOT_S)


def test_it_asks_only_after_two_quiet_slots() -> None:
    guard = fence()
    assert len(guard.to_send(0.0)) == 0
    guard.receive(LATE * 3, 0.0015)
    assert len(guard.to_send(0.0021)) == 0
    assert guard.deadline() == pytest.approx(0.0035)
    guard.expire(0.0035)
    question = guard.to_send(0.0035)
    assert bytes(question[:8]) == bytes([4, 0, 1, 0, 0, 0, 0, 0])
    guard.receive(ANSWER[:64], 0.004)
    assert not guard.done
    guard.receive(ANSWER[64:], 0.004)
    assert guard.done
    assert (guard.value, guard.drained, guard.rounds) == (0x13, 3, 1)
    assert guard.deadline() is None
    assert np.array_equal(guard.result()[0], [0x13])
    assert len(guard.to_send(1.0)) == 0


@pytest.mark.fault
@pytest.mark.parametrize(
    "first",
    [
        LATE,
        ANSWER + LATE,
        ANSWER + ANSWER,
        ack(0) + data_reply(Command.APB_READ, 0, [0x20]),
        ack(0) + data_reply(Command.APB_READ, 0, [0x13, 0]),
        data_reply(Command.ERROR, 0, []),
        bytes(7),
    ],
)
def test_a_wrong_answer_drains_and_asks_again(first: bytes) -> None:
    guard = fence()
    guard.to_send(0.002)
    guard.receive(first, 0.003)
    assert not guard.done
    assert len(guard.to_send(0.004)) == 0
    assert len(guard.to_send(0.005)) == 64
    guard.receive(ANSWER, 0.006)
    assert (guard.done, guard.rounds) == (True, 2)


@pytest.mark.fault
def test_it_gives_up_after_three_rounds() -> None:
    guard = fence()
    with pytest.raises(RemoteRefusedError) as caught:
        answer_rounds(guard, data_reply(Command.ERROR, 0, []))
    assert caught.value.code == Command.ERROR
    assert guard.rounds == 3
    with pytest.raises(RemoteRefusedError):
        guard.to_send(9.0)
    assert guard.deadline() is None


@pytest.mark.fault
def test_a_wrong_version_is_named_in_the_end() -> None:
    guard = fence(expected=0x20)
    with pytest.raises(OutOfStepError, match="0x13, expected 0x20"):
        answer_rounds(guard, ANSWER)


@pytest.mark.fault
def test_a_silent_board_fails_after_three_questions() -> None:
    guard = fence(expected=None)
    with pytest.raises(RemoteSilenceError):
        wait_in_vain(guard, most_waits=20)
    assert guard.rounds == 3


@pytest.mark.fault
def test_a_link_that_never_goes_quiet_is_an_error() -> None:
    guard = fence()
    with pytest.raises(OutOfStepError, match="without a pause"):
        chatter(guard, n_slots=3000)
    assert guard.rounds == 0


def test_misuse_is_refused() -> None:
    with pytest.raises(LocalMisuseError, match="one word"):
        Fence(Read(Space.APB, 0, 2), 0.0, slot_s=SLOT_S)
    with pytest.raises(LocalMisuseError, match="rounds"):
        Fence(VERSION, 0.0, slot_s=SLOT_S, rounds=0)
    guard = fence()
    with pytest.raises(LocalMisuseError):
        guard.result()
    with pytest.raises(LocalMisuseError):
        _ = guard.value
