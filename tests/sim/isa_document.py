"""The document of the open instruction set as tables and formulas."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import hostrt
from firmware_protocol.open_isa_ops import Mode, Op, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT = (Path(hostrt.__file__).parent / "docs" / "open-isa.md").read_text(encoding="utf-8")
ONE_LINE = " ".join(TEXT.split())


def rows(n_cells: int) -> list[list[str]]:
    """Give the cells of all table rows of that many cells."""
    lines = [line.strip() for line in TEXT.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return [found for found in cells if len(found) == n_cells]


def after(phrase: str) -> str:
    """Give the text after a phrase, up to the next full stop."""
    assert phrase in ONE_LINE, phrase
    return re.split(r"\.(?: |$)", ONE_LINE.split(phrase, 1)[1], maxsplit=1)[0]


OP_ROWS = {row[1]: row for row in rows(5) if row[0].startswith("0x")}
"""Cells of each operation: code, name, fields, effect, cycles."""


def formula_of(op: Op) -> str:
    """Give the cycles of an operation, as the table has them."""
    return OP_ROWS[op.name][4]


def value_of(formula: str, f: Mapping[str, int]) -> int:
    """Calculate a formula that consists of fields, ceil, lanes and `words of`."""
    for name, code in (("x", "xt"), ("z", "zt"), ("init", "it")):
        there = name != "init" or f.get("has_init")
        formula = formula.replace(f"words of {name}", f"ceil(n / lanes({code}))" if there else "0")
    formula = re.sub(r"(\d) (n|k)\b", r"\1 * \2", formula)
    known = {"ceil": math.ceil, "lanes": lambda code: Type(code).lanes, **f}
    return int(eval(formula, known))


def whole_vectors(f: Mapping[str, int]) -> list[int]:
    """Give the types of z and of the operands of a vector operation that are whole vectors."""
    found = [f["zt"]]
    if f["mode"] != Mode.SCALAR_X:
        found.append(f["xt"])
    if f["mode"] not in (Mode.SCALAR, Mode.IMMEDIATE):
        found.append(f["yt"])
    return found
