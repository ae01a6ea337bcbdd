"""The 8-byte units of the ZCU104 board (TCP): layout, host side and board side.

    bytes 0-3   code in bits 31..28, address in bits 27..0, little endian
    bytes 4-7   data, little endian

Source: zynq-ethernet 2 to 4. `UNIT` is the specification, arrays of uint64 (code and address in
the low half, data in the high half) the codec for batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from construct import BitsInteger, BitStruct, ByteSwapped, Int32ul, Struct
from numpy.typing import NDArray

from firmware_protocol.errors import RemoteViolationError
from firmware_protocol.octets import view_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from firmware_protocol.octets import Octets

UNIT_BYTES = 8
ADDRESS_BITS = 28
ADDRESS_LIMIT = 1 << ADDRESS_BITS
MAX_PIECE_UNITS = 64
"""512 bytes: what the vendor's host sends at once, and reads before it goes on."""

DEFAULT_PORT = 7
DEFAULT_HOST = "192.168.1.8"
MESSAGE_PENULTIMATE = 1
MESSAGE_END = 5
"""Position markers in the address field of the last two units of a stream message; else 0."""

Units: TypeAlias = NDArray[np.uint64]
"""Units, (n,): head in the low half, data in the high half."""

UNIT = Struct(
    "head" / ByteSwapped(BitStruct("code" / BitsInteger(4), "address" / BitsInteger(28))),
    "data" / Int32ul,
)


class Code(IntEnum):
    """Bits 31..28 of a unit."""

    APB_READ = 0
    APB_WRITE = 1
    AXIS_READ = 2
    AXIS_WRITE = 3
    APB_READ_REPLY = 4
    AXIS_READ_REPLY = 5
    AXIS_READ_REPLY_OVER = 6
    TOP_READ = 7
    TOP_WRITE = 8
    HOST_READ = 9
    HOST_WRITE = 10
    TOP_READ_REPLY = 11
    HOST_READ_REPLY = 12


@dataclass(frozen=True, slots=True, eq=False)
class UnitColumns:
    """Many parsed units, one array per field.

    Attributes:
        code: uint8 (n,), 0..15.
        address: uint32 (n,), 0 .. 2**28 - 1.
        data: uint32 (n,).
    """

    code: NDArray[np.uint8]
    address: NDArray[np.uint32]
    data: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.code)


def code_name(code: int) -> str:
    """Give `apb_read` for 0, `code 14` for what is not in the table."""
    try:
        return Code(code).name.lower()
    except ValueError:
        return f"code {code}"


def encode_units(code: ArrayLike, address: ArrayLike, data: ArrayLike) -> Units:
    """Give units from their fields; the three broadcast against each other.

    Args:
        code: 0..15.
        address: 0 .. 2**28 - 1.
        data: 0 .. 2**32 - 1.
    """
    codes = np.asarray(code, np.uint32) << np.uint32(ADDRESS_BITS)
    addresses, words = np.asarray(address, np.uint32), np.asarray(data, np.uint32)
    shape = np.broadcast_shapes((1,), codes.shape, addresses.shape, words.shape)
    pairs = np.empty((*shape, 2), "<u4")
    np.bitwise_or(addresses, codes, out=pairs[..., 0])
    pairs[..., 1] = words
    return pairs.view("<u8")[..., 0].astype(np.uint64, copy=False)


def units_to_bytes(units: Units) -> bytes:
    """Give units as they travel."""
    return units.astype("<u8", copy=False).tobytes()


def parse_units(data: Octets) -> Units:
    """Give whole units as an array, (n,).

    Raises:
        RemoteViolationError: not a whole number of units.
    """
    raw = view_of(data)
    if raw.nbytes % UNIT_BYTES:
        raise RemoteViolationError(
            "units", f"{raw.nbytes} bytes", f"a multiple of {UNIT_BYTES} bytes"
        )
    return np.frombuffer(raw, "<u8").astype(np.uint64, copy=False)


def decode_units(data: Octets) -> UnitColumns:
    """Parse whole units from either side.

    Args:
        data: bytes; a receiver keeps an incomplete unit at the end for itself.

    Raises:
        RemoteViolationError: not a whole number of units.
    """
    return split_fields(parse_units(data))


def split_fields(units: Units) -> UnitColumns:
    """Give the fields of units; `data` may be a view of them."""
    pairs = units.astype("<u8", copy=False).view("<u4").reshape(-1, 2)
    heads = pairs[:, 0]
    code = (heads >> np.uint32(ADDRESS_BITS)).astype(np.uint8)
    address = heads & np.uint32(ADDRESS_LIMIT - 1)
    return UnitColumns(code, address, pairs[:, 1].astype(np.uint32, copy=False))


def apb_replies(addresses: ArrayLike, values: ArrayLike) -> bytes:
    """Give the answer to APB read units, one unit per address (board side)."""
    return units_to_bytes(encode_units(Code.APB_READ_REPLY, addresses, values))


def top_replies(offsets: ArrayLike, values: ArrayLike) -> bytes:
    """Give the answer to top register reads, one unit per register (board side)."""
    return units_to_bytes(encode_units(Code.TOP_READ_REPLY, offsets, values))


def axis_reply(words: ArrayLike) -> bytes:
    """Give the answer to a stream read: a unit per 32-bit word, then the closing unit (board side).

    Args:
        words: uint32 (n,), n = 0 when nothing is queued.
    """
    values = np.atleast_1d(np.asarray(words, np.uint32))
    body = encode_units(Code.AXIS_READ_REPLY, 0, values)
    over = encode_units(Code.AXIS_READ_REPLY_OVER, values.size, 0)
    return units_to_bytes(np.concatenate([body, over]))
