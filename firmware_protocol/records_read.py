"""Reading recordings: from a plain tree of any origin, or fast from the text we write.

The fast reader knows exactly the dialect of `records.format_records` (and of the vendor's files);
anything else is a `FormatError`, and a YAML loader with `parse_records_tree` is the way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import FormatError
from firmware_protocol.hextext import decode_hex_columns
from firmware_protocol.records import CLASSES, DIRECTIONS, HEX_DIGITS, HEX_ITEM, Transaction
from firmware_protocol.trees import as_int, as_list, as_named
from firmware_protocol.yamltext import parse_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.words import Words

_KEYS = ("msgtype", "direction", "comment", "start_addr", "end_addr", "length", "vals")
_WORD_MAX = 2**32 - 1
# An end address is exclusive: behind the last word it is one more than any address.
_ADDRESS_MAX = 2**32
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,9}|[0-9]{1,10}")
_RECORD = re.compile(rb"([^\n]+?):( \[\])?\n")
_NUMERAL = rb"('0x[0-9a-f]{8,9}'|\d{1,10})"
_HEAD = re.compile(
    rb"- msgtype: (apb|axis|spu_top|host)\n"
    rb"  direction: ([wr])\n"
    rb"  comment: ([^\n]+)\n"
    rb"  start_addr: " + _NUMERAL + rb"\n"
    rb"  end_addr: " + _NUMERAL + rb"\n"
    rb"  length: (\d{1,10})\n"
    rb"  vals:( null| \[\])?\n"
)
_DECIMAL_ITEM = b"  - "
_DIGITS = b"0123456789"


def parse_records_tree(tree: object, name: str = "records") -> dict[str, list[Transaction]]:
    """Read what a YAML loader gave: integers or hexadecimal text, `vals` may be null.

    Raises:
        FormatError: a key is missing or unknown, or a value has the wrong type, range or count.
    """
    records: dict[str, list[Transaction]] = {}
    for record, entries in as_named(tree, "top level", name).items():
        transactions = []
        for number, entry in enumerate(as_list(entries, record, name)):
            where = f"{record}[{number}]"
            transactions.append(_from_tree(as_named(entry, where, name), where, name))
        records[record] = transactions
    return records


def _from_tree(entry: dict[str, object], where: str, name: str) -> Transaction:
    if set(entry) != set(_KEYS):
        found = f"keys {', '.join(map(str, entry))} at {where}"
        raise FormatError(name, None, found, ", ".join(_KEYS))
    for key, known in (("msgtype", CLASSES), ("direction", DIRECTIONS)):
        if entry[key] not in known:
            raise FormatError(name, None, f"{key} {entry[key]!r} at {where}", f"one of {known}")
    comment = entry["comment"]
    start, end, length = (
        _number(entry[key], f"{where}.{key}", name, _ADDRESS_MAX)
        for key in ("start_addr", "end_addr", "length")
    )
    vals = None
    if entry["vals"] is not None:
        vals = _tree_vals(as_list(entry["vals"], f"{where}.vals", name), f"{where}.vals", name)
        if vals.size != length:
            found = f"{vals.size} words at {where}"
            raise FormatError(name, None, found, f"{length}, its length")
    return Transaction(
        msgtype=str(entry["msgtype"]),
        direction=str(entry["direction"]),
        comment=None if comment is None else str(comment),
        start_addr=start,
        end_addr=end,
        length=length,
        vals=vals,
    )


def _tree_vals(values: Sequence[object], where: str, name: str) -> Words:
    numbers = [_number(value, where, name, _WORD_MAX) for value in values]
    return np.array(numbers, dtype=np.uint32)


def _number(value: object, where: str, name: str, most: int) -> int:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value, 16) if value[:2].lower() == "0x" else int(value)
    return as_int(value, where, name, most=most)


def parse_records(data: bytes, name: str = "records") -> dict[str, list[Transaction]]:
    """Read a recording in exactly the form that `format_records` gives.

    Raises:
        FormatError: anything outside that form; names the line.
    """
    records: dict[str, list[Transaction]] = {}
    if data == b"{}\n":
        return records
    reader = _Reader(data, name)
    position = 0
    while position < len(data):
        match = _RECORD.match(data, position)
        if match is None:
            raise reader.fault(position, "a record name and a colon")
        record = reader.text(match[1], position)
        if record is None or record in records:
            raise reader.fault(position, "a record name, each once")
        position = match.end()
        end = data.find(b"\n\n", position - 1)
        end = len(data) if end < 0 else end + 1
        records[record] = reader.transactions(position, end)
        if bool(records[record]) == bool(match[2]):
            raise reader.fault(position, "transactions, or [] for none")
        position = end + 1
    return records


class _Reader:
    """Reads transactions out of one text."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name

    def fault(self, position: int, expected: str) -> FormatError:
        """Make the error for what stands at `position`."""
        line = self._line(position)
        text = self._data[position : position + 60].split(b"\n", 1)[0]
        return FormatError(
            self._name, line, repr(text.decode("utf-8", "replace")), expected, unit="line"
        )

    def _line(self, position: int) -> int:
        return self._data.count(b"\n", 0, position) + 1

    def text(self, scalar: bytes, position: int) -> str | None:
        """Read a scalar of this dialect."""
        try:
            return parse_text(scalar.decode("ascii"))
        except ValueError:
            raise self.fault(position, "text, quoted as this dialect quotes it") from None

    def transactions(self, position: int, end: int) -> list[Transaction]:
        """Read the transactions between two positions."""
        found = []
        while position < end:
            match = _HEAD.match(self._data, position, end)
            if match is None:
                raise self.fault(position, "a transaction with its seven keys")
            close = self._data.find(b"\n- ", match.end() - 1, end)
            close = end if close < 0 else close + 1
            found.append(self._transaction(match, position, close))
            position = close
        return found

    def _transaction(self, match: re.Match[bytes], position: int, end: int) -> Transaction:
        kind, direction, comment, start, stop, length, empty = match.groups()
        block = self._data[match.end() : end]
        vals = None if empty == b" null" else self._vals(block, match.end())
        if (empty is None) != bool(block):
            raise self.fault(match.end(), "words behind vals:, none behind null or []")
        if vals is not None and vals.size != int(length):
            raise self.fault(match.end(), f"{int(length)} words as stated, not {vals.size}")
        return Transaction(
            msgtype=kind.decode(),
            direction=direction.decode(),
            comment=self.text(comment, position),
            start_addr=self._numeral(start, position),
            end_addr=self._numeral(stop, position),
            length=int(length),
            vals=vals,
        )

    def _numeral(self, text: bytes, position: int) -> int:
        value = int(text[1:-1], 16) if text.startswith(b"'") else int(text)
        if value > _ADDRESS_MAX:
            raise self.fault(position, "32-bit addresses")
        return value

    def _vals(self, block: bytes, position: int) -> Words:
        is_hexadecimal = block.startswith(HEX_ITEM[:HEX_DIGITS])
        vals = _hex_vals(block) if is_hexadecimal else _decimal_vals(block)
        if vals is None:
            raise self.fault(position, "one 32-bit word per line, all decimal or all hexadecimal")
        return vals


def _hex_vals(block: bytes) -> Words | None:
    width = len(HEX_ITEM)
    if len(block) % width:
        return None
    rows = np.frombuffer(block, dtype=np.uint8).reshape(-1, width)
    frame = np.frombuffer(HEX_ITEM, dtype=np.uint8)
    digits = slice(HEX_DIGITS, HEX_DIGITS + 8)
    around = np.delete(np.arange(width), digits)
    if np.any(rows[:, around] != frame[around]):
        return None
    values = decode_hex_columns(rows[:, digits])
    return None if values is None else values.astype(np.uint32)


def _decimal_vals(block: bytes) -> Words | None:
    if not block:
        return np.zeros(0, dtype=np.uint32)
    n_items = block.count(b"\n")
    if block.translate(None, _DIGITS) != (_DECIMAL_ITEM + b"\n") * n_items:
        return None
    numerals = block[len(_DECIMAL_ITEM) : -1].split(b"\n" + _DECIMAL_ITEM)
    if len(numerals) != n_items or not 0 < max(map(len, numerals)) <= 10 or b"" in numerals:
        return None
    values = np.array(list(map(int, numerals)), dtype=np.uint64)
    return None if np.any(values > _WORD_MAX) else values.astype(np.uint32)
