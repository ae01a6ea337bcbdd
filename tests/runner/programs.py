"""Small programs in the open instruction set, each with another kind of inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.iospec import IoSequence, IOSpec, Vector
from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.open_isa import MARK, encode
from firmware_protocol.open_isa_ops import Op
from hostrt.program import Program
from hostrt.program.model import Identity, ProgramSource
from hostrt.sim.answers import NOTHING, Reply
from hostrt.sim.spu import SimulatedSpu
from hostrt.sim.transport import SimTransport
from hostrt.transport.base import TransportInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.words import Words
    from hostrt.chip.base import Chip
    from hostrt.sim.memory import Bank

LENGTH = 8
_N = 2
"""64-bit words of a vector of 8 elements of 16 bits."""


def vector(name: str, *, pc: int | None = None, mailbox: int | None = None) -> Vector:
    return Vector(
        name, name, LENGTH, 16, LENGTH, None, None, _N,
        pc=pc, core_id=None if pc is None else 0, mailbox_id=mailbox,
    )  # fmt: skip


def make(
    name: str, spec: IOSpec, code: list[int], *, chip: str = "spu001", n_data: int = 16
) -> Program:
    """Give a program; word 0 of its code is the mark, `code` starts at word 1."""
    words = np.array([MARK, *code], np.uint64)
    banks = (
        BankImage(0, MemoryKind.DM, 0, np.zeros(n_data, np.uint64)),
        BankImage(0, MemoryKind.IM, 0, words),
    )
    return Program(chip, banks, 1, None, spec, Identity(name=name), ProgramSource(name, "builtin"))


def _spec(
    inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    sequences: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]],
) -> IOSpec:
    return IOSpec(
        {name: vector(name, pc=pc) for name, pc in inputs.items()},
        {name: vector(name, mailbox=mailbox) for name, mailbox in outputs.items()},
        {
            key: IoSequence(key, dict.fromkeys(ins, 1), dict.fromkeys(outs, 1))
            for key, (ins, outs) in sequences.items()
        },
    )


def delay(chip: str = "spu001") -> Program:
    """Each output is the input of the frame before; zero first: a model with a state."""
    code = [
        *encode(Op.SEND, n=_N, a=0, b=0),
        *encode(Op.RECV, n=_N, a=0),
        *encode(Op.HALT),
    ]
    return make("delay", _spec({"x": 1}, {"y": 0}, {"s": (("x",), ("y",))}), code, chip=chip)


def latched() -> Program:
    """`y` is `x`, `seen` is the last value of the latched input `gain`."""
    code = [
        *encode(Op.RECV, n=_N, a=0),
        *encode(Op.SEND, n=_N, a=4, b=2),
        *encode(Op.SEND, n=_N, a=0, b=5),
        *encode(Op.HALT),
        *encode(Op.RECV, n=_N, a=4),
        *encode(Op.HALT),
    ]
    spec = _spec(
        {"x": 1, "gain": 5},
        {"y": 5, "seen": 2},
        {"s": (("x",), ("y", "seen")), "parameters": (("gain",), ())},
    )
    return make("latched", spec, code)


def two_sequences() -> Program:
    """`x` gives `y` and, independently, `u` gives `v`."""
    code = [
        *encode(Op.RECV, n=_N, a=0),
        *encode(Op.SEND, n=_N, a=0, b=0),
        *encode(Op.HALT),
        *encode(Op.RECV, n=_N, a=4),
        *encode(Op.SEND, n=_N, a=4, b=9),
        *encode(Op.HALT),
    ]
    spec = _spec(
        {"x": 1, "u": 4}, {"y": 0, "v": 9}, {"first": (("x",), ("y",)), "other": (("u",), ("v",))}
    )
    return make("two sequences", spec, code)


def two_inputs() -> Program:
    """`y` and `w` leave once both `x` and `z` have come, whichever comes last being `z`."""
    code = [
        *encode(Op.RECV, n=_N, a=0),
        *encode(Op.HALT),
        *encode(Op.RECV, n=_N, a=4),
        *encode(Op.SEND, n=_N, a=4, b=0xFFFF),
        *encode(Op.SEND, n=_N, a=0, b=1),
        *encode(Op.HALT),
    ]
    spec = _spec({"x": 1, "z": 3}, {"y": 1, "w": 0xFFFF}, {"s": (("x", "z"), ("y", "w"))})
    return make("two inputs", spec, code)


def every_third() -> Program:
    """Three `x` give one `y`. The open instruction set cannot count: see `CountingAnswer`."""
    spec = IOSpec(
        {"x": vector("x", pc=1)},
        {"y": vector("y", mailbox=4)},
        {},
        {"s": IoSequence("s", {"x": 3}, {"y": 1})},
    )
    return make("every third", spec, [*encode(Op.HALT)])


class CountingAnswer:
    """The inside of a chip that answers every third message with the xor of the three."""

    def __init__(self) -> None:
        self._arrived: list[Words] = []

    def reset(self) -> None:
        self._arrived.clear()

    def changed(self, bank: Bank) -> None:
        pass

    def message(self, words: Words, *, output_waits: bool) -> Reply:
        assert not output_waits, "outputs were not fetched in time"
        self._arrived.append(words)
        if len(self._arrived) < 3:
            return NOTHING
        answer = np.bitwise_xor.reduce(self._arrived)
        answer[:2] = (0x1F, 4)
        self._arrived.clear()
        return Reply([answer], 77)

    def wake(self, core: int, count: int) -> Reply:
        raise AssertionError((core, count))


def counting_transport(chip: Chip) -> SimTransport:
    info = TransportInfo("sim://counting", "evk2", simulated=True, chip=chip.name)
    return SimTransport(SimulatedSpu(chip, answer=CountingAnswer()), info)
