"""Programs of the open instruction set written by hand, to time the simulated board.

`recurrent` is a stack of two gated recurrent layers, one per core, with about a million weights;
`small` is what a small model becomes: about a hundred vector operations and a few products.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.iospec import IoSequence, IOSpec, Vector
from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.open_isa import MARK, encode
from firmware_protocol.open_isa_ops import Mode, Op, Type
from hostrt.program.model import Identity, Program, ProgramSource

if TYPE_CHECKING:
    from firmware_protocol.words import DWords

BANK_WORDS = {MemoryKind.DM: 8192, MemoryKind.TM: 2048, MemoryKind.IM: 4096}
SIGMOID, TANH, TABLE_ENTRIES = 0, 256, 256
HIDDEN = 288
SMALL_LENGTH = 64
SEED = 0x15A


@dataclass
class Core:
    """One core under construction.

    Attributes:
        code: words of the instruction memory.
        data: words of the data memory.
        macs: multiplications of a frame.
    """

    code: list[int] = field(default_factory=lambda: [MARK])
    data: list[DWords] = field(default_factory=list)
    macs: int = 0

    def put(self, op: Op, **fields: int) -> None:
        """Add an instruction."""
        self.code += encode(op, **fields)
        if op is Op.MATVEC:
            self.macs += fields["n"] * fields["k"]

    def room(self, values: np.typing.NDArray[np.integer]) -> int:
        """Give values, of a type of the instruction set, a place; its first word."""
        raw = values.tobytes()
        first = sum(part.size for part in self.data)
        self.data.append(np.frombuffer(raw + bytes(-len(raw) % 8), "<u8"))
        return first

    def zeros(self, n: int) -> int:
        """Give n elements of i16 a place."""
        return self.room(np.zeros(n, "<i2"))

    def banks(self, core: int) -> list[BankImage]:
        """Give the memory images."""
        memories = {
            MemoryKind.IM: np.array(self.code, np.uint64),
            MemoryKind.DM: np.concatenate(self.data),
            MemoryKind.TM: np.array([int(y) & 0xFFFF for y in tables()], np.uint64),
        }
        found = []
        for kind, words in memories.items():
            size = BANK_WORDS[kind]
            for first in range(0, words.size, size):
                part = words[first : first + size]
                found.append(BankImage(core, kind, first // size, part))
        return found


def tables() -> np.typing.NDArray[np.int16]:
    """Give the tables of sigmoid and tanh, 256 entries each."""
    x = np.arange(-128, 128) / 16
    both = np.concatenate([1 / (1 + np.exp(-x)), np.tanh(x)])
    return (both * 32767).astype("<i2")


def recurrent() -> Program:
    """Give two gated recurrent layers with 995 328 weights of 8 bits."""
    cores = [Core(), Core()]
    for number, core in enumerate(cores):
        x = core.zeros(HIDDEN)
        h = core.zeros(HIDDEN)
        core.put(Op.RECV, n=HIDDEN // 4, a=x)
        _recurrent_layer(core, x, h, seed=number)
        target = {"core": 1, "b": 1} if number == 0 else {"b": 0}
        core.put(Op.SEND if number else Op.POST, n=HIDDEN // 4, a=h, **target)
        core.put(Op.HALT)
    return _program("recurrent", cores, HIDDEN)


def _recurrent_layer(core: Core, x: int, h: int, seed: int) -> None:
    """Add h = h + z * (c - h), with gates r, z and a candidate c of x and h, which are adjacent."""
    generator = np.random.default_rng(seed)
    n, words = HIDDEN, HIDDEN // 4
    both = core.zeros(2 * n)
    gates, candidate, change = core.zeros(2 * n), core.zeros(n), core.zeros(n)
    for rows, there, source in ((2 * n, gates, x), (n, candidate, both)):
        weights = core.room(generator.integers(-128, 128, (rows, 2 * n)).astype("<i1"))
        bias = core.room(generator.integers(-(2**16), 2**16, rows).astype("<i4"))
        if source == both:
            core.put(Op.COPY, n=words, a=x, b=both)
            core.put(Op.MUL, **_i16(n, gates, both + words, h), shift=-15, bits=16)
        core.put(
            Op.MATVEC, n=rows, k=2 * n, a=source, b=there, w=weights, stride=2 * n // 8,
            xt=Type.I16, yt=Type.I8, zt=Type.I16, has_init=1, init=bias, it=Type.I32,
            shift=-12, rounded=1, bits=16,
        )  # fmt: skip
        core.put(
            Op.LUT, n=rows, a=there, b=there, xt=Type.I16, zt=Type.I16, lo=-128, hi=127, sx=-8,
            table=SIGMOID if source == x else TANH,
        )  # fmt: skip
    core.put(Op.SUB, **_i16(n, candidate, change, h), bits=16)
    core.put(Op.MUL, **_i16(n, change, change, gates + words), shift=-15, bits=16)
    core.put(Op.ADD, **_i16(n, h, h, change), bits=16)


def small() -> Program:
    """Give 101 vector operations of 16 to 128 elements and products of 61 440 weights."""
    core, generator = Core(), np.random.default_rng(SEED)
    x = core.zeros(SMALL_LENGTH)
    vectors = [core.room(generator.integers(-(2**15), 2**15, 128).astype("<i2")) for _ in range(12)]
    core.put(Op.RECV, n=SMALL_LENGTH // 4, a=x)
    core.put(Op.COPY, n=SMALL_LENGTH // 4, a=x, b=vectors[0])
    for rows, k in ((128, 128), (128, 128), (128, 128), (96, 128)):
        weights = core.room(generator.integers(-128, 128, (rows, k)).astype("<i1"))
        bias = core.room(generator.integers(-(2**16), 2**16, rows).astype("<i4"))
        a, b = (int(v) for v in generator.choice(vectors, 2, replace=False))
        core.put(
            Op.MATVEC, n=rows, k=k, a=a, b=b, w=weights, stride=k // 8,
            xt=Type.I16, yt=Type.I8, zt=Type.I16, has_init=1, init=bias, it=Type.I32,
            shift=-8, bits=16,
        )  # fmt: skip
        for i in range(25):
            _small_step(core, vectors, generator, i)
    core.put(Op.ADD, **_i16(SMALL_LENGTH, x, vectors[-1], vectors[-1]), shift=-1, bits=16)
    core.put(Op.SEND, n=SMALL_LENGTH // 4, a=vectors[-1])
    core.put(Op.HALT)
    return _program("small", [core], SMALL_LENGTH)


def _small_step(core: Core, vectors: list[int], generator: np.random.Generator, i: int) -> None:
    """Add one of the vector operations that models consist of."""
    a, y, b = (int(v) for v in generator.choice(vectors, 3))
    n = int(generator.choice([16, 32, 64, 128]))
    kinds: list[tuple[Op, dict[str, int]]] = [
        (Op.ADD, {"sx": 2, "shift": -2, "bits": 16}),
        (Op.MUL, {"shift": -15, "bits": 16}),
        (Op.SUB, {"sx": -1, "bits": 16}),
        (Op.MUL, {"mode": Mode.IMMEDIATE, "shift": -7, "bits": 16}),
        (Op.MAX, {"mode": Mode.IMMEDIATE}),
        (Op.GT, {}),
        (Op.ADD, {"mode": Mode.SCALAR, "shift": -1, "rounded": 1, "bits": 16}),
    ]
    if i % 8 == 7:
        core.put(
            Op.LUT, n=n, a=a, b=b, xt=Type.I16, zt=Type.I16, lo=-128, hi=127, sx=-8, table=TANH
        )
        return
    op, extra = kinds[i % 8]
    given = _i16(n, a, b, y)
    if extra.get("mode") == Mode.IMMEDIATE:
        given |= {"y": int(generator.integers(-100, 100)), "yt": 0}
    core.put(op, **given, **extra)


def _i16(n: int, a: int, b: int, y: int) -> dict[str, int]:
    types = dict.fromkeys(("xt", "yt", "zt"), int(Type.I16))
    return {"n": n, "a": a, "b": b, "y": y, **types}


def _program(name: str, cores: list[Core], length: int) -> Program:
    common = {"scale": None, "zero_pt": None}
    size = length // 4
    spec = IOSpec(
        {"x": Vector("x", "x", length, 16, length, common, {}, size, pc=1, core_id=0)},
        {"y": Vector("y", "y", length, 16, length, common, {}, size, mailbox_id=0)},
        {"sequence_0": IoSequence("sequence_0", {"x": 1}, {"y": 1}, {})},
    )
    banks = [bank for number, core in enumerate(cores) for bank in core.banks(number)]
    return Program(
        chip="spu001",
        banks=tuple(banks),
        n_cores=len(cores),
        encryption=None,
        iospec=spec,
        identity=Identity(name=name, version="1"),
        source=ProgramSource(name, "builtin"),
    )
