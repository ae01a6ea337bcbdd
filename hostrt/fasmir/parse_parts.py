"""What the assembler has read of a text whose names are not resolved yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware_protocol.open_isa_ops import Op, Type
    from hostrt.fasmir.assembly import Int64s, Thread


@dataclass(slots=True)
class Coded:
    """An instruction whose names are not resolved yet."""

    number: int
    op: Op
    words: dict[str, str]
    labels: tuple[str, ...]
    comment: str


@dataclass(slots=True)
class Vector:
    """A symbol or table whose content is still being read."""

    number: int
    kind: str
    name: str
    type: Type
    length: int
    address: int
    comment: str
    is_set: bool
    pieces: list[Int64s] = field(default_factory=list)


@dataclass(slots=True)
class CoreText:
    """What was read of one core."""

    number: int
    vectors: list[Vector] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    coded: list[Coded] = field(default_factory=list)
    names: set[tuple[bool, str]] = field(default_factory=set)
