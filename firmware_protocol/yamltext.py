"""The small part of YAML that program files are written in: block maps, lists and scalars.

Text from here reads back the same with any YAML 1.1 loader. Full YAML is parsed elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from firmware_protocol.errors import LocalMisuseError

_PLAIN = re.compile(r"[A-Za-z_/($][ -~]*(?<! )")
_NOT_PLAIN = re.compile(r": | #|:$")
_WORDS = frozenset(("null", "true", "false", "yes", "no", "on", "off"))
_KEY_MAX = 1000  # loaders give up looking for the colon after 1024
_ESCAPE = re.compile(r"\\(?:U([0-9A-F]{8})|([\"\\]))")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"')


def is_plain(text: str) -> bool:
    """Tell whether `text` needs no quotes to be read back as text."""
    return (
        _PLAIN.fullmatch(text) is not None
        and _NOT_PLAIN.search(text) is None
        and text.lower() not in _WORDS
    )


def format_text(text: str) -> str:
    """Write text as one scalar on one line, quoted only where needed."""
    if is_plain(text):
        return text
    if text.isascii() and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if " " <= char <= "~" else f"\\U{ord(char):08X}"


def parse_text(scalar: str) -> str | None:
    """Read what `format_text` writes; `null` is None.

    Raises:
        ValueError: the scalar is outside that dialect.
    """
    if scalar == "null":
        return None
    if is_plain(scalar):
        return scalar
    if match := _QUOTED.fullmatch(scalar):
        return match[1].replace("''", "'")
    if match := _DOUBLE.fullmatch(scalar):
        if "\\" in _ESCAPE.sub("", match[1]):
            raise ValueError(f"escape in {scalar} is not one this dialect writes")
        return _ESCAPE.sub(lambda hit: chr(int(hit[1], 16)) if hit[1] else hit[2], match[1])
    raise ValueError(f"scalar {scalar[:40]!r} is not text of this dialect")


def format_scalar(value: object) -> str:
    """Write None, a boolean, a number or text.

    Raises:
        LocalMisuseError: `value` is of another type.
    """
    if value is None:
        return "null"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return _format_float(float(value))
    if isinstance(value, str):
        return format_text(str(value))
    raise LocalMisuseError(f"a {type(value).__name__} has no YAML form here; use plain types")


def _format_float(value: float) -> str:
    special = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}
    text = repr(value)
    # YAML 1.1 reads 1e-05 as text: the mantissa must have a point.
    dotted = text if "." in text else text.replace("e", ".0e")
    return special.get(text, dotted)


def format_tree(tree: Mapping[str, object], *, blank_lines: bool = False) -> str:
    """Write a mapping as block YAML in its own order.

    Args:
        tree: maps, sequences and scalars, any depth.
        blank_lines: put an empty line between top-level entries.
    """
    entries = ("\n".join(_block({key: value}, 0)) + "\n" for key, value in tree.items())
    return ("\n" if blank_lines else "").join(entries) or "{}\n"


def _block(value: Mapping[object, object] | Mapping[str, object], indent: int) -> list[str]:
    lines: list[str] = []
    pad = " " * indent
    for key, item in value.items():
        head = f"{pad}{_key(key)}:"
        if isinstance(item, Mapping) and item:
            lines += [head, *_block(item, indent + 2)]
        elif _is_list(item) and item:
            lines += [head, *_items(item, indent)]
        else:
            lines.append(f"{head} {_leaf(item)}")
    return lines


def _key(key: object) -> str:
    text = format_scalar(key)
    if len(text) > _KEY_MAX:
        raise LocalMisuseError(
            f"a key of {len(text)} characters, expected at most {_KEY_MAX} characters"
        )
    return text


def _items(values: object, indent: int) -> list[str]:
    lines: list[str] = []
    pad = " " * indent
    for item in values if isinstance(values, Sequence) else ():
        if (isinstance(item, Mapping) or _is_list(item)) and item:
            nested = (
                _block(item, indent + 2) if isinstance(item, Mapping) else _items(item, indent + 2)
            )
            lines += [f"{pad}- {nested[0].lstrip(' ')}", *nested[1:]]
        else:
            lines.append(f"{pad}- {_leaf(item)}")
    return lines


def _leaf(item: object) -> str:
    if isinstance(item, Mapping):
        return "{}"
    return "[]" if _is_list(item) else format_scalar(item)


def _is_list(item: object) -> bool:
    return isinstance(item, Sequence) and not isinstance(item, str | bytes)
