"""Matrix-vector products and sums (open-isa.md, 2.7)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa_ops import Type
from hostrt.sim.isa import bounds
from hostrt.sim.isa.chain import Call, Chain, narrowing, stored
from hostrt.sim.isa.weights import MatrixKey, type_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.sim.isa.bounds import Bounds
    from hostrt.sim.isa.place import Place
    from hostrt.sim.isa.scratch import Array

_CHUNK = 0x10000
"""Elements of a matrix that are converted at a time when it cannot be kept."""


def lower_matvec(f: Mapping[str, int], place: Place) -> list[Call]:
    """Give the calls of MATVEC."""
    if not f["n"]:
        return []
    calls, sums, limits = _products(f, place)
    init, start = _init(f, place)
    result = bounds.wrapped(limits[0] + start[0], limits[1] + start[1])
    dtype = bounds.dtype_for(limits, start, *narrowing(result, f))
    chain = Chain(sums, limits, dtype, place.scratch)
    chain.loaded()
    if init is not None:
        if init.dtype != dtype:
            room = place.scratch.view("init", dtype, f["n"])
            calls.append(stored(room, init))
            init = room
        chain.apply(np.add, chain.loaded(), init, result=result)
    chain.narrow(f)
    return calls + chain.finish(place.elements(f["b"], f["zt"], f["n"]))


def _init(f: Mapping[str, int], place: Place) -> tuple[Array | None, Bounds]:
    """Give what the sums begin with, (n,), and what it can be."""
    if not f["has_init"]:
        return None, (0, 0)
    return place.elements(f["init"], f["it"], f["n"]), bounds.of_type(f["it"])


def _products(f: Mapping[str, int], place: Place) -> tuple[list[Call], Array, Bounds]:
    """Give calls, where they leave the sums of products, (n,), and what these can be."""
    n, k = f["n"], f["k"]
    if not k:
        sums = place.scratch.view("sums", np.int64, n)
        return [stored(sums, np.zeros((), np.int64))], sums, (0, 0)
    x = place.elements(f["a"], f["xt"], f["xo"] + k)[f["xo"] :]
    key = MatrixKey(f["w"], n, k, f["stride"], f["yt"])
    x_bits, w_bits = Type(f["xt"]).bits, Type(f["yt"]).bits
    kept = place.weights.kept(key, x_bits)
    bound = kept.bound if kept else k << (x_bits + w_bits - 2)
    dtype = type_for(bound)
    vector = place.scratch.view("vector", dtype, k)
    sums = place.scratch.view("sums", dtype, n)
    load = stored(vector, x)
    if kept:
        multiply: Call = partial(kept.values.dot, vector, sums)
    else:
        rows = min(max(_CHUNK // k, 1), n)
        room = place.scratch.view("rows", dtype, rows * k).reshape(rows, k)
        multiply = partial(_multiply, place.weights.rows(key), room, vector, sums)
    limits = (-bound, bound) if bound < bounds.MOST else bounds.ANY
    return [load, multiply], sums, limits


def _multiply(matrix: Array, room: Array, vector: Array, sums: Array) -> None:
    """Multiply a matrix that may have changed, some rows at a time."""
    for first in range(0, len(matrix), len(room)):
        part = matrix[first : first + len(room)]
        converted = room[: len(part)]
        converted[...] = part
        np.dot(converted, vector, out=sums[first : first + len(part)])


def lower_sum(f: Mapping[str, int], place: Place) -> list[Call]:
    """Give the calls of SUM."""
    n, k = f["n"], f["k"]
    if not n:
        return []
    x = place.elements(f["a"], f["xt"], n * k)
    raw = bounds.of_type(f["xt"])
    result = bounds.wrapped(k * raw[0], k * raw[1])
    # a product with ones is the fastest sum
    dtype = type_for(-k * raw[0])
    values = place.scratch.view("rows", dtype, n * k)
    sums = place.scratch.view("sums", dtype, n)
    ones = np.ones(k, dtype)
    calls: list[Call] = [stored(values, x), partial(values.reshape(n, k).dot, ones, sums)]
    chain = Chain(sums, result, bounds.dtype_for(*narrowing(result, f)), place.scratch)
    chain.loaded()
    chain.narrow(f)
    return calls + chain.finish(place.elements(f["b"], f["zt"], n))
