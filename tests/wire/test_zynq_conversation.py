from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import (
    LocalMisuseError,
    OutOfStepError,
    RemoteSilenceError,
    RemoteViolationError,
)
from firmware_protocol.requests import FrameIn, FrameOut, HostAction, Read, Request, Space, Write
from firmware_protocol.zynq import apb_replies, axis_reply, top_replies
from firmware_protocol.zynq_conversation import ZynqConversation
from firmware_protocol.zynq_plan import build_units
from tests.wire.wire_models import Case, ModelZynq, load_cases, request_of, sides, talk

CASES = [c for c in load_cases("zynq_streams.json") if "events" in c]
EXCHANGES = [c for c in CASES if "ok" in c["result"]]
BASE = 0x10_0000
FRAME = np.arange(100, 130, dtype=np.uint32)
WORDS = np.arange(1, 131, dtype=np.uint32)
MIXED: list[Request] = [
    HostAction(),
    Write(Space.APB, BASE, WORDS),
    Read(Space.APB, BASE, 130),
    Write(Space.TOP, 0x24, np.array([1], np.uint32)),
    Read(Space.TOP, 0x24, 2),
    FrameOut(FRAME),
    FrameIn(30),
    Write(Space.TOP, 0x24, np.array([0], np.uint32)),
]


def case_named(name: str) -> Case:
    [case] = [case for case in CASES if case["name"] == name]
    return case


def asked(*requests: Request) -> ZynqConversation:
    conversation = ZynqConversation(build_units(requests))
    conversation.to_send(0.0)
    return conversation


@pytest.mark.parametrize("case", EXCHANGES, ids=lambda c: c["name"])
def test_golden_exchanges_run_piece_by_piece(case: Case) -> None:
    conversation = ZynqConversation(build_units([request_of(case)]))
    sent, got = b"".join(sides(case, "tx")), b""
    for raw in [*sides(case, "rx"), b""]:
        got += conversation.to_send(0.0)
        assert sent.startswith(got)
        conversation.receive(raw, 0.0)
    assert got == sent
    [answer] = conversation.result()
    words = None if answer is None else [f"{word:08x}" for word in answer]
    assert words == case["result"]["ok"]


@pytest.mark.parametrize("reads_in_flight", [1, 2, 50])
@pytest.mark.parametrize("chunk", [1, 5, 8, 13, 4096])
def test_replies_split_anywhere_give_the_same_answers(reads_in_flight: int, chunk: int) -> None:
    conversation = ZynqConversation(build_units(MIXED), reads_in_flight=reads_in_flight)
    talk(conversation, ModelZynq(), chunk_bytes=[chunk] * 5000)
    answers = [None if a is None else a.tolist() for a in conversation.result()]
    wanted = [None, None, WORDS.tolist(), None, [1, 0], None, FRAME.tolist(), None]
    assert answers == wanted
    assert conversation.answered == len(conversation.plan.data)


@given(st.lists(st.integers(1, 70), min_size=100, max_size=100), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_random_chunks_give_the_same_answers(chunks: list[int], reads_in_flight: int) -> None:
    conversation = ZynqConversation(build_units(MIXED), reads_in_flight=reads_in_flight)
    talk(conversation, ModelZynq(), chunk_bytes=chunks)
    read, frame = conversation.result()[2], conversation.result()[6]
    assert np.array_equal(read, WORDS)  # type: ignore[arg-type]
    assert np.array_equal(frame, FRAME)  # type: ignore[arg-type]


def test_writes_flow_until_a_read_must_be_answered() -> None:
    conversation = ZynqConversation(build_units(MIXED))
    first = conversation.to_send(0.0)
    assert len(first) == 8 * (1 + 130 + 64)
    assert len(conversation.to_send(0.0)) == 0
    assert conversation.deadline() == 1.0
    assert conversation.answered == 8 * (1 + 130)


@pytest.mark.fault
@pytest.mark.parametrize("name", ["apb_read_split_reply", "axis_read_split_reply"])
def test_golden_split_replies_wait_for_the_rest_and_then_time_out(name: str) -> None:
    case = case_named(name)
    request = Read(Space.APB, BASE, 4) if name.startswith("apb") else FrameIn(4)
    conversation = asked(request)
    assert conversation.plan.data == sides(case, "tx")[0]
    conversation.receive(sides(case, "rx")[0], 0.5)
    assert conversation.deadline() == 1.5
    conversation.expire(1.4)
    with pytest.raises(RemoteSilenceError, match=r"of \d units, then nothing"):
        conversation.expire(1.5)
    with pytest.raises(RemoteSilenceError):
        conversation.receive(b"", 1.6)


@pytest.mark.fault
def test_golden_axis_read_with_nothing_there_is_named() -> None:
    case = case_named("axis_read_nothing_there")
    conversation = asked(FrameIn(4))
    with pytest.raises(RemoteViolationError, match=r"frame in.*nothing queued.*4 words"):
        conversation.receive(sides(case, "rx")[0], 0.0)


def test_golden_address_above_28_bits_is_misuse() -> None:
    assert case_named("apb_write_addr_over_28_bits")["result"] == {"raises": "AssertionError"}
    with pytest.raises(LocalMisuseError, match="SPU-150"):
        build_units([Write(Space.APB, 1 << 28, np.zeros(1, np.uint32))])


@pytest.mark.fault
@pytest.mark.parametrize(
    ("request_", "reply", "error", "found"),
    [
        (Read(Space.APB, 16), apb_replies(20, 1), RemoteViolationError, "0x14"),
        (Read(Space.APB, 16), top_replies(16, 1), RemoteViolationError, "top_read_reply"),
        (Read(Space.APB, 16), bytes(7) + b"\xe0", RemoteViolationError, "apb_read at 0x0"),
        (Read(Space.TOP, 4), apb_replies(4, 1), RemoteViolationError, "apb_read_reply"),
        (FrameIn(4), axis_reply([1, 2]), RemoteViolationError, "2 words and an end that says 2"),
        (FrameIn(2), axis_reply([1, 2, 3, 4]), RemoteViolationError, "axis_read_reply"),
        (FrameIn(2), axis_reply([1, 2])[:-8] + axis_reply([]), RemoteViolationError, "says 0"),
        (FrameIn(2), axis_reply([1, 2]) + axis_reply([]), OutOfStepError, "nothing asked"),
        (Read(Space.APB, 16), apb_replies(16, 1) + b"x", OutOfStepError, "1 bytes"),
        (HostAction(), b"x", OutOfStepError, "1 bytes"),
        (HostAction(), apb_replies(0, 0), OutOfStepError, "apb_read_reply"),
    ],
)
def test_a_wrong_reply_is_an_error_for_good(
    request_: Request, reply: bytes, error: type[RemoteViolationError], found: str
) -> None:
    conversation = asked(request_)
    with pytest.raises(error, match=found) as caught:
        conversation.receive(reply, 0.0)
    assert not conversation.done
    assert conversation.deadline() is None
    with pytest.raises(error) as again:
        conversation.to_send(0.0)
    assert again.value is caught.value


@pytest.mark.fault
def test_a_silent_board_times_out_and_names_the_piece() -> None:
    conversation = asked(Read(Space.APB, BASE, 130))
    conversation.receive(apb_replies(BASE + 4 * np.arange(64), 0), 0.2)
    conversation.to_send(0.3)
    assert conversation.deadline() == 1.3
    with pytest.raises(RemoteSilenceError, match=r"piece 2 of 3: board answered nothing"):
        conversation.expire(1.3)
    assert conversation.timeouts == 1


@given(st.lists(st.binary(max_size=40), max_size=6))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_taken_or_raise_the_documented_errors(pieces: list[bytes]) -> None:
    conversation = ZynqConversation(build_units([FrameIn(4), Read(Space.APB, 0, 3)]))
    try:
        for piece in pieces:
            conversation.to_send(0.0)
            conversation.receive(piece, 0.0)
    except RemoteViolationError:
        assert not conversation.done


def test_writes_alone_are_done_once_sent() -> None:
    conversation = ZynqConversation(build_units([HostAction()]))
    assert not conversation.done
    with pytest.raises(LocalMisuseError, match="before the end"):
        conversation.result()
    conversation.to_send(0.0)
    assert conversation.deadline() is None
    assert conversation.result() == [None]


def test_limits_out_of_range_are_misuse() -> None:
    for limits in ({"reads_in_flight": 0}, {"timeout_s": 0}):
        with pytest.raises(LocalMisuseError):
            ZynqConversation(build_units([]), **limits)
