"""What the fields of instructions count: words of DM, tables, places in the code, threads."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from firmware_protocol.open_isa_ops import VECTOR_OPS, Op

if TYPE_CHECKING:
    from collections.abc import Mapping


class Space(StrEnum):
    """What a field of an instruction counts."""

    DATA = "data"
    TABLE = "table"
    CODE = "code"
    THREAD = "thread"
    MAILBOX = "mailbox"


def _vector_spaces() -> dict[Op, Mapping[str, Space]]:
    three = MappingProxyType(dict.fromkeys(("a", "b", "y"), Space.DATA))
    return dict.fromkeys(sorted(VECTOR_OPS), three)


def _spaces(**spaces: Space) -> Mapping[str, Space]:
    return MappingProxyType(spaces)


_DATA = Space.DATA
SPACES: Mapping[Op, Mapping[str, Space]] = MappingProxyType(
    {
        Op.HALT: _spaces(),
        Op.RECV: _spaces(a=_DATA),
        Op.COPY: _spaces(a=_DATA, b=_DATA),
        Op.SEND: _spaces(a=_DATA, b=Space.MAILBOX),
        Op.JUMP: _spaces(b=Space.CODE),
        Op.JZERO: _spaces(a=_DATA, b=Space.CODE),
        Op.LOOP: _spaces(b=Space.CODE),
        Op.SIGNAL: _spaces(b=Space.THREAD),
        Op.POST: _spaces(a=_DATA, b=Space.CODE),
        Op.LUT: _spaces(a=_DATA, b=_DATA, table=Space.TABLE),
        Op.COUNT: _spaces(a=_DATA, b=_DATA),
        Op.SUM: _spaces(a=_DATA, b=_DATA),
        **_vector_spaces(),
        Op.MATVEC: _spaces(a=_DATA, b=_DATA, w=_DATA, init=_DATA),
        Op.MOVE: _spaces(a=_DATA, b=_DATA),
        Op.MOVEL: _spaces(a=_DATA, b=_DATA),
    }
)
"""Which fields of an operation can be references. `y` is none in mode IMMEDIATE."""
