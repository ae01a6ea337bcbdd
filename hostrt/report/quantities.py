"""Numbers as people read them."""

from __future__ import annotations

import math

NOTHING = "\N{EN DASH}"
"""What stands where there is no number."""

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def scale_of(largest: float, unit: str) -> tuple[float, str]:
    """Give what to divide values by so that `largest` is easy to read, and the unit then."""
    largest = abs(largest)
    for factor, prefix in _PREFIXES:
        if largest >= factor and not (unit == "s" and factor > 1):
            return factor, f"{prefix}{unit}"
    return (1.0, unit) if not largest else (1e-12, f"p{unit}")


def si(value: float | None, unit: str) -> str:
    """Write a number with four digits and a unit with a prefix; a dash when there is none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    factor, text = scale_of(value, unit)
    scaled = value / factor
    return f"{round(scaled) if abs(scaled) >= 1e4 else float(f'{scaled:.4g}'):g} {text}"


def number(value: float) -> str:
    """Write a number with up to five digits; whole ones with all of theirs."""
    if not math.isfinite(value):
        return NOTHING
    if value == int(value) and abs(value) < 2**53:
        return whole(int(value))
    return f"{value:.5g}"


def whole(value: int) -> str:
    """Write a whole number with a thin space after every three digits."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(value: int, what: str) -> str:
    """Write how many there are of something, in the plural where it is not one."""
    return f"{whole(value)} {what}{'' if value == 1 else 's'}"


def percent(part: float, total: float) -> str:
    """Write a share; a dash of nothing."""
    return f"{100 * part / total:.3g} %" if total else NOTHING
