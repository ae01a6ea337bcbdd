"""The open instruction set of the simulated SPU: words in instruction memory, as data.

    bits 63..56  op      operation; its two highest bits say how many operand words follow
    bits 55..48  aux     types and modifiers
    bits 47..32  n       number of elements, rows or 64-bit words
    bits 31..16  a       first address, in 64-bit words of data memory
    bits 15..0   b       second address or number

An operand word holds four more 16-bit fields, c in its lowest bits, then d, e and f. Word 0 of an
instruction memory is no instruction but the mark of this instruction set: without it nothing is
executed, so that a program made for another instruction set is never mistaken for one of ours.

`INSTRUCTION` and `OPERANDS` are the layout, `open_isa_ops.FIELDS` the fields of each operation,
`open_isa_cost` what they cost. What they do is written down in hostrt/docs/open-isa.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from construct import Int8ul, Int16ul, Struct

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.open_isa_ops import FIELDS, VECTOR_OPS, Mode, Op

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ISA_VERSION = 2
KNOWN_VERSIONS = (1, 2)
"""Versions in a mark that a chip of this version executes."""
MARK_NAME = int.from_bytes(b"OPENISA", "big") << 8
"""The seven characters OPENISA in bits 63..8; bits 7..0 are the version."""
MARK = MARK_NAME | ISA_VERSION
FIRST_PC = 1
"""The first word that can be an instruction: word 0 is the mark."""

INSTRUCTION = Struct("b" / Int16ul, "a" / Int16ul, "n" / Int16ul, "aux" / Int8ul, "op" / Int8ul)
OPERANDS = Struct("c" / Int16ul, "d" / Int16ul, "e" / Int16ul, "f" / Int16ul)

THREAD_START_CYCLES = 4
"""Cycles that the start of a thread takes."""
LINK_CYCLES = 8
"""Cycles that a message from core to core is under way."""
MAX_INSTRUCTIONS = 1_000_000
"""Instructions that all threads together may fetch until the chip rests (open-isa.md, 5)."""
QUEUE_LENGTH = 64
"""Starts that can wait on one core."""
LINK_WORDS = 4096
"""Words of messages between cores, without headers, that can wait on one core."""
N_THREADS = 64
MAX_SHIFT = 63

_OP_CODES = frozenset(int(op) for op in Op)
_WORD_MASK = (1 << 64) - 1


class Status(IntEnum):
    """Low half of an output message's header."""

    OK = 0x1F
    ILLEGAL_INSTRUCTION = 0x80
    BAD_ADDRESS = 0x81
    BANK_OFF = 0x82
    BAD_MESSAGE = 0x83
    RUNAWAY = 0x84
    WRONG_VERSION = 0x85
    QUEUE_FULL = 0x86


STATUS_TEXT: Mapping[int, str] = MappingProxyType(
    {
        Status.OK: "processing successful",
        Status.ILLEGAL_INSTRUCTION: "not an instruction, or a field that must be zero is not",
        Status.BAD_ADDRESS: "program counter, data or table address outside the memory",
        Status.BANK_OFF: "a memory bank that is not powered was used",
        Status.BAD_MESSAGE: "an input message with more or fewer words than the program takes",
        Status.RUNAWAY: "too many instructions without HALT",
        Status.WRONG_VERSION: "the program's instruction set version is not this chip's",
        Status.QUEUE_FULL: "more than 64 starts, or 4096 words sent by POST, wait on one core",
    }
)
"""What each status means, for people."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One legal instruction.

    Attributes:
        op: the operation.
        fields: value of every field that `FIELDS[op]` names.
    """

    op: Op
    fields: Mapping[str, int]

    @property
    def length(self) -> int:
        """Words it takes, operand words included."""
        return 1 + n_operand_words(self.op)

    def words(self) -> tuple[int, ...]:
        """Give its words, each an unsigned 64-bit number."""
        words = [int(self.op) << 56] + [0] * n_operand_words(self.op)
        for field in FIELDS[self.op]:
            words[field.word] |= (self.fields[field.name] & ((1 << field.width) - 1)) << field.low
        return tuple(words)


def n_operand_words(op: int) -> int:
    """Give how many operand words follow an instruction; known even for unknown operations."""
    return op >> 6


def make(op: Op, **fields: int) -> Instruction:
    """Make an instruction; fields that are not given are 0.

    Raises:
        LocalMisuseError: a field does not fit, the operation does not have it, or the document
            calls the combination illegal.
    """
    known = {field.name: field for field in FIELDS[op]}
    for name, value in fields.items():
        if name not in known:
            raise LocalMisuseError(f"{op.name} {name}={value}: {op.name} has no {name}")
        low, high = known[name].range
        if op in VECTOR_OPS and name == "y" and fields.get("mode") == Mode.IMMEDIATE:
            low, high = -0x8000, 0x7FFF
        if not low <= value <= high:
            raise LocalMisuseError(f"{op.name} {name}={value}: not in {low}..{high}")
    made = Instruction(op, MappingProxyType({name: fields.get(name, 0) for name in known}))
    fault = find_fault(made)
    if fault:
        raise LocalMisuseError(f"{op.name}: {fault}")
    return made


def encode(op: Op, **fields: int) -> tuple[int, ...]:
    """Give the words of an instruction; arguments and errors as in `make`."""
    return make(op, **fields).words()


def decode(memory: Sequence[int], pc: int) -> Instruction | None:
    """Decode the instruction at `pc`.

    Args:
        memory: words of an instruction memory, unsigned 64-bit numbers.
        pc: index of its first word; its operand words must be there too.

    Returns:
        The instruction, None when the words are no legal one.
    """
    first = int(memory[pc])
    code = first >> 56
    if code not in _OP_CODES:
        return None
    op = Op(code)
    words = [int(memory[pc + i]) for i in range(1 + n_operand_words(code))]
    left = [words[0] & ~(0xFF << 56) & _WORD_MASK, *words[1:]]
    fields = {}
    for field in FIELDS[op]:
        mask = ((1 << field.width) - 1) << field.low
        value = (words[field.word] & mask) >> field.low
        left[field.word] &= ~mask
        sign = 1 << (field.width - 1)
        fields[field.name] = (value ^ sign) - sign if field.signed else value
    if any(left):
        return None
    if op in VECTOR_OPS and fields["mode"] == Mode.IMMEDIATE:
        fields["y"] = (fields["y"] ^ 0x8000) - 0x8000
    found = Instruction(op, MappingProxyType(fields))
    return None if find_fault(found) else found


def find_fault(instruction: Instruction) -> str:
    """Say what the document calls illegal about an instruction whose fields fit; "" if nothing."""
    op, fields = instruction.op, instruction.fields
    if op in (Op.LOOP, Op.COUNT) and not fields["n"]:
        return "n is 0"
    if op is Op.SIGNAL and fields["b"] >= N_THREADS:
        return f"thread {fields['b']} of {N_THREADS}"
    if op is Op.LUT and fields["hi"] < fields["lo"]:
        return f"hi {fields['hi']} below lo {fields['lo']}"
    if op is Op.MATVEC and not fields["has_init"] and (fields["init"] or fields["it"]):
        return "an init that is not used"
    if op in VECTOR_OPS and fields["mode"] == Mode.IMMEDIATE and fields["yt"]:
        return "a number has no type"
    return _find_shift_fault(fields)


def _find_shift_fault(fields: Mapping[str, int]) -> str:
    for name in ("sx", "sy", "shift"):
        if abs(fields.get(name, 0)) > MAX_SHIFT:
            return f"{name} {fields[name]}, expected -{MAX_SHIFT}..{MAX_SHIFT}"
    if fields.get("rounded") and fields["shift"] >= 0:
        return "rounding without a shift to the right"
    if fields.get("bits", 0) > MAX_SHIFT:
        return f"bits {fields['bits']}, expected 0..{MAX_SHIFT}"
    return ""


def is_open_isa(first_word: int) -> bool:
    """Tell from word 0 of an instruction memory whether it holds this instruction set."""
    return first_word & ~0xFF == MARK_NAME


def describe_status(status: int) -> str:
    """Give the meaning of an output status for messages; "undocumented" when it has none."""
    return STATUS_TEXT.get(status, "undocumented")
