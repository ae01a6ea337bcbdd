"""What links can carry, counted by hand where a hand can count it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.iospec import IoSequence, IOSpec, Vector
from firmware_protocol.memory import BankImage, MemoryKind
from hostrt import Program, open_board
from hostrt.board.budget import Budget, Cost, Verdict, cost_of, make_budget
from hostrt.board.traffic import traffic_of
from hostrt.chip import get_chip
from hostrt.chip.platform import EVK2, ZCU104
from hostrt.errors import ProgramUnsupported, RateImpossible, UsageError
from hostrt.sim.serving import ServeOptions, evk2_server
from hostrt.transport.rules import USB_SLOTS_S, LinkRules, Packets
from hostrt.transport.url import parse_url

if TYPE_CHECKING:
    from pathlib import Path

    from hostrt.board.traffic import Traffic

FULL_S = USB_SLOTS_S["full"]
SPU001 = get_chip("spu001")


def usb(window: int = 1, slot_s: float = FULL_S) -> LinkRules:
    return LinkRules(Packets.REPORTS, slot_s, window, least_wide=2, blocks=True)


def traffic(length: int = 128, *, exec_time: bool = True) -> Traffic:
    return traffic_of(Program.loopback(length=length), SPU001, EVK2, exec_time=exec_time)


def budget(period_s: float, **times: float) -> Budget:
    return make_budget("evk2://1", traffic(), usb(), period_s, **times)


def with_iospec(spec: IOSpec | None) -> Program:
    return replace(Program.loopback(), iospec=spec)


def vector(key: str, n_dwords: int = 1) -> Vector:
    return Vector(key, key, 4, 16, 4, length_64b_words=n_dwords, pc=0, core_id=0, mailbox_id=0)


# -- the arithmetic --------------------------------------------------------------------------------


@pytest.mark.parametrize("slot_s", USB_SLOTS_S.values())
@pytest.mark.parametrize(("length", "n_reports"), [(4, 1), (32, 2), (128, 5), (512, 19)])
def test_stop_and_wait_takes_two_slots_per_write_and_three_per_read(
    length: int, n_reports: int, slot_s: float
) -> None:
    # per frame: the message, one look for the output, the execution time, the output
    n_reads = n_reports + 2

    cost = cost_of(traffic(length), usb(slot_s=slot_s))

    assert cost.frame_s == pytest.approx((2 * n_reports + 3 * n_reads) * slot_s)
    assert (cost.n_sent, cost.n_received) == (n_reports + n_reads, n_reports + 2 * n_reads)


def test_a_board_that_tells_no_time_is_not_asked_for_it() -> None:
    asked, silent = (cost_of(traffic(exec_time=answers), usb()) for answers in (True, False))

    assert asked.frame_s - silent.frame_s == pytest.approx(3 * FULL_S)


def test_with_several_in_flight_a_frame_takes_what_the_slots_to_the_host_take() -> None:
    narrow, wide, wider = (cost_of(traffic(), usb(window)) for window in (1, 4, 62))

    # 19 packets to the host, and the turns of the two batches
    assert 19 * FULL_S <= wide.frame_s <= 23 * FULL_S < narrow.frame_s
    assert wider.frame_s == wide.frame_s
    assert narrow.n_received == wide.n_received == 19


def test_small_batches_go_one_at_a_time_where_the_link_says_so() -> None:
    choosy = replace(usb(4), least_wide=16)

    assert cost_of(traffic(), choosy).frame_s == cost_of(traffic(), usb(1)).frame_s
    assert cost_of(traffic(512), choosy).frame_s < cost_of(traffic(512), usb(1)).frame_s


def test_the_chips_time_is_waited_out_by_looking_again() -> None:
    quick, slow = (cost_of(traffic(), usb(), device_s=seconds) for seconds in (0.0, 20e-3))

    # each further look takes three slots, so the wait ends up to three slots late
    assert slow.frame_s - quick.frame_s == pytest.approx(20e-3, abs=3 * FULL_S)
    assert (slow.n_received - quick.n_received) % 2 == 0


@settings(deadline=None)
@given(
    length=st.integers(1, 600),
    window=st.integers(1, 62),
    slot_s=st.sampled_from([0.0, *USB_SLOTS_S.values()]),
    device_s=st.floats(0, 0.05),
)
def test_no_frame_is_faster_than_its_slots_and_its_chip(
    length: int, window: int, slot_s: float, device_s: float
) -> None:
    cost = cost_of(traffic(length), usb(window, slot_s), device_s=device_s)

    least = max(cost.n_received, cost.n_sent) * slot_s
    assert cost.frame_s >= least * (1 - 1e-9)
    assert cost.best_s >= device_s - 1e-6 * (slot_s or 1)
    assert math.isfinite(cost.frame_s)


@settings(deadline=None, max_examples=30)
@given(length=st.integers(1, 600), window=st.integers(1, 61))
def test_more_in_flight_never_costs_more(length: int, window: int) -> None:
    less, more = (cost_of(traffic(length), usb(size)) for size in (window, window + 1))

    assert more.frame_s <= less.frame_s * (1 + 1e-9)


def test_a_chip_that_takes_hours_is_counted_at_once() -> None:
    for slot_s in (0.0, FULL_S):
        cost = cost_of(traffic(), usb(slot_s=slot_s), device_s=1e4)

        assert cost.frame_s == pytest.approx(1e4, rel=1e-4)
        assert cost.n_sent > 1e6


def test_a_stream_costs_round_trips_and_no_slots() -> None:
    frames = traffic_of(Program.loopback(length=128), SPU001, ZCU104, exec_time=False)
    rules = LinkRules(Packets.UNITS)

    free, far = cost_of(frames, rules), cost_of(frames, rules, round_trip_s=2e-3)

    assert free.frame_s == 0
    # a look for the output and the output itself, 33 words of 64 bits
    assert far.frame_s == pytest.approx(2 * 2e-3)
    assert far.n_waits == 2


def test_a_chip_without_an_output_interrupt_is_given_its_fixed_time() -> None:
    chip = get_chip("spu150tc1")
    program = Program.loopback("spu150tc1", length=128)

    cost = cost_of(traffic_of(program, chip, EVK2, exec_time=True), usb())

    assert cost.frame_s >= 10e-3 + (2 * 5 + 3 * 6) * FULL_S


# -- what is sent ----------------------------------------------------------------------------------


def test_latched_inputs_cost_nothing_per_frame() -> None:
    inputs = {"x": vector("x"), "latched": vector("latched", 50)}
    spec = IOSpec(inputs, {"y": vector("y")}, {"s": IoSequence("s", {"x": 1}, {"y": 1})})

    frames = traffic_of(with_iospec(spec), SPU001, EVK2, exec_time=False).frames

    assert [len(item.messages) for rounds in frames for item in rounds] == [1]


def test_frames_of_several_rates_are_counted_over_a_whole_cycle() -> None:
    sequences = {"s": IoSequence("s", {"x": 3}, {"y": 1})}
    spec = IOSpec({"x": vector("x")}, {"y": vector("y")}, {}, sequences)

    found = traffic_of(with_iospec(spec), SPU001, EVK2, exec_time=False)

    assert [bool(rounds[0].fetch) for rounds in found.frames] == [False, False, True]
    assert not found.overlaps
    # three writes of two slots, a look and an output of three
    assert cost_of(found, usb()).frame_s == pytest.approx((3 * 2 + 2 * 3) * FULL_S / 3)


@pytest.mark.parametrize(
    "spec",
    [
        None,
        IOSpec(
            {"x": vector("x"), "z": vector("z")},
            {"y": vector("y")},
            {},
            {"s": IoSequence("s", {"x": 2, "z": 1}, {"y": 1})},
        ),
        IOSpec(
            {"x": vector("x", 1 << 31)},
            {"y": vector("y")},
            {"s": IoSequence("s", {"x": 1}, {"y": 1})},
        ),
    ],
)
def test_programs_that_cannot_be_followed_frame_by_frame_are_refused(spec: IOSpec | None) -> None:
    with pytest.raises(ProgramUnsupported):
        traffic_of(with_iospec(spec), SPU001, EVK2, exec_time=False)


# -- the verdict -----------------------------------------------------------------------------------


def test_a_period_that_is_long_enough_fits() -> None:
    found = budget(32e-3)

    assert found.verdict is Verdict.FITS
    assert found.largest_rate_hz == pytest.approx(1 / 31e-3)
    found.raise_if_impossible()


def test_a_rate_that_the_link_cannot_carry_is_refused_and_the_possible_one_named() -> None:
    with pytest.raises(RateImpossible) as refusal:
        budget(8e-3).raise_if_impossible()

    assert isinstance(refusal.value, UsageError)
    assert refusal.value.exit_code == 2
    assert "31 ms" in refusal.value.message
    assert "32.26 frames/s" in refusal.value.message
    assert "window=4 (22 ms" in refusal.value.hint
    assert "high-speed" in refusal.value.hint


def test_what_fits_only_overlapped_says_so() -> None:
    found = Budget("evk2://1", 10e-3, Cost(12e-3, 9e-3, 1, 1, 1), usb())

    assert found.verdict is Verdict.OVERLAPPED
    assert "12 ms (9 ms overlapped)" in found.describe()
    found.raise_if_impossible()


def test_the_chip_alone_can_be_too_slow() -> None:
    frames = traffic()

    found = make_budget("sim", frames, None, 8e-3, device_s=9e-3)

    assert found.verdict is Verdict.IMPOSSIBLE
    assert "the chip takes 9 ms" in found.describe()


def test_a_link_without_slots_is_not_limited() -> None:
    for rules in (None, LinkRules(Packets.UNITS), usb(slot_s=0.0)):
        found = make_budget("somewhere", traffic(exec_time=False), rules, 1e-6)

        assert found.verdict is Verdict.UNLIMITED
        assert found.largest_rate_hz is None
        assert "not limited" in found.describe()
        found.raise_if_impossible()


def test_a_measured_time_decides() -> None:
    frames = traffic(exec_time=False)

    slow, quick = (
        make_budget("zcu104://1", frames, LinkRules(Packets.UNITS), 8e-3, measured_s=seconds)
        for seconds in (9e-3, 2e-3)
    )

    assert (slow.verdict, quick.verdict) == (Verdict.IMPOSSIBLE, Verdict.FITS)
    assert "measured" in slow.describe()


@pytest.mark.parametrize("period_s", [0.0, -1.0, math.nan, math.inf])
def test_a_period_is_a_time(period_s: float) -> None:
    with pytest.raises(UsageError):
        budget(period_s)


@pytest.mark.parametrize("name", ["device_s", "round_trip_s", "measured_s"])
@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_what_is_known_of_times_is_a_time(name: str, seconds: float) -> None:
    with pytest.raises(UsageError):
        budget(0.1, **{name: seconds})


# -- boards know their links -----------------------------------------------------------------------


def test_a_virtual_board_knows_its_bus() -> None:
    program = Program.loopback(length=128)
    with open_board("evk2+sim://spu001?usb_speed=full") as board:
        found = board.budget(program, 8e-3)

    assert found.verdict is Verdict.IMPOSSIBLE
    assert found.frame_s == pytest.approx(31e-3)


@pytest.mark.parametrize("address", ["sim", "evk2+sim", "fakezynq"])
def test_boards_that_nothing_paces_are_not_limited(address: str) -> None:
    with open_board(address) as board:
        assert board.budget(Program.loopback(), 1e-3).verdict is Verdict.UNLIMITED


def test_a_wide_window_counts_only_where_loading_widens_it(tmp_path: Path) -> None:
    small = Program.loopback(length=128)
    zeros = np.zeros(1024, np.uint64)
    large = replace(small, banks=(*small.banks, BankImage(0, MemoryKind.DM, 1, zeros)))
    address = f"record+evk2+sim://spu001?window=4&usb_speed=high&to={tmp_path / 'trace'}"
    with open_board(address) as board:
        before = [board.budget(program, 1.0).frame_s for program in (small, large)]
        board.load(large)
        after = board.budget(large, 1.0).frame_s

    slot_s = USB_SLOTS_S["high"]
    assert before == pytest.approx([31 * slot_s, 22 * slot_s])
    assert after == before[1]


def test_the_address_of_a_served_board_tells_what_paces_it() -> None:
    url, server = evk2_server("127.0.0.1:0", ServeOptions(usb_speed="full"))
    with server, open_board(url) as board:
        found = board.budget(Program.loopback(length=128), 8e-3)

    assert parse_url(url).options["usb_speed"] == "full"
    assert found.frame_s == pytest.approx(31e-3)
    with pytest.raises(UsageError, match="usb_speed"):
        open_board(url.replace("usb_speed=full", "usb_speed=warp"))
