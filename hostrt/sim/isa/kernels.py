"""Instructions as calls: what is decoded once and executed often (open-isa.md, 2)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa_ops import VECTOR_OPS, Op
from firmware_protocol.stream import STATUS_OK
from hostrt.sim.isa.chain import Call, moved
from hostrt.sim.isa.kernels_move import lower_move
from hostrt.sim.isa.kernels_product import lower_matvec, lower_sum
from hostrt.sim.isa.kernels_table import lower_count, lower_lut
from hostrt.sim.isa.kernels_vector import lower_vector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from firmware_protocol.open_isa import Instruction
    from firmware_protocol.words import DWords, Words
    from hostrt.sim.isa.place import Place

__all__ = ["Call", "lower"]


def lower(instruction: Instruction, place: Place, loop: int = 0) -> list[Call]:
    """Give what an instruction does, whose addresses can be used, as calls one after the other.

    Args:
        instruction: which; one that cannot stop its thread, or a MOVEL.
        place: the memories of its core.
        loop: value of the loop register that MOVEL names.
    """
    op, f = instruction.op, instruction.fields
    if op in (Op.MOVE, Op.MOVEL):
        return lower_move(f, place, loop)
    if op in VECTOR_OPS:
        return lower_vector(op, f, place)
    return _LOWERED[op](f, place)


def _lower_copy(f: Mapping[str, int], place: Place) -> list[Call]:
    dm, n = place.memories.dm, f["n"]
    there, value = dm[f["b"] : f["b"] + n], dm[f["a"] : f["a"] + n]
    return moved(there, value, place.scratch) if n else []


def _lower_send(f: Mapping[str, int], place: Place) -> list[Call]:
    words = place.memories.dm[f["a"] : f["a"] + f["n"]]
    empty = np.zeros(f["n"] + 1, "<u8")
    empty[0] = f["b"] << 32 | STATUS_OK
    return [partial(_send, place.links.send, empty, words)]


def _send(put: Callable[[Words], None], empty: DWords, words: DWords) -> None:
    message = empty.copy()
    message[1:] = words
    put(message.view("<u4"))


_LOWERED: Mapping[Op, Callable[[Mapping[str, int], Place], list[Call]]] = {
    Op.COPY: _lower_copy,
    Op.SEND: _lower_send,
    Op.MATVEC: lower_matvec,
    Op.SUM: lower_sum,
    Op.LUT: lower_lut,
    Op.COUNT: lower_count,
}
