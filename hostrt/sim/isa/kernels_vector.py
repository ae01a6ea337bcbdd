"""Vector arithmetic (open-isa.md, 2.6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firmware_protocol.open_isa_ops import Mode, Op
from hostrt.sim.isa import bounds
from hostrt.sim.isa.chain import GREATER, LESSER, Call, Chain, narrowing, number_like, stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostrt.sim.isa.bounds import Bounds
    from hostrt.sim.isa.place import Place
    from hostrt.sim.isa.scratch import Array

_ARITHMETIC: Mapping[Op, np.ufunc] = {
    Op.ADD: np.add,
    Op.SUB: np.subtract,
    Op.MUL: np.multiply,
    Op.MAX: GREATER,
    Op.MIN: LESSER,
}
_TRUTH: Mapping[Op, np.ufunc] = {
    Op.GT: np.greater,
    Op.GE: np.greater_equal,
    Op.LT: np.less,
    Op.LE: np.less_equal,
    Op.EQ: np.equal,
    Op.AND: np.logical_and,
    Op.OR: np.logical_or,
    Op.XOR: np.logical_xor,
}
_MASK = "mask"


class _Operand(NamedTuple):
    """An operand before it is worked with.

    Attributes:
        slot: where its converted elements go.
        array: elements as they are in memory, (n,) or ().
        raw: what they can be.
        shift: to the left, negative to the right.
        value: what they can be after the shift.
    """

    slot: str
    array: Array
    raw: Bounds
    shift: int
    value: Bounds


class _Work(NamedTuple):
    """What all kinds of operation need."""

    op: Op
    f: Mapping[str, int]
    x: _Operand
    y: _Operand
    z: Array
    place: Place

    @property
    def old(self) -> Bounds:
        """What elements of z can be."""
        return bounds.of_type(self.f["zt"])

    @property
    def result(self) -> Bounds:
        """What v can be."""
        return bounds.combined(self.op, self.x.value, self.y.value, self.old)

    def chain(self, value: Array, value_bounds: Bounds, dtype: str) -> Chain:
        return Chain(value, value_bounds, dtype, self.place.scratch)


def lower_vector(op: Op, f: Mapping[str, int], place: Place) -> list[Call]:
    """Give the calls of a vector operation."""
    if not f["n"]:
        return []
    z = place.elements(f["b"], f["zt"], f["n"])
    work = _Work(op, f, _x_operand(f, place), _y_operand(f, place), z, place)
    if op in _TRUTH:
        return _lower_truth(work)
    if op is Op.SELECT:
        return _lower_select(work)
    return _lower_mac(work) if op is Op.MAC else _lower_arithmetic(work)


def _x_operand(f: Mapping[str, int], place: Place) -> _Operand:
    if f["mode"] == Mode.SCALAR_X and f["n"] > 1:
        array = place.element(f["a"], f["xt"])
    else:
        array = place.elements(f["a"], f["xt"], f["n"])
    raw = bounds.of_type(f["xt"])
    return _Operand("x", array, raw, f["sx"], bounds.shifted(raw, f["sx"]))


def _y_operand(f: Mapping[str, int], place: Place) -> _Operand:
    if f["mode"] == Mode.IMMEDIATE:
        number = f["y"] << f["sy"] if f["sy"] > 0 else f["y"] >> -f["sy"]
        number = (number - bounds.LEAST) % (1 << 64) + bounds.LEAST
        array = number_like(number, place.scratch.view("y", np.int64, f["n"]))
        return _Operand("y", array, (number, number), 0, (number, number))
    if f["mode"] == Mode.SCALAR and f["n"] > 1:
        array = place.element(f["y"], f["yt"])
    else:
        array = place.elements(f["y"], f["yt"], f["n"])
    raw = bounds.of_type(f["yt"])
    return _Operand("y", array, raw, f["sy"], bounds.shifted(raw, f["sy"]))


def _load(operand: _Operand, dtype: str, place: Place, calls: list[Call]) -> Array:
    """Give an operand shifted and in the dtype that is worked with."""
    array = operand.array
    if operand.raw[0] == operand.raw[1]:
        return array.astype(dtype)
    if array.dtype == dtype and not operand.shift:
        return array
    room = place.scratch.view(operand.slot, dtype, array.size).reshape(array.shape)
    if array.dtype != dtype:
        calls.append(stored(room, array))
        array = room
    if operand.shift:
        shift = np.left_shift if operand.shift > 0 else np.right_shift
        amount = min(abs(operand.shift), 8 * room.dtype.itemsize - 1)
        result = place.scratch.view(f"{operand.slot} shifted", dtype, array.size)
        result = result.reshape(array.shape)
        calls.append(partial(shift, array, number_like(amount, room), result))
        return result
    return room


def _lower_arithmetic(work: _Work) -> list[Call]:
    x, y = work.x, work.y
    steps = narrowing(work.result, work.f)
    dtype = bounds.dtype_for(x.raw, x.value, y.raw, y.value, *steps)
    calls: list[Call] = []
    left, right = (_load(part, dtype, work.place, calls) for part in (x, y))
    chain = work.chain(work.z, work.old, dtype)
    chain.apply(_ARITHMETIC[work.op], left, right, result=work.result)
    chain.narrow(work.f)
    return calls + chain.finish(work.z)


def _lower_mac(work: _Work) -> list[Call]:
    x, y = work.x, work.y
    steps = narrowing(work.result, work.f)
    part = bounds.product(x.value, y.value)
    dtype = bounds.dtype_for(x.raw, x.value, y.raw, y.value, part, work.old, *steps)
    calls: list[Call] = []
    left, right = (_load(operand, dtype, work.place, calls) for operand in (x, y))
    products = work.place.scratch.view("products", dtype, work.z.size)
    calls.append(partial(np.multiply, left, right, products))
    chain = work.chain(work.z, work.old, dtype)
    chain.apply(np.add, chain.loaded(), products, result=work.result)
    chain.narrow(work.f)
    return calls + chain.finish(work.z)


def _lower_truth(work: _Work) -> list[Call]:
    x, y = work.x, work.y
    dtype = bounds.dtype_for(x.raw, x.value, y.raw, y.value)
    calls: list[Call] = []
    left, right = (_load(operand, dtype, work.place, calls) for operand in (x, y))
    mask = work.place.scratch.view(_MASK, bool, work.z.size)
    calls.append(partial(_TRUTH[work.op], left, right, mask))
    chain = work.chain(mask, bounds.TRUTH, bounds.dtype_for(*narrowing(bounds.TRUTH, work.f)))
    chain.narrow(work.f)
    return calls + chain.finish(work.z)


def _lower_select(work: _Work) -> list[Call]:
    x = work.x
    steps = narrowing(work.result, work.f)
    dtype = bounds.dtype_for(x.raw, x.value, work.old, *steps)
    calls: list[Call] = []
    mask = _mask(work, calls)
    chosen = _load(x, dtype, work.place, calls)
    room = work.place.scratch.view("chosen", dtype, work.z.size)
    calls += [stored(room, work.z), partial(np.copyto, room, chosen, where=mask)]
    chain = work.chain(room, work.result, dtype)
    chain.narrow(work.f)
    return calls + chain.finish(work.z)


def _mask(work: _Work, calls: list[Call]) -> Array:
    """Give where Y is not 0, (n,) or ()."""
    y = work.y
    values = _load(y, bounds.dtype_for(y.raw, y.value), work.place, calls)
    mask = work.place.scratch.view(_MASK, bool, values.size).reshape(values.shape)
    calls.append(partial(np.not_equal, values, number_like(0, values), mask))
    return mask
