"""The 64-byte reports of the EVK2 board (USB HID): layout, host side and board side.

    byte 0      command
    byte 1      0
    bytes 2-3   n, number of 32-bit data words, 0..14, little endian
    bytes 4-7   address, little endian
    bytes 8-63  data words, little endian, zero filled

Source: evk2-usb 3 and 4. `REPORT` is the specification, `REPORT_DTYPE` the codec for batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from construct import Array, Int8ul, Int16ul, Int32ul, Struct
from numpy.typing import NDArray

from firmware_protocol.errors import LocalMisuseError, RemoteViolationError
from firmware_protocol.octets import view_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from firmware_protocol.octets import Octets
    from firmware_protocol.words import Words

REPORT_BYTES = 64
REPORT_WORDS = 14
VENDOR_ID = 0x16C0
PRODUCT_ID = 0x0486
INTERFACE = 0
EXEC_TIME_MANUFACTURER = "FemtoAI"

RawReports: TypeAlias = NDArray[np.uint8]
"""Reports one per row, (n, 64)."""


class Command(IntEnum):
    """Byte 0 of a report."""

    ACK = 0
    RESET = 1
    INTERRUPT = 2
    APB_WRITE = 3
    APB_READ = 4
    AXIS_WRITE = 5
    AXIS_WRITE_END = 6
    AXIS_READ_START = 7
    AXIS_READ = 8
    REGISTER_WRITE = 9
    REGISTER_READ = 10
    ERROR = 11
    TIMEOUT = 12
    EXEC_TIME_READ = 13


READ_COMMANDS = frozenset(
    {
        Command.APB_READ,
        Command.AXIS_READ_START,
        Command.AXIS_READ,
        Command.REGISTER_READ,
        Command.EXEC_TIME_READ,
    }
)
"""Requests that are answered with data after the ack, under the same command."""

WRITE_COMMANDS = frozenset(
    {
        Command.RESET,
        Command.APB_WRITE,
        Command.AXIS_WRITE,
        Command.AXIS_WRITE_END,
        Command.REGISTER_WRITE,
    }
)
"""Requests that are only acknowledged."""

REPORT = Struct(
    "command" / Int8ul,
    "reserved" / Int8ul,
    "length" / Int16ul,
    "address" / Int32ul,
    "words" / Array(REPORT_WORDS, Int32ul),
)

REPORT_DTYPE = np.dtype(
    [
        ("command", "u1"),
        ("reserved", "u1"),
        ("length", "<u2"),
        ("address", "<u4"),
        ("words", "<u4", (REPORT_WORDS,)),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """One parsed report.

    Attributes:
        command: byte 0, any value 0..255.
        address: 32 bits.
        n: the length field as it stands, possibly above 14.
        words: uint32 (min(n, 14),).
    """

    command: int
    address: int
    n: int
    words: Words

    def __str__(self) -> str:
        return f"{command_name(self.command)} at 0x{self.address:08x} with {self.n} words"


@dataclass(frozen=True, slots=True, eq=False)
class ReportColumns:
    """Many parsed reports, one array per field.

    Attributes:
        command: uint8 (n,).
        length: uint16 (n,), as it stands, possibly above 14.
        address: uint32 (n,).
        words: uint32 (n, 14), all data bytes whatever `length` says.
    """

    command: NDArray[np.uint8]
    length: NDArray[np.uint16]
    address: NDArray[np.uint32]
    words: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.command)


def command_name(command: int) -> str:
    """Give `apb_write` for 3, `code 77` for what is not in the table."""
    try:
        return Command(command).name.lower()
    except ValueError:
        return f"code {command}"


def supports_exec_time(manufacturer: str) -> bool:
    """Tell from the manufacturer string whether firmware knows `EXEC_TIME_READ`.

    Older firmware resets the whole board when it sees the command, so never try.
    """
    return manufacturer.strip().casefold() == EXEC_TIME_MANUFACTURER.casefold()


def parse_report(data: Octets) -> Report:
    """Parse one report from either side.

    Raises:
        RemoteViolationError: not 64 bytes.
    """
    raw = view_of(data)
    if raw.nbytes != REPORT_BYTES:
        raise RemoteViolationError("report", f"{raw.nbytes} bytes", f"{REPORT_BYTES} bytes")
    row = np.frombuffer(raw, REPORT_DTYPE)[0]
    n = int(row["length"])
    words = row["words"][: min(n, REPORT_WORDS)].astype(np.uint32)
    return Report(int(row["command"]), int(row["address"]), n, words)


def decode_requests(data: Octets) -> ReportColumns:
    """Parse many host reports at once (board side).

    Args:
        data: bytes or uint8 (n, 64).

    Raises:
        RemoteViolationError: not whole reports.
    """
    return _columns(data)


def parse_replies(data: Octets) -> ReportColumns:
    """Parse many board reports at once (host side); arguments as `decode_requests`."""
    return _columns(data)


def ack(address: int) -> bytes:
    """Give the report with which a board acknowledges a request (board side)."""
    return acks([address]).tobytes()


def acks(addresses: ArrayLike) -> RawReports:
    """Give acks for many requests, uint8 (n, 64) (board side)."""
    where = np.asarray(addresses, np.uint32)
    rows = np.zeros(where.shape, REPORT_DTYPE)
    rows["address"] = where
    return as_bytes(rows)


def data_reply(command: int, address: int, words: ArrayLike) -> bytes:
    """Give the report with which a board answers a read, after its ack (board side).

    Args:
        command: the command of the request.
        address: the address of the request.
        words: uint32 (n,), n <= 14.

    Raises:
        LocalMisuseError: more than 14 words.
    """
    values = np.asarray(words, np.uint32).reshape(1, -1)
    return data_replies([command], [address], values).tobytes()


def data_replies(commands: ArrayLike, addresses: ArrayLike, words: ArrayLike) -> RawReports:
    """Give data replies of equal length, uint8 (n, 64) (board side).

    Args:
        commands: (n,) commands of the requests.
        addresses: (n,) addresses of the requests.
        words: uint32 (n, k), k <= 14.

    Raises:
        LocalMisuseError: more than 14 words in a reply.
    """
    values = np.asarray(words, np.uint32)
    n_rows, n_words = values.shape
    if n_words > REPORT_WORDS:
        raise LocalMisuseError(f"{n_words} words: a report holds at most {REPORT_WORDS}")
    rows = np.zeros(n_rows, REPORT_DTYPE)
    rows["command"] = commands
    rows["address"] = addresses
    rows["length"] = n_words
    rows["words"][:, :n_words] = values
    return as_bytes(rows)


def as_bytes(rows: NDArray[np.void]) -> RawReports:
    """Give an array of `REPORT_DTYPE` as uint8 (n, 64), without a copy."""
    return rows.view(np.uint8).reshape(-1, REPORT_BYTES)


def _columns(data: Octets) -> ReportColumns:
    raw = view_of(data)
    if raw.nbytes % REPORT_BYTES:
        raise RemoteViolationError(
            "reports", f"{raw.nbytes} bytes", f"a multiple of {REPORT_BYTES} bytes"
        )
    rows = np.frombuffer(raw, REPORT_DTYPE)
    return ReportColumns(
        rows["command"],
        rows["length"].astype(np.uint16, copy=False),
        rows["address"].astype(np.uint32, copy=False),
        rows["words"].astype(np.uint32, copy=False),
    )
