"""What stops a thread of the C library, in which order, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa import MARK, Instruction, Status, encode
from firmware_protocol.open_isa_ops import FIELDS, Mode, Op
from tests.c.cases import Case, Core, blank, events, program, signed, start, stopped

if TYPE_CHECKING:
    from tests.c.cases import Result
    from tests.c.driver import Driver

HALT = encode(Op.HALT)
END = 96
"""Words of DM in these tests; bank 1, words 32 to 63, is off."""


def trap_case(words: tuple[int, ...]) -> Case:
    """Make a case of one instruction and HALT."""
    core = Core(
        program(words, HALT),
        signed(range(1, END + 1)),
        signed(range(64)),
        dm_bank=32,
        dm_power=0b101,
        tm_bank=16,
        tm_power=0b1101,
    )
    payload = (7,) if words[0] >> 56 == Op.RECV else ()
    return Case([core], [start(payload=payload)])


def verdict(case: Case, result: Result) -> tuple[str, int]:
    """Tell how the instruction ended and its cycles; when it stopped, nothing else happened."""
    (outcome,) = result.outcomes
    if not outcome.outputs or outcome.outputs[0][0] & 0xFF == Status.OK:
        return "OK", outcome.cycles - 5
    ((status, place),) = outcome.outputs
    assert place == (1,)
    assert result.dm_words().tolist() == list(range(1, END + 1))
    fetched = 1 + (int(case.cores[0].im[1]) >> 62)
    assert outcome.events == (events(im_reads=fetched),)
    return Status(status).name, outcome.cycles - 4


CHECKS: list[tuple[Op, dict[str, int], tuple[str, int]]] = [
    (Op.RECV, {"n": 1, "a": END - 1}, ("OK", 3)),
    (Op.RECV, {"n": 1, "a": END}, ("BAD_ADDRESS", 3)),
    (Op.RECV, {"n": 1, "a": 40}, ("BANK_OFF", 3)),
    (Op.RECV, {"n": 9, "a": 40}, ("BAD_MESSAGE", 11)),
    (Op.SEND, {"n": 0, "a": END}, ("OK", 3)),
    (Op.SEND, {"n": 0, "a": END + 1}, ("BAD_ADDRESS", 3)),
    (Op.SEND, {"n": 2, "a": 31}, ("BANK_OFF", 5)),
    (Op.SEND, {"n": 50, "a": 60}, ("BAD_ADDRESS", 53)),
    (Op.POST, {"n": 2, "a": 63, "core": 9}, ("BANK_OFF", 5)),
    (Op.POST, {"n": 2, "a": 64, "core": 9}, ("OK", 5)),
    (Op.COPY, {"n": 2, "a": 95, "b": 32}, ("BAD_ADDRESS", 4)),
    (Op.COPY, {"n": 2, "a": 32, "b": 95}, ("BANK_OFF", 4)),
    (Op.JZERO, {"a": END, "b": 9}, ("BAD_ADDRESS", 2)),
    (Op.JZERO, {"a": 33, "b": 9}, ("BANK_OFF", 2)),
    (Op.ADD, {"n": 9, "a": 95, "y": 32, "b": 96}, ("BAD_ADDRESS", 5)),
    (Op.ADD, {"n": 8, "a": 95, "y": 32, "b": 96}, ("BANK_OFF", 4)),
    (Op.ADD, {"n": 8, "a": 95, "b": 96}, ("BAD_ADDRESS", 4)),
    (Op.ADD, {"n": 8, "a": 95, "b": 63}, ("BANK_OFF", 4)),
    (Op.ADD, {"n": 8, "a": 95, "y": 9999, "mode": Mode.IMMEDIATE}, ("OK", 4)),
    (Op.ADD, {"n": 80, "a": 31, "mode": Mode.SCALAR_X}, ("OK", 13)),
    (Op.ADD, {"n": 8, "a": 32, "mode": Mode.SCALAR_X}, ("BANK_OFF", 4)),
    (Op.ADD, {"n": 0, "a": 32, "y": 32, "b": 32, "mode": Mode.SCALAR}, ("OK", 3)),
    (Op.ADD, {"n": 0, "y": END, "mode": Mode.SCALAR}, ("OK", 3)),
    (Op.ADD, {"n": 0, "y": END + 1, "mode": Mode.SCALAR}, ("BAD_ADDRESS", 3)),
    (Op.MOVE, {"n": 0, "a": 999, "outer": 1}, ("OK", 3)),
    (Op.MOVE, {"n": 9, "a": 999}, ("OK", 3)),
    (Op.MOVE, {"n": 2, "outer": 1, "xi": -1, "b": 33}, ("BAD_ADDRESS", 5)),
    (Op.MOVE, {"n": 2, "outer": 1, "a": 33, "zi": -1}, ("BANK_OFF", 5)),
    (Op.MOVE, {"n": 2, "outer": 1, "zi": -1}, ("BAD_ADDRESS", 5)),
    (Op.MOVE, {"n": 2, "outer": 1, "xi": 600}, ("BANK_OFF", 5)),
    (Op.MOVE, {"n": 2, "outer": 1, "xi": 768}, ("BAD_ADDRESS", 5)),
    (Op.MOVE, {"n": 2, "outer": 2, "xi": 8, "xo": 504, "xs": 8}, ("BANK_OFF", 7)),
    (Op.MOVE, {"n": 1, "outer": 1, "xo": 512, "xi": 1, "zi": 1}, ("OK", 4)),
    (Op.MATVEC, {"n": 1, "k": 8, "a": 32, "w": END}, ("BANK_OFF", 6)),
    (Op.MATVEC, {"n": 1, "k": 8, "w": END, "b": 32}, ("BAD_ADDRESS", 6)),
    (Op.MATVEC, {"n": 2, "k": 8, "stride": 96, "b": 32}, ("BAD_ADDRESS", 7)),
    (Op.MATVEC, {"n": 2, "k": 8, "stride": 64, "b": END}, ("BANK_OFF", 7)),
    (Op.MATVEC, {"n": 1, "k": 8, "has_init": 1, "init": 32, "b": END}, ("BANK_OFF", 6)),
    (Op.MATVEC, {"n": 1, "k": 8, "b": END}, ("BAD_ADDRESS", 6)),
    (Op.MATVEC, {"n": 0, "k": 8, "xo": 249}, ("BANK_OFF", 5)),
    (Op.MATVEC, {"n": 0, "k": 8, "xo": 248, "w": END, "b": END}, ("OK", 5)),
    (Op.MATVEC, {"n": 1, "xo": 768, "w": END + 1}, ("BAD_ADDRESS", 4)),
    (Op.MATVEC, {"n": 1, "xo": 776}, ("BAD_ADDRESS", 4)),
    (Op.MATVEC, {"n": 1, "xo": 775, "w": END, "b": 64}, ("OK", 4)),
    (Op.SUM, {"n": 2, "k": 5, "a": 95, "b": 32}, ("BAD_ADDRESS", 5)),
    (Op.SUM, {"n": 2, "k": 4, "a": 95, "b": 32}, ("BANK_OFF", 5)),
    (Op.SUM, {"n": 2, "a": END, "b": END - 1}, ("OK", 3)),
    (Op.LUT, {"n": 1, "a": 32, "table": 99}, ("BANK_OFF", 4)),
    (Op.LUT, {"n": 1, "table": 63, "hi": 1, "b": 32}, ("BAD_ADDRESS", 4)),
    (Op.LUT, {"n": 0, "table": 15, "hi": 1, "b": 32}, ("BANK_OFF", 3)),
    (Op.LUT, {"n": 1, "table": 14, "hi": 1, "b": END}, ("BAD_ADDRESS", 4)),
    (Op.LUT, {"n": 1, "table": 62, "lo": -1, "b": 1, "wide": 1}, ("BAD_ADDRESS", 5)),
    (Op.LUT, {"n": 1, "table": 62, "b": 1, "wide": 1}, ("OK", 5)),
    (Op.LUT, {"n": 1, "lo": -32768, "hi": 32767}, ("BAD_ADDRESS", 4)),
    (Op.COUNT, {"n": 1, "a": 32, "b": END}, ("BANK_OFF", 6)),
    (Op.COUNT, {"n": 1, "b": END}, ("BAD_ADDRESS", 6)),
    (Op.JZERO, {"a": 31, "b": 2, "xt": 3}, ("OK", 2)),
    (Op.COUNT, {"n": 1, "a": 31, "b": END - 1, "xt": 3, "zt": 3}, ("OK", 6)),
    (Op.COUNT, {"n": 1, "a": END - 1, "b": 31}, ("OK", 6)),
    (Op.ADD, {"n": 2, "a": 31, "xt": 3, "y": 94, "yt": 3, "mode": Mode.SCALAR_X}, ("OK", 5)),
    (Op.ADD, {"n": 2, "y": 31, "yt": 3, "mode": Mode.SCALAR}, ("OK", 4)),
    (Op.SUB, {"sx": 63, "sy": -63, "shift": -63, "rounded": 1, "bits": 63}, ("OK", 3)),
    (Op.SUB, {"sx": -63, "sy": 63, "shift": 63}, ("OK", 3)),
    (Op.LUT, {"sx": -63, "lo": -1, "hi": -1}, ("OK", 3)),
    (Op.LOOP, {"n": 1, "b": 9}, ("OK", 1)),
]

ILLEGAL: list[tuple[Op, dict[str, int]]] = [
    (Op.LOOP, {"n": 0, "b": 1}),
    (Op.COUNT, {"n": 0}),
    (Op.SIGNAL, {"b": 64}),
    (Op.LUT, {"lo": 1, "hi": 0}),
    (Op.LUT, {"sx": 64}),
    (Op.LUT, {"sx": -128}),
    (Op.ADD, {"sx": -64}),
    (Op.ADD, {"sy": 64}),
    (Op.ADD, {"shift": 64}),
    (Op.ADD, {"shift": 0, "rounded": 1}),
    (Op.ADD, {"shift": 1, "rounded": 1}),
    (Op.ADD, {"bits": 64}),
    (Op.ADD, {"mode": Mode.IMMEDIATE, "yt": 1}),
    (Op.SUM, {"shift": -64}),
    (Op.SUM, {"bits": 255}),
    (Op.MATVEC, {"rounded": 1}),
    (Op.MATVEC, {"init": 1}),
    (Op.MATVEC, {"it": 1}),
]


def test_operands_are_checked_in_the_order_of_the_document(driver: Driver) -> None:
    cases = [trap_case(encode(op, **fields)) for op, fields, _ in CHECKS]

    results = driver.run(cases)

    for (op, fields, expected), case, result in zip(CHECKS, cases, results, strict=True):
        assert verdict(case, result) == expected, (op, fields)


def test_what_the_document_calls_illegal_is_illegal(driver: Driver) -> None:
    whole = [(op, {f.name: fields.get(f.name, 0) for f in FIELDS[op]}) for op, fields in ILLEGAL]
    cases = [trap_case(Instruction(op, fields).words()) for op, fields in whole]

    results = driver.run(cases)

    for (op, fields), case, result in zip(ILLEGAL, cases, results, strict=True):
        assert verdict(case, result) == ("ILLEGAL_INSTRUCTION", 0), (op, fields)


def test_a_program_counter_outside_its_memory_stops_the_thread(driver: Driver) -> None:
    im = program(encode(Op.JUMP, b=0), encode(Op.JUMP, b=8), size=8)
    im[7] = 0xFF << 56  # three operand words that are not there
    for pc, where, fetched, cycles in (
        (0, 0, 0, 4),
        (1, 0, 1, 5),
        (2, 8, 1, 5),
        (7, 7, 0, 4),
        (2**32 - 1, 2**32 - 1, 0, 4),
    ):
        result = driver.one([Core(im)], start(pc))
        assert result.last.outputs == (stopped(Status.BAD_ADDRESS, where),)
        assert result.last.events == (events(im_reads=fetched),)
        assert result.last.cycles == cycles


def test_memory_that_was_never_written_or_is_off_is_illegal(driver: Driver) -> None:
    im = np.concatenate([program(encode(Op.JUMP, b=9), size=8), blank(8)])
    im[8:10] = HALT[0]
    for pc, power, where in ((1, 1, 9), (3, 3, 3)):
        result = driver.one([Core(im, im_bank=8, im_power=power)], start(pc))
        assert result.last.outputs == (stopped(Status.ILLEGAL_INSTRUCTION, where),)
    assert driver.one([Core(im, im_bank=8)], start(1)).last.outputs == ()


def test_a_version_that_is_not_known_stops_every_thread(driver: Driver) -> None:
    for version in (0, 3, 255):
        core = Core(program(HALT, mark=(MARK & ~0xFF) | version))
        result = driver.one([core], start(77, payload=(1,)))
        assert result.last.outputs == (stopped(Status.WRONG_VERSION, 77),)
        assert (result.last.cycles, result.last.events) == (4, (events(),))


def test_a_stopped_thread_leaves_what_it_sent_and_the_others(driver: Driver) -> None:
    im = program(encode(Op.SIGNAL, b=1), encode(Op.SEND, n=1), (0,), encode(Op.SEND, b=2), HALT)
    core = Core(im)
    core.pb[1] = 4
    result = driver.one([core], start())
    assert [header for header, _ in result.last.outputs] == [0x1F, 0x80, 2 << 32 | 0x1F]


def test_a_set_up_that_cannot_work_is_refused(driver: Driver) -> None:
    # one core, its limit of instructions, size and bank size of IM, DM and TM
    sound = [1, 99, 8, 8, 8, 8, 8, 8]
    for place, value in ((2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (4, 33 * 8)):
        words = [*sound]
        words[place] = value
        assert driver.ask(np.array([1, *words], np.uint64)).tolist() == [1, 3], words
    assert driver.ask(np.array([1, 0, 99], np.uint64)).tolist() == [1, 3]
    assert driver.ask(np.array([1, *sound], np.uint64)).tolist() == [1, 0]
