"""A model in ONNX's file format, to be looked at: Netron and its like open it.

Operators are FQIR's own (domain `fqir`), so nothing can execute the file. The format is protocol
buffers: each field is a tag (number * 8 + kind), then a varint or a length and bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.graph import Table
from hostrt.fqir.sizes import stored_bits
from hostrt.fqir.spelling import escape, spell_constant, spell_type
from hostrt.fqir.state import find_state
from hostrt.fqir.walk import graphs_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hostrt.fqir.graph import Array, Constant, Graph, Model, Node, Tensor

_Field: TypeAlias = tuple[int, "int | str | bytes"]

_IR_VERSION = 8
_OPSET = 1
_DOMAIN = "fqir"
_MOST_BYTES = 1 << 28
_VARINT, _BYTES = 0, 2
_FLOAT, _UINT8, _INT8, _UINT16, _INT16, _INT32, _INT64 = 1, 2, 3, 4, 5, 6, 7
_BOOL, _DOUBLE, _UINT32, _UINT64, _INT4 = 9, 11, 12, 13, 22
_INT, _STRING, _TENSOR, _GRAPH, _INTS, _STRINGS = 2, 3, 4, 5, 7, 8
"""Kinds of attributes."""

_OF_BITS: Mapping[int | None, int] = {4: _INT4, 8: _INT8, 16: _INT16, 24: _INT32, None: _FLOAT}
_OF_ARRAY: Mapping[str, int] = {
    "int8": _INT8, "int16": _INT16, "int32": _INT32, "int64": _INT64, "uint8": _UINT8,
    "uint16": _UINT16, "uint32": _UINT32, "uint64": _UINT64, "bool": _BOOL, "float32": _FLOAT,
    "float64": _DOUBLE,
}  # fmt: skip


def onnx_bytes(model: Model) -> bytes:
    """Write ARITH and the graphs inside it as an ONNX file.

    Parameters keep their values. State tensors are inputs too. Names of arguments and the real
    types stand beside each node and tensor, as ONNX has no place for them.

    Raises:
        ProgramUnsupported: the file would exceed 256 MiB.
    """
    encoded: dict[int, bytes] = {}
    for graph in reversed(graphs_within(model.arith)):
        encoded[id(graph)] = _message(_graph(graph, encoded))
        if sum(map(len, encoded.values())) > _MOST_BYTES:
            raise _too_large()
    return _message(
        [
            (1, _IR_VERSION),
            (2, "hostrt"),
            (
                7,
                encoded[id(model.arith)] + _message((11, _value(one)) for one in find_state(model)),
            ),
            (8, _message([(1, _DOMAIN), (2, _OPSET)])),
            (14, _message([(1, "sha256"), (2, model.sha256)])),
        ]
    )


def _graph(graph: Graph, encoded: Mapping[int, bytes]) -> Iterator[_Field]:
    for node in graph.nodes:
        yield 1, _message(_node(node, encoded))
    yield 2, escape(graph.name or "ARITH")
    for tensor in graph.parameters:
        if tensor.value is not None:
            yield 5, _message(_array(tensor.value, escape(tensor.name), spell_type(tensor)))
    for tensor in graph.inputs:
        yield 11, _value(tensor)
    for tensor in graph.outputs:
        yield 12, _value(tensor)
    known = {id(tensor) for side in (graph.inputs, graph.outputs) for tensor in side}
    for node in graph.nodes:
        for tensor in node.outputs:
            if id(tensor) not in known:
                known.add(id(tensor))
                yield 13, _value(tensor)


def _value(tensor: Tensor) -> bytes:
    sizes = [size for size in tensor.shape if 0 <= size < 1 << 63]
    shape = _message((1, _message([(1, size)])) for size in sizes)
    kind = _message([(1, _OF_BITS[stored_bits(tensor.dtype)]), (2, shape)])
    return _message([(1, escape(tensor.name)), (2, _message([(1, kind)])), (3, spell_type(tensor))])


def _array(array: Array, name: str, doc: str = "") -> Iterator[_Field]:
    for size in array.shape:
        yield 1, size
    yield 2, _OF_ARRAY[array.dtype.name]
    yield 8, name
    yield 9, np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    yield 12, doc


def _node(node: Node, encoded: Mapping[int, bytes]) -> Iterator[_Field]:
    for tensor in node.inputs.values():
        yield 1, escape(tensor.name)
    for tensor in node.outputs:
        yield 2, escape(tensor.name)
    yield 3, escape(node.name)
    yield 4, node.opname or "inline"
    if node.inputs:
        yield 5, _attribute("arguments", [(9, escape(name)) for name in node.inputs], _STRINGS)
    for name, value in node.constants.items():
        for attribute in _constant(escape(name), value):
            yield 5, attribute
    for name, graph in node.subgraphs.items():
        yield 5, _attribute(escape(name), [(6, encoded[id(graph)])], _GRAPH)
    yield 7, _DOMAIN


def _constant(name: str, value: Constant) -> Iterator[bytes]:
    if isinstance(value, Table):
        for side, array in (("x", value.x), ("y", value.y)):
            content = _message(_array(array, f"{name}.{side}"))
            yield _attribute(f"{name}.{side}", [(5, content)], _TENSOR)
    elif isinstance(value, np.ndarray):
        yield _attribute(name, [(5, _message(_array(value, name)))], _TENSOR)
    elif (number := _int64(value)) is not None:
        yield _attribute(name, [(3, number)], _INT)
    elif isinstance(value, tuple) and value and (numbers := _int64s(value)):
        yield _attribute(name, [(8, one) for one in numbers], _INTS)
    else:
        text = escape(value) if isinstance(value, str) else spell_constant(value)
        yield _attribute(name, [(4, text)], _STRING)


def _int64(value: Constant) -> int | None:
    if isinstance(value, int | np.integer) and -(1 << 63) <= int(value) < 1 << 63:
        return int(value)
    return None


def _int64s(values: tuple[Constant, ...]) -> list[int]:
    """Give the integers; nothing when some are something else."""
    numbers = [number for value in values if (number := _int64(value)) is not None]
    return numbers if len(numbers) == len(values) else []


def _attribute(name: str, content: list[_Field], kind: int) -> bytes:
    return _message([(1, name), *content, (20, kind)])


def _message(message: Iterable[_Field]) -> bytes:
    parts: list[bytes] = []
    size = 0
    for number, value in message:
        if isinstance(value, int):
            parts.append(_varint(number << 3 | _VARINT) + _varint(value))
        else:
            data = value.encode("utf-8", "backslashreplace") if isinstance(value, str) else value
            parts += [_varint(number << 3 | _BYTES) + _varint(len(data)), data]
        size += len(parts[-1])
        if size > _MOST_BYTES:
            raise _too_large()
    return b"".join(parts)


def _too_large() -> ProgramUnsupported:
    return ProgramUnsupported(
        f"the model would take more than {_MOST_BYTES} bytes as ONNX",
        hint="a graph that many nodes share is repeated there; draw it with --dot instead",
    )


def _varint(value: int) -> bytes:
    """Encode an integer, seven bits to a byte, the lowest first; negative ones as 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
