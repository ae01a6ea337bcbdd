"""One hexadecimal number per line, read and written for whole files at once."""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from firmware_protocol.words import DWords

_NEWLINE = 0x0A
_ZERO = 0x30
_WHOLE_DIGITS = (8, 16)
_WHOLE_LINE = np.dtype([("digits", "S8"), ("end", "u1")])
_PIECE = 1 << 13
"""Lines handled at a time: few enough that memory is used again instead of asked for anew."""
_LINE = re.compile(rb"(?:0[xX])?([0-9a-fA-F]+)")


def parse_hex_lines(data: bytes, *, name: str, min_digits: int = 1, max_digits: int = 16) -> DWords:
    """Read one number per line.

    LF or CRLF, a missing final newline, trailing empty lines, upper case and a `0x` are accepted.

    Args:
        data: the text, ASCII.
        name: file name for messages.
        min_digits: least digits per number, prefix not counted.
        max_digits: most digits per number, at most 16.

    Returns:
        uint64 (n,), one element per line.

    Raises:
        FormatError: a line is no such number; names file and line.
    """
    text = data.replace(b"\r\n", b"\n") if b"\r" in data else data
    if text.endswith(b"\n\n") or text == b"\n":
        text = text.rstrip(b"\n")
    if not text:
        return np.zeros(0, dtype=np.uint64)
    if not text.endswith(b"\n"):
        text += b"\n"
    values = _parse_uniform(text, min_digits, max_digits)
    if values is None:
        values = _parse_ragged(text, min_digits, max_digits)
    if values is not None:
        return values
    return _parse_line_wise(text.rstrip(b"\n"), name, min_digits, max_digits)


def parse_whole_hex_lines(data: bytes, digits: int) -> NDArray[np.unsignedinteger] | None:
    """Read text in which every line is `digits` digits and a line feed, the last one included.

    Args:
        data: the text.
        digits: 8 or 16.

    Returns:
        uint32 (n,) for 8 digits, uint64 (n,) for 16, read-only; None for any other text.
    """
    width = digits + 1
    if not data or len(data) % width:
        return None
    if np.any(np.frombuffer(data, dtype=np.uint8)[digits::width] != _NEWLINE):
        return None
    words = np.empty(len(data) // width, dtype=f"u{digits // 2}")
    for first in range(0, words.size, _PIECE):
        part = words[first : first + _PIECE]
        try:
            packed = bytes.fromhex(data[width * first : width * (first + part.size)].decode())
        except ValueError:
            return None
        # white space inside a line is passed over above: then digits are missing here
        if len(packed) != part.nbytes:
            return None
        part[:] = np.frombuffer(packed, dtype=f">u{digits // 2}")
    words.flags.writeable = False
    return words


def _parse_uniform(text: bytes, min_digits: int, max_digits: int) -> DWords | None:
    """Read text whose lines all have the same length; None when it is not such a text."""
    width = text.index(b"\n") + 1
    if width - 1 in _WHOLE_DIGITS and min_digits <= width - 1 <= max_digits:
        values = parse_whole_hex_lines(text, width - 1)
        if values is not None:
            return values.astype(np.uint64, copy=False)
    if width > max_digits + 3 or len(text) % width:
        return None
    rows = np.frombuffer(text, dtype=np.uint8).reshape(-1, width)
    if np.any(rows[:, -1] != _NEWLINE):
        return None
    prefixed = width > 3 and bool(np.all(rows[:, 0] == _ZERO) and np.all(rows[:, 1] | 32 == 120))
    digits = rows[:, 2 if prefixed else 0 : -1]
    if not min_digits <= digits.shape[1] <= max_digits:
        return None
    return decode_hex_columns(digits)


def _parse_ragged(text: bytes, min_digits: int, max_digits: int) -> DWords | None:
    """Read lines of different lengths without prefixes; None when it is not such a text."""
    octets = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(octets == _NEWLINE)
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.min() < min_digits or lengths.max() > max_digits:
        return None
    # as many bytes before each line's end as the longest line has; what is too much becomes zeros
    span = int(lengths.max())
    padded = bytes(span) + text
    windows = np.ndarray((len(text) + 1,), f"V{span}", padded, strides=(1,))
    digits = windows[ends].view(np.uint8).reshape(-1, span)
    np.copyto(digits, _ZERO, where=np.arange(span) < span - lengths[:, np.newaxis])
    return decode_hex_columns(digits)


def decode_hex_columns(digits: NDArray[np.uint8]) -> DWords | None:
    """Turn ASCII digits, uint8 (n, at most 16), into uint64 (n,); None if one is no digit."""
    span = 8 if digits.shape[1] <= 8 else 16
    if digits.shape[1] == span:
        square = np.ascontiguousarray(digits)
    else:
        square = np.full((digits.shape[0], span), _ZERO, dtype=np.uint8)
        square[:, span - digits.shape[1] :] = digits
    try:
        packed = binascii.unhexlify(square.data)
    except binascii.Error:
        return None
    return np.frombuffer(packed, dtype=f">u{span // 2}").astype(np.uint64)


def _parse_line_wise(text: bytes, name: str, min_digits: int, max_digits: int) -> DWords:
    lines = text.split(b"\n")
    values = np.zeros(len(lines), dtype=np.uint64)
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or not min_digits <= len(match[1]) <= max_digits:
            found = f"{line[:40].decode('ascii', 'backslashreplace')!r}"
            raise FormatError(name, number, found, _wanted(min_digits, max_digits), unit="line")
        values[number - 1] = int(match[1], 16)
    return values


def _wanted(min_digits: int, max_digits: int) -> str:
    count = str(max_digits) if min_digits == max_digits else f"{min_digits} to {max_digits}"
    return f"{count} hexadecimal digits"


def hex_columns(words: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """Give the lower-case digits of `words`, uint8 (n, 8) for uint32 and (n, 16) for uint64."""
    width = 2 * words.dtype.itemsize
    big_endian = words.astype(words.dtype.newbyteorder(">"), copy=False)
    digits = binascii.hexlify(big_endian.tobytes())
    return np.frombuffer(digits, dtype=np.uint8).reshape(-1, width)


def format_whole_hex_lines(words: NDArray[np.uint32]) -> bytearray:
    """Write 8 lower-case digits and a line feed per word, in one piece of memory."""
    out = bytearray(_WHOLE_LINE.itemsize * words.size)
    lines = np.frombuffer(out, _WHOLE_LINE)
    lines["end"] = _NEWLINE
    digits = lines["digits"]
    for first in range(0, words.size, _PIECE):
        part = words[first : first + _PIECE].astype(">u4")
        digits[first : first + _PIECE] = np.frombuffer(binascii.hexlify(part.data), digits.dtype)
    return out


def format_hex_lines(words: NDArray[np.unsignedinteger], digits: int) -> bytes:
    """Write one number per line, lower case, zero filled to `digits`; wider numbers stay whole."""
    if digits == 2 * words.dtype.itemsize and words.size:
        big_endian = words.astype(words.dtype.newbyteorder(">"), copy=False)
        return binascii.hexlify(big_endian.tobytes(), b"\n", words.dtype.itemsize) + b"\n"
    columns = hex_columns(words)
    n_rows, width = columns.shape
    rows = np.full((n_rows, width + 1), _NEWLINE, dtype=np.uint8)
    rows[:, :width] = columns
    significant = columns[:, : width - digits] != _ZERO
    if not significant.any():
        return rows[:, width - digits :].tobytes()
    first = np.where(significant.any(axis=1), significant.argmax(axis=1), width - digits)
    keep: NDArray[np.bool_] = np.arange(width + 1) >= first[:, None]
    return rows[keep].tobytes()
