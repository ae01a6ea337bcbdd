"""Every kind of fault meets every kind of traffic: the right result or a named error, in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.faults import Fault, FaultPlan
from firmware_protocol.requests import FrameIn, FrameOut, Read, Space, Write
from hostrt.errors import (
    HostrtError,
    LinkCorrupt,
    LinkError,
    LinkLost,
    LinkOutOfStep,
    LinkRefused,
    LinkTimeout,
    UsageError,
)
from hostrt.transport.fakezynq import FakeZynqTransport
from hostrt.transport.faulty import FaultyLink, FaultyTransport
from hostrt.transport.url import open_transport
from tests.transport.boards import TcpServer, TinyEvk2, TinyZynq
from tests.transport.test_tcp_links import open_evk2
from tests.transport.test_usb import open_fake
from tests.transport.usb_backend import FakeUsbBoard

if TYPE_CHECKING:
    from hostrt.chip.step import Step
    from hostrt.transport.base import Transport

pytestmark = [pytest.mark.fault, pytest.mark.slow]

WORDS = np.arange(1, 1601, dtype=np.uint32) * 3
LOAD = Write(Space.APB, 0x10_0000, WORDS, idempotent=True)
BACK = Read(Space.APB, 0x10_0000, WORDS.size)
REGISTER = Write(Space.APB, 0x40, WORDS[:1])
FRAME: list[Step] = [FrameOut(WORDS[:16]), FrameIn(16)]
TRAFFIC: dict[str, list[Step]] = {
    "load": [LOAD],
    "read": [BACK],
    "registers": [REGISTER, Read(Space.APB, 0x40), REGISTER],
    "frame": [*FRAME],
}
ALWAYS_FATAL = {Fault.SILENCE, Fault.RESET, Fault.UNPLUG}
TIMEOUT_S = 0.15
"""Short, for it is waited out often; long enough for a busy computer to answer in time."""

LATE_S = 0.2
BOUND_S = 10.0
"""Far more than the few timeouts of any test: only what never ends takes this long."""


def run(transport: Transport, steps: list[Step]) -> HostrtError | None:
    """Carry out steps; check what is read when they succeed, give the error when not."""
    started = time.monotonic()
    failure = None
    try:
        answers = transport.execute(steps)
    except LinkError as error:
        failure = error
        answers = []
    assert failure is None or str(failure)
    for step, answer in zip(steps, answers, strict=failure is None):
        if isinstance(step, Read | FrameIn):
            assert answer is not None
            n_words = answer.size
            np.testing.assert_array_equal(answer, WORDS[:n_words])
    assert time.monotonic() - started < BOUND_S
    return failure


@pytest.mark.parametrize(
    ("kind", "window"), [*((kind, 1) for kind in TRAFFIC), ("load", 16), ("read", 16)]
)
@pytest.mark.parametrize("fault", Fault)
def test_evk2_survives_or_names_every_fault(fault: Fault, kind: str, window: int) -> None:
    board = TinyEvk2()
    board.apb[0x4_0000 : 0x4_0000 + WORDS.size] = WORDS
    with TcpServer(board) as server:
        url = f"evk2+tcp://{server.place}?simulated=yes&window={window}"
        # The fault hits the third answer: an acknowledgement or data in the middle of things.
        limits = f"timeout={TIMEOUT_S}&late={LATE_S}"
        with open_transport(f"faulty+{url}&plan={fault}@3&{limits}") as transport:
            error = run(transport, TRAFFIC[kind])
            if fault in ALWAYS_FATAL:
                expected = LinkTimeout if fault is Fault.SILENCE else LinkLost
                assert isinstance(error, expected)
                return
            repeatable = kind in ("load", "read")
            assert error is None or not repeatable
            # Whatever happened, the link finds its step again by itself.
            assert run(transport, [LOAD, BACK]) is None
            assert run(transport, [Read(Space.APB, 0x10_0000, 5)]) is None
        with open_transport(url) as transport:
            assert run(transport, [LOAD, BACK]) is None
    np.testing.assert_array_equal(board.apb[0x4_0000:][: WORDS.size], WORDS)


@pytest.mark.parametrize("seed", range(4))
def test_a_bad_cable_costs_time_but_no_words_of_a_load(seed: int) -> None:
    board = TinyEvk2()
    with TcpServer(board) as server:
        url = (
            f"faulty+evk2+tcp://{server.place}?simulated=yes&timeout={TIMEOUT_S}"
            f"&plan=lose~0.01,double~0.01&seed={seed}"
        )
        with open_transport(url) as transport:
            transport.execute([LOAD])
    np.testing.assert_array_equal(board.apb[0x4_0000:][: WORDS.size], WORDS)


def test_a_frame_is_never_sent_twice() -> None:
    board = TinyEvk2()
    with TcpServer(board) as server:
        url = f"faulty+evk2+tcp://{server.place}?simulated=yes&timeout={TIMEOUT_S}&plan=lose@1"
        with open_transport(url) as transport:
            with pytest.raises(LinkTimeout):
                transport.execute([FrameOut(WORDS[:4])])
            (words,) = transport.execute([FrameIn(4)])
        assert words is not None
        np.testing.assert_array_equal(words, WORDS[:4])
        assert not board.queue


def test_a_failed_trial_of_the_window_falls_back_for_good() -> None:
    with TcpServer(TinyEvk2()) as server:
        url = f"faulty+evk2+tcp://{server.place}?simulated=yes&timeout={TIMEOUT_S}&plan=lose@20"
        with open_transport(url) as transport:
            assert run(transport, [LOAD]) is None
            assert run(transport, [LOAD, BACK]) is None
            assert transport.window == 1


def test_a_lost_answer_over_usb_with_several_in_flight_is_asked_for_again() -> None:
    board = FakeUsbBoard()
    with open_fake(board, f"window=8&timeout={TIMEOUT_S}") as transport:
        assert run(transport, [LOAD]) is None
        assert transport.window == 8
        transport.wrap_link(lambda link, size: FaultyLink(link, FaultPlan.parse("lose@30"), size))
        assert run(transport, [LOAD, BACK]) is None
        assert transport.window == 1
        assert transport.stats.retried > 0


@pytest.mark.parametrize("kind", TRAFFIC)
@pytest.mark.parametrize("fault", Fault)
def test_zcu104_survives_or_names_every_fault(fault: Fault, kind: str) -> None:
    board = TinyZynq()
    board.apb[0x4_0000 : 0x4_0000 + WORDS.size] = WORDS
    with TcpServer(board) as server:
        url = f"zcu104://{server.place}?simulated=yes"
        limits = f"timeout={TIMEOUT_S}&late={LATE_S}"
        steps = [*TRAFFIC[kind], BACK] if kind == "load" else TRAFFIC[kind]
        with open_transport(f"faulty+{url}&plan={fault}@1&{limits}&seed=5") as transport:
            try:
                error = run(transport, steps)
            except AssertionError:
                # A stream has no checksum: damage inside a word cannot be seen by the link.
                assert fault is Fault.CORRUPT
                error = None
            if fault in (Fault.LOSE, Fault.SILENCE, Fault.LATE):
                assert isinstance(error, LinkTimeout | LinkCorrupt)
            if fault in (Fault.RESET, Fault.UNPLUG):
                assert isinstance(error, LinkLost)
            if fault is Fault.DOUBLE:
                assert isinstance(error, LinkCorrupt | LinkOutOfStep)
            if fault is Fault.SPLIT:
                assert error is None
            if fault not in ALWAYS_FATAL:
                time.sleep(LATE_S if fault is Fault.LATE else 0.0)
                assert run(transport, [LOAD, BACK]) is None
        with open_transport(url) as transport:
            assert run(transport, [LOAD, BACK]) is None


@pytest.mark.parametrize("fault", Fault)
def test_transports_without_a_link_fail_by_request(fault: Fault) -> None:
    inner = FakeZynqTransport(np.array(WORDS[:4]))
    with FaultyTransport(inner, FaultPlan.parse(f"{fault}@2")) as transport:
        transport.execute([Read(Space.APB, 0)])
        if fault is Fault.DOUBLE:
            assert transport.execute([Read(Space.APB, 0)])[0] is not None
        elif fault is Fault.CORRUPT:
            (words,) = transport.execute([Read(Space.APB, 0, 4)])
            assert words is not None
            changed = np.bitwise_xor(words, WORDS[:4])
            assert int(changed.max()).bit_count() == 1
        else:
            with pytest.raises(LinkError):
                transport.execute([Read(Space.APB, 0)])
        if fault in (Fault.UNPLUG, Fault.SILENCE):
            with pytest.raises(LinkError):
                transport.execute([Read(Space.APB, 0)])
        else:
            assert transport.execute([Read(Space.APB, 0)])[0] is not None


def test_a_refusal_of_the_board_is_not_repeated_and_the_next_request_works() -> None:
    class Refusing(TinyEvk2):
        n_refused = 0

        def answer(self, data: bytes) -> bytes:
            if data[4:8] == b"\x00\x00\x00\x70":
                self.n_refused += 1
                return bytes([11]) + bytes(63)
            return super().answer(data)

    board = Refusing()
    with TcpServer(board) as server, open_evk2(server) as transport:
        with pytest.raises(LinkRefused) as caught:
            transport.execute([Read(Space.APB, 0x7000_0000)])
        assert caught.value.hint
        assert board.n_refused == 1
        assert transport.execute([Read(Space.APB, 0)])[0] is not None


@pytest.mark.parametrize("options", ["plan=boom@1", "plan=lose@1&seed=x", "late=soon"])
def test_plans_that_make_no_sense_are_refused(options: str) -> None:
    with pytest.raises(UsageError, match="faulty"):
        open_transport(f"faulty+fakezynq://?{options}")
