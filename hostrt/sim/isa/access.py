"""Which words an instruction reads and writes, in the order in which they are checked.

Addresses are part of the instructions, so this is known before anything runs (open-isa.md, 2
and 5); for MOVEL once the loop register is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import Status
from firmware_protocol.open_isa_ops import VECTOR_OPS, Mode, Op, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.open_isa import Instruction
    from hostrt.sim.isa.memories import CoreMemories

_DM = MemoryKind.DM
_READERS = frozenset({Op.COPY, Op.SEND, Op.POST})
_WRITERS = frozenset({Op.COPY, Op.RECV})


class Access(NamedTuple):
    """Words that are used: `size` words from `first` on; a negative `first` is nowhere."""

    kind: MemoryKind
    first: int
    size: int
    writes: bool = False


def accesses(instruction: Instruction, loop: int = 0) -> list[Access]:
    """Give what an instruction uses.

    Args:
        instruction: which one.
        loop: value of the loop register that MOVEL names.
    """
    op, f = instruction.op, instruction.fields
    if op in VECTOR_OPS:
        return _vector(f)
    if op in (Op.MOVE, Op.MOVEL):
        return _move(f, loop)
    if op is Op.MATVEC:
        return _matvec(f)
    if op is Op.LUT:
        words = (f["hi"] - f["lo"] + 1) * (1 + f["wide"])
        table = Access(MemoryKind.TM, f["table"], words)
        return [_elements(f, "a", "xt"), table, _elements(f, "b", "zt", writes=True)]
    if op is Op.SUM:
        x = Access(_DM, f["a"], _words(f["n"] * f["k"], f["xt"]))
        return [x, _elements(f, "b", "zt", writes=True)]
    if op is Op.COUNT:
        return [Access(_DM, f["a"], 1, writes=True), Access(_DM, f["b"], 1, writes=True)]
    if op is Op.JZERO:
        return [Access(_DM, f["a"], 1)]
    return _words_only(op, f)


def find_fault(used: list[Access], memories: CoreMemories) -> Status | None:
    """Give the status of the first access that cannot be; None when all can."""
    for access in used:
        memory = memories.dm if access.kind is _DM else memories.tm
        if access.first < 0 or access.first + access.size > memory.size:
            return Status.BAD_ADDRESS
        if access.size and not memories.powered(access.kind, access.first, access.size):
            return Status.BANK_OFF
    return None


def _words_only(op: Op, f: Mapping[str, int]) -> list[Access]:
    found = []
    if op in _READERS:
        found.append(Access(_DM, f["a"], f["n"]))
    if op in _WRITERS:
        found.append(Access(_DM, f["b" if op is Op.COPY else "a"], f["n"], writes=True))
    return found


def _vector(f: Mapping[str, int]) -> list[Access]:
    one = min(f["n"], 1)
    whole_x, whole_y = _words(f["n"], f["xt"]), _words(f["n"], f["yt"])
    found = [Access(_DM, f["a"], one if f["mode"] == Mode.SCALAR_X else whole_x)]
    if f["mode"] != Mode.IMMEDIATE:
        found.append(Access(_DM, f["y"], one if f["mode"] == Mode.SCALAR else whole_y))
    return [*found, _elements(f, "b", "zt", writes=True)]


def _matvec(f: Mapping[str, int]) -> list[Access]:
    x_lanes = Type(f["xt"]).lanes
    first, last = f["xo"] // x_lanes, (f["xo"] + f["k"] - 1) // x_lanes
    x = Access(_DM, f["a"] + first, last - first + 1 if f["k"] else 0)
    filled = f["n"] and f["k"]
    rows = (f["n"] - 1) * f["stride"] + _words(f["k"], f["yt"]) if filled else 0
    found = [x, Access(_DM, f["w"], rows)]
    if f["has_init"]:
        found.append(_elements(f, "init", "it"))
    return [*found, _elements(f, "b", "zt", writes=True)]


def _move(f: Mapping[str, int], loop: int) -> list[Access]:
    if not f["n"] or not f["outer"]:
        return []
    return [
        _strided(f["a"], f["xt"], *reach(f, "x", loop)),
        _strided(f["b"], f["zt"], *reach(f, "z", loop), writes=True),
    ]


def reach(f: Mapping[str, int], side: str, loop: int) -> tuple[int, int]:
    """Give the lowest and the highest element number of side "x" or "z" of a MOVE or MOVEL."""
    start = f[f"{side}o"] + loop * f.get(f"{side}l", 0)
    steps = (f["n"] - 1) * f[f"{side}i"], (f["outer"] - 1) * f[f"{side}s"]
    return start + sum(min(step, 0) for step in steps), start + sum(max(step, 0) for step in steps)


def _strided(base: int, code: int, low: int, high: int, *, writes: bool = False) -> Access:
    lanes = Type(code).lanes
    if low < 0:
        return Access(_DM, -1, 0, writes)
    return Access(_DM, base + low // lanes, high // lanes - low // lanes + 1, writes)


def _elements(f: Mapping[str, int], base: str, code: str, *, writes: bool = False) -> Access:
    return Access(_DM, f[base], _words(f["n"], f[code]), writes)


def _words(n: int, code: int) -> int:
    return -(-n // Type(code).lanes)
