"""What was prepared is given up when the memories behind it change, and never too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import Status, encode
from firmware_protocol.open_isa_ops import Op, Type
from hostrt.sim.isa.machine import Machine
from hostrt.sim.isa.memories import CoreMemories
from tests.sim.isa_compare import Content, Pair, run_both
from tests.sim.isa_strategies import PURE_OPS, instructions, random_words

if TYPE_CHECKING:
    from firmware_protocol.open_isa import Instruction

HALT = encode(Op.HALT)
WEIGHTS = 16
"""First of the 4 words of the weights."""
PRODUCT = encode(
    Op.MATVEC, n=4, k=8, a=0, w=WEIGHTS, stride=1, b=30, xt=Type.I8, yt=Type.I8, zt=Type.I32
)
SECOND_PC = 1 + len(PRODUCT) + 1
NO_WORDS = np.zeros(0, np.uint64)

WRITERS = {
    "copy": encode(Op.COPY, n=1, a=0, b=WEIGHTS + 3),
    "receive": encode(Op.RECV, n=1, a=WEIGHTS),
    "move": encode(Op.MOVE, n=1, outer=1, a=0, b=0, zo=8 * WEIGHTS + 5, xi=1, zi=1),
    "add": encode(Op.ADD, n=3, a=0, y=1, b=WEIGHTS + 1),
    "product": encode(Op.MATVEC, n=4, k=8, a=0, w=WEIGHTS, stride=1, b=WEIGHTS),
    "count": encode(Op.COUNT, n=3, a=WEIGHTS + 2, b=40),
    "look up": encode(Op.LUT, n=1, a=0, b=WEIGHTS, table=0, lo=0, hi=3),
}


def filled(code: list[int]) -> Content:
    dm = random_words(1, 48)
    dm[0] = 0x0102_0304_0506_0708
    dm[WEIGHTS : WEIGHTS + 4] = [0x0505_0505_0505_0505] * 4
    return Content(code, dm=dm, tm=[3] * 24)


@pytest.mark.parametrize("name", WRITERS)
def test_a_thread_that_writes_to_weights_that_were_used_changes_the_next_product(name: str) -> None:
    pair = Pair([filled([*PRODUCT, *HALT, *WRITERS[name], *HALT])])
    results = []
    for _ in range(3):
        pair.message(0, 1)
        results.append(pair.dm[30:32])
        pair.message(0, SECOND_PC, [12345] if name == "receive" else [])
    pair.message(0, 1)
    assert results[0] != results[1]


def test_weights_are_read_when_the_product_is_executed_not_when_it_is_prepared() -> None:
    code = [*WRITERS["receive"], *PRODUCT, *HALT]
    pair = Pair([filled(code)])
    for word in (0x0102_0304_0506_0708, 0, 2**64 - 1):
        pair.message(0, 1, [word])


def test_a_sliding_move_that_reaches_the_weights_late_changes_the_product() -> None:
    slide = encode(
        Op.MOVEL, n=1, outer=1, a=0, b=12, xt=3, zt=3, xi=1, zi=1, zl=1, reg=1
    )  # fmt: skip
    loop_pc = 1 + len(PRODUCT)
    loop = encode(Op.LOOP, n=6, b=1, reg=1)
    pair = Pair([filled([*PRODUCT, *slide, *loop, *HALT])])
    assert loop_pc == 4
    for _ in range(2):
        pair.message(0, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(instructions([*PURE_OPS, Op.MATVEC]), min_size=2, max_size=4), st.data())
def test_threads_that_use_and_overwrite_weights_in_any_order(
    program: list[Instruction], data: st.DataObject
) -> None:
    code: list[int] = []
    starts = []
    for instruction in program:
        starts.append(1 + len(code))
        code += [*instruction.words(), *HALT]
    pair = Pair([filled(code)])
    for pc in data.draw(st.lists(st.sampled_from(starts), max_size=6)):
        pair.message(0, pc)


def test_weights_that_the_host_changes_are_read_again() -> None:
    pair = Pair([filled([*PRODUCT, *HALT])])
    pair.message(0, 1)
    before = pair.dm[30]
    pair.poke(MemoryKind.DM, WEIGHTS, 0x7F7F_7F7F_7F7F_7F7F)
    pair.message(0, 1)
    assert pair.dm[30] != before


def test_a_table_that_the_host_changes_is_read_again() -> None:
    pair = Pair([filled([*WRITERS["look up"], *HALT])])
    pair.message(0, 1)
    for entry in range(4):
        pair.poke(MemoryKind.TM, entry, 7)
    pair.message(0, 1)
    assert pair.dm[WEIGHTS] & 0xFF == 7


def test_instructions_that_the_host_changes_are_decoded_again() -> None:
    pair = Pair([filled([*encode(Op.COPY, n=1, a=0, b=9), *HALT])])
    pair.message(0, 1)
    pair.poke(MemoryKind.IM, 1, encode(Op.COPY, n=1, a=3, b=9)[0])
    pair.message(0, 1)
    assert pair.dm[9] == pair.dm[3]
    pair.poke(MemoryKind.IM, 0, 0)
    pair.machine.message(0, 1, NO_WORDS)
    assert pair.machine.lost == 1


def test_power_that_comes_and_goes_is_noticed() -> None:
    on = {"now": True}
    blank = CoreMemories.blank(16, 16, 16)
    parts = (blank.im, blank.dm, blank.tm, blank.rq, blank.pb, blank.sb)
    memories = CoreMemories(*parts, powered=lambda kind, *_: kind is MemoryKind.IM or on["now"])
    memories.im[:3] = [0x4F50454E49534102, *encode(Op.COPY, n=1, a=0, b=9), *HALT]
    machine = Machine([memories])
    answers = []
    for on["now"] in (True, False, True):
        machine.power_changed(0)
        machine.message(0, 1, NO_WORDS)
        answers.append([int(message[0]) for message in machine.run()])
    assert answers == [[], [Status.BANK_OFF], []]


def test_counts_survive_a_change_of_the_program() -> None:
    pair = Pair([filled([*encode(Op.COPY, n=1), *HALT])])
    pair.message(0, 1)
    pair.poke(MemoryKind.IM, 1, encode(Op.COPY, n=2)[0])
    pair.message(0, 1)
    executed = pair.machine.executed(0)
    assert [(each.pc, each.done) for each in executed] == [(1, 1), (1, 1), (2, 2)]
    assert sum(each.cycles for each in executed) == 3 + 4 + 1 + 1
    pair.machine.reset_counts()
    assert pair.machine.executed(0) == []


def test_a_reset_forgets_what_ran_and_what_waits_but_no_memory() -> None:
    pair = run_both(filled([*encode(Op.SIGNAL, b=0), 0]))
    machine = pair.machine
    machine.message(0, 1, NO_WORDS)
    machine.reset()
    assert machine.run() == []
    assert (machine.frame_cycles, machine.total_cycles, machine.last_trap) == (0, 0, None)
    assert machine.executed(0) == []
    assert int(pair.memories[0].im[0])


def test_a_matrix_that_is_too_large_to_keep_is_multiplied_in_pieces() -> None:
    n, k = 3000, 900  # rows that are all the same words: more elements than are ever kept
    code = [
        *encode(Op.MATVEC, n=n, k=k, a=0, w=300, b=1000, stride=0, xt=1, yt=1, zt=3),
        *HALT,
    ]
    memories = CoreMemories.blank(16, 5000, 16)
    memories.im[: 1 + len(code)] = [0x4F50454E49534102, *code]
    memories.dm[:600] = random_words(3, 600)
    machine = Machine([memories])
    machine.message(0, 1, NO_WORDS)
    machine.run()
    x, w = (memories.dm[first : first + 225].view("<i2").astype(np.int64) for first in (0, 300))
    assert machine.last_trap is None
    assert memories.dm[1000:4000].view("<i8").tolist() == [int(x @ w)] * n


def test_a_move_in_a_long_loop_goes_wherever_the_register_says() -> None:
    rounds = 1100
    code = [
        *encode(Op.MOVEL, n=1, outer=1, a=0, b=0, xt=1, zt=1, xo=1, xi=1, zi=1, zl=1, xl=1, reg=3),
        *encode(Op.LOOP, n=rounds, b=1, reg=3),
        *HALT,
    ]
    pair = Pair([Content(code, dm=random_words(4, 300), dm_size=300)])
    pair.message(0, 1)
    pair.message(0, 1)
