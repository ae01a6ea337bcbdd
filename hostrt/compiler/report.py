"""The simulator's report: JSON text, or tab-indented text of earlier versions.

Femtocrux service reference 2, command line reference 6.
"""

from __future__ import annotations

import json
import math
import re

_LONGEST_TEXT = 4 << 20
_DEEPEST = 16
_TUPLE = re.compile(r"\((.*)\)")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class ReportFault(Exception):
    """A text that is no report."""


def parse_report(text: str) -> dict[str, object]:
    """Read a report.

    Returns:
        Key -> text, number, None, list, or a map of the same; the keys carry the units.

    Raises:
        ReportFault: neither a JSON object nor indented lines; says what was found.
    """
    if len(text) > _LONGEST_TEXT:
        raise ReportFault(f"{len(text)} characters")
    if not text.strip():
        return {}
    if text.lstrip().startswith(("{", "[")):
        return _parse_json(text)
    return _parse_indented(text)


def _parse_json(text: str) -> dict[str, object]:
    """Read JSON as Python writes it; a number that is none (NaN, Infinity) becomes None."""
    try:
        tree: object = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ReportFault(f"text that is not JSON ({str(error)[:80]})") from error
    if not isinstance(tree, dict):
        raise ReportFault(f"a JSON {type(tree).__name__}")
    return tree


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _parse_indented(text: str) -> dict[str, object]:
    root: dict[str, object] = {}
    open_maps = [root]
    pending: tuple[dict[str, object], str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        body = line.lstrip("\t")
        depth = len(line) - len(body)
        key, colon, value = body.rpartition(":")
        if not colon or not key.strip():
            raise ReportFault(f"line {number} without a key")
        if pending is not None and depth == len(open_maps) and depth <= _DEEPEST:
            parent, name = pending
            inner: dict[str, object] = {}
            parent[name] = inner
            open_maps.append(inner)
        if depth >= len(open_maps):
            raise ReportFault(f"line {number} indented by {depth} tabs")
        del open_maps[depth + 1 :]
        key, value = key.strip(), value.strip()
        open_maps[depth][key] = _value(value)
        pending = None if value else (open_maps[depth], key)
    return root


def _value(text: str) -> object:
    inner = _TUPLE.fullmatch(text)
    if inner is not None:
        return [_value(part.strip()) for part in inner[1].split(",") if part.strip()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
