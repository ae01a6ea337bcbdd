"""Messages on the chip's stream: a 64-bit header, then 64-bit payload words.

To the chip the header is (pc << 32) | core; from the chip it is (mailbox << 32) | status, status
31 meaning that processing succeeded (spu-registers 7.5). As 32-bit words the low half comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from construct import Int32ul, Struct

from firmware_protocol.errors import LocalMisuseError, OutputLayoutError, OutputStatusError
from firmware_protocol.packing import dwords_to_words, words_to_dwords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.words import DWords, Words

STATUS_OK = 0x1F
"""Processing successful; other values are not documented."""

INPUT_HEADER = Struct("core" / Int32ul, "pc" / Int32ul)
OUTPUT_HEADER = Struct("status" / Int32ul, "mailbox" / Int32ul)

_REQUEST = "output message"


def input_message(pc: int, core: int, payload: DWords) -> Words:
    """Give one message to the chip, uint32 (2 + 2 n,).

    Args:
        pc: program counter at which the core starts, 32 bits.
        core: core number, 32 bits.
        payload: uint64 (n,).
    """
    message: Words = input_messages(pc, core, np.atleast_1d(payload)[np.newaxis])[0]
    return message


def input_messages(pc: int, core: int, payloads: DWords) -> Words:
    """Give one message per frame.

    Args:
        pc: program counter at which the core starts, 32 bits.
        core: core number, 32 bits.
        payloads: uint64 (frames, n).

    Returns:
        uint32 (frames, 2 + 2 n), each row ready to send.

    Raises:
        LocalMisuseError: pc or core does not fit 32 bits.
    """
    return _messages(pc, core, payloads)


def output_message(mailbox: int, payload: DWords, status: int = STATUS_OK) -> Words:
    """Give one message as the chip sends it, uint32 (2 + 2 n,)."""
    message: Words = _messages(mailbox, status, np.atleast_1d(payload)[np.newaxis])[0]
    return message


def split_outputs(words: Words, expected: Mapping[int, int]) -> dict[int, DWords]:
    """Give each mailbox its payload, whatever order the messages came in.

    Args:
        words: uint32 (n,), all outputs of one frame, headers included.
        expected: 64-bit payload words of each mailbox.

    Returns:
        mailbox -> uint64 (n_dwords,).

    Raises:
        OutputStatusError: a message says that processing failed.
        OutputLayoutError: unknown or repeated mailbox, or too few or too many words.
    """
    if words.size % 2:
        raise OutputLayoutError(_REQUEST, f"{words.size} words of 32 bits", "an even number")
    dwords = words_to_dwords(words)
    outputs: dict[int, DWords] = {}
    position = 0
    while position < dwords.size:
        mailbox = _open_message(int(dwords[position]), expected, outputs)
        end = position + 1 + expected[mailbox]
        if end > dwords.size:
            raise OutputLayoutError(
                f"{_REQUEST} of mailbox {mailbox}",
                f"{dwords.size - position - 1} payload words",
                expected[mailbox],
            )
        outputs[mailbox] = dwords[position + 1 : end]
        position = end
    missing = sorted(set(expected) - set(outputs))
    if missing:
        raise OutputLayoutError(_REQUEST, f"nothing for mailboxes {missing}", "all outputs")
    return outputs


def split_output_frames(words: Words, expected: Mapping[int, int]) -> dict[int, DWords]:
    """Give each mailbox its payloads over many frames.

    Args:
        words: uint32 (frames, n), each row as for `split_outputs`.
        expected: 64-bit payload words of each mailbox.

    Returns:
        mailbox -> uint64 (frames, n_dwords).

    Raises:
        OutputStatusError: a message says that processing failed.
        OutputLayoutError: a frame does not hold exactly the expected messages.
    """
    n_frames = words.shape[0]
    if n_frames == 0:
        return {mailbox: np.empty((0, n), np.uint64) for mailbox, n in expected.items()}
    first = split_outputs(words[0], expected)
    if n_frames == 1:
        return {mailbox: payload[np.newaxis] for mailbox, payload in first.items()}
    dwords = words_to_dwords(words)
    # Boards nearly always keep one order; rows that differ from the first are split one by one.
    starts, position = {}, 0
    same = np.ones(n_frames, dtype=bool)
    for mailbox in first:
        same &= dwords[:, position] == dwords[0, position]
        starts[mailbox] = position + 1
        position += 1 + expected[mailbox]
    outputs = {m: dwords[:, start : start + expected[m]].copy() for m, start in starts.items()}
    for row in np.flatnonzero(~same):
        for mailbox, payload in split_outputs(words[row], expected).items():
            outputs[mailbox][row] = payload
    return outputs


def _open_message(header: int, expected: Mapping[int, int], seen: Mapping[int, DWords]) -> int:
    mailbox, status = header >> 32, header & 0xFFFF_FFFF
    # first the status: a failed frame need not come from a mailbox that anybody knows
    if status != STATUS_OK:
        raise OutputStatusError(mailbox, status, STATUS_OK)
    if mailbox not in expected:
        raise OutputLayoutError(_REQUEST, f"mailbox {mailbox}", f"one of {sorted(expected)}")
    if mailbox in seen:
        raise OutputLayoutError(_REQUEST, f"mailbox {mailbox} twice", "each mailbox once")
    return mailbox


def _messages(high: int, low: int, payloads: DWords) -> Words:
    for value in (high, low):
        if not 0 <= value < 1 << 32:
            raise LocalMisuseError(f"header field {value} does not fit 32 bits")
    n_frames, n_dwords = payloads.shape
    dwords = np.empty((n_frames, n_dwords + 1), np.uint64)
    dwords[:, 0] = (high << 32) | low
    dwords[:, 1:] = payloads
    return dwords_to_words(dwords)
