from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import LocalMisuseError, RemoteViolationError
from firmware_protocol.evk2 import (
    READ_COMMANDS,
    REPORT,
    WRITE_COMMANDS,
    Command,
    ack,
    acks,
    command_name,
    data_replies,
    data_reply,
    decode_requests,
    parse_replies,
    parse_report,
    supports_exec_time,
)
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
from tests.wire.wire_models import VECTORS, Case, load_cases, request_of, sides

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from firmware_protocol.words import Words

CASES = load_cases("evk2_packets.json")
EXCHANGES = [c for c in CASES if not c["name"].startswith(("fault", "manufacturer"))]
MANUFACTURERS = [c for c in CASES if c["name"].startswith("manufacturer")]
SESSIONS = sorted(VECTORS.glob("programs/*/evk2_session.json"))
FASTEST = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize("case", EXCHANGES, ids=lambda c: c["name"])
def test_golden_reports_are_byte_identical(case: Case) -> None:
    plan = build_reports([request_of(case)])
    assert plan.reports.tobytes() == b"".join(sides(case, "tx"))


def test_golden_exchanges_in_one_batch_are_byte_identical() -> None:
    plan = build_reports(request_of(case) for case in EXCHANGES)
    assert plan.reports.tobytes() == b"".join(b"".join(sides(c, "tx")) for c in EXCHANGES)
    assert plan.request_index[-1] == len(EXCHANGES) - 1


@pytest.mark.parametrize("case", EXCHANGES, ids=lambda c: c["name"])
def test_golden_replies_come_out_of_the_reply_encoders(case: Case) -> None:
    for raw in sides(case, "rx"):
        report = parse_report(raw)
        if report.command == Command.ACK:
            assert ack(report.address) == raw
        else:
            assert data_reply(report.command, report.address, report.words) == raw


PLAIN: dict[int, Callable[[int, Words], Request]] = {
    Command.RESET: lambda _address, _words: HostAction(),
    Command.APB_WRITE: lambda address, words: Write(Space.APB, address, words),
    Command.REGISTER_WRITE: lambda address, words: Write(Space.TOP, address, words),
    Command.APB_READ: lambda address, words: Read(Space.APB, address, words.size),
    Command.REGISTER_READ: lambda address, words: Read(Space.TOP, address, words.size),
    Command.EXEC_TIME_READ: lambda _address, _words: ExecTime(),
    Command.AXIS_READ_START: lambda _address, words: FrameIn(words.size),
}


def _grouped(tx: bytes) -> list[Request]:
    """Turn host reports back into requests of one report, or one stream message, each."""
    requests: list[Request] = []
    message: list[Words] = []
    columns = decode_requests(tx)
    for row in range(len(columns)):
        command, address = int(columns.command[row]), int(columns.address[row])
        words = columns.words[row, : columns.length[row]]
        if command in PLAIN:
            requests.append(PLAIN[command](address, words))
        elif command == Command.AXIS_READ:
            first = requests.pop()
            assert isinstance(first, FrameIn)
            requests.append(FrameIn(first.n_words + words.size))
        else:
            assert command in (Command.AXIS_WRITE, Command.AXIS_WRITE_END)
            message.append(words)
            if command == Command.AXIS_WRITE_END:
                requests.append(FrameOut(np.concatenate(message)))
                message = []
    assert not message
    return requests


@pytest.mark.parametrize("path", SESSIONS, ids=lambda p: p.parent.name)
def test_whole_sessions_decode_and_encode_to_the_same_bytes(path: Path) -> None:
    events = json.loads(path.read_text(encoding="utf-8"))["events"]
    tx = b"".join(bytes.fromhex(event["tx"]) for event in events if "tx" in event)
    columns = decode_requests(tx)
    assert set(columns.command.tolist()) <= {*READ_COMMANDS, *WRITE_COMMANDS}
    assert build_reports(_grouped(tx)).reports.tobytes() == tx


@pytest.mark.parametrize(
    ("n_words", "reports"),
    [
        (1, 1),
        (14, 1),
        (15, 2),
        (29, 3),
        (100, 8),
        (1024, 74),
        (1025, 75),
        (2050, 149),
        (16384, 1184),
    ],
)
def test_number_of_reports_of_a_burst(n_words: int, reports: int) -> None:
    assert len(build_reports([Read(Space.APB, 0, n_words)])) == reports
    across = build_reports([Write(Space.APB, 0, np.zeros(n_words, np.uint32))], pack_across=True)
    assert len(across) == -(-n_words // 14)


@given(
    n_words=st.integers(1, 3000),
    address=st.integers(0, 1 << 24),
    stride=st.sampled_from([1, 4]),
    pack_across=st.booleans(),
)
@FASTEST
def test_every_word_of_a_burst_travels_once_to_its_address(
    n_words: int, address: int, stride: int, pack_across: bool
) -> None:
    words = np.arange(1, n_words + 1, dtype=np.uint32)
    request = Write(Space.APB, address, words, stride=stride, idempotent=True)
    plan = build_reports([request], pack_across=pack_across)
    columns = decode_requests(plan.reports)
    lane = np.arange(14)
    used = lane < columns.length[:, np.newaxis]
    assert np.array_equal(columns.words[used], words)
    assert not columns.words[~used].any()
    where = columns.address[:, np.newaxis] + stride * lane
    assert np.array_equal(where[used], address + stride * np.arange(n_words))
    assert plan.idempotent.all()
    assert not plan.reply_words.any()


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 255),
            st.integers(0, 0xFFFF),
            st.integers(0, 2**32 - 1),
            st.lists(st.integers(0, 2**32 - 1), min_size=14, max_size=14),
        ),
        max_size=5,
    )
)
@FASTEST
def test_the_declared_layout_and_the_fast_codec_agree(
    rows: list[tuple[int, int, int, list[int]]],
) -> None:
    raw = [
        REPORT.build({"command": c, "reserved": 0, "length": n, "address": a, "words": w})
        for c, n, a, w in rows
    ]
    columns = parse_replies(b"".join(raw))
    for row, (command, n, address, words) in enumerate(rows):
        assert columns.command[row] == command
        assert columns.length[row] == n
        assert columns.address[row] == address
        assert columns.words[row].tolist() == words
        one = parse_report(raw[row])
        assert (one.command, one.n, one.address) == (command, n, address)
        assert one.words.tolist() == words[: min(n, 14)]


@given(st.binary(min_size=64, max_size=64))
@FASTEST
def test_any_64_bytes_parse_alike(raw: bytes) -> None:
    spec, fast = REPORT.parse(raw), parse_report(raw)
    assert (spec.command, spec.length, spec.address) == (fast.command, fast.n, fast.address)
    assert list(spec.words)[: min(fast.n, 14)] == fast.words.tolist()
    assert str(fast)


@given(
    command=st.sampled_from(sorted(READ_COMMANDS)),
    address=st.integers(0, 2**32 - 1),
    words=st.lists(st.integers(0, 2**32 - 1), max_size=14),
)
@FASTEST
def test_reply_encoders_follow_the_declared_layout(
    command: int, address: int, words: list[int]
) -> None:
    spec = REPORT.build(
        {
            "command": command,
            "reserved": 0,
            "length": len(words),
            "address": address,
            "words": words + [0] * (14 - len(words)),
        }
    )
    assert data_reply(command, address, words) == spec
    assert data_replies([command] * 2, [address] * 2, [words] * 2).tobytes() == spec * 2
    assert acks([address, address]).tobytes() == ack(address) * 2


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (HostAction(1, 0), "host action"),
        (Write(Space.AXIS, 0, np.zeros(2, np.uint32)), "no report"),
        (Read(Space.HOST, 0, 1), "no report"),
        (Write(Space.APB, 0, np.zeros(0, np.uint32)), "at least one word"),
        (Read(Space.APB, 0, 0), "at least one word"),
        (Read(Space.APB, 0xFFFF_FFFC, 2), "32 bits"),
        (Read(Space.APB, -4, 1), "32 bits"),
        (Read(Space.APB, 0, 2, stride=0), "32 bits"),
        (FrameOut(np.zeros(3, np.uint32)), "even"),
        (FrameIn(0), "even"),
    ],
)
def test_what_the_link_cannot_carry_is_misuse(request_: Request, fault: str) -> None:
    with pytest.raises(LocalMisuseError, match=fault):
        build_reports([request_])


def test_bytes_that_are_not_whole_reports_are_refused() -> None:
    with pytest.raises(RemoteViolationError, match="63 bytes"):
        parse_report(bytes(63))
    with pytest.raises(RemoteViolationError, match="65 bytes"):
        decode_requests(bytes(65))
    with pytest.raises(LocalMisuseError, match="15 words"):
        data_reply(4, 0, np.zeros(15))


@pytest.mark.parametrize("case", MANUFACTURERS, ids=lambda c: c["name"])
def test_execution_time_is_told_from_the_manufacturer(case: Case) -> None:
    manufacturer = case["name"].split("'")[1]
    assert supports_exec_time(manufacturer) is case["result"]["ok"]


def test_an_empty_plan_has_no_reports() -> None:
    plan = build_reports([])
    assert len(plan) == 0
    assert plan.reports.shape == (0, 64)


def test_commands_have_names() -> None:
    assert command_name(3) == "apb_write"
    assert command_name(77) == "code 77"
    assert "apb_read at 0x00000010 (report 1 of 1)" in build_reports(
        [Read(Space.APB, 16)]
    ).describe(0)
