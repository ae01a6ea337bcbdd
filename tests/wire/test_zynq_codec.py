from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import LocalMisuseError, RemoteViolationError
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
from firmware_protocol.zynq import (
    UNIT,
    Code,
    apb_replies,
    axis_reply,
    code_name,
    decode_units,
    encode_units,
    parse_units,
    top_replies,
    units_to_bytes,
)
from firmware_protocol.zynq_plan import build_units
from tests.wire.wire_models import VECTORS, Case, load_cases, request_of, sides

if TYPE_CHECKING:
    from pathlib import Path

CASES = [c for c in load_cases("zynq_streams.json") if "events" in c]
EXCHANGES = [c for c in CASES if "ok" in c["result"]]
SESSIONS = sorted(VECTORS.glob("programs/*/zynq_session.json"))
FASTEST = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize("case", EXCHANGES, ids=lambda c: c["name"])
def test_golden_sends_are_byte_identical_piece_by_piece(case: Case) -> None:
    plan = build_units([request_of(case)])
    assert [bytes(piece) for piece in plan.messages()] == sides(case, "tx")


def test_golden_exchanges_in_one_batch_are_byte_identical() -> None:
    plan = build_units(request_of(case) for case in EXCHANGES)
    sent = [piece for case in EXCHANGES for piece in sides(case, "tx")]
    assert [bytes(piece) for piece in plan.messages()] == sent
    assert plan.data == b"".join(sent)


@pytest.mark.parametrize("case", EXCHANGES, ids=lambda c: c["name"])
def test_golden_replies_come_out_of_the_reply_encoders(case: Case) -> None:
    for raw in sides(case, "rx"):
        columns = decode_units(raw)
        if columns.code[0] == Code.AXIS_READ_REPLY:
            assert axis_reply(columns.data[:-1]) == raw
        elif columns.code[0] == Code.APB_READ_REPLY:
            assert apb_replies(columns.address, columns.data) == raw
        else:
            assert top_replies(columns.address, columns.data) == raw


def _requests_of(tx: bytes) -> list[Request]:
    """Turn the units of one send call back into requests of one unit, or one message, each."""
    columns = decode_units(tx)
    if columns.code[0] == Code.AXIS_WRITE:
        assert columns.address.tolist() == [0] * (len(columns) - 2) + [1, 5]
        return [FrameOut(columns.data)]
    requests: list[Request] = []
    for code, address, word in zip(columns.code, columns.address, columns.data, strict=True):
        words, where = np.array([word], np.uint32), int(address)
        made: dict[int, Request] = {
            Code.APB_WRITE: Write(Space.APB, where, words),
            Code.TOP_WRITE: Write(Space.TOP, where, words),
            Code.APB_READ: Read(Space.APB, where),
            Code.TOP_READ: Read(Space.TOP, where),
            Code.HOST_WRITE: HostAction(),
            Code.AXIS_READ: FrameIn(2 * where),
        }
        requests.append(made[int(code)])
    return requests


@pytest.mark.parametrize("path", SESSIONS, ids=lambda p: p.parent.name)
def test_whole_sessions_decode_and_encode_to_the_same_bytes(path: Path) -> None:
    events = json.loads(path.read_text(encoding="utf-8"))["events"]
    sent = [bytes.fromhex(event["tx"]) for event in events if "tx" in event]
    requests = [request for piece in sent for request in _requests_of(piece)]
    assert build_units(requests).data == b"".join(sent)
    assert sum(isinstance(request, FrameOut) for request in requests) >= 2


FIELDS = st.tuples(st.integers(0, 15), st.integers(0, 2**28 - 1), st.integers(0, 2**32 - 1))


@given(st.lists(FIELDS, max_size=8))
@FASTEST
def test_the_declared_layout_and_the_fast_codec_agree(rows: list[tuple[int, int, int]]) -> None:
    spec = b"".join(
        UNIT.build({"head": {"code": code, "address": address}, "data": data})
        for code, address, data in rows
    )
    columns = decode_units(spec)
    fast = zip(columns.code.tolist(), columns.address.tolist(), columns.data.tolist(), strict=True)
    assert list(fast) == rows
    encoded = encode_units(columns.code, columns.address, columns.data)
    assert units_to_bytes(encoded) == spec
    assert np.array_equal(parse_units(spec), encoded)


@given(st.binary(min_size=8, max_size=8))
@FASTEST
def test_any_8_bytes_parse_alike(raw: bytes) -> None:
    spec, fast = UNIT.parse(raw), decode_units(raw)
    assert (spec.head.code, spec.head.address) == (fast.code[0], fast.address[0])
    assert spec.data == fast.data[0]


@given(n_words=st.integers(1, 1500), address=st.integers(0, 1 << 20))
@FASTEST
def test_a_burst_is_one_unit_per_word_in_pieces_of_at_most_512_bytes(
    n_words: int, address: int
) -> None:
    words = np.arange(n_words, dtype=np.uint32)
    plan = build_units([Write(Space.APB, address, words)])
    columns = decode_units(plan.data)
    assert np.array_equal(columns.address, address + 4 * np.arange(n_words))
    assert np.array_equal(columns.data, words)
    sizes = [len(piece) for piece in plan.messages()]
    assert sum(sizes) == 8 * n_words
    assert sizes[:-1] == [512] * (len(sizes) - 1)


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (Read(Space.APB, 0x2000_0000), "SPU-150"),
        (Write(Space.APB, 0x0FFF_FFFC, np.zeros(2, np.uint32)), "SPU-150"),
        (Write(Space.TOP, 1 << 28, np.zeros(1, np.uint32)), "SPU-150"),
        (Read(Space.APB, -4), "rising"),
        (Read(Space.APB, 0, 0), "one word"),
        (ExecTime(), "execution time"),
        (HostAction(1, 0), "host action"),
        (Read(Space.AXIS, 0), "no unit"),
        (FrameOut(np.zeros(3, np.uint32)), "even"),
        (FrameIn(1), "even"),
    ],
)
def test_what_the_link_cannot_carry_is_misuse(request_: Request, fault: str) -> None:
    with pytest.raises(LocalMisuseError, match=fault):
        build_units([request_])


def test_half_a_unit_is_refused_and_codes_have_names() -> None:
    with pytest.raises(RemoteViolationError, match="12 bytes"):
        decode_units(bytes(12))
    assert (code_name(2), code_name(14)) == ("axis_read", "code 14")


def test_pieces_are_named() -> None:
    plan = build_units([Write(Space.APB, 0, np.zeros(1, np.uint32)), Read(Space.APB, 64, 130)])
    assert plan.describe(0) == "write apb 0x0 (1 words)"
    assert plan.describe(2) == "read apb 0x40 (130 words), piece 2 of 3"


def test_an_empty_plan_sends_nothing() -> None:
    plan = build_units([])
    assert (len(plan), plan.data, plan.messages()) == (0, b"", [])
