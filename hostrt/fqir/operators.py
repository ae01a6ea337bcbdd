"""The operators of FQIR: names, arguments and constants (FQIR reference 3)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    Attributes:
        name: its name in node listings.
        class_name: name of the class that a file refers to.
        inputs: argument names; a name that ends in `*` stands for a numbered family (`x*`: x0, x1).
        optional_inputs: arguments that may be absent.
        constants: names of the constants it needs.
        optional_constants: constants that may be absent.
        executable: whether the reference can run it.
        subgraphs: keys of the graphs it holds.
    """

    name: str
    class_name: str
    inputs: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    optional_inputs: tuple[str, ...] = ()
    optional_constants: tuple[str, ...] = ()
    executable: bool = True
    subgraphs: tuple[str, ...] = ()


def _operator(class_name: str, inputs: str = "", constants: str = "", **more: object) -> Operator:
    """Read one line of the table: `?` before a name means it may be absent."""
    sides = []
    for words in (inputs.split(), constants.split()):
        sides.append(tuple(word for word in words if not word.startswith("?")))
        sides.append(tuple(word[1:] for word in words if word.startswith("?")))
    name = str(more.pop("name", class_name.lower()))
    return Operator(
        name,
        class_name,
        inputs=sides[0],
        optional_inputs=sides[1],
        constants=sides[2],
        optional_constants=sides[3],
        executable=bool(more.pop("executable", True)),
        subgraphs=tuple(str(more.pop("subgraphs", "")).split()),
    )


_ADD = "shamt_x shamt_y shamt_bwred bw ?bw_x ?bw_y ?rounded"
_LOOP = (
    "n_iter n_recurse n_sliced n_scope n_concat n_final block_size_sliced reverse_sliced "
    "reverse_concat"
)
_CONV = (
    "kernel_size_t kernel_size_band d_band_in n_band_in dilation_t dilation_band stride_band "
    "padding_band groups shamt_bwred ?shamt_bias bw"
)


def _table() -> Iterator[Operator]:
    yield _operator("VVADD", "x y", _ADD)
    yield _operator("VVSUB", "x y", _ADD)
    yield _operator("VIADD", "x", f"y {_ADD}")
    yield _operator("VNEG", "x", "bw")
    yield _operator("VVMUL", "x y", "shamt_bwred bw ?rounded")
    yield _operator("VIMUL", "x", "y shamt_bwred bw ?rounded")
    yield _operator("MATMUL", "x y", "shamt_bwred bw_out ?rounded")
    yield _operator("ADDMM", "bias x y", "shamt_bias shamt_bwred bw_out ?rounded")
    yield _operator("RELU", "x")
    yield _operator("SHIFT", "x", "shamt bw ?rounded")
    yield _operator("LUT", "x", "shamt_address bw_address table ?function")
    yield _operator(
        "GMACv2",
        "x_vv_* y_vv_* x_vi_*",
        "shamts_vv shamts_vi immediates_vi bits_out",
        name="gmac_v2",
    )
    yield _operator("I24BoolMul", "x y_bool", "shamt rounded", name="temp_i24_bool_mul")
    yield _operator("GT0", "x", "?bw")
    for class_name in [
        "VVGT",
        "VVGE",
        "VVLT",
        "VVLE",
        "VVEQ",
        "VVAND",
        "VVOR",
        "VVXOR",
        "VVMAX",
        "VVMIN",
    ]:
        yield _operator(class_name, "x y")
    for class_name in ["VIGT", "VIGE", "VILT", "VILE", "VIEQ", "VIAND", "VIOR", "VIXOR"]:
        yield _operator(class_name, "x", "imm")
    yield _operator("SUM", "x", "dim keepdim shamt_bwred bw")
    yield _operator("TRANSPOSE", "x", "dim0 dim1")
    yield _operator("RESHAPE", "x", "shape")
    yield _operator("CHUNK", "x", "chunks dim")
    yield _operator("SPLIT", "x", "lengths ?dim")
    yield _operator("CAT", "x*", "dim")
    yield _operator("STACK", "x*", "dim")
    yield _operator("COPY", "x")
    yield _operator("ZEROS", "", "shape")
    yield _operator("CONSTANT", "", "shape value")
    yield _operator("CONSTANT_LIKE", "x", "imm")
    yield _operator("ASSIGN", "y x")
    yield _operator("TEMPORAL_UNFOLD", "x buffer", "?kernel_size dilation ?buffer_length")
    yield _operator("TEMPORAL_CONV2D", "input weight ?bias ?buffer", _CONV)
    yield _operator("LOOP", "x_recurse_* x_sliced_* x_scope_*", _LOOP, subgraphs="body")
    yield _operator(
        "STRIDED_SUBGRAPH",
        "counter input_* default_output_*",
        "n k ?num_inputs ?num_outputs",
        subgraphs="body",
    )
    yield _operator(
        "CONDITIONAL",
        "condition input_*",
        "?num_inputs ?num_outputs",
        subgraphs="true false",
    )
    yield _operator("QUANTIZE", "x", "quanta bw")
    yield _operator("DEQUANTIZE", "x", "quanta")
    # before lowering only; CONV1D and the rest in files written before 1.9
    for class_name in [
        "SQUEEZE",
        "LSTM",
        "PWLIN",
        "FQIR_WRITER_KERNEL",
        "TEMPORAL_UNFOLD_UNKERNELIZED",
        "TEMPORAL_TRANSPOSE_FOLD_UNKERNELIZED",
        "PRINT",
        "CONV1D",
        "AVGPOOL1D",
        "MAXPOOL1D",
        "CONV2D",
        "ADAPTIVEAVGPOOL2D",
    ]:
        yield _operator(class_name, executable=False)


OPERATORS: Mapping[str, Operator] = MappingProxyType({item.name: item for item in _table()})
"""Operator by name."""

BY_CLASS: Mapping[str, Operator] = MappingProxyType(
    {item.class_name: item for item in OPERATORS.values()}
)
"""Operator by the class name in files."""
