"""From a node to a function: its constants read and checked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.graph import Array
from hostrt.fqir.semantics import arith, compare, products, scaling, structure, tables, temporal
from hostrt.fqir.semantics.constants import Constants, label
from hostrt.fqir.semantics.gmac import Gmac, gmac_v2

if TYPE_CHECKING:
    from hostrt.fqir.graph import Node

Arguments: TypeAlias = Mapping[str, Array]
Kernel: TypeAlias = Callable[[Arguments], tuple[Array, ...]]


@dataclass(frozen=True, slots=True)
class Bound:
    """A node's operator with its constants.

    Attributes:
        kernel: argument name -> value in; results out, by position. Pure.
        writes: arguments whose tensors take the last results, which are then no outputs (`y` of an
            assign, the buffer of a temporal operator).
    """

    kernel: Kernel
    writes: tuple[str, ...] = ()


def bind(node: Node) -> Bound:
    """Give the function of an operator node that holds no graph.

    Raises:
        ProgramCorrupt: a constant or an argument is missing or of the wrong kind.
        ProgramUnsupported: the operator cannot be executed, or not by a function.
    """
    try:
        make = KERNELS[node.opname]
    except KeyError:
        raise ProgramUnsupported(
            f"{label(node)}: this operator cannot be executed",
            hint="FQIR files hold it before lowering only: save the model after it was quantized",
            node=node.name,
            operator=node.opname,
        ) from None
    constants = Constants(node)
    if node.operator is not None:
        missing = [
            name
            for name in node.operator.inputs
            if not name.endswith("*") and name not in node.inputs
        ]
        constants.require(not missing, f"has no argument {', '.join(map(repr, missing))}")
    try:
        return make(node, constants)
    except (ValueError, MemoryError) as error:
        raise constants.fault(str(error)) from error


_Make: TypeAlias = Callable[["Node", Constants], Bound]


def _one(function: Callable[..., Array], *names: str, **constants: object) -> Bound:
    """Bind a function of some arguments that has one result."""
    if len(names) == 1:
        (only,) = names
        return Bound(lambda v: (function(v[only], **constants),))
    return Bound(lambda v: (function(*(v[name] for name in names), **constants),))


def _shifts(c: Constants, *names: str, bw: str = "bw") -> dict[str, object]:
    """Read shift amounts, the result's bits and the rounding of an arithmetic operator."""
    amounts: dict[str, object] = {name: c.integer(name) for name in names}
    return amounts | {bw: c.bits(bw), "rounded": c.flag("rounded")}


_MOST_CHUNKS = 1 << 16
"""More parts than any node has outputs; each costs time and memory, empty or not."""

_ADD = ("shamt_x", "shamt_y", "shamt_bwred")


def _bind_matmul(node: Node, c: Constants) -> Bound:
    names = ("bias", "x", "y") if node.opname == "addmm" else ("x", "y")
    shifts = ("shamt_bias", "shamt_bwred") if node.opname == "addmm" else ("shamt_bwred",)
    function = products.addmm if node.opname == "addmm" else products.matmul
    constants = _shifts(c, *shifts, bw="bw_out")
    return _one(function, *names, factors=products.Factors(), **constants)


def _bind_lut(node: Node, c: Constants) -> Bound:
    del node
    table = c.table("table")
    return _one(
        tables.lut,
        "x",
        shamt_address=c.integer("shamt_address"),
        bw_address=c.bits("bw_address"),
        first=tables.first_address(table),
        values=table.y,
    )


def _bind_gmac(node: Node, c: Constants) -> Bound:
    del c
    spec = Gmac.of(node)
    pairs = [(f"x_vv_{i}", f"y_vv_{i}") for i in range(len(spec.shamts_vv))]
    singles = [f"x_vi_{i}" for i in range(len(spec.shamts_vi))]
    return Bound(
        lambda v: gmac_v2(spec, [(v[a], v[b]) for a, b in pairs], [v[name] for name in singles])
    )


def _bind_vv(node: Node, c: Constants) -> Bound:
    del c
    name = node.opname
    return Bound(lambda v: (compare.compare(name, v["x"], v["y"]),))


def _bind_vi(node: Node, c: Constants) -> Bound:
    name, imm = node.opname, c.number("imm")
    run = compare.compare_constant if name in compare.COMPARED else compare.combine_constant
    return Bound(lambda v: (run(name, v["x"], imm),))


def _bind_joined(node: Node, c: Constants) -> Bound:
    function = structure.cat if node.opname == "cat" else structure.stack
    dim = c.integer("dim")
    names: list[str] = []
    while f"x{len(names)}" in node.inputs:
        names.append(f"x{len(names)}")
    c.require(bool(names), "has no argument 'x0'")
    return Bound(lambda v: (function([v[name] for name in names], dim=dim),))


def _bind_chunk(node: Node, c: Constants) -> Bound:
    del node
    chunks, dim = c.count("chunks"), c.integer("dim")
    c.require(chunks <= _MOST_CHUNKS, f"constant 'chunks' is {chunks}")
    return Bound(lambda v: tuple(structure.chunk(v["x"], chunks=chunks, dim=dim)))


def _bind_split(node: Node, c: Constants) -> Bound:
    del node
    lengths = c.integers("lengths")
    c.require(min(lengths, default=0) >= 0, f"constant 'lengths' is {list(lengths)}")
    return Bound(lambda v: tuple(structure.split(v["x"], lengths=lengths)))


def _bind_unfold(node: Node, c: Constants) -> Bound:
    del node
    dilation = c.count("dilation")
    return Bound(
        lambda v: temporal.temporal_unfold(v["x"], v["buffer"], dilation=dilation), ("buffer",)
    )


def _bind_conv(node: Node, c: Constants) -> Bound:
    del c
    conv, factors = temporal.Conv.of(node), products.Factors()
    writes = ("buffer",) if "buffer" in node.inputs else ()

    def kernel(v: Arguments) -> tuple[Array, ...]:
        result, buffer = temporal.temporal_conv2d(
            conv, v["input"], v["weight"], v.get("bias"), v.get("buffer"), factors
        )
        return (result,) if buffer is None else (result, buffer)

    return Bound(kernel, writes)


def _fixed(value: Array) -> Bound:
    """Give the same value every time; values are never changed in place."""
    return Bound(lambda v: (value,))


KERNELS: Mapping[str, _Make] = MappingProxyType(
    {
        "vvadd": lambda n, c: _one(arith.vvadd, "x", "y", **_shifts(c, *_ADD)),
        "vvsub": lambda n, c: _one(arith.vvsub, "x", "y", **_shifts(c, *_ADD)),
        "viadd": lambda n, c: _one(arith.viadd, "x", y=c.operand("y"), **_shifts(c, *_ADD)),
        "vneg": lambda n, c: _one(arith.vneg, "x", bw=c.bits("bw")),
        "vvmul": lambda n, c: _one(arith.vvmul, "x", "y", **_shifts(c, "shamt_bwred")),
        "vimul": lambda n, c: _one(arith.vimul, "x", y=c.integer("y"), **_shifts(c, "shamt_bwred")),
        "matmul": _bind_matmul,
        "addmm": _bind_matmul,
        "relu": lambda n, c: _one(arith.relu, "x"),
        "shift": lambda n, c: _one(arith.shift, "x", **_shifts(c, "shamt")),
        "lut": _bind_lut,
        "gmac_v2": _bind_gmac,
        "temp_i24_bool_mul": lambda n, c: _one(
            arith.temp_i24_bool_mul,
            "x",
            "y_bool",
            shamt=c.integer("shamt"),
            rounded=c.flag("rounded"),
        ),
        "gt0": lambda n, c: _one(compare.gt0, "x"),
        "vvmax": lambda n, c: _one(compare.vvmax, "x", "y"),
        "vvmin": lambda n, c: _one(compare.vvmin, "x", "y"),
        "sum": lambda n, c: _one(
            arith.total,
            "x",
            dim=c.axes("dim"),
            keepdim=c.flag("keepdim"),
            shamt_bwred=c.integer("shamt_bwred"),
            bw=c.bits("bw"),
        ),
        "transpose": lambda n, c: _one(
            structure.transpose, "x", dim0=c.integer("dim0"), dim1=c.integer("dim1")
        ),
        "reshape": lambda n, c: _one(structure.reshape, "x", shape=c.shape("shape")),
        "chunk": _bind_chunk,
        "split": _bind_split,
        "cat": _bind_joined,
        "stack": _bind_joined,
        "copy": lambda n, c: Bound(lambda v: (v["x"],)),
        "zeros": lambda n, c: _fixed(structure.zeros(shape=c.shape("shape"))),
        "constant": lambda n, c: _fixed(
            structure.constant(shape=c.shape("shape"), value=c.operand("value"))
        ),
        "constant_like": lambda n, c: _one(structure.constant_like, "x", imm=c.integer("imm")),
        "assign": lambda n, c: Bound(lambda v: (v["x"],), ("y",)),
        "temporal_unfold": _bind_unfold,
        "temporal_conv2d": _bind_conv,
        "quantize": lambda n, c: _one(scaling.quantize, "x", quanta=_quanta(n, c), bw=c.bits("bw")),
        "dequantize": lambda n, c: _one(scaling.dequantize, "x", quanta=c.integer("quanta")),
        **dict.fromkeys(compare.VECTOR, _bind_vv),
        **dict.fromkeys((*compare.COMPARED, *compare.COMBINED), _bind_vi),
    }
)
"""Operator name -> what binds a node of it; the operators that hold graphs are not here."""


def _quanta(node: Node, c: Constants) -> int:
    """Read the scale of a quantize; integers pass without one."""
    del node
    return c.integer("quanta") if c.has("quanta") else 0
