"""The open instruction set of the simulated SPU: words in instruction memory, as data.

    bits 63..56  op      operation; its two highest bits say how many operand words follow
    bits 55..48  aux     modifier of the operation
    bits 47..32  n       number of 64-bit words
    bits 31..16  a       first address, in 64-bit words of data memory
    bits 15..0   b       second address or number

An operand word holds four more 16-bit fields, c in its lowest bits, then d, e and f. Word 0 of an
instruction memory is no instruction but the mark of this instruction set: without it nothing is
executed, so that a program made for another instruction set is never mistaken for one of ours.

`INSTRUCTION` and `OPERANDS` are the specification, `decode` the codec for whole memories. What the
operations do is written down in hostrt/docs/open-isa.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from construct import Int8ul, Int16ul, Struct

from firmware_protocol.errors import LocalMisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from firmware_protocol.words import DWords

ISA_VERSION = 1
MARK_NAME = int.from_bytes(b"OPENISA", "big") << 8
"""The seven characters OPENISA in bits 63..8; bits 7..0 are the version."""
MARK = MARK_NAME | ISA_VERSION
FIRST_PC = 1
"""The first word that can be an instruction: word 0 is the mark."""

INSTRUCTION = Struct("b" / Int16ul, "a" / Int16ul, "n" / Int16ul, "aux" / Int8ul, "op" / Int8ul)
OPERANDS = Struct("c" / Int16ul, "d" / Int16ul, "e" / Int16ul, "f" / Int16ul)

INSTRUCTION_DTYPE = np.dtype(
    [("b", "<u2"), ("a", "<u2"), ("n", "<u2"), ("aux", "u1"), ("op", "u1")]
)
OPERANDS_DTYPE = np.dtype([("c", "<u2"), ("d", "<u2"), ("e", "<u2"), ("f", "<u2")])

THREAD_START_CYCLES = 4
"""Cycles from the arrival of a message, or from the ready queue, to the first instruction."""

MAX_INSTRUCTIONS = 1_000_000
"""Instructions a thread may execute before it is stopped as a runaway."""


class Op(IntEnum):
    """Bits 63..56 of an instruction."""

    HALT = 0x01
    RECV = 0x02
    COPY = 0x03
    SEND = 0x04


class Status(IntEnum):
    """Low half of an output message's header."""

    OK = 0x1F
    ILLEGAL_INSTRUCTION = 0x80
    BAD_ADDRESS = 0x81
    BANK_OFF = 0x82
    BAD_MESSAGE = 0x83
    RUNAWAY = 0x84
    WRONG_VERSION = 0x85


STATUS_TEXT: Mapping[int, str] = MappingProxyType(
    {
        Status.OK: "processing successful",
        Status.ILLEGAL_INSTRUCTION: "not an instruction, or a field that must be zero is not",
        Status.BAD_ADDRESS: "program counter or data address outside the memory",
        Status.BANK_OFF: "a memory bank that is not powered was used",
        Status.BAD_MESSAGE: "an input message with more or fewer words than the program takes",
        Status.RUNAWAY: "too many instructions without HALT",
        Status.WRONG_VERSION: "the program's instruction set version is not this chip's",
    }
)
"""What each status means, for people."""


@dataclass(frozen=True, slots=True)
class OpSpec:
    """What the decoder must know about an operation.

    Attributes:
        uses: instruction fields the operation reads; the others must be zero.
        fixed_cycles: cycles whatever `n` is.
        word_cycles: cycles for each of the `n` words.
    """

    uses: frozenset[str]
    fixed_cycles: int
    word_cycles: int = 0

    def cycles(self, n: int) -> int:
        """Give the cycles of one execution on `n` words."""
        return self.fixed_cycles + self.word_cycles * n


OPS: Mapping[Op, OpSpec] = MappingProxyType(
    {
        Op.HALT: OpSpec(frozenset(), 1),
        Op.RECV: OpSpec(frozenset({"n", "a"}), 2, 1),
        Op.COPY: OpSpec(frozenset({"n", "a", "b"}), 2, 1),
        Op.SEND: OpSpec(frozenset({"n", "a", "b"}), 3, 1),
    }
)
"""Every operation of this version."""

_FIELDS = ("aux", "n", "a", "b")
_MAXIMA = {"aux": 0xFF, "n": 0xFFFF, "a": 0xFFFF, "b": 0xFFFF}


@dataclass(frozen=True, slots=True, eq=False)
class InstructionTable:
    """A decoded instruction memory; row i is word i taken as an instruction.

    Attributes:
        op: uint8 (n,), 0 where the word is no legal instruction.
        aux: uint8 (n,).
        n: uint16 (n,).
        a: uint16 (n,).
        b: uint16 (n,).
        cycles: int64 (n,), cost of each instruction.
        length: uint8 (n,), words the instruction takes, operand words included.
    """

    op: NDArray[np.uint8]
    aux: NDArray[np.uint8]
    n: NDArray[np.uint16]
    a: NDArray[np.uint16]
    b: NDArray[np.uint16]
    cycles: NDArray[np.int64]
    length: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.op)


def n_operand_words(op: int) -> int:
    """Give how many operand words follow an instruction; known even for unknown operations."""
    return op >> 6


def encode(op: Op, *, n: int = 0, a: int = 0, b: int = 0) -> int:
    """Give one instruction word.

    Raises:
        LocalMisuseError: a field does not fit, or the operation does not use it.
    """
    fields = {"aux": 0, "n": n, "a": a, "b": b}
    for name, value in fields.items():
        if not 0 <= value <= _MAXIMA[name]:
            raise LocalMisuseError(f"{op.name} {name}={value}: not in 0..{_MAXIMA[name]}")
        if value and name not in OPS[op].uses:
            raise LocalMisuseError(f"{op.name} {name}={value}: {op.name} has no {name}")
    return (int(op) << 56) | (n << 32) | (a << 16) | b


def is_open_isa(first_word: int) -> bool:
    """Tell from word 0 of an instruction memory whether it holds this instruction set."""
    return first_word & ~0xFF == MARK_NAME


def decode(memory: DWords) -> InstructionTable:
    """Decode every word of an instruction memory at once.

    Args:
        memory: uint64 (n,).
    """
    rows = np.ascontiguousarray(memory, dtype="<u8").view(INSTRUCTION_DTYPE)
    op = rows["op"]
    legal = np.zeros(op.shape, dtype=bool)
    cycles = np.zeros(op.shape, np.int64)
    for code, spec in OPS.items():
        mine = op == code
        for field in _FIELDS:
            if field not in spec.uses:
                mine = mine & (rows[field] == 0)
        legal |= mine
        cycles[mine] = spec.fixed_cycles + spec.word_cycles * rows["n"][mine].astype(np.int64)
    return InstructionTable(
        op=np.where(legal, op, 0).astype(np.uint8),
        aux=rows["aux"],
        n=rows["n"],
        a=rows["a"],
        b=rows["b"],
        cycles=cycles,
        length=(1 + (op >> 6)).astype(np.uint8),
    )


def describe_status(status: int) -> str:
    """Give the meaning of an output status for messages; "undocumented" when it has none."""
    return STATUS_TEXT.get(status, "undocumented")
