"""Looking on while a machine works, and what is counted without looking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from firmware_protocol.open_isa import encode
from firmware_protocol.open_isa_cost import Events, cycles_of, events_of
from firmware_protocol.open_isa_ops import Op
from tests.sim.isa_compare import Content, Pair
from tests.sim.isa_strategies import contents

if TYPE_CHECKING:
    from firmware_protocol.open_isa import Instruction
    from hostrt.sim.isa.traps import Trap

HALT = encode(Op.HALT)


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.instructions: list[tuple[int, int, Instruction, int]] = []
        self.threads: list[tuple[int, int, int, int, str]] = []

    def executed(self, core: int, pc: int, instruction: Instruction, end: int) -> None:
        self.instructions.append((core, pc, instruction, end))

    def ended(self, core: int, pc: int, begin: int, end: int, trap: Trap | None) -> None:
        self.threads.append((core, pc, begin, end, trap.status.name if trap else ""))


def test_every_instruction_is_told_with_its_place_and_time() -> None:
    notes = Notes()
    first = [*encode(Op.COPY, n=2), *encode(Op.POST, b=1, core=1), *HALT]
    pair = Pair([Content(first), Content([*encode(Op.LOOP, n=2, b=1), 0])], observer=notes)
    pair.message(0, 1)
    told = [(core, pc, made.op, end) for core, pc, made, end in notes.instructions]
    assert told == [
        (0, 1, Op.COPY, 8),
        (0, 2, Op.POST, 11),
        (0, 4, Op.HALT, 12),
        (1, 1, Op.LOOP, 19 + 4 + 1),
        (1, 1, Op.LOOP, 19 + 4 + 2),
    ]
    assert notes.threads == [(0, 1, 0, 12, ""), (1, 1, 19, 25, "ILLEGAL_INSTRUCTION")]


def test_an_observer_sees_memory_as_the_instruction_left_it() -> None:
    seen = []

    class Watch(Notes):
        def executed(self, core: int, pc: int, instruction: Instruction, end: int) -> None:
            super().executed(core, pc, instruction, end)
            seen.append(pair.dm[:3])

    code = [*encode(Op.COPY, n=1, a=0, b=1), *encode(Op.COPY, n=1, a=1, b=2), *HALT]
    pair = Pair([Content(code, dm=[9])], observer=Watch())
    pair.message(0, 1)
    assert seen == [[9, 9, 0], [9, 9, 9], [9, 9, 9]]


@settings(max_examples=40, deadline=None)
@given(contents(list(Op), 6))
def test_what_is_counted_is_what_was_told(content: Content) -> None:
    notes = Notes()
    watched, plain = Pair([content], most=40, observer=notes), Pair([content], most=40)
    for pair in (watched, plain):
        pair.message(0, 1, range(2))
    assert plain.dm == watched.dm
    assert plain.machine.executed(0) == watched.machine.executed(0)
    executed = plain.machine.executed(0)
    assert sum(each.done for each in executed) == len(notes.instructions)
    told = sum((events_of(made) for _, _, made, _ in notes.instructions), Events())
    stopped = sum(each.stopped * each.n_words for each in executed)
    total = sum((each.events for each in executed), Events())
    assert total == told + Events(im_reads=stopped)
    cycles = sum(cycles_of(made) for _, _, made, _ in notes.instructions)
    assert sum(each.cycles for each in executed) >= cycles
    threads = len(notes.threads)
    assert sum(each.cycles for each in executed) + 4 * threads == plain.machine.total_cycles
