"""Random nodes of the operators that work element by element, and of products and sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.fqir.graph import Table, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peer.fqir_sketch import Sketch

    Draw = Callable[[Sketch], list[Tensor]]

COMPARISONS = "vvgt vvge vvlt vvle vveq vvand vvor vvxor vvmax vvmin"
COMPARISONS_WITH_NUMBER = "vigt vige vilt vile vieq viand vior vixor"


def _scales(s: Sketch, *, is_exclusive: bool = True) -> dict[str, Any]:
    """Give the shifts of a sum; producers shift one operand, files may shift both."""
    x, y = s.shift(), s.shift()
    if is_exclusive and s.chance(0.5):
        x = 0
    constants = {"shamt_x": x, "shamt_y": y, "shamt_bwred": s.shift(), "bw": s.bits()}
    return constants | {"bw_x": s.bits(), "bw_y": s.bits()} | s.rounding()


def two_operands(opname: str) -> Draw:
    """vvadd, vvsub."""

    def draw(s: Sketch) -> list[Tensor]:
        x, y, shape = s.pair()
        return s.add(opname, {"x": x, "y": y}, shape, **_scales(s))

    return draw


def viadd(s: Sketch) -> list[Tensor]:
    """A constant as Python writes it, or as a NumPy scalar of 4 or 8 bytes."""
    x = s.operand()
    return s.add("viadd", {"x": x}, x.shape, y=_number(s), **_scales(s))


def _number(s: Sketch) -> int | np.generic:
    value = s.whole(-40000, 40000) if s.chance(0.8) else s.whole(-(1 << 31), (1 << 31) - 1)
    kind = s.choose(int, int, np.int32, np.int64)
    return kind(value)  # type: ignore[no-any-return]


def vneg(s: Sketch) -> list[Tensor]:
    x = s.operand()
    return s.add("vneg", {"x": x}, x.shape, bw=s.bits())


def relu(s: Sketch) -> list[Tensor]:
    x = s.operand()
    return s.add("relu", {"x": x}, x.shape)


def shift(s: Sketch) -> list[Tensor]:
    x = s.operand()
    return s.add("shift", {"x": x}, x.shape, shamt=s.shift(), bw=s.bits(), **s.rounding())


def vvmul(s: Sketch) -> list[Tensor]:
    x, y, shape = s.pair()
    return s.add(
        "vvmul", {"x": x, "y": y}, shape, shamt_bwred=s.shift(), bw=s.bits(), **s.rounding()
    )


def vimul(s: Sketch) -> list[Tensor]:
    x = s.operand()
    constants = {"y": _number(s), "shamt_bwred": s.shift(), "bw": s.bits()}
    return s.add("vimul", {"x": x}, x.shape, **constants, **s.rounding())


def bool_mul(s: Sketch) -> list[Tensor]:
    x, y, shape = s.pair()
    constants = {"shamt": s.shift(), "rounded": s.chance(0.5)}
    return s.add("temp_i24_bool_mul", {"x": x, "y_bool": y}, shape, **constants)


def gt0(s: Sketch) -> list[Tensor]:
    x = s.operand()
    return s.add("gt0", {"x": x}, x.shape, bw=s.bits())


def comparison(opname: str) -> Draw:
    def draw(s: Sketch) -> list[Tensor]:
        x, y, shape = s.pair()
        return s.add(opname, {"x": x, "y": y}, shape)

    return draw


def comparison_with_number(opname: str) -> Draw:
    def draw(s: Sketch) -> list[Tensor]:
        x = s.operand()
        imm = s.choose(0, 1, s.whole(-5, 5), s.whole(-40000, 40000))
        return s.add(opname, {"x": x}, x.shape, imm=imm)

    return draw


def _factors(s: Sketch) -> tuple[Tensor, Tensor]:
    n, m, k = s.whole(1, 7), s.whole(1, 7), s.whole(1, 4)
    left, right = s.choose(
        ((n,), (n, m)), ((n,), (n, m)), ((m, n), (n,)), ((k, n), (n, m)), ((n,), (n, 1))
    )
    bits = s.choose(4, 8, 16, 24)
    if len(left) < len(right):
        return s.operand(left), s.parameter(right, bits)
    return s.choose(s.parameter, s.operand)(left, bits), s.operand(right)


def _product_shape(x: Tensor, y: Tensor) -> tuple[int, ...]:
    shape: tuple[int, ...] = np.matmul(np.zeros(x.shape), np.zeros(y.shape)).shape
    return shape


def matmul(s: Sketch) -> list[Tensor]:
    """A vector or matrix times a matrix or vector."""
    x, y = _factors(s)
    constants = {"shamt_bwred": s.shift(), "bw_out": s.bits()} | s.rounding()
    return s.add("matmul", {"x": x, "y": y}, _product_shape(x, y), **constants)


def addmm(s: Sketch) -> list[Tensor]:
    """Biases as long as the result, of one element, and along the first axis of a 2-D product."""
    x, y = _factors(s)
    shape = _product_shape(x, y)
    wanted = s.choose(shape, shape, (shape[0],) if len(shape) == 2 else shape)
    bias = s.choose(s.parameter, s.operand)(wanted, s.choose(8, 16, 24, 32))
    constants = {"shamt_bias": s.shift(), "shamt_bwred": s.shift(), "bw_out": s.bits()}
    return s.add("addmm", {"bias": bias, "x": x, "y": y}, shape, **constants, **s.rounding())


def sum_(s: Sketch) -> list[Tensor]:
    """Over one axis, counted from either end, or over several."""
    x = s.operand()
    rank = len(x.shape)
    dim = s.whole(-rank, rank - 1)
    keepdim = s.chance(0.5)
    if rank > 1 and s.chance(0.3):
        dims: int | tuple[int, ...] = tuple(range(s.whole(0, 1), rank))
    else:
        dims = dim
    shape = np.sum(np.zeros(x.shape), axis=dims, keepdims=keepdim).shape
    constants = {"dim": dims, "keepdim": keepdim, "shamt_bwred": s.shift(), "bw": s.bits()}
    return s.add("sum", {"x": x}, shape, **constants)


def lut(s: Sketch) -> list[Tensor]:
    """Full tables, shifted ones, and ones that some addresses miss."""
    x = s.operand()
    bits = s.choose(4, 8, 8, 8)
    low, size = -(1 << (bits - 1)), 1 << bits
    if s.chance(s.extreme):
        low += s.whole(-9, 9)
    if s.chance(s.extreme / 2):
        size -= s.whole(1, 5)
    addresses = np.arange(low, low + size)
    if low >= -128 and low + size <= 128 and s.chance(0.5):
        addresses = addresses.astype(np.int8)
    values = s.numbers((size,), -(1 << 15), (1 << 15) - 1).astype(s.choose(np.int32, np.int64))
    table = Table("sigmoid_c0", addresses, values)
    constants = {"shamt_address": s.shift(), "bw_address": bits, "table": table}
    return s.add("lut", {"x": x}, x.shape, **constants, function="sigmoid_c0")


DRAWS: dict[str, Draw] = {
    "vvadd": two_operands("vvadd"),
    "vvsub": two_operands("vvsub"),
    "viadd": viadd,
    "vneg": vneg,
    "relu": relu,
    "shift": shift,
    "vvmul": vvmul,
    "vimul": vimul,
    "temp_i24_bool_mul": bool_mul,
    "gt0": gt0,
    **{name: comparison(name) for name in COMPARISONS.split()},
    **{name: comparison_with_number(name) for name in COMPARISONS_WITH_NUMBER.split()},
    "matmul": matmul,
    "addmm": addmm,
    "sum": sum_,
    "lut": lut,
}
"""How to draw a node of each operator."""
