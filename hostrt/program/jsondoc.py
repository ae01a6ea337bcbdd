"""The one door for JSON text that comes from a file."""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from hostrt.errors import ProgramCorrupt, ProgramUnsafe
from hostrt.program.intake import Budgets, over_budget

# An unterminated string is taken to the end of the text: without that, a text of quotes only would
# be scanned once per quote.
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def load_json(data: bytes, name: str, budgets: Budgets | None = None) -> object:
    """Parse one JSON document into dicts, lists, strings, ints, finite floats, bools and None.

    Args:
        data: UTF-8 text.
        name: file or member name for messages.
        budgets: `json_bytes` and `json_depth` apply.

    Raises:
        ProgramCorrupt: not UTF-8, not JSON, a key twice in one object, NaN or infinite numbers.
        ProgramUnsafe: larger or nested deeper than the budgets allow.
    """
    budgets = budgets or Budgets()
    if len(data) > budgets.json_bytes:
        raise over_budget(name, f"{len(data)} bytes of JSON", budgets.json_bytes)
    depth = _depth(data)
    if depth > budgets.json_depth:
        raise _too_deep(name, depth, budgets.json_depth)
    try:
        text = data.decode("utf-8")
        tree: object = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if _SURROGATE.search(text):
            json.dumps(tree, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise _corrupt(name, f", line {error.lineno}", error.msg) from error
    except UnicodeDecodeError as error:
        raise _corrupt(name, f", byte 0x{error.start:x}", "not UTF-8") from error
    except ValueError as error:
        raise _corrupt(name, "", str(error)) from error
    except RecursionError as error:
        raise _too_deep(name, depth, "what the interpreter can nest") from error
    return tree


def _corrupt(name: str, where: str, what: str) -> ProgramCorrupt:
    return ProgramCorrupt(
        f"{name}{where}: found {what}, expected a JSON document",
        hint="make the file again", file=name,
    )  # fmt: skip


def _too_deep(name: str, depth: int, limit: object) -> ProgramUnsafe:
    return ProgramUnsafe(
        f"{name}: found JSON nested {depth} deep, expected at most {limit}",
        hint="flatten the document", file=name,
    )  # fmt: skip


def _depth(data: bytes) -> int:
    """Deepest nesting of brackets outside strings."""
    import numpy as np

    codes = np.frombuffer(_STRING.sub(b"", data), np.uint8)
    codes = codes[np.isin(codes, np.frombuffer(b"[]{}", np.uint8))]
    steps = np.where((codes == ord("[")) | (codes == ord("{")), 1, -1)
    return int(np.cumsum(steps).max(initial=0))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise ValueError(f"key {twice[:80]!r} twice in one object")
    return tree


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"the number {text}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]}, too large for a double")
    return value
