"""Inert values that stand for the objects of a pickle (FQIR reference 1.4, 1.5).

None of them does anything. All are hashed and compared by identity, since the pickle refers to
objects before they have their state.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array


class Role(Enum):
    """What a pickle may do with a name."""

    OBJECT = "class of the model"
    """May be instantiated without arguments; the instance keeps its state."""
    FUNCTION = "function"
    """May be called; hostrt has its own for it."""
    ARGUMENT = "argument"
    """May only be handed to a function."""


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """A name of the allow-list.

    Attributes:
        module: module name, as in today's Python and numpy.
        name: name in that module.
        role: what may be done with it.
    """

    module: str
    name: str
    role: Role

    def __str__(self) -> str:
        return f"{self.module} {self.name}"


class StandIn:
    """An instance of a class of the model.

    Attributes:
        cls: which class.
        state: its attributes, None before the pickle gives them.
    """

    __slots__ = ("cls", "state")

    def __init__(self, cls: Global) -> None:
        self.cls = cls
        self.state: dict[str, object] | None = None


class PickledSet:
    """A set; its members are kept in a list and never hashed.

    Attributes:
        items: the members as the pickle gave them.
    """

    __slots__ = ("items",)

    def __init__(self, items: list[object]) -> None:
        self.items = items


class PickledDtype:
    """An element type.

    Attributes:
        code: kind and size ("i4").
        order: "<", ">" or "|"; "" before the pickle gives it.
    """

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = ""


class PickledArray:
    """An array.

    Attributes:
        array: its content, read-only; None before the pickle gives it.
    """

    __slots__ = ("array",)

    def __init__(self, array: Array | None = None) -> None:
        self.array = array
