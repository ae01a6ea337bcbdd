"""Bounds with a wide margin: they catch a loop over words, not a busy machine."""

from __future__ import annotations

import time

import numpy as np
import pytest

from firmware_protocol.evk2 import acks
from firmware_protocol.evk2_conversation import Evk2Conversation
from firmware_protocol.evk2_plan import ReportPlan, build_reports
from firmware_protocol.requests import Space, Write

LARGEST_PROGRAM_WORDS = 200_418


def converse(plan: ReportPlan, replies: bytes, window: int) -> float:
    """Give the processor time of a whole conversation, seconds."""
    start, taken = time.process_time(), 0
    conversation = Evk2Conversation(plan, window=window)
    while not conversation.done:
        n_bytes = len(conversation.to_send(0.0))
        conversation.receive(replies[taken : taken + n_bytes], 0.0)
        taken += n_bytes
    return time.process_time() - start


@pytest.mark.parametrize(("window", "limit_s"), [(1, 0.3), (16, 0.1)])
def test_the_largest_program_costs_microseconds_per_report(window: int, limit_s: float) -> None:
    words = np.arange(LARGEST_PROGRAM_WORDS, dtype=np.uint32)
    start = time.process_time()
    plan = build_reports([Write(Space.APB, 0x10_0000, words, idempotent=True)])
    assert time.process_time() - start < 0.1
    replies = acks(plan.addresses).tobytes()
    assert min(converse(plan, replies, window) for _ in range(3)) < limit_s
