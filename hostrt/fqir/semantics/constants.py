"""Reading the constants of a node, each checked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import ProgramCorrupt
from hostrt.fqir.graph import Constant, Table

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array, Node


def label(node: Node) -> str:
    """Say which node, for messages: its name, or what it writes."""
    name = node.name or ", ".join(tensor.name for tensor in node.outputs) or "?"
    return f"node {name!r} ({node.opname or 'inline graph'})"


class Constants:
    """The constants of one node.

    Every reader raises `ProgramCorrupt` when the constant is absent or of another kind.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def require(self, truth: bool, found: str) -> None:
        """Refuse the node unless something about its constants is true.

        Raises:
            ProgramCorrupt: it is not.
        """
        if not truth:
            raise self.fault(found)

    def fault(self, found: str) -> ProgramCorrupt:
        """Make the error that says what was found in the node."""
        return ProgramCorrupt(
            f"{label(self._node)}: {found}", node=self._node.name, operator=self._node.opname
        )

    def has(self, name: str) -> bool:
        """Tell whether a constant is there and not None."""
        return self._node.constants.get(name) is not None

    def integer(self, name: str) -> int:
        """Give an integer."""
        return self._integer(name, self._get(name))

    def bits(self, name: str) -> int:
        """Give a number of bits, 1..64."""
        value = self.integer(name)
        self.require(1 <= value <= 64, f"constant {name!r} is {value}, expected 1..64 bits")
        return value

    def count(self, name: str) -> int:
        """Give a number of things, at least 1."""
        value = self.integer(name)
        self.require(value >= 1, f"constant {name!r} is {value}, expected at least 1")
        return value

    def flag(self, name: str) -> bool:
        """Give a truth value; an absent one is false."""
        return bool(self._node.constants.get(name))

    def integers(self, name: str) -> tuple[int, ...]:
        """Give a list of integers."""
        value = self._get(name)
        if not isinstance(value, tuple):
            raise self._kind(name, value, "a list of integers")
        return tuple(self._integer(name, item) for item in value)

    def flags(self, name: str) -> tuple[bool, ...]:
        """Give a list of truth values."""
        value = self._get(name)
        if not isinstance(value, tuple):
            raise self._kind(name, value, "a list of truth values")
        return tuple(bool(item) for item in value)

    def shape(self, name: str) -> int | tuple[int, ...]:
        """Give a shape: one length or several."""
        value = self._get(name)
        return self.integers(name) if isinstance(value, tuple) else self._integer(name, value)

    def axes(self, name: str) -> int | tuple[int, ...] | None:
        """Give an axis, several, or None for all."""
        return self.shape(name) if self.has(name) else None

    def operand(self, name: str) -> int | np.integer | Array:
        """Give an integer as the file holds it: numpy scalars and arrays stay what they are."""
        value = self._get(name)
        if isinstance(value, np.integer) or (
            isinstance(value, np.ndarray) and value.dtype.kind == "i"
        ):
            return value
        return self._integer(name, value)

    def number(self, name: str) -> float:
        """Give an integer or a float."""
        value = self._get(name)
        if isinstance(value, float | np.floating):
            return float(value)
        return self._integer(name, value)

    def table(self, name: str) -> Table:
        """Give a look-up table of signed integers that is not empty."""
        value = self._get(name)
        if not isinstance(value, Table):
            raise self._kind(name, value, "a table")
        self.require(
            value.x.dtype.kind == "i" and value.y.dtype.kind == "i",
            f"a table of {value.x.dtype} to {value.y.dtype}, expected signed integers",
        )
        self.require(value.x.size > 0, "an empty table")
        return value

    def _get(self, name: str) -> Constant:
        self.require(name in self._node.constants, f"has no constant {name!r}")
        return self._node.constants[name]

    def _integer(self, name: str, value: Constant) -> int:
        if isinstance(value, bool | int | np.integer | np.bool_):
            return int(value)
        if isinstance(value, float | np.floating) and float(value).is_integer():
            return int(value)
        raise self._kind(name, value, "an integer")

    def _kind(self, name: str, value: Constant, expected: str) -> ProgramCorrupt:
        shown = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
        return self.fault(f"constant {name!r} is {shown[:60]}, expected {expected}")
