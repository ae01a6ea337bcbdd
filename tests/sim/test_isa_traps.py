"""Why threads of the open instruction set stop, and which of several reasons is reported."""

from __future__ import annotations

import itertools

import pytest

from firmware_protocol.open_isa import MARK, Status, encode
from firmware_protocol.open_isa_ops import Op, Type
from tests.sim.isa_compare import DM, IM, TM, Content, Pair, run_both

HALT = encode(Op.HALT)
OFF = 40
"""A word of DM without power."""
PLACES = {"good": 0, "outside": DM, "off": OFF}
FAULTS = {"outside": Status.BAD_ADDRESS, "off": Status.BANK_OFF}

OPERANDS: dict[Op, tuple[str, ...]] = {
    Op.COPY: ("a", "b"),
    Op.ADD: ("a", "y", "b"),
    Op.SELECT: ("a", "y", "b"),
    Op.MATVEC: ("a", "w", "init", "b"),
    Op.SUM: ("a", "b"),
    Op.COUNT: ("a", "b"),
    Op.MOVE: ("a", "b"),
    Op.MOVEL: ("a", "b"),
    Op.SEND: ("a",),
    Op.POST: ("a",),
    Op.RECV: ("a",),
    Op.JZERO: ("a",),
    Op.LUT: ("a", "table", "b"),
}
"""Addresses in the order in which they are checked."""
MORE = {
    Op.MATVEC: {"k": 1, "has_init": 1},
    Op.SUM: {"k": 1},
    Op.MOVE: {"outer": 1},
    Op.MOVEL: {"outer": 1},
    Op.LUT: {"hi": 3},
    Op.POST: {"core": 9},
    Op.JZERO: {"b": 2},
}


def stopped_by(pair: Pair) -> Status:
    """Give the status of the last thread, which the oracle has confirmed."""
    assert pair.machine.last_trap is not None
    return pair.machine.last_trap.status


@pytest.mark.parametrize("op", OPERANDS, ids=lambda op: op.name)
def test_of_several_bad_operands_the_first_is_reported(op: Op) -> None:
    names = OPERANDS[op]
    for states in itertools.product(PLACES, repeat=len(names)):
        places = {name: PLACES[state] for name, state in zip(names, states, strict=True)}
        if "table" in places:
            places["table"] = {0: 0, DM: TM - 3, OFF: 10}[places["table"]]
        sizes = {} if op is Op.JZERO else {"n": 1}
        code = [*encode(op, **sizes, **MORE.get(op, {}), **places), *HALT]
        content = Content(code=code, off=frozenset({OFF}), tm_off=frozenset({12}))

        pair = run_both(content, [7] if op is Op.RECV else [])

        wrong = [FAULTS[state] for state in states if state in FAULTS]
        if wrong:
            assert stopped_by(pair) is wrong[0]
            assert pair.dm == [0] * DM
        else:
            assert pair.machine.last_trap is None


@pytest.mark.parametrize("name", ["xi", "xs", "xl"])
def test_a_move_from_an_element_below_0_is_a_bad_address(name: str) -> None:
    op = Op.MOVEL if name == "xl" else Op.MOVE
    fields = {"n": 2, "outer": 2, "a": 8, "b": 8, "xo": 1, name: -2}
    loop = encode(Op.LOOP, n=2, b=1)
    content = Content(code=[*encode(op, **fields), *loop, *HALT])
    assert stopped_by(run_both(content)) is Status.BAD_ADDRESS


def test_a_move_of_nothing_checks_nothing() -> None:
    for sizes in ({"n": 0, "outer": 3}, {"n": 3, "outer": 0}):
        code = [*encode(Op.MOVE, a=DM + 9, b=OFF, xi=-4, **sizes), *HALT]
        assert run_both(Content(code, off=frozenset({OFF}))).machine.last_trap is None


@pytest.mark.parametrize(("start", "status"), [(DM, None), (DM + 1, Status.BAD_ADDRESS)])
@pytest.mark.parametrize("op", [Op.ADD, Op.COPY, Op.SUM, Op.MATVEC, Op.SEND])
def test_nothing_may_start_anywhere_up_to_the_end(
    op: Op, start: int, status: Status | None
) -> None:
    code = [*encode(op, a=start, n=0), *HALT]
    pair = run_both(Content(code, off=frozenset(range(DM))))
    assert (stopped_by(pair) if pair.machine.last_trap else None) is status


def test_an_empty_x_of_a_product_lies_where_it_would_begin() -> None:
    last = {"xt": Type.I16, "xo": 4 * DM - 4}
    for a, trapped in ((1, False), (2, True)):
        pair = run_both(Content([*encode(Op.MATVEC, n=1, k=0, a=a, b=0, **last), *HALT]))
        assert (pair.machine.last_trap is not None) == trapped


def test_a_table_must_exist_even_when_nothing_is_looked_up() -> None:
    code = [*encode(Op.LUT, n=0, table=TM, hi=0), *HALT]
    assert stopped_by(run_both(Content(code))) is Status.BAD_ADDRESS


@pytest.mark.parametrize("payload", [0, 2])
def test_a_message_that_is_too_short_is_reported_before_the_address(payload: int) -> None:
    code = [*encode(Op.RECV, n=3, a=DM), *HALT]
    assert stopped_by(run_both(Content(code), range(payload))) is Status.BAD_MESSAGE


def test_a_thread_that_leaves_words_of_its_message_is_stopped_at_its_halt() -> None:
    pair = run_both(Content([*encode(Op.RECV, n=1, a=0), *HALT]), [5, 6])
    assert stopped_by(pair) is Status.BAD_MESSAGE
    assert pair.machine.last_trap is not None
    assert pair.machine.last_trap.pc == 2
    assert pair.dm[0] == 5
    assert pair.machine.busy_cycles == [4 + 3 + 1]


@pytest.mark.parametrize("word", [0, 1 << 56 | 1, 0x3F << 56, 0x08 << 56 | 64])
def test_an_illegal_instruction_takes_no_cycles(word: int) -> None:
    pair = run_both(Content([word]))
    assert stopped_by(pair) is Status.ILLEGAL_INSTRUCTION
    assert pair.machine.busy_cycles == [4]


def test_an_instruction_whose_operands_are_cut_off_is_outside_memory() -> None:
    code = [*HALT] * (IM - 2)
    for word in (0x7F << 56, 0xC0 << 56):  # no operation, and MOVEL
        pair = Pair([Content([*code, word])])
        pair.message(0, IM - 1)
        assert stopped_by(pair) is Status.BAD_ADDRESS
        assert sum(each.events.im_reads for each in pair.machine.executed(0)) == 0


@pytest.mark.parametrize("pc", [0, IM, 2**32 - 1])
def test_a_start_outside_memory_is_a_bad_address_at_that_word(pc: int) -> None:
    pair = Pair([Content(HALT)])
    pair.message(0, pc)
    assert stopped_by(pair) is Status.BAD_ADDRESS


def test_a_jump_outside_memory_is_reported_where_it_leads() -> None:
    for target in (0, IM, 65535):
        pair = run_both(Content(encode(Op.JUMP, b=target)))
        assert pair.machine.last_trap is not None
        assert (stopped_by(pair), pair.machine.last_trap.pc) == (Status.BAD_ADDRESS, target)


def test_a_thread_that_runs_off_the_end_of_memory_stops_there() -> None:
    pair = Pair([Content([*encode(Op.COPY)] * (IM - 1))])
    pair.message(0, IM - 2)
    assert pair.machine.last_trap is not None
    assert (stopped_by(pair), pair.machine.last_trap.pc) == (Status.BAD_ADDRESS, IM)


@pytest.mark.parametrize("version", [0, 3, 255])
def test_another_version_stops_every_thread_before_anything_else(version: int) -> None:
    pair = Pair([Content([0], mark=MARK & ~0xFF | version)])
    for pc in (1, IM):
        pair.message(0, pc)
        assert stopped_by(pair) is Status.WRONG_VERSION


def test_version_1_is_executed() -> None:
    assert run_both(Content(HALT, mark=MARK & ~0xFF | 1)).machine.last_trap is None


@pytest.mark.parametrize("limit", range(1, 9))
def test_a_runaway_stops_before_the_instruction_that_is_one_too_many(limit: int) -> None:
    code = [*encode(Op.COPY)] * 5 + [0, *HALT]
    pair = run_both(Content(code), most=limit)
    assert pair.machine.last_trap is not None
    expected = (Status.RUNAWAY, 1 + limit) if limit < 6 else (Status.ILLEGAL_INSTRUCTION, 6)
    assert (stopped_by(pair), pair.machine.last_trap.pc) == expected


def test_a_runaway_is_not_looked_at() -> None:
    pair = run_both(Content(encode(Op.JUMP, b=IM)), most=1)
    assert stopped_by(pair) is Status.RUNAWAY


def test_threads_share_the_limit_until_the_chip_rests() -> None:
    # pc 1: signals thread 0, which is the same code, forever
    pair = Pair([Content([*encode(Op.SIGNAL, b=0), *HALT], pb=[1])], most=7)
    pair.message(0, 1)
    assert stopped_by(pair) is Status.RUNAWAY
    assert pair.oracle.left == 0
    pair.message(0, 1)
    assert stopped_by(pair) is Status.RUNAWAY


def test_a_program_without_end_stops_after_a_million_instructions() -> None:
    pair = Pair([Content(encode(Op.JUMP, b=1))])
    pair.machine.message(0, 1, pair.memories[0].dm[:0])
    (message,) = pair.machine.run()
    assert int(message[0]) == Status.RUNAWAY
    assert pair.machine.total_cycles == 4 + 1_000_000
