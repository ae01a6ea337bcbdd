"""Names, constants and tensors on one line, safe to show on a terminal.

Names come from files: control characters, line ends and invisible marks are escaped, and long ones
are cut, so that no text grows with how often a file refers to one name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hostrt.fqir.graph import Table

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array, Constant, Tensor

_PLAIN = re.compile(r"[A-Za-z0-9_%.:+/*#-]+")
_LONG_NAME = 160
_LONG_TEXT = 60
_MANY_BITS = 256
_FEW_ELEMENTS = 8
_FEW_ITEMS = 24
_DEEP = 4


def escape(text: str) -> str:
    """Write text in printable characters; what differs stays different."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in text
    )


def spell_text(text: str, longest: int = _LONG_NAME) -> str:
    """Write text in double quotes; of long text the start and its length."""
    shown = escape(text[:longest]).replace('"', '\\"')
    more = f"...({len(text)})" if len(text) > longest else ""
    return f'"{shown}"{more}'


def spell_name(name: str) -> str:
    """Write a name, in quotes when it holds anything unusual."""
    if len(name) <= _LONG_NAME and _PLAIN.fullmatch(name):
        return name
    return spell_text(name)


def spell_integer(value: int) -> str:
    """Write an integer; of one that no operator can use, how many bits it has."""
    bits = value.bit_length()
    return str(value) if bits <= _MANY_BITS else f"<integer of {bits} bits>"


def spell_shape(shape: tuple[int, ...]) -> str:
    """Write a shape as `[24,96]`."""
    shown = ",".join(spell_integer(size) for size in shape[:_FEW_ITEMS])
    more = f",...({len(shape)})" if len(shape) > _FEW_ITEMS else ""
    return f"[{shown}{more}]"


def spell_type(tensor: Tensor) -> str:
    """Write what a tensor holds: `fqint16[24] 2^-13`."""
    scale = "" if tensor.quanta is None else f" 2^{spell_integer(tensor.quanta)}"
    truth = " bool" if tensor.is_bool else ""
    return f"{spell_name(tensor.dtype)}{spell_shape(tensor.shape)}{scale}{truth}"


def spell_array(array: Array) -> str:
    """Write a short array whole, of a long one its type, shape and range."""
    head = f"{array.dtype.name}{spell_shape(array.shape)}"
    if array.size <= _FEW_ELEMENTS:
        return f"{head}({' '.join(str(item) for item in array.ravel())})"
    return f"{head}({array.min()}..{array.max()})"


def spell_constant(value: Constant) -> str:
    """Write a node's constant; of long tuples, texts and arrays the beginning or the range."""
    return _spell(value, [_FEW_ITEMS], _DEEP)


def _spell(value: Constant, room: list[int], depth: int) -> str:
    if isinstance(value, tuple):
        return _spell_tuple(value, room, depth)
    if isinstance(value, str):
        return spell_text(value, _LONG_TEXT)
    if isinstance(value, int) and not isinstance(value, bool):
        return spell_integer(value)
    if isinstance(value, Table):
        return _spell_table(value)
    if isinstance(value, np.ndarray):
        return spell_array(value)
    if isinstance(value, np.generic):
        return f"{value}:{value.dtype.name}"
    return repr(value)


def _spell_tuple(values: tuple[Constant, ...], room: list[int], depth: int) -> str:
    """Write a tuple; `room` is what may still be written of it and of those inside it."""
    parts = []
    for value in values:
        if room[0] <= 0 or depth == 0:
            parts.append(f"...({len(values)})")
            break
        room[0] -= 1
        parts.append(_spell(value, room, depth - 1))
    return f"({', '.join(parts)})"


def _spell_table(table: Table) -> str:
    return f"table({spell_text(table.name, _LONG_TEXT)}, {_reach(table.x)} -> {_reach(table.y)})"


def _reach(array: Array) -> str:
    ends = f" {array.min()}..{array.max()}" if array.size else ""
    return f"{array.dtype.name}[{array.size}]{ends}"
