"""What is asked of a chip with the open instruction set, and what came of it.

Neutral, so that every implementation can be asked the same: the C library through its driver, and
the ones in Python.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.open_isa import MARK, MAX_INSTRUCTIONS, Status
from firmware_protocol.open_isa_cost import EVENT_NAMES, Events

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Words: TypeAlias = NDArray[np.uint64]

ALL_BANKS = 0xFFFF_FFFF
N_THREADS = 64


def blank(n: int = N_THREADS) -> Words:
    """Give n words of zeros."""
    return np.zeros(n, np.uint64)


def signed(values: Iterable[int], n_words: int = 0) -> Words:
    """Give words of i64 elements, zeros after them up to n_words."""
    words = [value & (2**64 - 1) for value in values]
    return np.array(words + [0] * (n_words - len(words)), np.uint64)


def packed(values: Iterable[int], bits: int) -> Words:
    """Pack elements of a type as the document says: element 0 in the lowest bits."""
    lanes, mask = 64 // bits, (1 << bits) - 1
    items = [value & mask for value in values]
    items += [0] * (-len(items) % lanes)
    return np.array(
        [
            sum(item << (bits * lane) for lane, item in enumerate(items[i : i + lanes]))
            for i in range(0, len(items), lanes)
        ],
        np.uint64,
    )


def unpacked(words: Words, bits: int, n: int) -> list[int]:
    """Give the first n elements of a vector."""
    sign, found = 1 << (bits - 1), []
    for i in range(n):
        word = int(words[i * bits // 64])
        item = word >> (i * bits % 64) & ((1 << bits) - 1)
        found.append((item ^ sign) - sign)
    return found


@dataclass
class Core:
    """One core: its memories, words of their banks, which of those are powered (bit i: bank i)."""

    im: Words
    dm: Words = field(default_factory=lambda: blank(256))
    tm: Words = field(default_factory=lambda: blank(64))
    sb: Words = field(default_factory=blank)
    pb: Words = field(default_factory=blank)
    rq: Words = field(default_factory=blank)
    im_bank: int = 4096
    dm_bank: int = 8192
    tm_bank: int = 2048
    im_power: int = ALL_BANKS
    dm_power: int = ALL_BANKS
    tm_power: int = ALL_BANKS
    runs: bool = True


@dataclass(frozen=True)
class Message:
    """A message from the host."""

    words: Sequence[int]


@dataclass(frozen=True)
class Wake:
    """A write to HEAD_TAIL_REG."""

    core: int
    head_tail: int


@dataclass(frozen=True)
class Drained:
    """All output was read."""


Action: TypeAlias = Message | Wake | Drained


@dataclass
class Case:
    """Cores and what happens to them."""

    cores: list[Core]
    actions: list[Action]
    max_instructions: int = MAX_INSTRUCTIONS


@dataclass(frozen=True)
class Outcome:
    """What came of one message or wake; figures are those of the frame so far."""

    is_taken: bool
    outputs: tuple[tuple[int, tuple[int, ...]], ...]
    cycles: int
    clocks: tuple[int, ...]
    busy: tuple[int, ...]
    events: tuple[Events, ...]


@dataclass(frozen=True)
class Result:
    """All outcomes, and the memories that programs can change, afterwards."""

    outcomes: tuple[Outcome, ...]
    dm: tuple[bytes, ...]
    sb: tuple[bytes, ...]

    @property
    def last(self) -> Outcome:
        """The last outcome."""
        return self.outcomes[-1]

    def dm_words(self, core: int = 0) -> Words:
        """Data memory of a core."""
        return np.frombuffer(self.dm[core], np.uint64)


def program(*instructions: Sequence[int], size: int = 64, mark: int = MARK) -> Words:
    """Give an instruction memory: the mark, then the instructions from pc 1 on."""
    words = [mark, *(word for instruction in instructions for word in instruction)]
    return np.array(words + [0] * (size - len(words)), np.uint64)


def start(pc: int = 1, core: int = 0, payload: Iterable[int] = ()) -> Message:
    """Give the message that starts a thread."""
    return Message((pc << 32 | core, *payload))


def stopped(status: Status, pc: int, core: int = 0) -> tuple[int, tuple[int]]:
    """Give the output of a thread that was stopped."""
    return int(status), (core << 32 | pc,)


def sent(mailbox: int, *words: int) -> tuple[int, tuple[int, ...]]:
    """Give an output message."""
    return mailbox << 32 | Status.OK, words


def events(**counts: int) -> Events:
    """Give events; those that are not named are 0."""
    assert set(counts) <= set(EVENT_NAMES)
    return Events(**counts)
