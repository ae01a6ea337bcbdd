"""Typed access to the attributes of an object from a pickle, with errors that name the object."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from firmware_protocol.members import printable_name
from hostrt.errors import ProgramCorrupt
from hostrt.fqir.limits import over_limit
from hostrt.fqir.standins import Global, PickledArray, PickledSet, StandIn

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array
    from hostrt.fqir.limits import Limits

_HINT = "save the model again with fmot; if that does not help, report it with the file"
_ITEM_BYTES = 128  # estimated memory of an entry of a dict
_MAX_QUANTA = 1000  # 2.0**1000 is still a float


class Work:
    """Counts what is looked at, so that shared lists cannot stand for endless ones."""

    def __init__(self, file: str, limits: Limits, left: int) -> None:
        """Get ready to count.

        Args:
            file: name for messages.
            limits: budgets.
            left: bytes of memory that may still be used.
        """
        self.file = file
        self.limits = limits
        self._left = left

    def spend(self, n_items: int) -> None:
        """Count list items, dict entries or constants.

        Raises:
            ProgramUnsafe: more than allowed.
        """
        self._left -= _ITEM_BYTES * n_items
        if self._left < 0:
            raise over_limit(self.file, "a graph larger than the memory budget", "a smaller one")


class Fields:
    """The attributes of one object.

    Attributes:
        label: what the object is called in messages ("tensor %x.3").
    """

    __slots__ = ("_state", "_work", "label")

    def __init__(self, item: StandIn, label: str, work: Work) -> None:
        self._state = item.state or {}
        self._work = work
        self.label = label

    def get(self, name: str) -> object:
        """Give an attribute as it is, None when absent."""
        return self._state.get(name)

    def wrong(self, name: str, value: object, expected: str) -> ProgramCorrupt:
        """Make the error for an attribute that is not what it should be."""
        return self.fault(f"{name} {shown(value)}", expected)

    def fault(self, found: str, expected: str) -> ProgramCorrupt:
        """Make the error for an object that is not what it should be."""
        file = self._work.file
        return ProgramCorrupt(
            f"{file}: {self.label}: found {found}, expected {expected}",
            hint=_HINT,
            file=file,
        )

    def text(self, name: str) -> str:
        """Give a text."""
        value = self._state.get(name)
        if type(value) is not str:
            raise self.wrong(name, value, "text")
        return value

    def optional_text(self, name: str) -> str:
        """Give a text, "" when it is None or absent."""
        return "" if self._state.get(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        """Give a boolean, False when absent."""
        value = self._state.get(name, False)
        if isinstance(value, bool | np.bool_):
            return bool(value)
        raise self.wrong(name, value, "a boolean")

    def optional_int(self, name: str) -> int | None:
        """Give an integer, also one that the file has as float ("-7.0")."""
        value = self._state.get(name)
        return None if value is None else self.whole(name, value)

    def whole(self, name: str, value: object) -> int:
        """Give `value` as integer."""
        if isinstance(value, int | np.integer) and not isinstance(value, bool):
            return int(value)
        if isinstance(value, float | np.floating) and float(value).is_integer():
            return int(value)
        raise self.wrong(name, value, "a whole number")

    def quanta(self, name: str) -> int | None:
        """Give an exponent of two."""
        value = self.optional_int(name)
        if value is not None and abs(value) > _MAX_QUANTA:
            raise self.wrong(name, value, f"-{_MAX_QUANTA}..{_MAX_QUANTA}")
        return value

    def optional_float(self, name: str) -> float | None:
        """Give a float, None for None, NaN and infinity."""
        value = self._state.get(name)
        if value is None:
            return None
        if not isinstance(value, int | float | np.integer | np.floating):
            raise self.wrong(name, value, "a number")
        number = float(value)
        return number if math.isfinite(number) else None

    def array(self, name: str) -> Array | None:
        """Give an array, None for None and absent."""
        value = self._state.get(name)
        if value is None:
            return None
        if not isinstance(value, PickledArray) or value.array is None:
            raise self.wrong(name, value, "an array")
        return value.array

    def items(self, name: str) -> list[object]:
        """Give a list or tuple, counted; empty when absent."""
        value = self._state.get(name, [])
        if not isinstance(value, list | tuple):
            raise self.wrong(name, value, "a list")
        self._work.spend(1 + len(value))
        return list(value)

    def table(self, name: str) -> dict[str, object]:
        """Give a dict, counted; empty when absent or None."""
        value = self._state.get(name)
        if value is None:
            return {}
        if type(value) is not dict:
            raise self.wrong(name, value, "a dict")
        self._work.spend(1 + len(value))
        return value

    def instance(self, name: str, value: object, cls: str) -> StandIn:
        """Give `value`, which must be an object of a class of the model."""
        if is_a(value, cls):
            return value
        raise self.wrong(name, value, f"a {cls}")


def is_a(value: object, cls: str) -> TypeGuard[StandIn]:
    """Say whether a value is an object of a class of the model."""
    return isinstance(value, StandIn) and value.cls.name == cls


def quoted(name: str) -> str:
    """Give a name out of a file in quotes, printable and not too long."""
    return f"'{printable_name(name)}'"


def shown(value: object) -> str:
    """Say in a few words what a value is; never walks it."""
    if isinstance(value, str):
        return quoted(value[:40])
    if value is None or isinstance(value, int | float | np.bool_ | np.integer | np.floating):
        return str(value)[:40]
    if isinstance(value, StandIn):
        return f"of class {value.cls.name}"
    if isinstance(value, Global):
        return f"'{value}'"
    if isinstance(value, PickledArray):
        return "an array" if value.array is not None else "an array without content"
    return "a set" if isinstance(value, PickledSet) else f"of type {type(value).__name__}"
