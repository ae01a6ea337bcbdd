"""Threads, messages, order, time and events in the C library: numbers worked out by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.open_isa import LINK_WORDS, MARK, Status, encode
from firmware_protocol.open_isa_ops import Op
from tests.c.cases import (
    Case,
    Core,
    Drained,
    Message,
    Wake,
    blank,
    events,
    program,
    sent,
    signed,
    start,
    stopped,
)

if TYPE_CHECKING:
    from tests.c.cases import Action
    from tests.c.driver import Driver

HALT = encode(Op.HALT)


def send(a: int = 0, b: int = 0, n: int = 1) -> tuple[int, ...]:
    return encode(Op.SEND, n=n, a=a, b=b)


def test_loopback_is_the_listing_of_the_document(driver: Driver) -> None:
    listing = "4F50454E49534102 0200000400000000 0300000400000004 0400000400040000 0100000000000000"
    im = blank()
    im[:5] = [int(word, 16) for word in listing.split()]

    result = driver.one([Core(im)], start(payload=(10, 20, 30, 2**64 - 1)))

    assert result.last.outputs == (sent(0, 10, 20, 30, 2**64 - 1),)
    assert result.last.cycles == 12 + 3 * 4
    assert result.last.busy == (24,)
    assert result.last.events == (events(im_reads=4, dm_reads=8, dm_writes=8, stream_words=4 + 5),)


def test_a_program_marked_with_version_1_runs(driver: Driver) -> None:
    result = driver.one([Core(program(send(), HALT, mark=MARK - 1))], start())
    assert result.last.outputs == (sent(0, 0),)


def test_a_message_is_received_in_pieces(driver: Driver) -> None:
    im = program(
        encode(Op.RECV, n=2, a=5), encode(Op.RECV, n=0, a=0), encode(Op.RECV, n=1, a=5), HALT
    )
    result = driver.one([Core(im)], start(payload=(1, 2, 3)))
    assert list(result.dm_words()[5:7]) == [3, 2]
    assert result.last.cycles == 4 + 4 + 2 + 3 + 1


@pytest.mark.parametrize(("payload", "pc"), [((1,), 1), ((1, 2, 3), 2)])
def test_a_message_of_the_wrong_length_stops_the_thread(
    driver: Driver, payload: tuple[int, ...], pc: int
) -> None:
    im = program(encode(Op.RECV, n=2, a=0), HALT)
    result = driver.one([Core(im)], start(payload=payload))
    assert result.last.outputs == (stopped(Status.BAD_MESSAGE, pc),)
    assert result.last.cycles == {1: 4 + 4, 2: 4 + 4 + 1}[pc]
    assert list(result.dm_words()[:2]) == ([0, 0] if pc == 1 else [1, 2])


def test_loops_nest_and_begin_again(driver: Driver) -> None:
    count = encode(Op.ADD, n=1, a=0, b=0, xt=3, zt=3, mode=2, y=1)  # 2 words
    inner = encode(Op.LOOP, n=3, b=1, reg=1)
    outer = encode(Op.LOOP, n=5, b=1, reg=3)
    result = driver.one([Core(program(count, inner, outer, HALT))], start())
    assert result.dm_words()[0] == 15
    assert result.last.cycles == 4 + 15 * (4 + 1) + 5 + 1
    assert result.last.events == (
        events(im_reads=15 * 3 + 5 + 1, dm_reads=15, dm_writes=15, lane_ops=15),
    )


def test_moves_of_whole_words_take_a_cycle_per_word(driver: Driver) -> None:
    words = {"n": 9, "xt": 1, "zt": 1, "outer": 1, "xi": 1, "zi": 1}
    by_loop = {**words, "xl": 4, "zl": -4, "reg": 1}
    moves = [
        (Op.MOVE, words, 3),
        (Op.MOVE, {**words, "n": 8, "xo": 4, "zo": 8, "xs": 1, "zs": 1}, 2),
        (Op.MOVE, {**words, "xo": 2}, 9),
        (Op.MOVE, {**words, "zo": 6}, 9),
        (Op.MOVE, {**words, "xi": 2}, 9),
        (Op.MOVE, {**words, "zi": 0}, 9),
        (Op.MOVE, {**words, "outer": 2}, 18),
        (Op.MOVE, {**words, "xt": 0, "zt": 1}, 9),
        (Op.MOVE, {**words, "n": 0}, 0),
        (Op.MOVEL, by_loop, 3),
        (Op.MOVEL, {**by_loop, "xl": 6}, 9),
        (Op.MOVEL, {**by_loop, "zl": -2}, 9),
    ]
    cases = [Case([Core(program(encode(op, **f), HALT))], [start()]) for op, f, _ in moves]

    results = driver.run(cases)

    for (op, fields, count), result in zip(moves, results, strict=True):
        length = 4 if op is Op.MOVEL else 3
        expected = events(im_reads=length + 1, dm_reads=count, dm_writes=count)
        assert result.last.cycles == 4 + 3 + count + 1, fields
        assert result.last.events == (expected,), fields


def test_jumps_depend_on_one_element(driver: Driver) -> None:
    im = program(
        encode(Op.JZERO, a=0, b=4, xt=0),  # 256 is zero as i8
        send(1),
        HALT,
        encode(Op.JZERO, a=0, b=2, xt=1),
        encode(Op.JUMP, b=7),
        send(2),
        HALT,
    )
    result = driver.one([Core(im, signed([256], 8))], start())
    assert result.last.outputs == ()
    assert result.last.cycles == 4 + 2 + 2 + 1 + 1


def test_signals_start_a_thread_when_none_is_missing(driver: Driver) -> None:
    im = program(encode(Op.SIGNAL, b=7), encode(Op.SIGNAL, b=7), HALT, send(3), HALT)
    core = Core(im)
    core.pb[7] = 0xFFFF_FFFF << 32 | 4
    core.sb[7] = 0xABC << 10 | 3 << 5 | 3
    case = Case([core], [start(), start()])

    (result,) = driver.run([case])

    assert [len(outcome.outputs) for outcome in result.outcomes] == [0, 1]
    # 3 missing, 2, 1; started and 3 again, 2
    assert np.frombuffer(result.sb[0], np.uint64)[7] == 0xABC << 10 | 3 << 5 | 2
    # two threads of 4 + 2 + 2 + 1, one of 4 + 4 + 1
    assert result.last.busy == (27,)
    assert result.last.events == (events(im_reads=2 * 3 + 2, dm_reads=1, stream_words=2),)


def test_the_ready_queue_starts_its_threads_in_order(driver: Driver) -> None:
    im = program(send(b=1), HALT, send(b=2), HALT)
    core = Core(im)
    core.pb[:2] = [1, 3]
    core.rq[:3] = [1, 64, 1]  # bits 5..0 name the thread

    (result,) = driver.run([Case([core], [Wake(0, 3), Wake(0, 0), Wake(0, 1 << 20)])])

    assert result.outcomes[0].outputs == (sent(2, 0), sent(1, 0), sent(2, 0))
    assert result.outcomes[1].outputs == ()
    assert len(result.outcomes[2].outputs) == 64
    assert result.last.cycles == 9 * 67


def test_messages_between_cores_travel_8_cycles(driver: Driver) -> None:
    post = encode(Op.POST, n=2, a=0, b=3, core=1)
    first = Core(program(post, HALT), signed([11, 22], 8))
    second = Core(program(HALT, HALT, encode(Op.RECV, n=2, a=1), send(1, 9, 2), HALT))
    third = Core(program(HALT))

    result = driver.one([first, second, third], start())

    assert result.last.outputs == (sent(9, 11, 22),)
    # POST ends at 4 + 5, the message arrives at 17; the thread takes 4 + 4 + 5 + 1
    assert result.last.cycles == 17 + 14
    assert result.last.busy == (10, 14, 0)
    assert result.last.events == (
        events(im_reads=3, dm_reads=2, link_words=3),
        events(im_reads=3, dm_reads=2, dm_writes=2, stream_words=2 + 3),
        events(),
    )


def test_the_earliest_start_is_next_then_the_lowest_core_then_the_first_asked(
    driver: Driver,
) -> None:
    send_pc = 20
    im = program(
        encode(Op.POST, n=0, a=0, b=send_pc, core=1),  # ends at 7, arrives at 15
        encode(Op.SIGNAL, b=0),  # ends at 9; the core is free at 15
        encode(Op.POST, n=0, a=0, b=send_pc + 2, core=1),  # arrives at 20
        HALT,
        size=16,
    )
    im = np.concatenate([im, program(send(b=1), HALT, send(b=2), HALT, send(b=3), HALT)[1:]])
    im = np.concatenate([im[:16], blank(4), im[16:]])
    first, second = Core(im), Core(im.copy())
    first.pb[0] = send_pc + 4

    result = driver.one([first, second], start())

    # thread 0 of core 0 ends at 4 + 3 + 2 + 3 + 1 = 13 and its signal begins there;
    # core 1 begins at 15, is free at 24 and goes on with what arrived at 4 + 8 + 8 = 20
    assert [header >> 32 for header, _ in result.last.outputs] == [3, 1, 2]
    assert result.last.busy == (13 + 9, 18)
    assert result.last.cycles == 15 + 18


def test_equal_starts_are_taken_by_core_and_then_in_order(driver: Driver) -> None:
    posts = [encode(Op.POST, n=0, b=pc, core=core) for core, pc in ((1, 20), (0, 22), (0, 20))]
    im = program(*posts, HALT, size=20)
    im = np.concatenate([im, program(send(b=1), HALT, send(b=2), HALT)[1:]])

    result = driver.one([Core(im), Core(im.copy())], start())

    # they arrive at 15, 18 and 21; core 0 is free at 14 and begins at 18 and 27
    assert [header >> 32 for header, _ in result.last.outputs] == [1, 2, 1]
    assert result.last.cycles == 27 + 9


def test_a_message_to_nobody_is_lost(driver: Driver) -> None:
    im = program(
        encode(Op.POST, n=1, b=1, core=2),
        encode(Op.POST, n=1, b=1, core=3),
        encode(Op.POST, n=1, b=1, core=1),
        HALT,
    )
    stopped_core = Core(program(HALT), runs=False)
    unmarked = Core(program(HALT, mark=MARK ^ 1 << 8))
    unpowered = Core(program(HALT), im_power=0)

    nobody: list[Action] = [
        start(core=1),
        start(core=2),
        start(core=3),
        start(core=4),
        Message(()),
        Wake(1, 1),
    ]

    (result,) = driver.run(
        [Case([Core(im), stopped_core, unmarked, unpowered], [*nobody, start()])]
    )

    assert [outcome.is_taken for outcome in result.outcomes] == [False] * 6 + [True]
    assert result.last.outputs == ()
    assert result.last.busy == (4 + 3 * 4 + 1, 0, 0, 0)
    assert result.last.events[0].link_words == 6


def test_a_frame_begins_after_one_whose_output_was_read(driver: Driver) -> None:
    im = program(HALT, send(), HALT)
    read, to_nobody = Drained(), start(9, core=1)
    actions: list[Action] = [
        start(1),
        start(2),
        start(1),
        read,
        to_nobody,
        start(1),
        start(1),
        read,
        start(2),
    ]
    case = Case([Core(im)], [*actions, read, to_nobody])

    (result,) = driver.run([case])

    cycles = [outcome.cycles for outcome in result.outcomes]
    # 5, then 9 that send, 5 more while output waits; lost; a frame: 5, 5, nothing was sent: 9
    assert cycles == [5, 14, 19, 19, 5, 10, 19, 19]
    assert [outcome.events[0].im_reads for outcome in result.outcomes] == [1, 3, 4, 4, 1, 2, 4, 4]


def test_runs_can_be_cut_into_slices_of_any_length(driver: Driver) -> None:
    im = program(
        encode(Op.ADD, n=1, a=0, b=0, xt=3, zt=3, mode=2, y=1),
        encode(Op.LOOP, n=9, b=1),
        encode(Op.POST, n=1, a=0, b=7, core=0),
        HALT,
        encode(Op.RECV, n=1, a=1),
        send(1),
        HALT,
    )
    case = Case([Core(im)], [start()])
    whole, sliced = driver.run([case])[0], driver.run([case], budget=1)[0]
    assert whole == sliced
    assert whole.last.outputs == (sent(0, 9),)


def test_messages_wait_with_their_words(driver: Driver) -> None:
    posts = [encode(Op.POST, n=n, a=n, b=pc, core=0) for n, pc in ((3, 20), (0, 23), (2, 24))]
    im = program(*posts, HALT, size=20)
    late = program(encode(Op.RECV, n=3, a=30), send(30, 1, 3), HALT, HALT, size=5)[1:]
    last = program(encode(Op.RECV, n=2, a=40), send(40, 2, 2), HALT)[1:]
    core = Core(np.concatenate([im, late, last]), signed(range(64)))

    result = driver.one([core], start())

    assert result.last.outputs == (sent(1, 3, 4, 5), sent(2, 2, 3))


def test_the_65th_waiting_start_stops_who_asked_for_it(driver: Driver) -> None:
    signal, post = encode(Op.SIGNAL, b=0), encode(Op.POST, n=0, b=9, core=0)
    for ask, loop, cycles in ((signal, 1, 2), (post, 1, 3)):
        im = program(ask, encode(Op.LOOP, n=100, b=loop), HALT, size=9)
        core = Core(np.concatenate([im, program(HALT, HALT)[1:]]))
        core.pb[0] = 9
        result = driver.one([core], start())
        assert result.last.outputs == (stopped(Status.QUEUE_FULL, 1),)
        assert result.last.busy == (4 + 64 * (cycles + 1) + cycles + 64 * 5,)


def test_words_that_find_no_room_stop_who_sent_them(driver: Driver) -> None:
    half = LINK_WORDS // 2
    posts = [encode(Op.POST, n=n, a=0, b=30, core=1) for n in (half, half - 1, 1, 0, 1)]
    im = program(*posts, HALT)
    receiver = program(HALT, size=30)
    receiver = np.concatenate([receiver, program(encode(Op.RECV, n=half), HALT)[1:]])

    result = driver.one([Core(im, blank(half)), Core(receiver, blank(half))], start())

    assert result.last.outputs == (
        stopped(Status.QUEUE_FULL, 9),
        *(stopped(Status.BAD_MESSAGE, 30, 1) for _ in range(3)),
    )


@pytest.mark.slow
def test_a_million_instructions_are_too_many(driver: Driver) -> None:
    # 5 + 2 * 499_995 instructions without an end, then all that waits
    im = program(
        encode(Op.SIGNAL, b=0),
        encode(Op.SIGNAL, b=0),
        encode(Op.JUMP, b=3),
    )
    core = Core(im)
    core.pb[0] = 1

    result = driver.one([core], start())

    assert result.last.outputs == tuple(stopped(Status.RUNAWAY, pc) for pc in (3, 1, 1))
    assert result.last.busy == (4 + 2 * 2 + 999_998 + 2 * 4,)
    assert result.last.events[0].im_reads == 1_000_000


@pytest.mark.slow
def test_threads_that_start_each_other_for_ever_are_stopped(driver: Driver) -> None:
    core = Core(program(encode(Op.SIGNAL, b=0), HALT))
    core.pb[0] = 1
    (result,) = driver.run([Case([core], [start(), start(2)])])
    assert result.outcomes[0].outputs == (stopped(Status.RUNAWAY, 1),)
    assert result.outcomes[0].busy == (500_000 * 7 + 4,)
    assert result.last.outputs == ()


def test_execution_times_are_rounded_to_even(driver: Driver) -> None:
    times = [(0, 32768, 1), (3, 2_000_000, 1), (5, 2_000_000, 1), (7, 2_000_000, 1)]
    times += [(123_456_789, 32768 * 4578, 1), (10**12, 819_200 * 8192, 64 * 16), (12, 819_200, 7)]
    for cycles, hz_n, hz_d in times:
        exact = Fraction(cycles * 1_000_000 * hz_d, hz_n)
        assert driver.time_us(cycles, hz_n, hz_d) == max(1, round(exact))
