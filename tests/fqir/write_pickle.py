"""Emits the pickle opcodes that FQIR files consist of (FQIR reference 1.4 and 1.5).

The standard pickler cannot name classes that are not installed, nor NumPy 1 module names from
under NumPy 2; this one writes what it is told.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any, Literal

import numpy as np

BATCH = 1000
"""Items per SETITEMS, APPENDS or ADDITEMS, as in CPython's pickler."""


@dataclass(slots=True, eq=False)
class Global:
    """A class or function by name; equal names are written once."""

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Instance:
    """An object of a foreign class; `state` None writes no BUILD."""

    cls: Global
    state: dict[str, Any] | None = None


@dataclass(slots=True)
class Emitter:
    """Collects the opcodes of one value.

    Attributes:
        protocol: 2 to 5.
        numpy: 1 or 2, whose module names are written.
    """

    protocol: int = 2
    numpy: int = 2
    parts: list[bytes] = field(default_factory=list)
    memo: dict[object, int] = field(default_factory=dict)
    kept: list[object] = field(default_factory=list)

    def dump(self, value: object) -> bytes:
        """Give the whole pickle of a value."""
        self.emit(value)
        body = b"".join(self.parts) + b"."
        head = b"\x80" + bytes([self.protocol])
        return head + (b"\x95" + struct.pack("<Q", len(body)) if self.protocol > 3 else b"") + body

    def emit(self, value: object) -> None:
        """Write a value, or a reference when it was written before."""
        index = self.memo.get(_key(value))
        if index is None:
            self._new(value)
        else:
            self.parts.append(b"h" + bytes([index]) if index < 256 else b"j" + _u4(index))

    def remember(self, value: object) -> None:
        """Give what was written last a number."""
        index = len(self.memo)
        self.memo[_key(value)] = index
        self.kept.append(value)
        if self.protocol > 3:
            self.parts.append(b"\x94")
        else:
            self.parts.append(b"q" + bytes([index]) if index < 256 else b"r" + _u4(index))

    def global_(self, module: str, name: str) -> None:
        """Write a class or function by name."""
        if (module, name) in self.memo:
            self.emit((module, name, Global))
            return
        if self.protocol > 3:
            self.emit(module)
            self.emit(name)
            self.parts.append(b"\x93")
        else:
            self.parts.append(f"c{module}\n{name}\n".encode())
        self.remember((module, name, Global))

    def reduce(self, module: str, name: str, *arguments: object) -> None:
        """Write a call."""
        self.global_(module, name)
        self.emit(arguments)
        self.parts.append(b"R")

    @singledispatchmethod
    def _new(self, value: Any) -> None:
        raise TypeError(f"no opcode for {type(value).__name__}")

    @_new.register
    def _(self, value: None) -> None:
        self.parts.append(b"N")

    @_new.register
    def _(self, value: bool) -> None:
        self.parts.append(b"\x88" if value else b"\x89")

    @_new.register
    def _(self, value: int) -> None:
        if 0 <= value < 0x10000:
            form = b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
        elif -(1 << 31) <= value < 1 << 31:
            form = b"J" + struct.pack("<i", value)
        else:
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            form = b"\x8a" + bytes([len(data)]) + data
        self.parts.append(form)

    @_new.register
    def _(self, value: float) -> None:
        self.parts.append(b"G" + struct.pack(">d", value))

    @_new.register
    def _(self, value: str) -> None:
        data = value.encode("utf-8", "surrogatepass")
        if self.protocol > 3 and len(data) < 256:
            self.parts += [b"\x8c", bytes([len(data)]), data]
        else:
            self.parts += [b"X", _u4(len(data)), data]
        self.remember(value)

    @_new.register
    def _(self, value: bytes) -> None:
        if self.protocol > 2:
            short = len(value) < 256
            self.parts += [b"C" + bytes([len(value)]) if short else b"B" + _u4(len(value)), value]
        elif value:
            self.reduce("_codecs", "encode", value.decode("latin1"), "latin1")
        else:
            self.reduce("__builtin__", "bytes")
        self.remember(value)

    @_new.register(tuple)
    def _(self, value: tuple[object, ...]) -> None:
        if not value:
            self.parts.append(b")")
            return
        if len(value) > 3:
            self.parts.append(b"(")
        for item in value:
            self.emit(item)
        self.parts.append({1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(value), b"t"))
        self.remember(value)

    @_new.register(list)
    def _(self, value: list[object]) -> None:
        self.parts.append(b"]")
        self.remember(value)
        self._batches([(item,) for item in value], b"a", b"e")

    @_new.register(dict)
    def _(self, value: dict[object, object]) -> None:
        self.parts.append(b"}")
        self.remember(value)
        self._batches(list(value.items()), b"s", b"u")

    @_new.register(set)
    def _(self, value: set[object]) -> None:
        if self.protocol > 3:
            self.parts.append(b"\x8f")
            self.remember(value)
            if value:
                self._batches([(item,) for item in value], b"", b"\x90")
            return
        self.reduce("__builtin__" if self.protocol < 3 else "builtins", "set", list(value))
        self.remember(value)

    @_new.register
    def _(self, value: Global) -> None:
        self.global_(value.module, value.name)

    @_new.register
    def _(self, value: Instance) -> None:
        self.global_(value.cls.module, value.cls.name)
        self.parts.append(b")\x81")
        self.remember(value)
        if value.state is not None:
            self.emit(value.state)
            self.parts.append(b"b")

    @_new.register(np.dtype)
    def _(self, value: np.dtype[Any]) -> None:
        self.reduce("numpy", "dtype", value.str[1:], False, True)
        self.remember(value)
        self.emit((3, value.str[0], None, None, None, -1, -1, 0))
        self.parts.append(b"b")

    @_new.register(np.ndarray)
    def _(self, value: np.ndarray[Any, Any]) -> None:
        order: Literal["C", "F"] = (
            "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        )
        data = value.tobytes(order)
        if self.protocol == 5:
            arguments = (bytearray(data), value.dtype, value.shape, order)
            self.reduce(self._numpy("numeric"), "_frombuffer", *arguments)
            self.remember(value)
            return
        self.reduce(
            self._numpy("multiarray"), "_reconstruct", Global("numpy", "ndarray"), (0,), b"b"
        )
        self.remember(value)
        self.emit((1, value.shape, value.dtype, order == "F", data))
        self.parts.append(b"b")

    @_new.register
    def _(self, value: bytearray) -> None:
        self.parts += [b"\x96", struct.pack("<Q", len(value)), bytes(value)]
        self.remember(value)

    @_new.register
    def _(self, value: np.generic) -> None:
        self.reduce(self._numpy("multiarray"), "scalar", value.dtype, value.tobytes())
        self.remember(value)

    def _numpy(self, module: str) -> str:
        return f"numpy.{'core' if self.numpy == 1 else '_core'}.{module}"

    def _batches(self, items: list[tuple[object, ...]], one: bytes, many: bytes) -> None:
        """Write the content of a list, dict or set."""
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            is_one = len(batch) == 1 and one
            self.parts.append(b"" if is_one else b"(")
            for item in batch:
                for value in item:
                    self.emit(value)
            self.parts.append(one if is_one else many)


def _key(value: object) -> object:
    """Give what a value is remembered under: equal strings, dtypes and names are one."""
    if isinstance(value, str):
        return ("str", value)
    if isinstance(value, np.dtype):
        return ("dtype", value.str)
    if isinstance(value, tuple) and len(value) == 3 and value[2] is Global:
        return value[:2]
    return id(value)


def _u4(value: int) -> bytes:
    return struct.pack("<I", value)
