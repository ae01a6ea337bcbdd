"""When packets move on a simulated bus, on clocks that the tests turn themselves."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.evk2_conversation import Evk2Conversation
from firmware_protocol.evk2_plan import build_reports
from firmware_protocol.faults import FaultPlan
from firmware_protocol.requests import Read, Request, Space, Write
from hostrt.chip import get_chip
from hostrt.sim.evk2 import VirtualEvk2
from hostrt.sim.pacing import SLOTS_S, Bus
from hostrt.sim.port import Port, PortOptions
from hostrt.sim.sessions import Evk2Session
from hostrt.sim.spu import SimulatedSpu

if TYPE_CHECKING:
    from collections.abc import Callable

SALT = 0x1C
START_S = 0.5
PACED = ["full", "high"]


class Clock:
    """Stands still, or moves a little each time somebody looks."""

    def __init__(self, tick_s: float = 0.0) -> None:
        self.now = START_S
        self.tick_s = tick_s

    def __call__(self) -> float:
        self.now += self.tick_s
        return self.now

    def go_to(self, when: float | None) -> None:
        """Move to just after `when`."""
        assert when is not None
        self.now = max(self.now, when + 1e-7)


def make_port(clock: Callable[[], float], **options: object) -> Port:
    board = VirtualEvk2(SimulatedSpu(get_chip("spu001")))
    return Port(board, PortOptions(**options), clock=clock)  # type: ignore[arg-type]


def salts(n: int) -> list[Request]:
    return [Write(Space.APB, SALT, np.array([i], np.uint32)) for i in range(n)]


def reports(requests: list[Request]) -> bytes:
    return build_reports(requests).reports.tobytes()


def slots_since_start(when: float, speed: str) -> float:
    """Give slots, without the little that a clock is ahead of them."""
    return round((when - START_S) / SLOTS_S[speed], 2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 0.01), st.lists(st.integers(0, 2), min_size=1, max_size=9)),
        min_size=1,
        max_size=8,
    )
)
def test_the_schedule_uses_each_slot_once_and_answers_after_requests(
    batches: list[tuple[float, list[int]]],
) -> None:
    bus, now, last_done, last_ready = Bus(1e-3), 0.0, 0.0, 0.0
    for pause, answers in batches:
        now += pause
        done, ready = bus.send(now, np.array(answers, np.int64))
        assert done >= max(now, last_done) + (len(answers) - 1) * 1e-3 - 1e-9
        times = [last_ready, *ready.tolist()]
        assert all(b - a > 0.99e-3 for a, b in pairwise(times) if a)
        if answers[-1]:
            assert ready[-1] > done
        last_done, last_ready = done, times[-1]


@pytest.mark.parametrize("speed", PACED)
def test_one_report_after_the_other_takes_two_slots_each(speed: str) -> None:
    clock, n = Clock(), 60
    port = make_port(clock, usb_speed=speed)
    for request in salts(n):
        port.post(reports([request]))
        assert port.ready() == []
        clock.go_to(port.next_ready())
        assert len(port.ready()) == 1
    assert slots_since_start(clock.now, speed) == 2 * n


@pytest.mark.parametrize("speed", PACED)
def test_reports_handed_over_together_take_one_slot_each(speed: str) -> None:
    clock, n = Clock(), 60
    port = make_port(clock, usb_speed=speed)
    port.post(reports(salts(n)))
    for slot in range(2, n + 2):
        clock.go_to(port.next_ready())
        assert slots_since_start(clock.now, speed) == slot
        assert len(port.ready()) == 1
    assert port.next_ready() is None


def test_a_read_request_costs_three_slots() -> None:
    clock, n = Clock(), 50
    port = make_port(clock, usb_speed="full")
    for _ in range(n):
        port.post(reports([Read(Space.APB, SALT)]))
        for _ in range(2):
            clock.go_to(port.next_ready())
            assert len(port.ready()) == 1
    assert slots_since_start(clock.now, "full") == 3 * n


@pytest.mark.parametrize("window", [1, 2, 8, 16])
def test_a_conversation_with_a_window_keeps_the_bus_busy(window: int) -> None:
    """Two slots a report one after the other; one slot a report, and a last answer, otherwise."""
    words = np.arange(1400, dtype=np.uint32)
    plan = build_reports([Write(Space.APB, 0x10_0000, words, idempotent=True)])
    n = len(plan.reports)
    assert n >= 100
    clock = Clock()
    port = make_port(clock, usb_speed="high")
    conversation = Evk2Conversation(plan, window=window)
    while not conversation.done:
        if packets := conversation.to_send(clock.now):
            port.post(packets)
        clock.go_to(port.next_ready())
        conversation.receive(b"".join(port.ready()), clock.now)
    assert slots_since_start(clock.now, "high") == (2 * n if window == 1 else n + 1)
    assert conversation.retried == conversation.stale == 0


def test_waiting_callers_are_let_go_when_their_packets_are_through() -> None:
    """The same schedule through the calls that wait: time passes with every look."""
    n = 30
    clock = Clock(tick_s=5e-6)
    port = make_port(clock, usb_speed="high")
    for request in salts(n):
        assert port.write(reports([request])) == 1
        assert len(port.read(1)) == 1
    slots = (clock.now - START_S) / SLOTS_S["high"]
    assert 2 * n - 1 <= slots <= 2 * n + 1
    begin = clock.now
    assert port.write(reports(salts(n))) == n
    assert len(port.read(n)) == n
    slots = (clock.now - begin) / SLOTS_S["high"]
    assert n <= slots <= n + 2


def test_a_bus_moves_only_the_reports_that_fit_into_the_time() -> None:
    clock = Clock(tick_s=1e-6)
    port = make_port(clock, usb_speed="full")
    assert 4 <= port.write(reports(salts(10)), timeout_s=0.005) <= 5


def test_a_served_board_keeps_the_pace_of_its_bus() -> None:
    clock, n = Clock(), 100
    session = Evk2Session(make_port(clock, usb_speed="full", is_stream=True))
    session.received(reports(salts(n)))
    assert session.backlog() == n
    for slot in range(2, n + 2):
        assert session.ready() == []
        clock.go_to(session.next_due())
        assert slots_since_start(clock.now, "full") == slot
        assert [len(piece) for piece in session.ready()] == [64]
    assert session.next_due() is None


@pytest.mark.fault
def test_a_split_answer_of_a_served_board_comes_in_two_segments() -> None:
    clock = Clock()
    session = Evk2Session(make_port(clock, faults=FaultPlan.parse("split@1"), is_stream=True))
    session.received(reports(salts(1)))
    pieces = session.ready()
    assert [len(piece) for piece in pieces] == [13]
    assert session.ready() == []
    clock.go_to(session.next_due())
    pieces += session.ready()
    assert b"".join(pieces) == bytes([0, 0, 0, 0, SALT]).ljust(64, b"\0")


@pytest.mark.fault
def test_a_late_answer_comes_late_and_keeps_those_behind_it() -> None:
    clock = Clock()
    port = make_port(clock, faults=FaultPlan.parse("late@3"), late_s=0.02)
    port.write(reports(salts(20)))
    assert len(port.ready()) == 2
    clock.now = START_S + 0.019
    assert port.ready() == []
    clock.now = START_S + 0.021
    assert len(port.ready()) == 18
