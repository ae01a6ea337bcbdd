"""Arrays, scalars and element types of numpy, decoded without calling what the pickle names.

Formats: FQIR reference 1.5. Sizes are compared before anything is allocated.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import ProgramUnsafe, ProgramUnsupported
from hostrt.fqir.pickle_fault import HINT_HOSTILE, PickleFault, corrupt
from hostrt.fqir.standins import Global, PickledArray, PickledDtype

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.fqir.graph import Array

_CODES = frozenset({"i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "f4", "f8"})
_DTYPE_STATE_END = (None, None, None, -1, -1, 0)
_ARRAY_BYTES = 500  # estimated memory of an array, and what making one costs in time
_MAX_AXES = 32  # of numpy 1.x
_MAX_ELEMENTS = 1 << 40  # far above any file, far below where numpy's own sizes overflow


def make_dtype(args: tuple[object, ...]) -> PickledDtype:
    """Do what `numpy.dtype(code, False, True)` is for."""
    code = args[0] if len(args) == 3 else None
    if not isinstance(code, str) or not all(isinstance(flag, int) for flag in args[1:]):
        raise corrupt("an element type with other arguments", "a code and two flags")
    if code not in _CODES:
        shown = ascii(code[:20])
        raise PickleFault(
            ProgramUnsafe if code[:1] == "O" else ProgramUnsupported,
            f"element type {shown}",
            "integers, floats or booleans of 1 to 8 bytes",
            hint=HINT_HOSTILE if code[:1] == "O" else "keep text and records out of the graph",
        )
    return PickledDtype(code)


def set_dtype(dtype: PickledDtype, state: object) -> None:
    """Take the byte order from a dtype's state."""
    if not isinstance(state, tuple) or len(state) != 8 or not _is_plain(state):
        raise corrupt(f"a state of element type {dtype.code} in another form", "that of a number")
    order = state[1]
    single = dtype.code[1] == "1"
    if not isinstance(order, str) or order not in (("|", "<", ">") if single else ("<", ">")):
        shown = ascii(order[:8]) if isinstance(order, str) else type(order).__name__
        raise corrupt(f"byte order {shown} of element type {dtype.code}", "'<' or '>'")
    dtype.order = order


def _is_plain(state: tuple[object, ...]) -> bool:
    """Say whether a dtype's state has no fields, no shape and no metadata."""
    rest = (state[0], *state[2:])
    return all(
        (item is None) if want is None else (type(item) is int and item == want)
        for item, want in zip(rest, (3, *_DTYPE_STATE_END), strict=True)
    )


def make_scalar(args: tuple[object, ...], spend: Callable[[int], None]) -> np.generic:
    """Do what numpy's `scalar(dtype, data)` is for."""
    if len(args) != 2 or not isinstance(args[1], bytes):
        raise corrupt("a numpy scalar with other arguments", "an element type and bytes")
    spend(_ARRAY_BYTES)
    item: np.generic = _decode(args[0], (), args[1]).flat[0]
    return item


def reconstruct(args: tuple[object, ...]) -> PickledArray:
    """Do what numpy's `_reconstruct(ndarray, (0,), b"b")` is for: wait for the content."""
    kind = args[0] if len(args) == 3 else None
    if not isinstance(kind, Global) or kind.name != "ndarray":
        raise corrupt("an array of another class", "ndarray, (0,), b'b'")
    return PickledArray()


def set_array(array: PickledArray, state: object, spend: Callable[[int], None]) -> None:
    """Take an array's content from its state (1, shape, dtype, fortran_order, data).

    Args:
        array: the array that gets it.
        state: as in the pickle.
        spend: is told the bytes that are about to be allocated.
    """
    if not isinstance(state, tuple) or len(state) != 5:
        raise corrupt("an array's state in another form", "version, shape, type, order, data")
    version, shape, dtype, fortran, data = state
    is_first = array.array is None and isinstance(version, int) and version == 1
    if not is_first or not isinstance(fortran, int):
        raise corrupt("an array's state twice or of another version", "one of version 1")
    if not isinstance(data, bytes):
        raise corrupt(f"array data of type {type(data).__name__}", "bytes")
    array.array = _ordered(dtype, shape, data, "F" if fortran else "C", spend)


def from_buffer(args: tuple[object, ...], spend: Callable[[int], None]) -> PickledArray:
    """Do what numpy's `_frombuffer(data, dtype, shape, order[, axes])` is for (protocol 5)."""
    if len(args) not in {4, 5} or not isinstance(args[0], bytes):
        raise corrupt("an array with other arguments", "data, type, shape, order")
    order = args[3] if isinstance(args[3], str) else ""
    if len(args) == 4 and order in {"C", "F"}:
        return PickledArray(_ordered(args[1], args[2], args[0], order, spend))
    if len(args) == 5 and order == "K":
        array = _ordered(args[1], args[2], args[0], "C", spend)
        axes = _whole(args[4])
        if axes is not None and sorted(axes) == list(range(array.ndim)):
            return PickledArray(array.transpose(axes))
    raise corrupt("an array in another order", "'C', 'F', or 'K' with a permutation")


def _ordered(
    dtype: object, shape: object, data: bytes, order: str, spend: Callable[[int], None]
) -> Array:
    lengths = _whole(shape)
    if lengths is None or min(lengths, default=0) < 0:
        raise corrupt("an array's shape in another form", f"at most {_MAX_AXES} lengths")
    # numpy refuses shapes whose product overflows even when another length is 0
    if math.prod(length or 1 for length in lengths) > _MAX_ELEMENTS:
        raise corrupt(f"an array of shape {_shown(lengths)}", "one that fits into the file")
    is_foreign = isinstance(dtype, PickledDtype) and dtype.order == ">"
    spend(_ARRAY_BYTES + (len(data) if is_foreign else 0))
    return _decode(dtype, lengths, data, order)


def _whole(value: object) -> tuple[int, ...] | None:
    """Give a shape or permutation if `value` can be one."""
    if not isinstance(value, tuple) or len(value) > _MAX_AXES:
        return None
    return value if all(type(item) is int for item in value) else None


def _decode(dtype: object, shape: tuple[int, ...], data: bytes, order: str = "C") -> Array:
    if not isinstance(dtype, PickledDtype) or not dtype.order:
        raise corrupt("an array without a complete element type", "one")
    need = math.prod(shape) * int(dtype.code[1])
    if need != len(data):
        raise corrupt(
            f"{len(data)} bytes for shape {_shown(shape)} of {dtype.code}", f"{need} bytes"
        )
    if dtype.code == "b1" and data.count(0) + data.count(1) != len(data):
        raise corrupt("a boolean that is neither 0 nor 1", "0 or 1")
    order_mark = dtype.order if dtype.order != "|" else "<"
    array: Array = np.frombuffer(data, np.dtype(order_mark + dtype.code))
    native = array.dtype.newbyteorder("=")
    if array.dtype != native:
        array = array.astype(native)
        array.setflags(write=False)
    return array.reshape(shape, order="F" if order == "F" else "C")


def _shown(shape: tuple[int, ...]) -> str:
    words = ", ".join(map(str, shape[:6]))
    return f"({words}{', ...' if len(shape) > 6 else ''})"
