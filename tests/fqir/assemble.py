"""Pickles made of single instructions, the right ones and the wrong ones."""

from __future__ import annotations

import pickletools
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostrt.errors import ProgramError

CODES = {item.name: item.code.encode("latin-1") for item in pickletools.opcodes}
"""Instruction by name."""

GRAPH = ("fmot.fqir.graph_proto.graph_proto", "GraphProto")
TENSOR = ("fmot.fqir.variables.tensor_proto", "TensorProto")


@dataclass(frozen=True, slots=True)
class Case:
    """A hostile pickle.

    Attributes:
        data: the file.
        kind: the error it must end with.
        words: what the message must contain.
    """

    data: bytes
    kind: type[ProgramError]
    words: str = ""


def op(name: str, operand: bytes = b"") -> bytes:
    """Give one instruction."""
    return CODES[name] + operand


def u4(value: int) -> bytes:
    """Give four bytes, little-endian."""
    return struct.pack("<I", value)


def u8(value: int) -> bytes:
    """Give eight bytes, little-endian."""
    return struct.pack("<Q", value)


def text(value: str) -> bytes:
    """Push a text."""
    data = value.encode()
    return op("BINUNICODE", u4(len(data)) + data)


def name(module: str, attribute: str) -> bytes:
    """Push a class or function."""
    return op("GLOBAL", f"{module}\n{attribute}\n".encode())


def call(module: str, attribute: str, *arguments: bytes) -> bytes:
    """Call a function with values that are pushed by `arguments`."""
    return name(module, attribute) + op("MARK") + b"".join(arguments) + op("TUPLE") + op("REDUCE")


def dump(*parts: bytes, protocol: int = 2) -> bytes:
    """Give a whole pickle."""
    return op("PROTO", bytes([protocol])) + b"".join(parts) + op("STOP")


def instance(cls: tuple[str, str], **state: bytes) -> bytes:
    """Push an object of a class of the model."""
    made = name(*cls) + op("EMPTY_TUPLE") + op("NEWOBJ") + op("EMPTY_DICT") + op("MARK")
    made += b"".join(text(key) + value for key, value in state.items())
    return made + op("SETITEMS") + op("BUILD")


def graph_with(value: bytes, attribute: str = "junk") -> bytes:
    """Give the pickle of a graph that has `value` in an attribute."""
    return dump(instance(GRAPH, **{"name": text("MAIN"), attribute: value}))


def small(value: int) -> bytes:
    """Push a small integer."""
    return (
        op("BININT1", bytes([value]))
        if 0 <= value < 256
        else op("BININT", struct.pack("<i", value))
    )


def raw(data: bytes) -> bytes:
    """Push bytes."""
    return call("_codecs", "encode", text(data.decode("latin-1")), text("latin1"))


def dtype(code: str = "i4", order: str = "<") -> bytes:
    """Push an element type."""
    made = call("numpy", "dtype", text(code), op("NEWFALSE"), op("NEWTRUE"))
    state = small(3) + text(order) + op("NONE") * 3 + small(-1) + small(-1) + small(0)
    return made + op("MARK") + state + op("TUPLE") + op("BUILD")


def array(*shape: int, data: bytes = b"", code: str = "i4") -> bytes:
    """Push an array."""
    ndarray, empty = name("numpy", "ndarray"), small(0) + op("TUPLE1")
    made = call("numpy._core.multiarray", "_reconstruct", ndarray, empty, raw(b"b"))
    lengths = op("MARK") + b"".join(
        op("LONG1", bytes([9]) + length.to_bytes(9, "little", signed=True)) for length in shape
    )
    state = small(1) + lengths + op("TUPLE") + dtype(code) + op("NEWFALSE") + raw(data)
    return made + op("MARK") + state + op("TUPLE") + op("BUILD")


def doubled(times: int) -> bytes:
    """Push a list of two lists of two lists ...: 2**times paths."""
    made = b"".join(op("EMPTY_LIST") + op("BINPUT", bytes([i])) for i in range(times, -1, -1))
    again = (op("APPEND") + op("BINGET", bytes([i])) + op("APPEND") for i in range(times))
    return made + b"".join(again)
