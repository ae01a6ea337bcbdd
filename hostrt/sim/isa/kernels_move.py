"""Moves of elements (open-isa.md, 2.5)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hostrt.sim.isa.access import reach
from hostrt.sim.isa.chain import Call, moved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.sim.isa.place import Place
    from hostrt.sim.isa.scratch import Array

_MOST_CHECKED = 8 * 0x10000
"""Elements that a data memory can hold: more than these do not all go to different places."""


def lower_move(f: Mapping[str, int], place: Place, loop: int) -> list[Call]:
    """Give the calls of MOVE, or of MOVEL with this value of its loop register."""
    if not f["n"] or not f["outer"]:
        return []
    x, z = _Side(f, "x", place, loop), _Side(f, "z", place, loop)
    if not _all_different(z.elements):
        return [partial(_move_rows, x, z)]
    if len(z.elements) == 1:  # numpy copies vectors faster
        return moved(z.elements[0], x.elements[0], place.scratch)
    return moved(z.elements, x.elements, place.scratch)


class _Side:
    """The elements of one side of a move, (outer, n) at fixed distances."""

    def __init__(self, f: Mapping[str, int], side: str, place: Place, loop: int) -> None:
        base, code = ("a", "xt") if side == "x" else ("b", "zt")
        start = f[f"{side}o"] + loop * f.get(f"{side}l", 0)
        low, high = reach(f, side, loop)
        self._span = place.elements(f[base], f[code], high + 1)[low:]
        self._start = start - low
        self._steps = (f[f"{side}s"], f[f"{side}i"])
        # of what goes to one place because the distance is 0, only the last is moved
        self._shape = (f["outer"] if f["zs"] else 1, f["n"] if f["zi"] else 1)
        if not f["zs"]:
            self._start += (f["outer"] - 1) * self._steps[0]
        if not f["zi"]:
            self._start += (f["n"] - 1) * self._steps[1]
        self.elements = self._within(self._span)

    def copy(self) -> Array:
        """Give the elements as they are now."""
        return self._within(self._span.copy())

    def _within(self, span: Array) -> Array:
        steps = tuple(step * span.itemsize for step in self._steps)
        return np.lib.stride_tricks.as_strided(span[self._start :], self._shape, steps)


def _all_different(z: Array) -> bool:
    """Tell whether no element of z, (outer, n), is another one too."""
    outer, n = z.shape
    across, along = (step // z.itemsize for step in z.strides)
    if outer == 1 or n == 1:
        return True
    if abs(across) >= n * abs(along) or abs(along) >= outer * abs(across):
        return True
    if outer * n > _MOST_CHECKED:
        return False
    places = across * np.arange(outer)[:, None] + along * np.arange(n)
    return bool(np.unique(places).size == places.size)


def _move_rows(x: _Side, z: _Side) -> None:
    """Move rows one after the other, so that of two elements for one place the later stays."""
    for row, values in zip(z.elements, x.copy(), strict=True):
        row[...] = values
