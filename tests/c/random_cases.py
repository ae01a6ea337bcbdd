"""Random instructions, programs and chips, from seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa import MARK, Instruction, encode, find_fault
from firmware_protocol.open_isa_ops import FIELDS, VECTOR_OPS, Mode, Op
from tests.c.cases import ALL_BANKS, Action, Case, Core, Drained, Message, Wake, blank, program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.c.cases import Words

DM, TM, IM = 128, 64, 48
BANK = 32
DATA_OPS = sorted({*VECTOR_OPS, Op.LUT, Op.COUNT, Op.SUM, Op.MATVEC, Op.MOVE, Op.MOVEL, Op.COPY})
OTHER_OPS = sorted(set(Op) - set(DATA_OPS))
EDGES = (0, 2**64 - 1, 0x8000_8000_8000_8000, 0x7FFF_7FFF_7FFF_7FFF, 0x8080_8080_8080_8080, 1 << 63)
MOST_MOVED = 999
"""Elements in a row of a move; more take the slow implementations too long."""
KINDS = {
    **dict.fromkeys(("sx", "sy", "shift"), "shift"),
    **dict.fromkeys(("xi", "zi", "xs", "zs", "xl", "zl"), "step"),
    **dict.fromkeys(("xo", "zo"), "offset"),
}
"""Fields whose values are chosen alike."""


def random_words(rng: Random, n: int) -> Words:
    """Give words that are random, small or at the ends of the types."""
    generator = np.random.default_rng(rng.getrandbits(32))
    words = generator.integers(0, 2**64, n, np.uint64, endpoint=False)
    kinds = generator.integers(0, 6, n)
    words[kinds == 0] = generator.choice(np.array(EDGES, np.uint64), int((kinds == 0).sum()))
    words[kinds == 1] &= np.uint64(0x0003_0003_0003_0003)
    return words


def _address(rng: Random, op: Op, name: str) -> int:
    if op in (Op.JUMP, Op.JZERO, Op.LOOP, Op.POST) and name == "b":
        return rng.randrange(IM)
    if op is Op.SIGNAL:
        return rng.randrange(4)
    return rng.randrange(DM // 2) if rng.random() < 0.9 else rng.randrange(DM + 3)


def _value(rng: Random, op: Op, name: str, low: int, high: int) -> int:
    """Give a value of a field that often makes sense."""
    if name in ("a", "b", "w", "y", "init"):
        return _address(rng, op, name)
    few = op in (Op.RECV, Op.SEND, Op.POST, Op.COPY, Op.LOOP)
    choices = {
        "n": [rng.randrange(4), rng.randrange(10), rng.randrange(20 if few else 150)],
        "shift": [0, 0, 0, -1, 3, -8, -16, rng.randint(-63, 63)],
        "step": [1, 1, 0, -1, 2, 8, rng.randint(-20, 20)],
        "offset": [0, 8, rng.randrange(40)],
        "k": [rng.randrange(12), rng.randrange(80), 0],
        "stride": [rng.randrange(5)],
        "outer": [1, 1, 1, rng.randrange(6)],
        "bits": [0, 8, 16, 24, rng.randrange(64)],
        "table": [rng.randrange(TM)],
        "lo": [rng.randint(-20, 4)],
        "hi": [rng.randint(-4, 20)],
        "core": [rng.randrange(4)],
    }
    return rng.choice(choices.get(KINDS.get(name, name), [rng.randint(low, high)]))


def _word_move(rng: Random, f: dict[str, int]) -> dict[str, int]:
    """Give fields of a move by whole words, now and then with one thing changed."""
    names = [name for name in f if name in ("xo", "zo", "xl", "zl")]
    places = {name: rng.choice([0, 8, 16]) for name in names}
    fields = {"outer": 1, "zt": f["xt"], "xi": 1, "zi": 1, **places}
    if rng.random() < 0.4:
        del fields[rng.choice(list(fields))]
    return fields


def random_instruction(rng: Random, ops: Sequence[Op]) -> tuple[int, ...]:
    """Give the words of an instruction, nearly always a legal one."""
    op = rng.choice(ops)
    f: dict[str, int] = {
        field.name: _value(rng, op, field.name, *field.range) for field in FIELDS[op]
    }
    if op in DATA_OPS and rng.random() < 0.3:
        f["b"] = max(0, f["a"] + rng.randint(-9, 9))
    if "outer" in f and rng.random() < 0.5:
        f |= _word_move(rng, f)
    if f.get("rounded") and f["shift"] >= 0:
        f["rounded"] = 0
    if op in VECTOR_OPS and f["mode"] == Mode.IMMEDIATE:
        f["yt"] = 0
    if op is Op.MATVEC and not f["has_init"]:
        f["init"] = f["it"] = 0
    if op in (Op.LOOP, Op.COUNT):
        f["n"] = max(1, f["n"])
    if op is Op.LUT:
        f["lo"], f["hi"] = sorted((f["lo"], f["hi"]))
    made = Instruction(op, f)
    assert not find_fault(made), made
    words = made.words()
    if rng.random() < 0.03:
        changed = words[0] ^ 1 << rng.randrange(62)
        if changed >> 56 not in (Op.MOVE, Op.MOVEL) or changed >> 32 & 0xFFFF <= MOST_MOVED:
            return (changed, *words[1:])
    return words


def random_core(rng: Random, im: Words) -> Core:
    """Give a core with that program; now and then a bank of it is off."""
    core = Core(im, random_words(rng, DM), random_words(rng, TM), dm_bank=BANK, tm_bank=BANK)
    if rng.random() < 0.15:
        core.dm_power = ALL_BANKS & ~(1 << rng.randrange(4))
    if rng.random() < 0.05:
        core.tm_power = 1
    return core


def single(rng: Random) -> Case:
    """A chip with one instruction, and HALT."""
    im = program(random_instruction(rng, DATA_OPS), encode(Op.HALT), size=8)
    return Case([random_core(rng, im)], [Message((1 << 32,))])


def chip(rng: Random) -> Case:
    """Some cores with random programs, and messages to them."""
    cores = []
    for _ in range(rng.choice([1, 2, 3])):
        im = blank(IM)
        im[0] = rng.choice([MARK] * 20 + [MARK - 1, MARK + 1, MARK ^ 256])
        at = 1
        while at < IM - 4:
            words = random_instruction(rng, DATA_OPS if rng.random() < 0.4 else OTHER_OPS)
            im[at : at + len(words)] = words
            at += len(words)
        core = random_core(rng, im)
        core.pb[:] = [rng.choice([1, rng.randrange(IM), rng.getrandbits(64)]) for _ in range(64)]
        core.sb[:] = [rng.getrandbits(64) & ~0x39C for _ in range(64)]
        core.rq[:] = [rng.getrandbits(64) & ~0x3C for _ in range(64)]
        core.im_power = rng.choice([1] * 20 + [0])
        core.runs = rng.random() < 0.95
        cores.append(core)
    actions = [random_action(rng) for _ in range(rng.randrange(1, 7))]
    return Case(cores, actions, rng.choice([20, 200, 200]))


def random_action(rng: Random) -> Action:
    """A message, a write to HEAD_TAIL_REG, or that output was read."""
    kind = rng.random()
    if kind < 0.2:
        return Drained()
    if kind < 0.4:
        return Wake(rng.randrange(4), rng.choice([0, 1, 3, 64, 2**31]))
    payload = random_words(rng, rng.choice([0, 0, 1, 2, 5, 20])).tolist()
    pc = rng.choice([1, 1, 1, rng.randrange(IM)])
    return Message((pc << 32 | rng.choice([0, 0, 1, 2, 9]), *payload))
