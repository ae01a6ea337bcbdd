"""The operators that hold no graph, one function for each (FQIR reference 4.2 to 4.12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hostrt.fqir.plan import arithmetic as do
from hostrt.fqir.plan import ranges, shapes
from hostrt.fqir.plan.builder import B64, Builder
from hostrt.fqir.plan.contents import unsupported
from hostrt.fqir.plan.ir import Relation
from hostrt.fqir.plan.lower_temporal import conv, unfold
from hostrt.fqir.semantics import compare, structure, tables
from hostrt.fqir.semantics.arith import shifted_constant
from hostrt.fqir.semantics.constants import Constants
from hostrt.fqir.semantics.gmac import Gmac
from hostrt.fqir.semantics.integers import KernelError, limits

if TYPE_CHECKING:
    from hostrt.fqir.graph import Node

Given: TypeAlias = Mapping[str, int]
"""Argument name -> value."""

Lower: TypeAlias = Callable[[Builder, "Node", Constants, Given], tuple[int, ...]]
"""Gives the results by position; what an argument's tensor becomes comes last."""


def _end(c: Constants, shift: str, bits: str = "bw") -> tuple[int, bool, ranges.Interval | None]:
    """Read how an instruction ends: shift, rounded, clamp."""
    return c.integer(shift), c.flag("rounded"), do.clamp_of(c.bits(bits))


def _add(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    shifts = c.integer("shamt_x"), c.integer("shamt_y")
    end = _end(c, "shamt_bwred")
    return (do.add(b, v["x"], v["y"], shifts, end, subtract=node.opname == "vvsub"),)


def _viadd(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    try:
        y = shifted_constant(c.operand("y"), c.integer("shamt_y"))
    except KernelError as error:
        raise unsupported(str(error)) from None
    constant = b.number(int(y)) if not y.ndim else b.constant(y)
    end = _end(c, "shamt_bwred")
    return (do.add(b, v["x"], constant, (c.integer("shamt_x"), 0), end),)


def _vneg(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    return (do.scale(b, v["x"], 0, False, do.clamp_of(c.bits("bw")), negate=True),)


def _vvmul(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    return (do.multiply(b, v["x"], v["y"], _end(c, "shamt_bwred")),)


def _vimul(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    x = do.wrap(b, v["x"], (32, 32))
    return (do.multiply(b, x, b.number(c.integer("y")), _end(c, "shamt_bwred")),)


def _matmul(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    end = _end(c, "shamt_bwred", "bw_out")
    if node.opname == "matmul":
        return (do.matmul(b, v["x"], v["y"], None, end),)
    bias = v["bias"]
    axes = len(do.product_shape(b.shape(v["x"]), b.shape(v["y"])))
    if len(b.shape(bias)) == 1 and axes > 1:
        bias = shapes.reshape(b, b.recast(bias, B64), (b.shape(bias)[0],) + (1,) * (axes - 1))
    bias = do.scale(b, bias, c.integer("shamt_bias"), c.flag("rounded"), ranges.INT32)
    return (do.matmul(b, v["x"], v["y"], bias, end),)


def _relu(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node, c
    return (do.relu(b, v["x"]),)


def _shift(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    return (do.scale(b, v["x"], *_end(c, "shamt")),)


def _lut(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    table = c.table("table")
    first = tables.first_address(table)
    shift, bits = c.integer("shamt_address"), c.bits("bw_address")
    return (do.lookup(b, v["x"], shift, bits, first, table.y),)


def _gmac(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del c
    spec = Gmac.of(node)
    terms = [(s, v[f"x_vv_{i}"], v[f"y_vv_{i}"]) for i, s in enumerate(spec.shamts_vv)]
    factors = zip(spec.shamts_vi, spec.immediates_vi, strict=True)
    terms += [(s, v[f"x_vi_{i}"], b.number(m)) for i, (s, m) in enumerate(factors)]
    if not terms:
        return tuple(b.number(0) for _ in spec.bits_out)
    terms.sort(key=lambda term: term[0])
    fields = [bits - 1 for bits in spec.bits_out[:-1]]
    return do.gmac(b, terms, spec.dropped, fields, do.clamp_of(spec.clamp_bits))


def _bool_mul(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    shift, rounded = c.integer("shamt"), c.flag("rounded")
    return (do.multiply_in_storage(b, v["x"], v["y_bool"], shift, rounded),)


def _gt0(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node, c
    return (do.compare(b, v["x"], b.number(0), Relation.GT),)


def _vv(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del c
    return (do.compare(b, v["x"], v["y"], Relation(node.opname[2:])),)


def _vi(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    relation, imm = Relation(node.opname[2:]), c.number("imm")
    if node.opname in compare.COMBINED:
        imm = int(bool(imm))
    if not float(imm).is_integer() and not isinstance(imm, int):
        raise unsupported(f"a comparison with {imm}")
    return (do.compare(b, v["x"], b.number(int(imm)), relation),)


def _sum(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    rank, axes = len(b.shape(v["x"])), c.axes("dim")
    if axes is None:
        axes = tuple(range(rank))
    chosen = sorted({_axis(axis, rank) for axis in (axes if isinstance(axes, tuple) else (axes,))})
    shift = c.integer("shamt_bwred")
    return (do.total(b, v["x"], tuple(chosen), c.flag("keepdim"), shift, c.bits("bw")),)


def _transpose(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    rank = len(b.shape(v["x"]))
    if rank < 2:
        return (v["x"],)
    dims = c.integer("dim0"), c.integer("dim1")
    order = [_axis(max(dims), rank), _axis(min(dims), rank)]
    if rank > 2 or order[0] == order[1]:
        raise unsupported(f"a transposition of {b.shape(v['x'])} by {dims}")
    return (shapes.transpose(b, v["x"]) if order == [1, 0] else v["x"],)


def _reshape(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    old, shape = b.shape(v["x"]), c.shape("shape")
    try:
        # a view of nothing: only numpy's rules for -1 are wanted
        new = np.broadcast_to(np.int8(0), old).reshape(shape).shape
    except ValueError:
        raise unsupported(f"a reshape of {old} to {shape}") from None
    return (shapes.reshape(b, v["x"], new),)


def _chunk(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    shape, chunks = b.shape(v["x"]), c.count("chunks")
    axis = _axis(c.integer("dim"), len(shape))
    size, longer = divmod(shape[axis], chunks)
    parts, start = [], 0
    for index in range(min(chunks, len(node.outputs))):
        stop = start + size + (index < longer)
        parts.append(shapes.part(b, v["x"], axis, start, stop))
        start = stop
    return tuple(parts)


def _split(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    length = b.shape(v["x"])[_axis(0, len(b.shape(v["x"])))]
    parts, start = [], 0
    for size in c.integers("lengths"):
        if size < 0:
            raise unsupported(f"a piece of {size} elements")
        parts.append(shapes.part(b, v["x"], 0, min(start, length), min(start + size, length)))
        start += size
    return tuple(parts)


def _joined(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    parts: list[int] = []
    while f"x{len(parts)}" in v:
        parts.append(v[f"x{len(parts)}"])
    if not parts:
        raise unsupported("nothing to join")
    if node.opname == "stack":
        rank = len(b.shape(parts[0])) + 1
        axis = _axis(c.integer("dim"), rank)
        parts = [shapes.reshape(b, x, _inserted(b.shape(x), axis)) for x in parts]
    else:
        axis = _axis(c.integer("dim"), len(b.shape(parts[0])))
    return (shapes.concat(b, parts, axis),)


def _inserted(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 1, *shape[axis:])


def _copy(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del b, node, c
    return (v["x"],)


def _zeros(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node, v
    return (b.constant(structure.zeros(shape=c.shape("shape"))),)


def _constant(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node, v
    try:
        return (b.constant(structure.constant(shape=c.shape("shape"), value=c.operand("value"))),)
    except ValueError as error:
        raise unsupported(str(error)) from None


def _constant_like(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    imm, bits = c.integer("imm"), b.bits(v["x"])
    if not ranges.within((imm, imm), ranges.signed(bits[0])):
        raise unsupported(f"the constant {imm} in {bits[0]} bits")
    return (b.constant(np.full(b.shape(v["x"]), imm, np.int64), bits),)


def _quantize(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    if not ranges.within(b.interval(v["x"]), limits(c.bits("bw"))):
        raise unsupported("integers that may be out of range are quantized")
    return (b.recast(v["x"], B64),)


def _unfold(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del node
    return unfold(b, v["x"], v["buffer"], c.count("dilation"))


def _conv(b: Builder, node: Node, c: Constants, v: Given) -> tuple[int, ...]:
    del c
    return conv(b, node, v)


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise unsupported(f"axis {axis} of a value of {rank} axes")
    return axis % rank


LOWER: Mapping[str, Lower] = MappingProxyType(
    {
        "vvadd": _add,
        "vvsub": _add,
        "viadd": _viadd,
        "vneg": _vneg,
        "vvmul": _vvmul,
        "vimul": _vimul,
        "matmul": _matmul,
        "addmm": _matmul,
        "relu": _relu,
        "shift": _shift,
        "lut": _lut,
        "gmac_v2": _gmac,
        "temp_i24_bool_mul": _bool_mul,
        "gt0": _gt0,
        **dict.fromkeys((*compare.VECTOR, "vvmax", "vvmin"), _vv),
        **dict.fromkeys((*compare.COMPARED, *compare.COMBINED), _vi),
        "sum": _sum,
        "transpose": _transpose,
        "reshape": _reshape,
        "chunk": _chunk,
        "split": _split,
        "cat": _joined,
        "stack": _joined,
        "copy": _copy,
        "zeros": _zeros,
        "constant": _constant,
        "constant_like": _constant_like,
        "assign": _copy,
        "temporal_unfold": _unfold,
        "temporal_conv2d": _conv,
        "quantize": _quantize,
    }
)
"""Operator name -> its function."""
