"""What values can be, from their types alone, so that work that cannot matter is left out."""

from __future__ import annotations

from typing import TypeAlias

from firmware_protocol.open_isa_ops import Op, Type
from hostrt.sim.isa.memories import DTYPES

Bounds: TypeAlias = tuple[int, int]
"""Smallest and largest value."""

LEAST, MOST = -(1 << 63), (1 << 63) - 1
ANY: Bounds = (LEAST, MOST)
TRUTH: Bounds = (0, 1)


def of_bits(bits: int) -> Bounds:
    """Give the bounds of two's complement numbers."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def of_type(code: int) -> Bounds:
    """Give the bounds of a type's elements."""
    return of_bits(Type(code).bits)


def wrapped(low: int, high: int) -> Bounds:
    """Give the bounds of a result modulo 2^64."""
    return (low, high) if low >= LEAST and high <= MOST else ANY


def hull(*parts: Bounds) -> Bounds:
    """Give bounds that hold for all."""
    return min(low for low, _ in parts), max(high for _, high in parts)


def contains(outer: Bounds, inner: Bounds) -> bool:
    """Tell whether the outer bounds say nothing that the inner ones do not."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def shifted(value: Bounds, shift: int) -> Bounds:
    """Give the bounds of sh(v, shift)."""
    if shift < 0:
        return value[0] >> -shift, value[1] >> -shift
    return wrapped(value[0] << shift, value[1] << shift)


def clamped(value: Bounds, limits: Bounds) -> Bounds:
    """Give the bounds of a value that is saturated to limits."""
    low, high = (min(max(bound, limits[0]), limits[1]) for bound in value)
    return low, high


def combined(op: Op, x: Bounds, y: Bounds, z: Bounds) -> Bounds:
    """Give the bounds of a vector operation's v."""
    match op:
        case Op.ADD:
            return wrapped(x[0] + y[0], x[1] + y[1])
        case Op.SUB:
            return wrapped(x[0] - y[1], x[1] - y[0])
        case Op.MUL:
            return product(x, y)
        case Op.MAC:
            part = product(x, y)
            return wrapped(z[0] + part[0], z[1] + part[1])
        case Op.MAX:
            return max(x[0], y[0]), max(x[1], y[1])
        case Op.MIN:
            return min(x[0], y[0]), min(x[1], y[1])
        case Op.SELECT:
            return hull(x, z)
    return TRUTH


def product(x: Bounds, y: Bounds) -> Bounds:
    """Give the bounds of a product."""
    corners = [first * second for first in x for second in y]
    return wrapped(min(corners), max(corners))


def dtype_for(*values: Bounds) -> str:
    """Give the narrowest dtype that holds all of the values."""
    needed = hull(*values)
    return next(DTYPES[code] for code in Type if contains(of_type(code), needed))
