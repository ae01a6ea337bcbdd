"""Tables and counters (open-isa.md, 2.7)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa_ops import Type
from hostrt.sim.isa import bounds
from hostrt.sim.isa.chain import GREATER, LESSER, Call, number_like, stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.sim.isa.place import Place
    from hostrt.sim.isa.scratch import Array


def lower_lut(f: Mapping[str, int], place: Place) -> list[Call]:
    """Give the calls of LUT."""
    if not f["n"]:
        return []
    x = place.elements(f["a"], f["xt"], f["n"])
    index = place.scratch.view("index", np.int64, f["n"])
    value = bounds.shifted(bounds.of_type(f["xt"]), f["sx"])
    calls: list[Call] = [stored(index, x)]
    if f["sx"]:
        shift = np.left_shift if f["sx"] > 0 else np.right_shift
        calls.append(partial(shift, index, number_like(abs(f["sx"]), index), index))
    if bounds.wrapped(value[0] - f["lo"], value[1] - f["lo"]) == bounds.ANY:
        calls += [
            partial(GREATER, index, number_like(f["lo"], index), index),
            partial(LESSER, index, number_like(f["hi"], index), index),
        ]
    if f["lo"]:
        calls.append(partial(np.subtract, index, number_like(f["lo"], index), index))
    table = place.table((f["table"], f["hi"] - f["lo"] + 1, bool(f["wide"]), f["zt"]))
    # taking clips the index to the table, which is the clamp to lo..hi
    z = place.elements(f["b"], f["zt"], f["n"])
    return [*calls, partial(table.take, index, None, z, "clip")]


def lower_count(f: Mapping[str, int], place: Place) -> list[Call]:
    """Give the call of COUNT."""
    x, z = place.element(f["a"], f["xt"]), place.element(f["b"], f["zt"])
    return [partial(_count, x, z, f["n"], f["k"], Type(f["xt"]).bits)]


def _count(x: Array, z: Array, n: int, k: int, bits: int) -> None:
    position = x.item() % n
    z[()] = position == k
    half = 1 << (bits - 1)
    x[()] = ((position + 1) % n + half) % (2 * half) - half
