"""LOOPBACK: the program that sends its input back, in the open instruction set.

It receives a vector into data memory, copies it to a second place there and sends that copy. It
shows that a chip can be loaded, executes from its memories and streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.open_isa import FIRST_PC, MARK, encode
from firmware_protocol.open_isa_ops import Op
from firmware_protocol.packing import words_for

if TYPE_CHECKING:
    from firmware_protocol.registers import ChipMap

INPUT_NAME = "input"
OUTPUT_NAME = "output"
DEFAULT_LENGTH = 16
_ADDRESS_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class LoopbackProgram:
    """Memories and stream interface of LOOPBACK.

    Attributes:
        banks: what to load.
        length: elements of the vector.
        precision: bits of an element.
        n_dwords: 64-bit words of the vector, the last one padded with zeros.
        pc: program counter an input message must name.
        core: core an input message must name.
        mailbox: mailbox of the output message.
    """

    banks: tuple[BankImage, ...]
    length: int
    precision: int
    n_dwords: int
    pc: int
    core: int
    mailbox: int


def loopback_banks(
    chip: ChipMap, length: int = DEFAULT_LENGTH, *, precision: int = 16, mailbox: int = 0
) -> LoopbackProgram:
    """Make LOOPBACK for a chip.

    Args:
        chip: whose memories it shall fit.
        length: elements of the vector, at least 1.
        precision: 8 or 16 bits.
        mailbox: mailbox of the output message, 0..65535.

    Raises:
        LocalMisuseError: the vector does not fit twice into the data memory of a core.
    """
    n = words_for(length, precision)
    banks = sorted(
        (item for item in chip.regions if item.core == 0 and item.kind is MemoryKind.DM),
        key=lambda item: item.index,
    )
    room = min(sum(item.n_dwords for item in banks), _ADDRESS_LIMIT)
    if length < 1 or 2 * n > room:
        most = room // 2 * (64 // precision)
        raise LocalMisuseError(f"LOOPBACK of {length} elements: {chip.title} holds 1..{most}")
    code = [
        MARK,
        *encode(Op.RECV, n=n, a=0),
        *encode(Op.COPY, n=n, a=0, b=n),
        *encode(Op.SEND, n=n, a=n, b=mailbox),
        *encode(Op.HALT),
    ]
    images, left = [], 2 * n
    for region in banks:
        # The words are zero, but a bank that holds data is a bank the host powers.
        used = min(left, region.n_dwords)
        if used:
            words = np.zeros(used, np.uint64)
            images.append(BankImage(0, MemoryKind.DM, region.index, words))
        left -= used
    images.append(BankImage(0, MemoryKind.IM, 0, np.array(code, np.uint64)))
    return LoopbackProgram(tuple(images), length, precision, n, FIRST_PC, 0, mailbox)
