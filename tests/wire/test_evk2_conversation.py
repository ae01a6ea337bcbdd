from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.conversation import WindowPolicy
from firmware_protocol.errors import (
    LocalMisuseError,
    OutOfStepError,
    RemoteRefusedError,
    RemoteSilenceError,
    RemoteViolationError,
)
from firmware_protocol.evk2 import Command, ack, acks, data_reply
from firmware_protocol.evk2_conversation import Evk2Conversation
from firmware_protocol.evk2_plan import build_reports
from firmware_protocol.requests import (
    ExecTime,
    FrameIn,
    FrameOut,
    HostAction,
    Read,
    Request,
    Space,
    Write,
)
from tests.wire.wire_models import Case, Fault, ModelEvk2, load_cases, request_of, sides, talk

CASES = load_cases("evk2_packets.json")
EXCHANGES = [c for c in CASES if not c["name"].startswith(("fault", "manufacturer"))]
SCRIPTED = [c for c in CASES if c["name"].startswith("fault") and "events" in c]
BASE = 0x10_0000


def write(n_words: int, address: int = BASE, *, idempotent: bool = True) -> Write:
    words = np.arange(1, n_words + 1, dtype=np.uint32)
    return Write(Space.APB, address, words, idempotent=idempotent)


@pytest.mark.parametrize("case", EXCHANGES, ids=lambda c: c["name"])
def test_golden_exchanges_run_report_by_report(case: Case) -> None:
    conversation = Evk2Conversation(build_reports([request_of(case)]))
    for event in case["events"]:
        if "tx" in event:
            assert bytes(conversation.to_send(0.0)).hex() == event["tx"]
        else:
            conversation.receive(bytes.fromhex(event["rx"]), 0.0)
    assert conversation.done
    [answer] = conversation.result()
    wanted = case["result"]["ok"]
    assert (None if answer is None else [f"{w:08x}" for w in answer]) == wanted


@pytest.mark.fault
@pytest.mark.parametrize("case", SCRIPTED, ids=lambda c: c["name"])
def test_golden_faults_end_in_a_documented_error(case: Case) -> None:
    reads = case["name"].endswith("_r")
    request: Request = Read(Space.APB, BASE, 2) if reads else write(2, idempotent=False)
    conversation = Evk2Conversation(build_reports([request]))
    accepted = not reads and case["result"].get("raises") is None
    conversation.to_send(0.0)
    if accepted:
        conversation.receive(b"".join(sides(case, "rx")), 0.0)
        assert conversation.done
        return
    with pytest.raises(RemoteViolationError):
        _play(conversation, sides(case, "rx"))
    with pytest.raises(RemoteViolationError):
        conversation.to_send(99.0)


def _play(conversation: Evk2Conversation, replies: list[bytes]) -> None:
    for raw in replies:
        conversation.receive(raw, 0.0)
    for now in range(1, 9):
        conversation.expire(2.0 * now)
        conversation.to_send(2.0 * now)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("reply", "error", "found"),
    [
        (data_reply(Command.APB_READ, BASE, [7]), RemoteViolationError, "1 words"),
        (data_reply(Command.APB_READ, BASE, [7] * 3), RemoteViolationError, "3 words"),
        (data_reply(Command.APB_READ, BASE, []), RemoteViolationError, "0 words"),
        (b"\x04\x00\xc8\x00" + BASE.to_bytes(4, "little") + bytes(56), RemoteViolationError, "200"),
        (data_reply(Command.ERROR, BASE, []), RemoteRefusedError, "error"),
        (data_reply(Command.TIMEOUT, 0, []), RemoteRefusedError, "timeout"),
        (data_reply(77, BASE, []), RemoteViolationError, "code 77"),
        (data_reply(Command.APB_WRITE, BASE, []), RemoteViolationError, "apb_write"),
        (data_reply(Command.REGISTER_READ, BASE, [1, 2]), OutOfStepError, "register_read"),
        (data_reply(Command.APB_READ, BASE + 4, [1, 2]), OutOfStepError, "00100004"),
        (ack(BASE + 4), OutOfStepError, "ack"),
        (bytes(63), RemoteViolationError, "63 bytes"),
    ],
)
def test_a_wrong_data_reply_is_an_error_for_good(
    reply: bytes, error: type[RemoteViolationError], found: str
) -> None:
    conversation = Evk2Conversation(build_reports([Read(Space.APB, BASE, 2)]))
    conversation.to_send(0.0)
    conversation.receive(ack(BASE), 0.0)
    with pytest.raises(error, match=found) as caught:
        conversation.receive(reply, 0.0)
    assert "apb_read at 0x00100000" in caught.value.request
    assert conversation.needs_fence
    assert conversation.deadline() is None
    assert not conversation.done
    for again in (conversation.result, lambda: conversation.expire(9.0)):
        with pytest.raises(error) as second:
            again()
        assert second.value is caught.value


def test_spontaneous_interrupts_are_counted_and_ignored() -> None:
    conversation = Evk2Conversation(build_reports([write(2)]))
    conversation.to_send(0.0)
    conversation.receive(data_reply(Command.INTERRUPT, 0, []) + ack(BASE), 0.5)
    assert (conversation.interrupts, conversation.done) == (1, True)


def test_the_window_bounds_what_is_in_flight_and_acks_open_it() -> None:
    conversation = Evk2Conversation(build_reports([write(14 * 10)]), window=4)
    assert len(conversation.to_send(0.0)) == 4 * 64
    assert len(conversation.to_send(0.0)) == 0
    conversation.receive(acks([BASE, BASE + 56]).tobytes(), 0.0)
    assert conversation.in_flight == 2
    assert len(conversation.to_send(0.0)) == 2 * 64
    assert conversation.answered == 2


def test_the_same_register_twice_in_a_row_is_never_twice_in_flight() -> None:
    control = write(1, 0x64, idempotent=False)
    plan = build_reports([control, write(1, 0x68), control, write(1, 0x6C)])
    conversation = Evk2Conversation(plan, window=16)
    assert len(conversation.to_send(0.0)) == 2 * 64
    conversation.receive(ack(0x64), 0.0)
    assert len(conversation.to_send(0.0)) == 2 * 64
    conversation.receive(ack(0x68) + ack(0x64), 0.0)
    assert not conversation.done
    conversation.receive(ack(0x6C), 0.0)
    assert conversation.result() == [None] * 4


@pytest.mark.fault
@pytest.mark.parametrize("idempotent", [True, False])
def test_a_lost_write_is_not_taken_for_acknowledged_by_a_read_of_its_address(
    idempotent: bool,
) -> None:
    board = ModelEvk2({0: "lose_request"})
    requests: list[Request] = [write(1, idempotent=idempotent), Read(Space.APB, BASE)]
    conversation = Evk2Conversation(build_reports(requests), window=16)
    if idempotent:
        talk(conversation, board, most_expiries=1)
        assert board.memory == {BASE: 1}
        return
    with pytest.raises(RemoteSilenceError, match="apb_write"):
        talk(conversation, board, most_expiries=1)


@pytest.mark.fault
def test_silence_repeats_idempotent_reports_twice_and_then_fails() -> None:
    conversation = Evk2Conversation(build_reports([write(28)]), window=2, timeout_s=0.5)
    first = bytes(conversation.to_send(1.0))
    assert conversation.deadline() == 1.5
    conversation.expire(1.4)
    assert conversation.timeouts == 0
    for _ in range(2):
        now = conversation.deadline()
        assert now is not None
        conversation.expire(now)
        assert bytes(conversation.to_send(now)) == first
    assert conversation.retried == 4
    with pytest.raises(RemoteSilenceError, match="3 tries"):
        conversation.expire(9.0)


@pytest.mark.fault
@pytest.mark.parametrize(
    "request_",
    [HostAction(), write(1, idempotent=False), FrameOut(np.zeros(2, np.uint32)), FrameIn(2)],
    ids=str,
)
def test_silence_after_what_must_not_be_repeated_is_an_error(request_: Request) -> None:
    conversation = Evk2Conversation(build_reports([request_]))
    conversation.to_send(0.0)
    with pytest.raises(RemoteSilenceError):
        conversation.expire(1.0)
    assert conversation.retried == 0


@pytest.mark.fault
def test_nothing_is_repeated_when_a_control_write_is_in_flight_behind_it() -> None:
    plan = build_reports([write(1), write(1, 0x64, idempotent=False)])
    conversation = Evk2Conversation(plan, window=2)
    conversation.to_send(0.0)
    with pytest.raises(RemoteSilenceError):
        conversation.expire(1.0)


@pytest.mark.fault
def test_a_read_whose_data_is_lost_is_asked_again() -> None:
    board = ModelEvk2({0: "lose_reply"}, memory={BASE: 5})
    conversation = Evk2Conversation(build_reports([Read(Space.APB, BASE)]))
    assert talk(conversation, board, most_expiries=1) == 1
    [answer] = conversation.result()
    assert answer is not None
    assert answer.tolist() == [5]
    assert (conversation.retried, conversation.needs_fence) == (1, True)


@pytest.mark.fault
def test_a_doubled_ack_of_a_memory_write_is_stale_and_of_a_control_write_out_of_step() -> None:
    memory = Evk2Conversation(build_reports([write(28)]))
    talk(memory, ModelEvk2({0: "double", 1: "double"}))
    assert memory.stale == 2
    control = Evk2Conversation(build_reports([write(1, 0x64, idempotent=False), write(1)]))
    with pytest.raises(OutOfStepError):
        talk(control, ModelEvk2({0: "double"}))


@pytest.mark.fault
def test_a_lost_ack_inside_a_wide_window_goes_back_to_the_oldest() -> None:
    board = ModelEvk2({2: "lose_reply"})
    conversation = Evk2Conversation(build_reports([write(14 * 40)]), window=8)
    assert talk(conversation, board, most_expiries=1) == 1
    assert [board.memory[BASE + 4 * i] for i in range(14 * 40)] == list(range(1, 14 * 40 + 1))
    assert 1 <= conversation.retried <= 8


@given(
    faults=st.dictionaries(
        st.integers(0, 40),
        st.sampled_from(["lose_request", "lose_reply", "double", "corrupt", "late"]),
        max_size=6,
    ),
    window=st.integers(1, 20),
    chunks=st.lists(st.integers(1, 30).map(lambda n: 64 * n), max_size=20),
    n_words=st.integers(1, 300),
)
@settings(max_examples=60, deadline=None)
@pytest.mark.fault
def test_any_faults_end_in_correct_memory_or_a_documented_error(
    faults: dict[int, Fault], window: int, chunks: list[int], n_words: int
) -> None:
    board = ModelEvk2(faults)
    plan = build_reports([write(n_words), Read(Space.APB, BASE, n_words)])
    conversation = Evk2Conversation(plan, window=window)
    try:
        talk(conversation, board, chunk_bytes=chunks, most_expiries=3 * len(faults) + 3)
    except RemoteViolationError:
        assert faults
        return
    wanted = list(range(1, n_words + 1))
    assert [board.memory[BASE + 4 * i] for i in range(n_words)] == wanted
    _, read = conversation.result()
    assert read is not None
    assert read.tolist() == wanted


@pytest.mark.fault
def test_a_read_that_is_repeated_does_not_see_a_write_that_comes_after_it() -> None:
    board = ModelEvk2({0: "lose_reply"}, memory={BASE: 7, BASE + 4: 8})
    requests: list[Request] = [Read(Space.APB, BASE, 2), write(1, BASE + 4)]
    conversation = Evk2Conversation(build_reports(requests), window=16)
    talk(conversation, board, most_expiries=1)
    [answer, _] = conversation.result()
    assert answer is not None
    assert answer.tolist() == [7, 8]
    assert board.memory[BASE + 4] == 1


ADDRESSES = st.integers(0, 6).map(lambda n: BASE + 28 * n)
WRITES = st.builds(
    lambda address, words, idempotent: Write(
        Space.APB, address, np.array(words, np.uint32), idempotent=idempotent
    ),
    ADDRESSES,
    st.lists(st.integers(0, 99), min_size=1, max_size=30),
    st.booleans(),
)
ANYTHING = st.one_of(
    WRITES,
    st.builds(lambda address, n: Read(Space.APB, address, n), ADDRESSES, st.integers(1, 30)),
    st.builds(lambda n: FrameOut(np.arange(2 * n, dtype=np.uint32)), st.integers(1, 12)),
    st.builds(lambda n: FrameIn(2 * n), st.integers(1, 12)),
)
PLACES = st.integers(0, 25)
LOSSES = st.dictionaries(PLACES, st.sampled_from(["lose_request", "lose_reply"]), max_size=4)
DOUBLES = st.dictionaries(PLACES, st.just("double"), max_size=4)


@given(
    requests=st.lists(ANYTHING, max_size=8),
    faults=st.one_of(LOSSES, DOUBLES),
    window=st.integers(1, 20),
    chunks=st.lists(st.integers(1, 4).map(lambda n: 64 * n), max_size=30),
)
@settings(max_examples=60, deadline=None)
@pytest.mark.fault
def test_whatever_is_lost_or_doubled_the_board_ends_as_if_nothing_was(
    requests: list[Request], faults: dict[int, Fault], window: int, chunks: list[int]
) -> None:
    plan = build_reports(requests)
    undisturbed, board = ModelEvk2(stream=list(range(400))), ModelEvk2(stream=list(range(400)))
    reference = Evk2Conversation(plan)
    talk(reference, undisturbed)
    board.faults = faults
    conversation = Evk2Conversation(plan, window=window)
    try:
        talk(conversation, board, chunk_bytes=chunks, most_expiries=3 * len(faults) + 3)
    except RemoteViolationError:
        assert faults
        return
    assert (board.memory, board.stream) == (undisturbed.memory, undisturbed.stream)
    for got, wanted in zip(conversation.result(), reference.result(), strict=True):
        assert (got is None) == (wanted is None)
        assert got is None or wanted is None or got.tolist() == wanted.tolist()


@given(
    replies=st.lists(
        st.one_of(
            st.binary(min_size=64, max_size=64),
            st.sampled_from([ack(BASE), ack(BASE + 56), data_reply(4, BASE, range(14))]),
        ),
        max_size=12,
    ),
    window=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_any_replies_are_taken_or_raise_the_documented_errors(
    replies: list[bytes], window: int
) -> None:
    conversation = Evk2Conversation(
        build_reports([write(20), Read(Space.APB, BASE, 20)]), window=window
    )
    try:
        for raw in replies:
            conversation.to_send(0.0)
            conversation.receive(raw, 0.0)
    except RemoteViolationError:
        assert not conversation.done


@pytest.mark.parametrize("window", [1, 3, 16, 62])
def test_a_mixed_batch_answers_each_request_on_its_own(window: int) -> None:
    frame = np.arange(30, dtype=np.uint32)
    requests: list[Request] = [
        HostAction(),
        write(40),
        Read(Space.APB, BASE, 33),
        Read(Space.APB, BASE + 4, 2),
        FrameOut(frame),
        ExecTime(),
        FrameIn(30),
    ]
    conversation = Evk2Conversation(build_reports(requests), window=window)
    talk(conversation, ModelEvk2(memory={0: 1234}))
    answers = [None if a is None else a.tolist() for a in conversation.result()]
    time_us = 0 if answers[5] == [0] else 1234
    assert answers == [None, None, list(range(1, 34)), [2, 3], None, [time_us], frame.tolist()]


def test_an_empty_plan_is_done_at_once() -> None:
    conversation = Evk2Conversation(build_reports([]))
    assert conversation.done
    assert len(conversation.to_send(0.0)) == 0
    assert conversation.deadline() is None
    conversation.receive(b"", 0.0)
    assert conversation.result() == []


@pytest.mark.parametrize("limits", [{"window": 0}, {"window": 63}, {"retries": -1}])
def test_limits_out_of_range_are_misuse(limits: dict[str, int]) -> None:
    with pytest.raises(LocalMisuseError):
        Evk2Conversation(build_reports([]), **limits)
    with pytest.raises(LocalMisuseError):
        Evk2Conversation(build_reports([]), timeout_s=0.0)


def test_a_result_before_the_end_is_misuse() -> None:
    conversation = Evk2Conversation(build_reports([write(1)]))
    with pytest.raises(LocalMisuseError, match="0 of 1"):
        conversation.result()


def test_the_window_widens_by_trial_and_never_after_a_failure() -> None:
    policy = WindowPolicy(8)
    assert (policy.window, policy.trial()) == (1, True)
    policy.succeeded()
    assert (policy.window, policy.trial()) == (8, False)
    policy.failed()
    assert (policy.window, policy.trial()) == (1, False)
    policy.succeeded()
    assert policy.window == 1
    assert not WindowPolicy(1).trial()
    for maximum in (0, 63):
        with pytest.raises(LocalMisuseError):
            WindowPolicy(maximum)
