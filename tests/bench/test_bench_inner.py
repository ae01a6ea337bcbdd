"""How long the inner loops take, without a board. Nothing here fails for being slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from firmware_protocol.evk2 import acks
from firmware_protocol.evk2_conversation import Evk2Conversation
from firmware_protocol.evk2_plan import ReportPlan, build_reports
from firmware_protocol.requests import Space, Write
from hostrt.chip import get_chip
from hostrt.frames.frames import VectorSpec, normalize_inputs
from hostrt.sim.evk2 import VirtualEvk2
from hostrt.sim.spu import SimulatedSpu
from hostrt.transport.recording import Entry, encode_entry, pieces

if TYPE_CHECKING:
    from collections.abc import Callable

    Timed = Callable[..., Any]

LARGEST_PROGRAM_WORDS = 200_418
N_FRAMES = 10_000


def load(n_words: int = LARGEST_PROGRAM_WORDS) -> Write:
    return Write(Space.APB, 0x10_0000, np.arange(n_words, dtype=np.uint32), idempotent=True)


def converse(plan: ReportPlan, replies: bytes, window: int) -> Evk2Conversation:
    """Carry a whole conversation through with a board that takes no time."""
    conversation, taken = Evk2Conversation(plan, window=window), 0
    while not conversation.done:
        n_bytes = len(conversation.to_send(0.0))
        conversation.receive(replies[taken : taken + n_bytes], 0.0)
        taken += n_bytes
    return conversation


def test_building_the_reports_of_the_largest_program(timed: Timed) -> None:
    plan = timed(build_reports, [load()])
    assert len(plan) >= LARGEST_PROGRAM_WORDS // 14


@pytest.mark.parametrize("window", [1, 16])
def test_the_conversation_of_the_largest_program(timed: Timed, window: int) -> None:
    plan = build_reports([load()])
    replies = acks(plan.addresses).tobytes()
    conversation = timed(converse, plan, replies, window, rounds=3)
    assert conversation.retried == conversation.timeouts == 0


def test_a_virtual_board_that_is_sent_a_large_burst(timed: Timed) -> None:
    reports = build_reports([load(100_000)]).reports
    answers, counts = timed(VirtualEvk2(SimulatedSpu(get_chip("spu001"))).exchange, reports)
    assert len(answers) == len(counts) == len(reports)


def test_writing_down_a_large_load(timed: Timed) -> None:
    def write_down() -> bytes:
        return b"".join(encode_entry(Entry(part)) for part in pieces(load()))

    assert len(timed(write_down)) > 4 * LARGEST_PROGRAM_WORDS


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32])
def test_checking_an_array_of_frames(timed: Timed, dtype: type) -> None:
    frames = timed(normalize_inputs, np.zeros((N_FRAMES, 64), dtype), [VectorSpec("x", 64, 64, 16)])
    assert frames["x"].shape == (N_FRAMES, 64)


def test_checking_a_list_of_frames(timed: Timed) -> None:
    rows = [{"x": row} for row in np.zeros((N_FRAMES, 64), np.int16)]
    frames = timed(normalize_inputs, rows, [VectorSpec("x", 64, 64, 16)])
    assert frames["x"].shape == (N_FRAMES, 64)
