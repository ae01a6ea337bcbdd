"""Cycles and events of instructions of the open instruction set (open-isa.md, 2 and 4.2)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from firmware_protocol.open_isa_ops import VECTOR_OPS, Mode, Op, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.open_isa import Instruction


@dataclass(frozen=True, slots=True)
class Events:
    """What an instruction makes happen, counted for energy.

    Attributes:
        im_reads: words fetched from IM.
        dm_reads: words read from DM.
        dm_writes: words written to DM.
        tm_reads: words read from TM.
        products: multiplications of lanes.
        lane_ops: other operations of lanes.
        stream_words: message words from and to the host.
        link_words: message words between cores.
    """

    im_reads: int = 0
    dm_reads: int = 0
    dm_writes: int = 0
    tm_reads: int = 0
    products: int = 0
    lane_ops: int = 0
    stream_words: int = 0
    link_words: int = 0

    def __add__(self, other: Events) -> Events:
        return Events(*(getattr(self, name) + getattr(other, name) for name in EVENT_NAMES))


EVENT_NAMES = tuple(field.name for field in fields(Events))

_FIXED_CYCLES = {
    Op.HALT: 1,
    Op.JUMP: 1,
    Op.JZERO: 2,
    Op.LOOP: 1,
    Op.SIGNAL: 2,
    Op.COUNT: 6,
}
_WORD_CYCLES = {Op.RECV: 2, Op.COPY: 2, Op.SEND: 3, Op.POST: 3}


def cycles_of(instruction: Instruction) -> int:
    """Give the cycles of one execution."""
    op, f = instruction.op, instruction.fields
    if op in _FIXED_CYCLES:
        return _FIXED_CYCLES[op]
    if op in _WORD_CYCLES:
        return _WORD_CYCLES[op] + f["n"]
    if op in VECTOR_OPS:
        return 3 + -(-f["n"] // _narrowest_lanes(f))
    if op is Op.MATVEC:
        row = -(-f["k"] // _lanes(f["yt"]))
        return 4 + -(-f["k"] // _lanes(f["xt"])) + f["n"] * row
    if op is Op.SUM:
        return 3 + f["n"] * -(-f["k"] // _lanes(f["xt"]))
    if op is Op.LUT:
        return 3 + f["n"] * (1 + f["wide"])
    return 3 + (_words(f["n"], f["xt"]) if moves_words(instruction) else f["n"] * f["outer"])


def events_of(instruction: Instruction) -> Events:
    """Give the events of one execution."""
    op, f = instruction.op, instruction.fields
    fetched = instruction.length
    if op in (Op.MOVE, Op.MOVEL):
        count = _words(f["n"], f["xt"]) if moves_words(instruction) else f["n"] * f["outer"]
        return Events(fetched, count, count)
    if op in VECTOR_OPS:
        return _vector_events(op, f, fetched)
    if op is Op.MATVEC:
        weights = f["n"] * _words(f["k"], f["yt"])
        init = _words(f["n"], f["it"]) if f["has_init"] else 0
        reads = _words(f["k"], f["xt"]) + weights + init
        return Events(fetched, reads, _words(f["n"], f["zt"]), products=f["n"] * f["k"])
    if op is Op.SUM:
        reads = f["n"] * _words(f["k"], f["xt"])
        return Events(fetched, reads, _words(f["n"], f["zt"]), lane_ops=f["n"] * f["k"])
    if op is Op.LUT:
        entries = f["n"] * (1 + f["wide"])
        reads, writes = _words(f["n"], f["xt"]), _words(f["n"], f["zt"])
        return Events(fetched, reads, writes, entries, lane_ops=f["n"])
    return _other_events(op, f, fetched)


def moves_words(instruction: Instruction) -> bool:
    """Tell whether a MOVE or MOVEL goes by whole words."""
    f = instruction.fields
    lanes = _lanes(f["xt"])
    places = (f["xo"], f["zo"], f.get("xl", 0), f.get("zl", 0))
    simple = f["outer"] == 1 and f["xt"] == f["zt"] and f["xi"] == f["zi"] == 1
    return simple and all(place % lanes == 0 for place in places)


def _vector_events(op: Op, f: Mapping[str, int], fetched: int) -> Events:
    n, mode = f["n"], f["mode"]
    whole = {"x": _words(n, f["xt"]), "y": _words(n, f["yt"])}
    if mode == Mode.SCALAR_X:
        whole["x"] = min(n, 1)
    elif mode == Mode.SCALAR:
        whole["y"] = min(n, 1)
    elif mode == Mode.IMMEDIATE:
        whole["y"] = 0
    z = _words(n, f["zt"])
    reads = whole["x"] + whole["y"] + (z if op in (Op.MAC, Op.SELECT) else 0)
    multiplies = op in (Op.MUL, Op.MAC)
    return Events(
        fetched, reads, z, products=n if multiplies else 0, lane_ops=0 if multiplies else n
    )


def _other_events(op: Op, f: Mapping[str, int], fetched: int) -> Events:
    n = f.get("n", 0)
    if op is Op.RECV:
        return Events(fetched, dm_writes=n, stream_words=n)
    if op is Op.SEND:
        return Events(fetched, dm_reads=n, stream_words=n + 1)
    if op is Op.POST:
        return Events(fetched, dm_reads=n, link_words=n + 1)
    if op is Op.COPY:
        return Events(fetched, dm_reads=n, dm_writes=n)
    if op is Op.COUNT:
        return Events(fetched, dm_reads=1, dm_writes=2, lane_ops=1)
    return Events(fetched, dm_reads=int(op is Op.JZERO))


def _narrowest_lanes(f: Mapping[str, int]) -> int:
    types = [f["zt"]]
    if f["mode"] != Mode.SCALAR_X:
        types.append(f["xt"])
    if f["mode"] in (Mode.VECTOR, Mode.SCALAR_X):
        types.append(f["yt"])
    return min(_lanes(item) for item in types)


def _lanes(code: int) -> int:
    return Type(code).lanes


def _words(n: int, code: int) -> int:
    return -(-n // _lanes(code))
