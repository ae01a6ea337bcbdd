"""Every instruction of the compiled machine against numpy, on its own."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.plan.vm_codes import CONTEXT, DEPTH, FIELDS, LANES
from hostrt.fqir.plan.vm_places import Label
from hostrt.fqir.plan.vm_program import Assembler, address, aligned

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hostrt.fqir.plan.vm_places import Ref

vm_machine = pytest.importorskip(
    "hostrt.fqir.plan.vm_machine", reason="the extra `compiled` is not installed"
)

Ints: TypeAlias = "NDArray[Any]"
BITS = [32, 64]
N_BLOCKS = 3
N = N_BLOCKS * LANES


class Trial:
    """One instruction with random fields and operands.

    Attributes:
        asm: the program.
        random: where numbers come from.
        bits: size of the elements.
        f: its fields that are numbers.
        m: its fields that are places, as arrays.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.asm = Assembler()
        self.random = np.random.default_rng([seed, *name.encode()])
        self.name = name
        self.numbers = [int(part) for part in name.split(".")[1:]]
        self.bits = self.numbers[0]
        self.f: dict[str, int] = {}
        self.m: dict[str, Ints] = {}
        self._places: dict[str, Ref] = {}

    def noise(self, size: int, bits: int) -> Ints:
        """Give integers of all sizes, the ends of the range among them."""
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        numbers = self.random.integers(low, high, size, np.int64, endpoint=True)
        numbers >>= self.random.integers(0, bits, size)
        ends = self.random.choice([low, high, 0, 1, -1], size)
        return np.where(self.random.random(size) < 0.2, ends, numbers).astype(f"i{bits // 8}")

    def place(self, field: str, content: Ints) -> None:
        """Give an operand."""
        bits = content.dtype.itemsize * 8
        self.m[field] = content.reshape(-1)
        self._places[field] = self.asm.constant(bits, content)

    def operands(self, *fields: str, size: int = N) -> None:
        """Give random operands."""
        for field in fields:
            self.place(field, self.noise(size, self.bits))

    def end(self) -> None:
        """Choose the fields END, and those of shifts."""
        for field in FIELDS[self.name]:
            if field.partition("_")[0] in {"left", "right"}:
                self.f[field] = int(self.random.integers(0, self.bits))
            elif field.startswith("negate"):
                self.f[field] = -int(self.random.integers(2))
        if "rounding" in FIELDS[self.name]:
            self.f["rounding"] = int(self.noise(1, self.bits)[0])
            bounds = sorted(self.noise(2, self.bits).tolist())
            self.f |= {"lo": bounds[0], "hi": bounds[1]}

    def run(self, size: int, bits: int = 0) -> Ints:
        """Execute it and give `size` elements of its result."""
        out = self.asm.buffer(bits or self.bits, size)
        self.asm.emit(self.name, out=out, **self.f, **self._places)
        return execute(self.asm, out, size)

    def shift(self, v: Ints, operand: str) -> Ints:
        kind = v.dtype.type
        shifted: Ints = v << kind(self.f[f"left_{operand}"]) >> kind(self.f[f"right_{operand}"])
        return shifted

    def sign(self, v: Ints, operand: str) -> Ints:
        return np.negative(v) if self.f.get(f"negate_{operand}") else v

    def ended(self, v: Ints) -> Ints:
        kind = v.dtype.type
        v = (v << kind(self.f["left"])) + kind(self.f["rounding"])
        clipped: Ints = np.clip(v >> kind(self.f["right"]), self.f["lo"], self.f["hi"])
        return clipped


def execute(asm: Assembler, out: Ref, size: int, *arrays: Ints, frames: int = 1) -> Ints:
    """Run a program and give a part of the memory."""
    asm.emit("stop")
    image = asm.finish()
    context = aligned(len(CONTEXT) + len(arrays), "i8")
    for word, bits in enumerate((8, 16, 32, 64)):
        context[word] = address(image.areas[bits])
    context[len(CONTEXT) :] = [address(array) for array in arrays]
    vm_machine.machine().execute(address(context), address(image.program), 0, frames)
    return image.slot(out, size)


@pytest.fixture(autouse=True)
def wrapping() -> Any:
    with np.errstate(over="ignore"):
        yield


# ---------------------------------------------------------------------- element-wise

ELEMENTWISE: dict[str, Callable[[Trial, Ints, Ints], Ints]] = {
    "add": lambda t, x, y: t.ended(t.shift(x, "x") + t.sign(t.shift(y, "y"), "y")),
    "add_one": lambda t, x, y: t.ended(t.sign(t.shift(x, "x"), "x") + t.sign(t.shift(y, "y"), "y")),
    "multiply": lambda t, x, y: t.ended(x * y),
    "multiply_one": lambda t, x, y: t.ended(x * y),
    "greater": lambda _, x, y: x > y,
    "greater_equal": lambda _, x, y: x >= y,
    "equal": lambda _, x, y: x == y,
    "both": lambda _, x, y: (x != 0) & (y != 0),
    "either": lambda _, x, y: (x != 0) | (y != 0),
    "one_of": lambda _, x, y: (x != 0) ^ (y != 0),
    "largest": lambda _, x, y: np.maximum(x, y),
    "smallest": lambda _, x, y: np.minimum(x, y),
}


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_elementwise_instructions(kind: str, bits: int) -> None:
    for seed in range(20):
        t = Trial(f"{kind}.{bits}", seed)
        t.operands("x")
        t.operands("y", size=1 if kind.endswith("_one") else N)
        t.m["x"][:7] = t.m["y"][:7]
        t.place("x", t.m["x"])
        t.f["blocks"] = N_BLOCKS
        t.end()

        assert np.array_equal(t.run(N), ELEMENTWISE[kind](t, t.m["x"], t.m["y"]))


@pytest.mark.parametrize("bits", BITS)
def test_mask(bits: int) -> None:
    t = Trial(f"mask.{bits}", 0)
    t.operands("x")
    t.f = {"blocks": N_BLOCKS, "right": 5, "mask": 0x7F3}

    assert np.array_equal(t.run(N), t.m["x"] >> 5 & 0x7F3)


@pytest.mark.parametrize("bits", BITS)
def test_look_up(bits: int) -> None:
    t = Trial(f"look_up.{bits}", 0)
    t.place("x", t.noise(N, 32))
    t.operands("table", size=21)
    t.f = {"blocks": N_BLOCKS, "right": 3, "lo": -9, "hi": 11}

    assert np.array_equal(t.run(N), t.m["table"][np.clip(t.m["x"] >> 3, -9, 11) + 9])


# ---------------------------------------------------------------------- sums


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("taps", [0, 1, 5])
def test_taps(bits: int, taps: int) -> None:
    t = Trial(f"taps.{bits}", taps)
    t.operands("bias")
    t.operands("x", "weights", size=taps * 40)
    t.f = {"blocks": N_BLOCKS, "n": 40, "taps": taps}
    t.end()

    products = (t.m["x"] * t.m["weights"]).reshape(taps, 40)
    wanted = t.m["bias"][:40] + products.sum(axis=0, dtype=products.dtype)
    assert np.array_equal(t.run(40), t.ended(wanted))


@pytest.mark.parametrize("bits", BITS)
def test_sum(bits: int) -> None:
    t = Trial(f"sum.{bits}", 0)
    t.operands("x", size=19 * 7)
    t.f = {"blocks": 2, "count": 19, "n": 7}
    t.end()

    wanted = t.m["x"].reshape(19, 7).sum(axis=1, dtype=t.m["x"].dtype)
    assert np.array_equal(t.run(19), t.ended(wanted))


@pytest.mark.parametrize("name", [name for name in FIELDS if name.startswith("product")])
@pytest.mark.parametrize("columns", [1, 35])
def test_products(name: str, columns: int) -> None:
    t = Trial(name, columns)
    n = 3 * DEPTH if t.numbers[1] == 16 else 45
    t.place("x", t.noise(4 * n, t.numbers[1]))
    t.place("weights", t.noise(columns * n, t.numbers[2]))
    t.operands("bias", size=columns)
    t.f = {"rows": 4, "columns": columns, "n": n, "blocks": -(-columns // LANES)}
    t.end()
    t.f["chunk"] = 2 * DEPTH
    t.f = {key: value for key, value in t.f.items() if key in FIELDS[name]}

    kind = t.m["bias"].dtype
    x, weights = t.m["x"].reshape(4, n).astype(kind), t.m["weights"].reshape(columns, n)
    wanted = x @ weights.astype(kind).T + t.m["bias"]
    if "chunk" in t.f:
        # sums of a chunk are taken in 32 bits
        parts = [
            (x[:, a : a + 64] @ weights[:, a : a + 64].astype(kind).T).astype(np.int32)
            for a in range(0, n, 64)
        ]
        wanted = sum(parts[1:], parts[0].astype(kind)) + t.m["bias"]
    if "left" in t.f:
        wanted = t.ended(wanted)
    assert np.array_equal(t.run(4 * columns).reshape(4, columns), wanted)


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
