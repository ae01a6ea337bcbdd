"""PROG_A / PROG_D: the APB writes that load a program, as two parallel text files.

Line k of the address file is a byte address, line k of the data file the 32-bit word to write
there; 8 hexadecimal digits and a newline each (program file reference 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import FormatError, LocalMisuseError
from firmware_protocol.hextext import (
    format_whole_hex_lines,
    parse_hex_lines,
    parse_whole_hex_lines,
)
from firmware_protocol.words import Words, frozen_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_DIGITS = 8
_STEP = 4


@dataclass(frozen=True, slots=True, eq=False)
class ProgStream:
    """Single-word writes in program order; order and repeats are meaningful.

    Attributes:
        addresses: uint32 (n,), byte addresses.
        data: uint32 (n,), the word written at each.
    """

    addresses: Words
    data: Words

    def __post_init__(self) -> None:
        object.__setattr__(self, "addresses", frozen_words(self.addresses))
        object.__setattr__(self, "data", frozen_words(self.data))
        if self.addresses.size != self.data.size:
            raise LocalMisuseError(
                f"{self.addresses.size} addresses for {self.data.size} words, expected as many"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProgStream):
            return NotImplemented
        same_addresses = np.array_equal(self.addresses, other.addresses)
        return same_addresses and np.array_equal(self.data, other.data)

    def __hash__(self) -> int:
        return hash((self.addresses.tobytes(), self.data.tobytes()))

    def __len__(self) -> int:
        return int(self.addresses.size)


def parse_prog(a: bytes, d: bytes, *, names: tuple[str, str] = ("PROG_A", "PROG_D")) -> ProgStream:
    """Read a pair of files.

    Accepts LF or CRLF, a missing final newline, upper case and a `0x`.

    Args:
        a: the address file.
        d: the data file.
        names: their names for messages.

    Raises:
        FormatError: a line is not 8 digits, an address is not a multiple of 4, or the files have
            different numbers of lines.
    """
    addresses = _read(a, names[0])
    data = _read(d, names[1])
    if addresses.size != data.size:
        shorter = int(min(addresses.size, data.size))
        found = f"{addresses.size} lines beside {data.size} lines in {names[1]}"
        raise FormatError(names[0], shorter + 1, found, "as many in both files", unit="line")
    unaligned = addresses & np.uint32(_STEP - 1)
    if unaligned.any():
        odd = np.flatnonzero(unaligned)
        line = int(odd[0])
        found = f"address 0x{int(addresses[line]):08x}"
        raise FormatError(names[0], line + 1, found, "a multiple of 4", unit="line")
    return ProgStream(addresses, data)


def _read(text: bytes, name: str) -> Words:
    values = parse_whole_hex_lines(text, _DIGITS)
    if values is None:
        values = parse_hex_lines(text, name=name, min_digits=_DIGITS, max_digits=_DIGITS)
    words: Words = values.astype(np.uint32, copy=False)
    words.flags.writeable = False
    return words


def format_prog(stream: ProgStream) -> tuple[bytearray, bytearray]:
    """Write the address file and the data file, 9 bytes per word each."""
    return format_whole_hex_lines(stream.addresses), format_whole_hex_lines(stream.data)


def bursts(stream: ProgStream) -> list[tuple[int, Words]]:
    """Join runs of addresses that rise by 4 into (start address, words); keeps the order."""
    if not len(stream):
        return []
    starts = [0, *_jumps(stream).tolist()]
    heads = stream.addresses[starts].tolist()
    spans = zip(heads, starts, [*starts[1:], len(stream)], strict=True)
    return [(head, stream.data[start:end]) for head, start, end in spans]


def _jumps(stream: ProgStream) -> NDArray[np.intp]:
    """Give the positions of addresses that do not continue the one before them."""
    addresses = stream.addresses
    # differences of unsigned numbers wrap: what follows the last address of all is a new burst
    jumps = (addresses[1:] - addresses[:-1] != np.uint32(_STEP)) | (addresses[1:] == 0)
    return np.flatnonzero(jumps) + 1


def holds_exactly(stream: ProgStream, writes: Iterable[tuple[int, Words]]) -> bool:
    """Tell whether `stream` is `flatten(writes)`, without making that."""
    held = [(start, words) for start, words in writes if words.size]
    sizes = [words.size for _, words in held]
    firsts = np.cumsum([0, *sizes])
    if firsts[-1] != len(stream):
        return False
    # addresses jump nowhere but between writes, so the first of each tells the others
    if not np.isin(_jumps(stream), firsts, assume_unique=True).all():
        return False
    if not np.array_equal(stream.addresses[firsts[:-1]], [start for start, _ in held]):
        return False
    spans = zip(held, firsts.tolist(), sizes, strict=False)
    return all(np.array_equal(stream.data[at : at + n], words) for (_, words), at, n in spans)


def flatten(writes: Iterable[tuple[int, Words]]) -> ProgStream:
    """Spread bursts of (start address, words) over single-word writes, in order.

    Raises:
        LocalMisuseError: a burst leaves the 32-bit address space.
    """
    held = [(start, words) for start, words in writes if words.size]
    if not held:
        return ProgStream(np.zeros(0, np.uint32), np.zeros(0, np.uint32))
    for start, words in held:
        if not 0 <= start <= (1 << 32) - _STEP * words.size:
            raise LocalMisuseError(f"burst of {words.size} words at {start:#x} leaves 32 bits")
    sizes = np.array([words.size for _, words in held])
    firsts = np.cumsum(sizes) - sizes
    bases = np.array([start for start, _ in held], dtype=np.int64) - _STEP * firsts
    # modulo 2**32 on the way, and in place: fresh memory costs more than the arithmetic
    addresses = np.repeat(bases.astype(np.uint32), sizes)
    addresses += np.arange(0, _STEP * addresses.size, _STEP, dtype=np.uint32)
    data = np.concatenate([words for _, words in held])
    addresses.flags.writeable = data.flags.writeable = False
    return ProgStream(addresses, data)
