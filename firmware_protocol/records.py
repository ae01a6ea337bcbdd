"""Recordings of transactions (program file reference 2): `setup.yaml` and its relatives.

A recording maps record names to transactions in order. It is written as YAML with decimal or
hexadecimal numbers, or as plain text; reading is in `records_read`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.hextext import hex_columns
from firmware_protocol.words import Words, frozen_words
from firmware_protocol.yamltext import format_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DIRECTIONS = ("w", "r")
CLASSES = ("apb", "axis", "spu_top", "host")

HEX_ITEM = b"  - '0x00000000'\n"
"""One word of a hexadecimal recording; the digits start at `HEX_DIGITS`."""
HEX_DIGITS = 7
_HEX_WIDTH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Transaction:
    """One exchange with a board.

    Attributes:
        msgtype: one of `CLASSES`.
        direction: `w` or `r`.
        comment: free text.
        start_addr: first address; 0 for streams.
        end_addr: first address behind the exchange; 0 for streams.
        length: 32-bit words.
        vals: uint32 (length,), the words written or read; None when they were not kept.
    """

    msgtype: str
    direction: str
    comment: str | None
    start_addr: int
    end_addr: int
    length: int
    vals: Words | None

    def __post_init__(self) -> None:
        if self.msgtype not in CLASSES or self.direction not in DIRECTIONS:
            found = f"transaction {self.msgtype!r} {self.direction!r}"
            raise LocalMisuseError(f"{found}: expected one of {CLASSES} and one of {DIRECTIONS}")
        if self.vals is not None:
            object.__setattr__(self, "vals", frozen_words(self.vals))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Transaction):
            return NotImplemented
        if self.vals is None or other.vals is None:
            same = self.vals is other.vals
        else:
            same = np.array_equal(self.vals, other.vals)
        return same and self._head() == other._head()

    def __hash__(self) -> int:
        return hash((self._head(), None if self.vals is None else self.vals.tobytes()))

    def _head(self) -> tuple[str, str, str | None, int, int, int]:
        place = (self.start_addr, self.end_addr, self.length)
        return (self.msgtype, self.direction, self.comment, *place)


def format_records(
    records: Mapping[str, Sequence[Transaction]], *, hexadecimal: bool = False
) -> bytes:
    """Write a recording as YAML.

    Args:
        records: transactions per record name, in order.
        hexadecimal: write addresses and words as `0x%08x` text instead of integers.
    """
    return b"".join(stream_records(records, hexadecimal=hexadecimal)) or b"{}\n"


def stream_records(
    records: Mapping[str, Sequence[Transaction]], *, hexadecimal: bool = False
) -> Iterator[bytes]:
    """Give the pieces of `format_records` one after the other."""
    for number, (name, transactions) in enumerate(records.items()):
        yield format_record_name(name, first=number == 0, empty=not transactions)
        for transaction in transactions:
            yield format_transaction(transaction, hexadecimal=hexadecimal)


def format_record_name(name: str, *, first: bool, empty: bool = False) -> bytes:
    """Write the line that opens a record; every record but the first follows an empty line."""
    return f"{'' if first else chr(10)}{format_text(name)}:{' []' if empty else ''}\n".encode()


def format_transaction(transaction: Transaction, *, hexadecimal: bool = False) -> bytes:
    """Write one transaction, so that a recorder can stream."""
    comment = "null" if transaction.comment is None else format_text(transaction.comment)
    quoted = "'0x{:08x}'" if hexadecimal else "{}"
    head = (
        f"- msgtype: {transaction.msgtype}\n"
        f"  direction: {transaction.direction}\n"
        f"  comment: {comment}\n"
        f"  start_addr: {quoted.format(transaction.start_addr)}\n"
        f"  end_addr: {quoted.format(transaction.end_addr)}\n"
        f"  length: {transaction.length}\n"
        "  vals:"
    )
    return head.encode() + _format_vals(transaction.vals, hexadecimal)


def _format_vals(vals: Words | None, hexadecimal: bool) -> bytes:
    if vals is None:
        return b" null\n"
    if not vals.size:
        return b" []\n"
    if hexadecimal:
        return b"\n" + hex_items(vals)
    return ("\n  - " + "\n  - ".join(map(str, vals.tolist())) + "\n").encode()


def hex_items(vals: Words) -> bytes:
    """Write words as the lines of a hexadecimal recording."""
    rows = np.empty((vals.size, len(HEX_ITEM)), dtype=np.uint8)
    rows[:] = np.frombuffer(HEX_ITEM, dtype=np.uint8)
    rows[:, HEX_DIGITS : HEX_DIGITS + _HEX_WIDTH] = hex_columns(vals)
    return rows.tobytes()


def format_text_transaction(transaction: Transaction) -> bytes:
    """Write one transaction as `key value` lines."""
    comment = "null" if transaction.comment is None else format_text(transaction.comment)
    vals = transaction.vals
    head = (
        f"msgtype {transaction.msgtype}\n"
        f"direction {transaction.direction}\n"
        f"comment {comment}\n"
        f"start_addr 0x{transaction.start_addr:08x}\n"
        f"end_addr 0x{transaction.end_addr:08x}\n"
        f"length {transaction.length}\n"
        f"vals{' null' if vals is None else ''}"
    )
    return head.encode() + (b"" if vals is None else _text_vals(vals)) + b"\n"


def _text_vals(vals: Words) -> bytes:
    prefix = b" 0x"
    rows = np.empty((vals.size, len(prefix) + _HEX_WIDTH), dtype=np.uint8)
    rows[:, : len(prefix)] = np.frombuffer(prefix, dtype=np.uint8)
    rows[:, len(prefix) :] = hex_columns(vals)
    return rows.tobytes()
