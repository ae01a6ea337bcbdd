"""Copies, frames and jumps of the compiled machine, and the memory that instructions may use."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.plan.vm_codes import CONTEXT, FIELDS
from hostrt.fqir.plan.vm_places import Label
from hostrt.fqir.plan.vm_program import Assembler
from tests.fqir.one_instruction import Trial, execute
from tests.fqir.test_plan_compiled_arithmetic import ELEMENTWISE

BITS = [32, 64]

# ---------------------------------------------------------------------- moves


@pytest.mark.parametrize("name", [name for name in FIELDS if name.startswith("rows")])
def test_rows(name: str) -> None:
    t = Trial(name, 0)
    t.place("x", t.noise(3 * 50, t.numbers[1]))
    t.f = {"step_out": 37, "step_x": 50, "n": 37, "rows": 3}

    wanted = t.m["x"].reshape(3, 50)[:, :37].astype(f"i{t.bits // 8}")
    assert np.array_equal(t.run(3 * 37), wanted.reshape(-1))


@pytest.mark.parametrize("name", [name for name in FIELDS if name.startswith("pick")])
def test_pick(name: str) -> None:
    t = Trial(name, 0)
    t.place("x", t.noise(30, t.numbers[1]))
    t.place("index", t.random.integers(-5, 30, 77).astype(np.int32))
    t.f = {"n": 77}

    index = t.m["index"]
    wanted = np.where(index < 0, 0, t.m["x"][np.maximum(index, 0)]).astype(f"i{t.bits // 8}")
    assert np.array_equal(t.run(77), wanted)


@pytest.mark.parametrize("bits", BITS)
def test_frames_go_in_and_out(bits: int) -> None:
    asm, number = Assembler(), len(CONTEXT)
    given, got = Trial(f"input.{bits}", 0).noise(3 * 19, bits).astype(np.int64), np.zeros(57, "i8")
    held = asm.buffer(bits, 19)
    asm.emit(f"input.{bits}", out=held, n=19, number=number)
    asm.emit(f"output.{bits}", x=held, n=19, number=number + 1)

    execute(asm, held, 19, given, got, frames=3)

    assert np.array_equal(got, given)


# ---------------------------------------------------------------------- control


@pytest.mark.parametrize("bits", BITS)
def test_loops_and_moving_blocks(bits: int) -> None:
    t = Trial(f"block.{bits}", 0)
    t.operands("x", size=4 * 18)
    asm, again, after = Assembler(), Label(), Label()
    turn, out = asm.buffer(64, 1), asm.buffer(bits, 4 * 18)
    source = asm.constant(bits, t.m["x"])
    asm.emit("start", k=turn)
    asm.mark(again)
    last, moves = out.plus(3 * 18), {"move_out": -18, "move_x": 18, "n": 18}
    asm.emit(f"block.{bits}", out=last, x=source, k=turn, **moves)
    asm.emit("leave", k=turn, last=3, target=after)
    asm.emit("repeat", k=turn, target=again)
    asm.mark(after)

    found = execute(asm, out, 4 * 18, frames=2)

    assert np.array_equal(found.reshape(4, 18), t.m["x"].reshape(4, 18)[::-1])


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("condition", [0, 1, -7])
def test_branches(bits: int, condition: int) -> None:
    asm, other, after = Assembler(), Label(), Label()
    out, test = asm.buffer(32, 1), asm.constant(bits, np.array([condition]))

    def give(number: int) -> None:
        source = asm.constant(32, np.array([number]))
        asm.emit("rows.32.32", out=out, step_out=0, x=source, step_x=0, n=1, rows=1)

    asm.emit(f"jump_unless.{bits}", x=test, target=other)
    give(11)
    asm.emit("jump", target=after)
    asm.mark(other)
    give(22)
    asm.mark(after)

    assert execute(asm, out, 1).tolist() == [11 if condition else 22]


@pytest.mark.parametrize("counter", [0, 1, 2, 3, 4, -1, -3, -4, 2**63 - 1, -(2**63)])
def test_frame_counters(counter: int) -> None:
    asm = Assembler()
    now, found = asm.constant(64, np.array([counter])), asm.buffer(64, 2)
    asm.emit("count", test=found, next=found.plus(1), counter=now, n=3, k=2)

    assert execute(asm, found, 2).tolist() == [int(counter % 3 == 2), (counter + 1) % 3]


def test_every_instruction_is_tested_here() -> None:
    tested = {*ELEMENTWISE, "mask", "look_up", "taps", "sum", "product", "rows", "pick", "input"}
    tested |= {"output", "block", "start", "leave", "repeat", "jump", "jump_unless", "count"}

    assert tested | {"stop"} == {name.partition(".")[0] for name in FIELDS}


# ---------------------------------------------------------------------- memory


def test_an_instruction_that_leaves_its_memory_is_refused() -> None:
    asm = Assembler()
    small, large = asm.buffer(32, 10), asm.buffer(32, 1000)
    copy = {"step_out": 0, "step_x": 0, "rows": 1}

    with pytest.raises(ProgramUnsupported, match="1000 elements from 0 on"):
        asm.emit("rows.32.32", out=small, x=large, n=1000, **copy)
    with pytest.raises(ProgramUnsupported, match="1000 elements from 0 on"):
        asm.emit("rows.32.32", out=large, x=small, n=1000, **copy)
    with pytest.raises(ProgramUnsupported, match="from -1 on"):
        asm.emit("rows.32.32", out=small.plus(-1), x=large, n=5, **copy)
    index = asm.constant(32, np.array([3, 400]))
    with pytest.raises(ProgramUnsupported, match="401 elements"):
        asm.emit("pick.32.32", out=large, x=small, index=index, n=2)
    table = {"lo": 5, "hi": 4, "right": 0, "blocks": 1}
    with pytest.raises(ProgramUnsupported):
        asm.emit("look_up.32", out=small, x=small, table=small, **table)


def test_an_instruction_with_other_fields_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="add_one"):
        Assembler().emit("add_one.32", n=3)


def test_memory_is_shared_only_by_what_is_not_needed_at_the_same_time() -> None:
    asm = Assembler()
    refs = [asm.buffer(32, 100) for _ in range(6)]
    for early, late in pairwise(refs):
        asm.tick()
        asm.emit("rows.32.32", out=late, step_out=0, x=early, step_x=0, n=100, rows=1)

    image = asm.finish()

    places = [ref.buffer.place for ref in refs]
    assert all(abs(one - other) >= 100 for one, other in pairwise(places))
    assert len(image.areas[32]) < 4 * 128
