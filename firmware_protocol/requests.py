"""What can be asked of a board, before any medium gives it bytes.

A request is plain data. Media turn it into reports (EVK2) or units (ZCU104); recordings write it
down; program files are the APB writes among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np

from firmware_protocol.words import Words, frozen_words

MAX_BURST_WORDS = 1024
"""Addressed bursts above this are cut (spu-registers 3)."""


class Space(StrEnum):
    """Transaction classes, spelled as recordings spell them."""

    APB = "apb"
    TOP = "spu_top"
    AXIS = "axis"
    HOST = "host"


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """Write words to consecutive registers or memory words.

    Attributes:
        space: `Space.APB` or `Space.TOP`.
        address: APB byte address, or top register (byte offset on SPU-001, index on SPU-150).
        words: uint32 (n,), n >= 1.
        stride: address distance of consecutive words (4; 1 for SPU-150 top registers).
        idempotent: true when repeating the write changes nothing (memories); a link may then
            retry it on silence.
        comment: free text kept in recordings.
        register: register name for display, "" for memories.
    """

    space: Space
    address: int
    words: Words
    stride: int = 4
    idempotent: bool = False
    comment: str | None = None
    register: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", frozen_words(self.words))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Write):
            return NotImplemented
        return (self.space, self.address, self.stride) == (
            other.space,
            other.address,
            other.stride,
        ) and np.array_equal(self.words, other.words)

    def __hash__(self) -> int:
        return hash((self.space, self.address, self.words.tobytes()))

    def __str__(self) -> str:
        return f"write {self.space} {self.register or hex(self.address)} ({self.words.size} words)"


@dataclass(frozen=True, slots=True)
class Read:
    """Read consecutive words; fields as in `Write`. Always idempotent."""

    space: Space
    address: int
    n_words: int = 1
    stride: int = 4
    comment: str | None = None
    register: str = ""

    def __str__(self) -> str:
        return f"read {self.space} {self.register or hex(self.address)} ({self.n_words} words)"


@dataclass(frozen=True, slots=True)
class HostAction:
    """An action of the board itself: register 0 value 0 is the hard reset.

    On the register-transfer-level harness register 1 is the reset pin and register 0 advances the
    reference clock by `value` cycles.
    """

    register: int = 0
    value: int = 0
    comment: str | None = None

    @property
    def is_reset(self) -> bool:
        """True for the hard reset of a board."""
        return self.register == 0 and self.value == 0

    def __str__(self) -> str:
        return "hard reset" if self.is_reset else f"host action {self.register}={self.value}"


@dataclass(frozen=True, slots=True, eq=False)
class FrameOut:
    """Send one stream message. `words` is uint32 (n,), n even: header and payload, low half first.

    Not idempotent: a message sent twice is two messages.
    """

    words: Words
    comment: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", frozen_words(self.words))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrameOut):
            return NotImplemented
        return np.array_equal(self.words, other.words)

    def __hash__(self) -> int:
        return hash(self.words.tobytes())

    def __str__(self) -> str:
        return f"frame out ({self.words.size} words)"


@dataclass(frozen=True, slots=True)
class FrameIn:
    """Take `n_words` 32-bit words (even) of queued output, headers included. Not idempotent."""

    n_words: int
    comment: str | None = None

    def __str__(self) -> str:
        return f"frame in ({self.n_words} words)"


@dataclass(frozen=True, slots=True)
class ExecTime:
    """Ask how long the last inference took: one word, microseconds. Idempotent."""

    comment: str | None = None

    def __str__(self) -> str:
        return "read execution time"


Request: TypeAlias = Write | Read | HostAction | FrameOut | FrameIn | ExecTime
"""Anything a link can carry. Reads, `FrameIn` and `ExecTime` are answered with words."""


def is_idempotent(request: Request) -> bool:
    """Tell whether a link may send `request` again when no answer came."""
    return isinstance(request, Read | ExecTime) or (
        isinstance(request, Write) and request.idempotent
    )


def expects_words(request: Request) -> int:
    """Give the number of 32-bit words that answer `request`; 0 when it is only acknowledged."""
    if isinstance(request, Read | FrameIn):
        return request.n_words
    return 1 if isinstance(request, ExecTime) else 0
