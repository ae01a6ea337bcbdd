"""Threads, cores, order and time of the open instruction set, with figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_protocol.open_isa import LINK_WORDS, QUEUE_LENGTH, Status, encode
from firmware_protocol.open_isa_ops import Op
from tests.sim.isa_compare import DM, Content, Pair, run_both

HALT = encode(Op.HALT)


def send(word: int) -> tuple[int, ...]:
    """A thread that sends one word of DM to the mailbox of the same number: 4 + 4 + 1 cycles."""
    return *encode(Op.SEND, n=1, a=word, b=word), *HALT


def sent(pair: Pair) -> list[int]:
    """Give the mailboxes of the last run in order."""
    return [mailbox for mailbox, _, _ in pair.oracle.outputs]


def test_a_message_to_another_core_arrives_8_cycles_after_its_post_has_ended() -> None:
    first = Content([*encode(Op.POST, n=2, a=0, b=1, core=1), *HALT], dm=[11, 22])
    second = Content([*encode(Op.RECV, n=2, a=5), *encode(Op.SEND, n=2, a=5, b=3), *HALT])
    pair = Pair([first, second])
    pair.message(0, 1)
    # POST ends at 4 + 5, its message arrives at 17; then 4 + (2 + 2) + (3 + 2) + 1
    assert pair.machine.clocks == [10, 31]
    assert pair.machine.busy_cycles == [10, 14]
    assert pair.machine.frame_cycles == 31
    assert pair.oracle.outputs == [(3, 0x1F, [11, 22])]


def test_a_signalled_thread_starts_when_its_core_is_free() -> None:
    code = [*encode(Op.SIGNAL, b=2), *encode(Op.COPY, n=3, a=0, b=8), *HALT, *send(1)]
    pair = run_both(Content(code, pb=[0, 0, 4], sb=[0, 0, 0]))
    assert sent(pair) == [1]
    assert pair.machine.clocks == [(4 + 2 + 5 + 1) + (4 + 4 + 1)]


def test_a_thread_starts_when_as_many_signals_came_as_it_needs() -> None:
    other_bits = 0xABCD << 10
    code = [*encode(Op.SIGNAL, b=1), *HALT, *send(7)]
    pair = Pair([Content(code, pb=[0, 3], sb=[0, other_bits | 3 << 5 | 2])])
    boards = []
    for _ in range(5):
        pair.message(0, 1)
        boards.append((int(pair.memories[0].sb[1]) & 31, sent(pair)))
    assert boards == [(1, []), (3, [7]), (2, []), (1, []), (3, [7])]
    assert int(pair.memories[0].sb[1]) >> 10 == 0xABCD


def test_starts_that_are_equally_early_go_by_core_and_then_by_age() -> None:
    signals = [word for thread in (3, 1, 2) for word in encode(Op.SIGNAL, b=thread)]
    threads = [*send(1), *send(2), *send(3)]
    pair = run_both(Content([*signals, *HALT, *threads], pb=[0, 5, 7, 9]))
    assert sent(pair) == [3, 1, 2]


def test_what_can_begin_first_comes_first_whatever_its_core() -> None:
    # core 0 is busy until 4 + 5 + 4 + 1 = 14; what it posted to core 1 begins there at 16
    posts = [*encode(Op.POST, n=1, b=1, core=1), *encode(Op.SIGNAL, b=1), *HALT, *send(1)]
    pair = Pair([Content(posts, pb=[0, 5]), Content([*encode(Op.RECV, n=1), *send(9)])])
    pair.message(0, 1)
    assert sent(pair) == [1, 9]


def test_a_core_that_posts_to_itself_waits_for_the_message() -> None:
    code = [*encode(Op.POST, n=1, b=4, core=0), *HALT, *encode(Op.RECV, n=1, a=1), *send(1)]
    pair = run_both(Content(code, dm=[77]))
    assert pair.oracle.outputs == [(1, 0x1F, [77])]
    assert pair.machine.clocks == [4 + 4 + 8 + (4 + 3 + 4 + 1)]
    assert pair.machine.busy_cycles == [(4 + 4 + 1) + (4 + 3 + 4 + 1)]


def test_a_posted_message_holds_what_the_words_were_when_it_was_posted() -> None:
    code = [*encode(Op.POST, n=1, b=1, core=1), *encode(Op.COPY, n=1, a=1, b=0), *HALT]
    pair = Pair([Content(code, dm=[5, 6]), Content([*encode(Op.RECV, n=1), *send(0)])])
    pair.message(0, 1)
    assert pair.oracle.outputs == [(0, 0x1F, [5])]


@pytest.mark.parametrize("other", [Content(send(1), runs=False), Content(send(1), mark=0x1234)])
def test_messages_to_a_core_that_does_not_listen_are_lost(other: Content) -> None:
    code = [*encode(Op.POST, n=1, b=1, core=1), *encode(Op.POST, n=1, b=1, core=7), *HALT]
    pair = Pair([Content(code), other])
    pair.message(0, 1)
    pair.message(1, 1)
    pair.message(2, 1)
    pair.wake(1, 3)
    assert pair.machine.lost == 2 + 2 + 3
    assert pair.machine.last_trap is None


def test_the_65th_waiting_start_stops_the_thread_that_asks_for_it() -> None:
    code = [*encode(Op.SIGNAL, b=0), *encode(Op.LOOP, n=66, b=1), *HALT, *HALT]
    pair = run_both(Content(code, pb=[4]))
    assert pair.machine.last_trap is not None
    assert pair.machine.last_trap.status is Status.QUEUE_FULL
    # 64 signals and their loops, the signal that was one too many, and 64 threads of one HALT
    assert pair.machine.clocks == [4 + 64 * 3 + 2 + QUEUE_LENGTH * 5]


def test_a_signal_that_finds_the_queue_full_leaves_the_score_board_as_it_was() -> None:
    code = [*encode(Op.SIGNAL, b=0), *encode(Op.LOOP, n=64, b=1), *encode(Op.SIGNAL, b=1), *HALT]
    pair = run_both(Content(code, pb=[4, 4], sb=[0, 2 << 5 | 1]))
    assert pair.machine.last_trap is not None
    assert (pair.machine.last_trap.status, pair.machine.last_trap.pc) == (Status.QUEUE_FULL, 3)
    assert int(pair.memories[0].sb[1]) == 2 << 5 | 1


def test_a_message_to_a_core_whose_queue_is_full_is_not_sent() -> None:
    code = [*encode(Op.POST, n=1, b=1, core=1), *encode(Op.LOOP, n=65, b=1), *HALT]
    busy = Content([*encode(Op.RECV, n=1), *send(1)])
    pair = Pair([Content(code), busy])
    pair.message(0, 1)
    assert pair.machine.last_trap is not None
    assert pair.machine.last_trap.core == 0
    assert sent(pair) == [0] + [1] * QUEUE_LENGTH


def test_there_is_room_for_4096_words_of_messages_between_cores() -> None:
    size = LINK_WORDS // 2
    for rest, full in ((size, False), (size + 1, True)):
        posts = [*encode(Op.POST, n=size, b=5, core=0), *encode(Op.POST, n=rest, b=5, core=0)]
        content = Content([*posts, *HALT], dm_size=LINK_WORDS)
        pair = run_both(content)
        assert pair.machine.last_trap is not None
        expected = Status.QUEUE_FULL if full else Status.BAD_MESSAGE
        statuses = [status for _, status, _ in pair.oracle.outputs]
        assert statuses[0] == expected


def test_the_ready_queue_names_threads_and_the_program_buffer_their_pc() -> None:
    threads = [*send(1), *send(2), *send(3)]
    content = Content([*HALT, *threads], pb=[2, 4 | 5 << 32, 6], rq=[2, 64 + 1, 0, 0])
    pair = Pair([content])
    pair.wake(0, 3)
    assert sent(pair) == [3, 2, 1]
    assert pair.machine.clocks == [3 * 9]


def test_no_more_threads_are_woken_than_the_ready_queue_has_entries() -> None:
    pair = Pair([Content(HALT, pb=[1])])
    pair.wake(0, 1000)
    assert pair.machine.clocks == [QUEUE_LENGTH * 5]
    assert pair.machine.lost == 0


def test_a_frame_begins_with_the_message_after_an_answer_that_was_read() -> None:
    code = [*send(1), *encode(Op.RECV, n=1), *HALT]
    pair = Pair([Content(code)])
    clocks = []
    for pc, words, waits in (
        (3, 1, False),
        (1, 0, False),
        (3, 1, True),
        (3, 1, False),
        (3, 1, False),
    ):
        pair.message(0, pc, range(words), waits=waits)
        clocks.append(pair.machine.frame_cycles)
    # two inputs of 8 and 9 cycles; the answer waits for the third; then a new frame
    assert clocks == [8, 17, 25, 8, 16]


def test_a_lost_message_begins_no_frame() -> None:
    pair = Pair([Content(send(1)), Content(runs=False)])
    pair.message(0, 1)
    pair.message(1, 1)
    assert pair.machine.frame_cycles == 9
    pair.wake(0, 1)
    assert pair.machine.frame_cycles > 9


def test_loop_registers_belong_to_their_thread() -> None:
    # each thread leaves its loop register at 1 by jumping out of its loop
    code = [
        *encode(Op.MOVEL, n=1, outer=1, a=0, b=2, xt=3, zt=3, xi=1, zi=1, zl=1, reg=2),
        *encode(Op.LOOP, n=3, b=6, reg=2),
        *encode(Op.MOVEL, n=1, outer=1, a=0, b=2, xt=3, zt=3, xi=1, zi=1, zl=1, reg=2),
        *HALT,
    ]
    assert len(code) == 10
    pair = run_both(Content(code, dm=[9]))
    assert pair.dm[2:4] == [9, 9]
    pair.memories[0].dm[2:4] = 0
    pair.oracle.cores[0].dm[2:4] = [0, 0]
    pair.message(0, 1)
    assert pair.dm[2:4] == [9, 9]


def test_output_of_one_run_that_nobody_could_hold_is_lost() -> None:
    n = 30_000
    code = [*encode(Op.SEND, n=n), *encode(Op.LOOP, n=200, b=1), *HALT]
    pair = Pair([Content(code, dm_size=n)])
    pair.machine.message(0, 1, np.zeros(0, np.uint64))
    outputs = pair.machine.run()
    kept = (16 << 20) // (8 * (n + 1))
    assert len(outputs) == kept
    assert pair.machine.lost == 200 - kept


def test_memory_in_between_is_not_touched() -> None:
    assert run_both(Content([*encode(Op.COPY, n=2, a=0, b=4), *HALT], dm=range(1, DM))).dm[3] == 4
