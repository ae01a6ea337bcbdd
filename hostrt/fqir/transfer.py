"""What each operator does to ranges; the abstract side of `hostrt.fqir.semantics`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hostrt.fqir.ranges import Note, Range, reduced, shifted, wrapped
from hostrt.fqir.semantics import compare
from hostrt.fqir.semantics.constants import Constants
from hostrt.fqir.semantics.gmac import Gmac
from hostrt.fqir.semantics.products import peak
from hostrt.fqir.semantics.tables import first_address
from hostrt.fqir.semantics.temporal import Conv

if TYPE_CHECKING:
    from hostrt.fqir.graph import Array, Node

Arguments: TypeAlias = Mapping[str, Range]
Transfer: TypeAlias = Callable[["Node", Arguments, Note], list[Range]]
"""Node, ranges by argument name, what to tell about wrap-around; gives results as a kernel does."""

Exact: TypeAlias = NDArray[np.object_]
"""Python integers: sums that may leave 64 bits."""

_TRUTH = Range(0, 1)


def _narrow(c: Constants, total: Range, note: Note, bw: str = "bw") -> list[Range]:
    """End as `semantics.arith.narrow` does."""
    total = wrapped(total, 64, note, "a sum")
    moved = shifted(total, c.integer("shamt_bwred"), 64, note, c.flag("rounded"))
    return [reduced(moved.clamp(c.bits(bw)), 32, note, "the result")]


def _add(node: Node, args: Arguments, note: Note) -> list[Range]:
    c = Constants(node)
    x = shifted(args["x"], c.integer("shamt_x"), 64, note)
    y, width = args.get("y"), 64
    if y is None:
        operand = c.operand("y")
        y = Range.of(np.asarray(operand, None if isinstance(operand, np.generic) else np.int64))
        # a numpy scalar wraps in its own type
        width = y.width if isinstance(operand, np.generic) else 64
    y = shifted(y, c.integer("shamt_y"), width, note)
    return _narrow(c, x - y if node.opname == "vvsub" else x + y, note)


def _multiply(node: Node, args: Arguments, note: Note) -> list[Range]:
    c = Constants(node)
    if node.opname == "vvmul":
        return _narrow(c, args["x"] * args["y"], note)
    factor = c.integer("y")
    x = reduced(args["x"], 32, note, "x, which is reduced to 32 bits,")
    return _narrow(c, x * Range(factor, factor), note)


def _vneg(node: Node, args: Arguments, note: Note) -> list[Range]:
    x = args["x"]
    negated = wrapped(Range(-x.hi, -x.lo), x.width, note, "a negated value")
    return [negated.clamp(Constants(node).bits("bw"))]


def _relu(node: Node, args: Arguments, note: Note) -> list[Range]:
    del node, note
    x = args["x"]
    return [Range(max(x.lo, 0), max(x.hi, 0), x.width)]


def _shift(node: Node, args: Arguments, note: Note) -> list[Range]:
    c, x = Constants(node), args["x"]
    moved = shifted(x, c.integer("shamt"), x.width, note, c.flag("rounded"))
    return [moved.clamp(c.bits("bw"))]


def _bool_mul(node: Node, args: Arguments, note: Note) -> list[Range]:
    c = Constants(node)
    width = max(args["x"].width, args["y_bool"].width)
    product = wrapped(args["x"] * args["y_bool"], width, note, "a product")
    return [shifted(product, c.integer("shamt"), width, note, c.flag("rounded"))]


class Weights:
    """Bounds of weighted sums; the sums over weights are made once per array."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, int], tuple[Array, Exact, Exact]] = {}
        self._flat: dict[int, tuple[Array, Array]] = {}

    def bound(self, weight: Array, axis: int, other: Range) -> Range:
        """Give the range of the sums along one axis of weight times any numbers of a range."""
        positive, negative = self._sides(weight, axis)
        high = positive * other.hi + negative * other.lo
        low = positive * other.lo + negative * other.hi
        return Range(int(np.min(low, initial=0)), int(np.max(high, initial=0)))

    def taps(self, weight: Array, conv: Conv) -> Array:
        """Give (taps, d_out): the weights that a convolution uses."""
        if id(weight) not in self._flat:
            used = weight[:, :, : conv.kernel_size_band, : conv.kernel_size_t]
            used = used if conv.groups == 1 else used[:, :1]
            self._flat[id(weight)] = (weight, used.reshape(len(used), -1).T)
        return self._flat[id(weight)][1]

    def biased(self, weight: Array, other: Range, bias: Exact) -> Range:
        """Give the range of (axis 0 summed) weight times any numbers of a range, plus a bias."""
        positive, negative = self._sides(weight, 0)
        high = positive * other.hi + negative * other.lo + bias
        low = positive * other.lo + negative * other.hi + bias
        return Range(int(np.min(low)), int(np.max(high)))

    def _sides(self, weight: Array, axis: int) -> tuple[Exact, Exact]:
        key = (id(weight), axis)
        if key not in self._sums:
            exact = peak(weight) * weight.size < 1 << 62
            wide = weight.astype(np.int64 if exact else object)
            sides = [
                np.asarray(np.sum(half, axis=axis)).reshape(-1).astype(object)
                for half in (np.maximum(wide, 0), np.minimum(wide, 0))
            ]
            self._sums[key] = (weight, sides[0], sides[1])
        return self._sums[key][1:]


def _product(args: Arguments, weights: Weights) -> Range | None:
    """Bound a matrix product; None when both sides are unknown."""
    x, y = args["x"], args["y"]
    if y.value is not None and y.value.ndim:
        return weights.bound(y.value, max(y.value.ndim - 2, 0), x)
    if x.value is not None and x.value.ndim:
        return weights.bound(x.value, x.value.ndim - 1, y)
    return None


def matmul(node: Node, args: Arguments, note: Note, weights: Weights) -> list[Range]:
    """Bound `matmul` and `addmm`."""
    c = Constants(node)
    bias = Range(0, 0)
    if node.opname == "addmm":
        given = args["bias"]
        # a vector along the first axis of a matrix is widened first; shapes as declared
        spread = len(node.inputs["bias"].shape) == 1 and len(node.outputs[0].shape) > 1
        width = 64 if spread else given.width
        moved = shifted(given, c.integer("shamt_bias"), width, note, c.flag("rounded"))
        bias = moved.clamp(32)
    product = _product(args, weights)
    if product is None:
        return [Range.full(64).clamp(c.bits("bw_out")).stored(32)]
    return _narrow(c, product + bias, note, "bw_out")


def _sum(node: Node, args: Arguments, note: Note) -> list[Range]:
    del args, note
    return [Range.full().clamp(Constants(node).bits("bw"))]


def _lut(node: Node, args: Arguments, note: Note) -> list[Range]:
    c, x = Constants(node), args["x"]
    table = c.table("table")
    address = shifted(x, c.integer("shamt_address"), x.width, note).clamp(c.bits("bw_address"))
    first = first_address(table)
    low, high = address.lo - first, address.hi - first
    inside = 0 <= low <= high < len(table.y)
    found = Range.of(table.y[low : high + 1] if inside else table.y)
    return [found.stored(found.width)]


def _gmac(node: Node, args: Arguments, note: Note) -> list[Range]:
    spec = Gmac.of(node)
    terms = [
        (shamt, args[f"x_vv_{i}"] * args[f"y_vv_{i}"]) for i, shamt in enumerate(spec.shamts_vv)
    ]
    terms += [
        (shamt, args[f"x_vi_{i}"] * Range(factor, factor))
        for i, (shamt, factor) in enumerate(zip(spec.shamts_vi, spec.immediates_vi, strict=True))
    ]
    total, last = Range(0, 0), min((shamt for shamt, _ in terms), default=0)
    for shamt, product in sorted(terms, key=lambda term: term[0]):
        total = wrapped(shifted(total, last - shamt, 64, note) + product, 64, note, "a sum")
        last = shamt
    total = shifted(total, last, 64, note)
    kept = shifted(shifted(total, -spec.dropped, 64, note), spec.dropped, 64, note)
    return _fields(kept.clamp(min(spec.clamp_bits, 64)), spec.bits_out)


def _fields(total: Range, bits_out: tuple[int, ...]) -> list[Range]:
    parts, low = [], 0
    for bits in bits_out[:-1]:
        field = (1 << (bits - 1)) - 1
        fits = low == 0 and total.lo >= 0 and total.hi <= field
        parts.append(total if fits else Range(0, field))
        low += bits - 1
    return [*parts, Range(total.lo >> low, total.hi >> low)]


def _truth(node: Node, args: Arguments, note: Note) -> list[Range]:
    del node, args, note
    return [_TRUTH]


def _extreme(node: Node, args: Arguments, note: Note) -> list[Range]:
    del note
    x, y = args["x"], args["y"]
    pick = max if node.opname == "vvmax" else min
    return [Range(pick(x.lo, y.lo), pick(x.hi, y.hi), max(x.width, y.width))]


def _same(node: Node, args: Arguments, note: Note) -> list[Range]:
    del note
    x = args["x"]
    keeps = node.opname in ("copy", "assign")
    return [x if keeps else x.stored(x.width)] * max(len(node.outputs), 1)


def _mixed(node: Node, args: Arguments, note: Note) -> list[Range]:
    """Join all arguments: what is concatenated, stacked, or seen in a buffer."""
    del note
    every = list(args.values())
    total = every[0]
    for more in every[1:]:
        total = total.join(more)
    total = total.stored(max(one.width for one in every))
    return [total, total] if node.opname == "temporal_unfold" else [total]


def _constant_like(node: Node, args: Arguments, note: Note) -> list[Range]:
    del note
    imm = Constants(node).integer("imm")
    return [Range(imm, imm, args["x"].width)]


def convolution(node: Node, args: Arguments, note: Note, weights: Weights) -> list[Range]:
    """Bound `temporal_conv2d`."""
    conv, x, weight = Conv.of(node), args["input"], args["weight"]
    bias, buffer = args.get("bias"), args.get("buffer")
    window = x if buffer is None else x.join(buffer).stored(max(x.width, buffer.width))
    seen = window.join(Range(0, 0)) if conv.padding_band else window
    partial = max(weight.width, window.width)
    width = partial if bias is None else bias.width
    if width > partial:
        # sums over channels wrap before they are accumulated
        tap = weight * seen * Range(conv.d_band_in, conv.d_band_in)
        wrapped(tap, partial, note, "a sum over channels")
    total = _conv_total(conv, weight, seen, bias, weights)
    moved = shifted(wrapped(total, width, note, "a sum"), conv.shamt_bwred, width, note)
    results = [moved.clamp(conv.bw)]
    return results if buffer is None else [*results, window.stored(window.width)]


def _conv_total(
    conv: Conv, weight: Range, seen: Range, bias: Range | None, weights: Weights
) -> Range:
    known = weight.value
    if known is not None and known.ndim == 4 and known.size:
        offset: Exact = np.zeros((), object)
        if bias is not None and bias.value is not None:
            factor = 1 << min(max(conv.shamt_bias, 0), 128)
            offset = bias.value.astype(object) * factor // (1 << min(max(-conv.shamt_bias, 0), 128))
        total = weights.biased(weights.taps(known, conv), seen, offset)
        if bias is None or bias.value is not None:
            return total
    else:
        channels = conv.d_band_in if conv.groups == 1 else 1
        count = conv.kernel_size_t * conv.kernel_size_band * channels
        total = weight * seen * Range(count, count)
    if bias is None:
        return total
    return total + shifted(bias, conv.shamt_bias, 4 * 64, lambda why: None)


def _quantize(node: Node, args: Arguments, note: Note) -> list[Range]:
    del note
    return [args["x"].clamp(Constants(node).bits("bw")).stored(64)]


def _anything(node: Node, args: Arguments, note: Note) -> list[Range]:
    del args, note
    return [Range.full()] * len(node.outputs)


TRANSFERS: Mapping[str, Transfer] = MappingProxyType(
    {
        **dict.fromkeys(("vvadd", "vvsub", "viadd"), _add),
        **dict.fromkeys(("vvmul", "vimul"), _multiply),
        **dict.fromkeys(
            ("copy", "assign", "transpose", "reshape", "chunk", "split"),
            _same,
        ),
        **dict.fromkeys(("cat", "stack", "temporal_unfold"), _mixed),
        **dict.fromkeys((*compare.VECTOR, *compare.COMPARED, *compare.COMBINED, "gt0"), _truth),
        **dict.fromkeys(("vvmax", "vvmin"), _extreme),
        **dict.fromkeys(("zeros", "constant", "dequantize"), _anything),
        "vneg": _vneg,
        "relu": _relu,
        "shift": _shift,
        "temp_i24_bool_mul": _bool_mul,
        "sum": _sum,
        "lut": _lut,
        "gmac_v2": _gmac,
        "constant_like": _constant_like,
        "quantize": _quantize,
    }
)
"""Operator name -> what it does to ranges; products and graphs are elsewhere."""
