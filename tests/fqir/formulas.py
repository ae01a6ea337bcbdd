"""The formulas of FQIR reference 4 in Python integers, one element at a time, and slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hostrt.fqir.graph import Array


def wrap(value: int, width: int = 64) -> int:
    """Reduce to a two's complement integer of so many bits."""
    value %= 1 << width
    return value - (1 << width) if value >> (width - 1) else value


def clamp(value: int, bits: int) -> int:
    """Saturate."""
    return max(-(1 << (bits - 1)), min((1 << (bits - 1)) - 1, value))


def rsh(value: int, amount: int, rounded: bool, width: int) -> int | None:
    """Shift in a storage type; None where the rounding constant does not fit it."""
    if amount >= 0:
        return wrap(value << amount, width)
    if rounded:
        half = 1 << (-amount - 1)
        if half >= 1 << (width - 1):
            return None
        value = wrap(value + half, width)
    return value >> -amount


def narrow(value: int, amount: int, bits: int, rounded: bool) -> int | None:
    """End a 64-bit result: shift, saturate, store in 32 bits."""
    moved = rsh(wrap(value), amount, rounded, 64)
    return None if moved is None else wrap(clamp(moved, bits), 32)


def elementwise(function: Callable[..., int | None], *arrays: Array) -> list[int] | None:
    """Apply a formula to broadcast elements; None when it has no result for one of them."""
    rows = zip(*(array.reshape(-1).tolist() for array in np.broadcast_arrays(*arrays)), strict=True)
    results = [function(*row) for row in rows]
    return None if None in results else [value for value in results if value is not None]


def integers(width: int) -> st.SearchStrategy[int]:
    """Draw numbers of a storage type, often near the limits of narrower ones."""
    limit = 1 << (width - 1)
    edges = [e + d for b in (0, 7, 15, 23, 30, 31, 62, 63) for e in (1 << b, -(1 << b))
             for d in (-1, 0, 1)]  # fmt: skip
    inside = [edge for edge in edges if -limit <= edge < limit]
    return st.one_of(
        st.integers(max(-limit, -300), min(limit - 1, 300)),
        st.integers(-limit, limit - 1),
        st.sampled_from(inside),
    )


@st.composite
def arrays(draw: st.DrawFn, lengths: Sequence[int] = (1, 3), least: int = 8) -> Array:
    """Draw a vector in some storage type."""
    width = draw(st.sampled_from([w for w in (8, 16, 32, 32, 64, 64) if w >= least]))
    values: Array = draw(
        hnp.arrays(
            np.dtype(f"i{width // 8}"),
            draw(st.sampled_from(list(lengths))),
            elements=integers(width),
        )
    )
    return values


amounts = st.one_of(st.integers(-20, 20), st.integers(-70, 70))
bits = st.one_of(st.sampled_from([4, 8, 16, 24]), st.integers(1, 64))
