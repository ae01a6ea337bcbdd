"""Assembly as data: a program of the open instruction set with its names and comments.

Instructions are complete: addresses, program counters and numbers are resolved. What a field was
made from is kept beside it as a `Reference`, so that text can show `a=gate+3` instead of `a=1207`;
a reference and its field always say the same.

Names: symbols, tables and threads are unique in their core, labels in the whole assembly (POST
names one of another core), inputs and outputs in the program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.open_isa import FIRST_PC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firmware_protocol.open_isa import Instruction
    from firmware_protocol.open_isa_ops import Type
    from firmware_protocol.words import DWords

Int64s: TypeAlias = NDArray[np.int64]

WORD_BYTES = 8


class Role(StrEnum):
    """How long the content of a symbol matters."""

    CONSTANT = "constant"
    STATE = "state"
    TEMPORARY = "temporary"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a field was made from.

    Attributes:
        name: symbol, table, label, thread or output.
        offset: what is added to its address, in words; 0 for threads and outputs.
    """

    name: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction of a core.

    Attributes:
        instruction: complete, with numbers.
        labels: names of its place.
        references: field -> what its number came from; fields without a name are not in it.
        comment: for people, "" for none; one line.
    """

    instruction: Instruction
    labels: tuple[str, ...] = ()
    references: Mapping[str, Reference] = field(default_factory=dict)
    comment: str = ""


@dataclass(frozen=True, eq=False)
class Symbol:
    """A vector in DM.

    Temporaries may share words with each other. Several symbols of one place are one vector under
    several names.

    Attributes:
        name: unique in its core.
        address: its first 64-bit word.
        type: of its elements.
        length: elements; a matrix for MATVEC includes the gaps between its rows.
        role: how long its content matters.
        initial: int64 (length,), content in the image; None for temporaries.
        comment: for people, "" for none; one line.
    """

    name: str
    address: int
    type: Type
    length: int
    role: Role
    initial: Int64s | None = None
    comment: str = ""

    @property
    def n_words(self) -> int:
        """64-bit words it takes."""
        return -(-self.length // self.type.lanes)

    @property
    def end(self) -> int:
        """The word after its last one."""
        return self.address + self.n_words

    def words(self) -> DWords:
        """Give its initial content, uint64 (n_words,); zeros without one."""
        if self.initial is None:
            return np.zeros(self.n_words, np.uint64)
        return pack(self.initial, self.type)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Symbol):
            return NotImplemented
        return _plain(self) == _plain(other) and _same(self.initial, other.initial)

    def __hash__(self) -> int:
        return hash(_plain(self))


def _plain(symbol: Symbol) -> tuple[object, ...]:
    return (
        *(symbol.name, symbol.address, symbol.type, symbol.length, symbol.role, symbol.comment),
        symbol.initial is None,
    )


def _same(x: Int64s | None, y: Int64s | None) -> bool:
    return x is None or y is None or np.array_equal(x, y)


@dataclass(frozen=True, eq=False)
class Table:
    """A look-up table in TM.

    Attributes:
        name: unique in its core.
        address: its first TM word.
        wide: entries have 32 bits and take two words, low half first.
        content: int64 (N,).
        comment: for people, "" for none; one line.
    """

    name: str
    address: int
    wide: bool
    content: Int64s
    comment: str = ""

    @property
    def n_words(self) -> int:
        """TM words it takes."""
        return self.content.size * (1 + self.wide)

    def words(self) -> DWords:
        """Give its TM words, uint64 (n_words,), 16 bits used."""
        low = (self.content & 0xFFFF).astype(np.uint64)
        if not self.wide:
            return low
        high = ((self.content >> 16) & 0xFFFF).astype(np.uint64)
        return np.stack([low, high], axis=1).reshape(-1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        mine = (self.name, self.address, self.wide, self.comment)
        theirs = (other.name, other.address, other.wide, other.comment)
        return mine == theirs and np.array_equal(self.content, other.content)

    def __hash__(self) -> int:
        return hash((self.name, self.address, self.wide))


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread that signals start: a word of the program buffer and one of the score board.

    Attributes:
        number: 0..63.
        name: unique in its core.
        label: where it begins, in its own core.
        needs: signals it takes each time, 1..31.
        missing: signals that are missing at first, 0..31.
    """

    number: int
    name: str
    label: str
    needs: int
    missing: int

    @property
    def score(self) -> int:
        """Its word of the score board."""
        return self.needs << 5 | self.missing


@dataclass(frozen=True, eq=False)
class Core:
    """One core's share of a program.

    Attributes:
        number: from 0.
        lines: instructions in the order of IM, from pc 1 on, without gaps.
        symbols: vectors in DM.
        tables: look-up tables in TM.
        threads: those that are started by signals.
    """

    number: int
    lines: tuple[Line, ...]
    symbols: tuple[Symbol, ...] = ()
    tables: tuple[Table, ...] = ()
    threads: tuple[Thread, ...] = ()

    @cached_property
    def pcs(self) -> tuple[int, ...]:
        """Word of IM of each line."""
        found, pc = [], FIRST_PC
        for line in self.lines:
            found.append(pc)
            pc += line.instruction.length
        return tuple(found)

    @cached_property
    def labels(self) -> Mapping[str, int]:
        """Label -> word of IM."""
        pairs = zip(self.pcs, self.lines, strict=True)
        return MappingProxyType({name: pc for pc, line in pairs for name in line.labels})

    @property
    def n_words(self) -> int:
        """Words of IM, the mark included."""
        return FIRST_PC + sum(line.instruction.length for line in self.lines)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Core):
            return NotImplemented
        mine = (self.number, self.lines, self.symbols, self.tables, self.threads)
        theirs = (other.number, other.lines, other.symbols, other.tables, other.threads)
        return mine == theirs

    def __hash__(self) -> int:
        return hash((self.number, len(self.lines), self.symbols))


@dataclass(frozen=True, slots=True)
class Input:
    """Where a message from the host goes.

    Attributes:
        name: the model's input.
        core: core that takes it.
        label: where its thread begins.
        n_words: payload of the message in 64-bit words.
    """

    name: str
    core: int
    label: str
    n_words: int


@dataclass(frozen=True, slots=True)
class Output:
    """Which message to the host is what.

    Attributes:
        name: the model's output.
        mailbox: number in the header of its message.
        n_words: payload of the message in 64-bit words.
    """

    name: str
    mailbox: int
    n_words: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A tensor of the model that is kept until the frame ends.

    Attributes:
        name: of the tensor.
        core: where it is.
        symbol: the vector that holds it, row-major.
        shape: of the tensor.
    """

    name: str
    core: int
    symbol: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Assembly:
    """A whole program.

    Attributes:
        name: of the model.
        chip: spoken name of the chip it was made for.
        cores: ascending by number; all of them carry the mark.
        inputs: messages it takes.
        outputs: messages it gives.
        watched: tensors that can be read from DM after a frame.
    """

    name: str
    chip: str
    cores: tuple[Core, ...]
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    watched: tuple[Watched, ...] = ()

    def core(self, number: int) -> Core:
        """Give the core of that number.

        Raises:
            KeyError: it has no part in the program.
        """
        for core in self.cores:
            if core.number == number:
                return core
        raise KeyError(number)

    def walk(self) -> Iterator[tuple[Core, int, Line]]:
        """Give every line with its core and its word of IM."""
        for core in self.cores:
            for pc, line in zip(core.pcs, core.lines, strict=True):
                yield core, pc, line


def pack(values: Int64s, kind: Type) -> DWords:
    """Give a vector's words, uint64 (ceil(n / lanes),); the rest of the last one is zero.

    Args:
        values: int64 (n,); of each the low bits are taken.
        kind: type of the elements.
    """
    n_words = -(-values.size // kind.lanes)
    padded = np.zeros(n_words * kind.lanes, f"<i{kind.bits // 8}")
    padded[: values.size] = values
    return padded.view("<u8").astype(np.uint64, copy=False)


def unpack(words: DWords, kind: Type, length: int) -> Int64s:
    """Give the first elements of a vector, int64 (length,).

    Args:
        words: uint64 (n,).
        kind: type of the elements.
        length: how many.
    """
    narrow = words.astype("<u8", copy=False).view(f"<i{kind.bits // 8}")
    return narrow[:length].astype(np.int64)
