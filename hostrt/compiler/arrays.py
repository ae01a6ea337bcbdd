"""Integer arrays as the vendor's service takes and sends them (its reference: 1 and 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.errors import CompilerError, FrameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

_SENT = (np.int16, np.int32)
"""Types of inputs; the vendor's own client asks for 16 bits or fewer."""
_KNOWN = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64")
_MOST_AXES = 4


def fill_inputs(target: Any, inputs: Mapping[str, ArrayLike]) -> int:
    """Write inputs into a `str_array_map`.

    Args:
        target: the message.
        inputs: {name: (T, L)} integers, all with the same T.

    Returns:
        T.

    Raises:
        FrameError: no inputs, other types or shapes, or values beyond 32 bits.
    """
    lengths = set()
    for name, values in inputs.items():
        array = np.asarray(values)
        if array.ndim != 2 or array.dtype.kind not in "iu":
            raise FrameError(
                f"input {name!r}: {array.dtype.name} array of shape {array.shape}, "
                "expected integers (frames, length)"
            )
        lengths.add(len(array))
        _fill(target.data[name], name, array)
    if len(lengths) != 1:
        found = "no inputs" if not lengths else f"inputs of {sorted(lengths)} frames"
        raise FrameError(f"found {found}, expected the same number of frames in each")
    return lengths.pop()


def _fill(message: Any, name: str, array: NDArray[np.integer]) -> None:
    least, most = int(array.min(initial=0)), int(array.max(initial=0))
    for kind in _SENT:
        info = np.iinfo(kind)
        if info.min <= least and most <= info.max:
            message.data = np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<")).tobytes()
            message.shape.extend(array.shape)
            message.dtype = info.dtype.name
            return
    raise FrameError(f"input {name!r}: values {least}..{most}, expected at most 32 bits")


def read_outputs(source: Any) -> dict[str, NDArray[np.signedinteger]]:
    """Read the outputs of a `simulation_output`, in either of its forms.

    Returns:
        Name -> integers; frames first in the list form.

    Raises:
        CompilerError: an array that contradicts itself, or holds other numbers than integers.
    """
    if source.WhichOneof("output_data") != "list_outputs":
        return {name: _read(name, item) for name, item in source.outputs.data.items()}
    frames = [
        {name: _read(name, item) for name, item in frame.data.items()}
        for frame in source.list_outputs.maps
    ]
    names = list(dict.fromkeys(name for frame in frames for name in frame))
    try:
        return {
            name: np.stack([frame[name] for frame in frames if name in frame]) for name in names
        }
    except ValueError as error:
        raise CompilerError(
            "the simulator answered frames of different lengths, expected one length per output"
        ) from error


def _read(name: str, message: Any) -> NDArray[np.signedinteger]:
    shape = tuple(message.shape)
    if message.dtype not in _KNOWN:
        raise _wrong(name, f"elements of type {message.dtype[:40]!r}", "integers")
    kind = np.dtype(message.dtype).newbyteorder("<")
    if len(shape) > _MOST_AXES or any(size < 0 for size in shape):
        raise _wrong(name, f"the shape {shape[: _MOST_AXES + 1]}", "(frames, length)")
    size = kind.itemsize
    for axis in shape:
        size *= axis
    if len(message.data) != size:
        raise _wrong(name, f"{len(message.data)} bytes", f"{size} for the shape {shape}")
    array = np.frombuffer(message.data, kind).reshape(shape)
    return _as_signed(name, array)


def _as_signed(name: str, array: NDArray[np.number]) -> NDArray[np.signedinteger]:
    if array.dtype.kind == "f" and not np.array_equal(array, np.trunc(array)):
        raise _wrong(name, "numbers with fractions", "integers")
    if array.dtype.kind == "f" and array.size and float(np.abs(array).max()) >= 2.0**53:
        raise _wrong(name, "numbers beyond 53 bits", "integers")
    kind = array.dtype.newbyteorder("=") if array.dtype.kind == "i" else np.dtype(np.int64)
    signed: NDArray[np.signedinteger] = array.astype(kind)
    return signed


def _wrong(name: str, found: str, expected: str) -> CompilerError:
    return CompilerError(
        f"the simulator answered output {name!r} with {found}, expected {expected}",
        hint="is it the vendor's compile service that listens there?",
    )
