"""Checked access to plain trees, as a YAML or JSON loader gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from firmware_protocol.errors import FormatError


def as_map(value: object, where: str, name: str) -> Mapping[object, object]:
    """Give `value` as a mapping (None counts as empty), or raise `FormatError`."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise FormatError(name, None, f"{_kind(value)} at {where}", "a mapping")
    return value


def as_named(value: object, where: str, name: str) -> dict[str, object]:
    """Give `value` as a mapping with text keys; numbers as keys become text."""
    out: dict[str, object] = {}
    for key, item in as_map(value, where, name).items():
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise FormatError(name, None, f"key {key!r} at {where}", "a name")
        out[str(key)] = item
    return out


def as_int(value: object, where: str, name: str, *, least: int = 0, most: int = 2**64 - 1) -> int:
    """Give `value` as an integer in range, or raise `FormatError`; booleans are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise FormatError(name, None, f"{_kind(value)} at {where}", "an integer")
    if not least <= value <= most:
        raise FormatError(name, None, f"{value} at {where}", f"{least} to {most}")
    return value


def as_text(value: object, where: str, name: str) -> str:
    """Give `value` as text, or raise `FormatError`."""
    if not isinstance(value, str):
        raise FormatError(name, None, f"{_kind(value)} at {where}", "text")
    return value


def as_list(value: object, where: str, name: str) -> Sequence[object]:
    """Give `value` as a list (None counts as empty), or raise `FormatError`."""
    if value is None:
        return ()
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise FormatError(name, None, f"{_kind(value)} at {where}", "a list")
    return value


def as_int_map(value: object, where: str, name: str) -> dict[int, int]:
    """Give `value` as a mapping from integers to integers; text keys of digits are read."""
    return {
        int_key(key, where, name): as_int(item, f"{where}.{key}", name)
        for key, item in as_map(value, where, name).items()
    }


def int_key(key: object, where: str, name: str) -> int:
    """Give a mapping's key as an integer; text of digits counts."""
    if isinstance(key, str) and key.isascii() and key.isdigit():
        return int(key)
    return as_int(key, f"{where} (key)", name)


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
