"""The operations of the open instruction set, field by field: the specification as data.

hostrt/docs/open-isa.md says what they do. Encoder, decoder, assembler and disassembler work from
this table; the C implementation has its own, made from the document.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Op(IntEnum):
    """Bits 63..56 of an instruction; bits 63..62 are the number of operand words."""

    HALT = 0x01
    RECV = 0x02
    COPY = 0x03
    SEND = 0x04
    JUMP = 0x05
    JZERO = 0x06
    LOOP = 0x07
    SIGNAL = 0x08
    POST = 0x41
    LUT = 0x42
    COUNT = 0x43
    SUM = 0x45
    ADD = 0x50
    SUB = 0x51
    MUL = 0x52
    GT = 0x53
    GE = 0x54
    LT = 0x55
    LE = 0x56
    EQ = 0x57
    AND = 0x58
    OR = 0x59
    XOR = 0x5A
    MAX = 0x5B
    MIN = 0x5C
    MAC = 0x5D
    SELECT = 0x5E
    MATVEC = 0x80
    MOVE = 0x81
    MOVEL = 0xC0


VECTOR_OPS = frozenset(op for op in Op if Op.ADD <= op <= Op.SELECT)
"""Operations on two vectors, element by element."""


class Type(IntEnum):
    """Type of the elements of a vector in DM: two's complement, little endian in the word."""

    I8 = 0
    I16 = 1
    I32 = 2
    I64 = 3

    @property
    def bits(self) -> int:
        """Width of an element."""
        return 8 << self

    @property
    def lanes(self) -> int:
        """Elements in a 64-bit word."""
        return 8 >> self


class Mode(IntEnum):
    """What the second operand of a vector operation is."""

    VECTOR = 0
    SCALAR = 1
    IMMEDIATE = 2
    SCALAR_X = 3


@dataclass(frozen=True, slots=True)
class Field:
    """Bits of an instruction.

    Attributes:
        name: as the assembler calls it.
        word: 0 for the instruction word, 1 to 3 for operand words.
        low: lowest bit.
        width: number of bits.
        signed: two's complement.
    """

    name: str
    word: int
    low: int
    width: int
    signed: bool = False

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value."""
        if self.signed:
            return -(1 << (self.width - 1)), (1 << (self.width - 1)) - 1
        return 0, (1 << self.width) - 1


def _word(name: str, slot: str, word: int = 1, *, signed: bool = False) -> Field:
    """Make a field that takes one of the 16-bit slots c, d, e, f of an operand word."""
    return Field(name, word, 16 * "cdef".index(slot), 16, signed)


_N = Field("n", 0, 32, 16)
_A = Field("a", 0, 16, 16)
_B = Field("b", 0, 0, 16)
_XT = Field("xt", 0, 48, 2)
_YT = Field("yt", 0, 50, 2)
_ZT = Field("zt", 0, 52, 2)
_MODE = Field("mode", 0, 54, 2)


def _narrow(word: int) -> tuple[Field, Field, Field]:
    return (
        Field("shift", word, 32, 8, signed=True),
        Field("rounded", word, 40, 1),
        Field("bits", word, 48, 8),
    )


_VECTOR = (
    *(_N, _A, _B, _XT, _YT, _ZT, _MODE),
    _word("y", "c"),
    Field("sx", 1, 16, 8, signed=True),
    Field("sy", 1, 24, 8, signed=True),
    *_narrow(1),
)
_MOVE = (
    *(_N, _A, _B, _XT, _ZT),
    _word("outer", "c"),
    _word("xo", "d"),
    _word("zo", "e"),
    _word("xi", "c", 2, signed=True),
    _word("zi", "d", 2, signed=True),
    _word("xs", "e", 2, signed=True),
    _word("zs", "f", 2, signed=True),
)

FIELDS: Mapping[Op, tuple[Field, ...]] = MappingProxyType(
    {
        Op.HALT: (),
        Op.RECV: (_N, _A),
        Op.COPY: (_N, _A, _B),
        Op.SEND: (_N, _A, _B),
        Op.JUMP: (_B,),
        Op.JZERO: (_A, _B, _XT),
        Op.LOOP: (_N, _B, Field("reg", 0, 48, 2)),
        Op.SIGNAL: (_B,),
        Op.POST: (_N, _A, _B, _word("core", "c")),
        Op.LUT: (
            *(_N, _A, _B, _XT, _ZT),
            Field("wide", 0, 54, 1),
            _word("table", "c"),
            _word("lo", "d", signed=True),
            _word("hi", "e", signed=True),
            Field("sx", 1, 48, 8, signed=True),
        ),
        Op.COUNT: (_N, _A, _B, _XT, _ZT, _word("k", "c")),
        Op.SUM: (_N, _A, _B, _XT, _ZT, _word("k", "c"), *_narrow(1)),
        **dict.fromkeys(sorted(VECTOR_OPS), _VECTOR),
        Op.MATVEC: (
            *(_N, _A, _B, _XT, _YT, _ZT),
            Field("has_init", 0, 54, 1),
            _word("w", "c"),
            _word("k", "d"),
            _word("stride", "e"),
            _word("init", "f"),
            Field("it", 2, 0, 2),
            _word("xo", "d", 2),
            *_narrow(2),
        ),
        Op.MOVE: _MOVE,
        Op.MOVEL: (
            *_MOVE,
            Field("reg", 0, 50, 2),
            _word("xl", "c", 3, signed=True),
            _word("zl", "d", 3, signed=True),
        ),
    }
)
"""The fields of each operation; every bit outside them must be zero."""
