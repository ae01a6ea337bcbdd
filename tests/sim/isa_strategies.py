"""Random instructions, memories and programs of the open instruction set."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from firmware_protocol.open_isa import Instruction, find_fault
from firmware_protocol.open_isa_ops import FIELDS, VECTOR_OPS, Mode, Op
from tests.sim.isa_compare import DM, TM, Content

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    Values = Mapping[str, SearchStrategy[int]]

    from firmware_protocol.open_isa_ops import Field

EDGES = (0, 2**64 - 1, 0x8000_8000_8000_8000, 0x7FFF_7FFF_7FFF_7FFF, 0x8080_8080_8080_8080, 1 << 63)
SHIFTS = st.sampled_from([0, 0, 0, 1, -1, 3, -8, -16, 15]) | st.integers(-63, 63)
COUNTS = st.integers(0, 9) | st.sampled_from([0, 1, 16, 17, 40])
_LOW = st.integers(0, DM // 4)
ADDRESSES = (
    _LOW | _LOW | st.integers(0, DM // 2) | st.sampled_from([0, DM - 3, DM - 1, DM, DM + 1, 65535])
)
STEPS = st.sampled_from([1, 1, 0, -1, 2, 5, -3]) | st.integers(-12, 12)
SMALL: dict[str, SearchStrategy[int]] = {
    "n": COUNTS,
    "a": ADDRESSES,
    "b": ADDRESSES,
    "w": ADDRESSES,
    "init": ADDRESSES,
    "y": ADDRESSES,
    "k": st.integers(0, 12),
    "stride": st.integers(0, 4),
    "outer": st.sampled_from([1, 1, 0, 2, 5]),
    "table": st.integers(0, 5) | st.integers(0, TM + 1),
    "lo": st.integers(-9, 4),
    "hi": st.integers(-5, 9),
    "core": st.sampled_from([0, 1, 1, 2]),
    "bits": st.sampled_from([0, 8, 16, 16, 1, 63]) | st.integers(0, 63),
    **dict.fromkeys(("sx", "sy", "shift"), SHIFTS),
    **dict.fromkeys(("xi", "zi", "xs", "zs", "xl", "zl"), STEPS),
    **dict.fromkeys(("xo", "zo"), st.integers(0, 20)),
}
TAME = SMALL | {
    "n": st.integers(0, 9),
    **dict.fromkeys(("a", "b", "w", "init", "y"), st.integers(0, 12)),
    **dict.fromkeys(("xi", "zi", "xs", "zs", "xl", "zl"), st.integers(0, 3)),
    **dict.fromkeys(("xo", "zo"), st.integers(2, 6)),
    "k": st.integers(0, 6),
    "stride": st.integers(0, 2),
    "table": st.integers(0, 3),
    "lo": st.integers(-5, 0),
    "hi": st.integers(0, 4),
}
"""Values with which an instruction nearly always does its work."""
PURE_OPS = [
    op
    for op in Op
    if op not in {Op.HALT, Op.JUMP, Op.JZERO, Op.LOOP, Op.SIGNAL, Op.POST, Op.SEND, Op.RECV}
]
"""What works on memories alone."""


def field_values(op: Op, field: Field, values: Values) -> SearchStrategy[int]:
    if op is Op.COUNT and field.name in "nk":
        return st.integers(0, 6) | st.sampled_from([127, 128, 255, 300, 65535])
    if op is Op.SIGNAL:
        return st.integers(0, 3)
    if op in (Op.JUMP, Op.JZERO, Op.LOOP, Op.POST) and field.name == "b":
        return st.integers(0, 30)
    return values.get(field.name, st.integers(*field.range))


@st.composite
def instructions(draw: st.DrawFn, ops: Sequence[Op], values: Values = SMALL) -> Instruction:
    """A legal instruction; most of them use addresses that are there."""
    op = draw(st.sampled_from(ops))
    f = {field.name: draw(field_values(op, field, values)) for field in FIELDS[op]}
    if op in VECTOR_OPS and f["mode"] == Mode.IMMEDIATE:
        f["y"], f["yt"] = draw(st.integers(-3, 3) | st.integers(-0x8000, 0x7FFF)), 0
    if f.get("rounded") and f["shift"] >= 0:
        f["shift"] = -1 - min(f["shift"], 62)
    if op is Op.MATVEC and not f["has_init"]:
        f["init"] = f["it"] = 0
    if op is Op.LUT:
        f["lo"], f["hi"] = sorted((f["lo"], f["hi"]))
    if op in (Op.LOOP, Op.COUNT):
        f["n"] = max(f["n"], 1)
    made = Instruction(op, f)
    assert not find_fault(made)
    return made


def memories(size: int) -> SearchStrategy[list[int]]:
    """Words that are random, small or at the edges of the types."""
    return st.integers(0, 2**32 - 1).map(lambda seed: random_words(seed, size))


def random_words(seed: int, size: int) -> list[int]:
    generator = np.random.default_rng(seed)
    words = generator.integers(0, 2**64, size, np.uint64, endpoint=False)
    kinds = generator.integers(0, 8, size)
    words[kinds == 0] = generator.choice(np.array(EDGES, np.uint64), (kinds == 0).sum())
    words[kinds == 1] &= np.uint64(0x0003_0003_0003_0003)
    return [int(word) for word in words]


OFF = st.frozensets(st.integers(0, DM - 1), max_size=2)


def led(draw: st.DrawFn, program: list[Instruction]) -> list[Instruction]:
    """Let most jumps lead to instructions of the program."""
    starts = [1, *accumulate((each.length for each in program), initial=1)]
    changed = []
    for each in program:
        if each.op in (Op.JUMP, Op.JZERO, Op.LOOP) and draw(st.integers(0, 7)):
            fields = {**each.fields, "b": draw(st.sampled_from(starts))}
            changed.append(Instruction(each.op, fields))
        else:
            changed.append(each)
    return changed


@st.composite
def contents(draw: st.DrawFn, ops: Sequence[Op], longest: int) -> Content:
    """A core with a random program."""
    tame = instructions(ops, TAME)
    program = draw(
        st.lists(st.one_of([tame] * 6 + [instructions(ops)]), min_size=1, max_size=longest)
    )
    code = [word for instruction in led(draw, program) for word in instruction.words()]
    if draw(st.integers(0, 9)) == 0:
        code[draw(st.integers(0, len(code) - 1))] ^= 1 << draw(st.integers(0, 63))
    ending = draw(st.sampled_from([(1 << 56,), (1 << 56,), ()]))
    starts = draw(st.lists(st.sampled_from([1, 1, 2, 3, 0, 12]), min_size=4, max_size=4))
    return Content(
        code=[*code, *ending],
        dm=draw(memories(DM)),
        tm=draw(memories(TM)),
        pb=starts,
        sb=draw(st.lists(st.integers(0, 3).map(lambda n: n << 5 | n), min_size=4, max_size=4)),
        rq=draw(st.lists(st.integers(0, 3), min_size=4, max_size=4)),
        off=draw(st.sampled_from([frozenset(), frozenset(), frozenset({DM - 4})]) | OFF),
    )
