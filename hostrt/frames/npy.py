"""Arrays in .npy form, read with care: the header is checked before anything it announces."""

from __future__ import annotations

import tokenize
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES = 1 << 32
"""Largest array that is read whole, in bytes, so that a false header cannot exhaust the memory."""

_MAX_EXTENT = 1 << 48
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_HEADER_ERRORS = (ValueError, TypeError, EOFError, SyntaxError, tokenize.TokenError, RecursionError)


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What stands before the elements of an array.

    Attributes:
        shape: of the array.
        is_fortran: whether the first axis changes fastest.
        dtype: integers or floats.
    """

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[np.generic]

    @property
    def n_bytes(self) -> int:
        """Size of the elements."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def read_npy_header(stream: IO[bytes], where: str, size: int) -> NpyHeader:
    """Read the header of one .npy stream, up to the first element.

    Args:
        stream: at its beginning.
        where: file and member, for messages.
        size: bytes of the stream, header included.

    Raises:
        FrameError: no such header, elements that are not numbers, or more of them than `size`.
    """
    try:
        version = np.lib.format.read_magic(stream)
        reader = _HEADER_READERS.get(version)
        header = reader(stream) if reader else None
    except _HEADER_ERRORS as error:
        raise FrameError(f"{where}: not a .npy file: {first_line(error)}") from error
    if header is None:
        raise FrameError(f"{where}: .npy version {version}, expected 1.0 or 2.0")
    result = NpyHeader(*header)
    if result.dtype.hasobject or result.dtype.kind not in "iuf":
        raise FrameError(f"{where}: elements of type {result.dtype}, expected integers or floats")
    # numpy multiplies axes too, and one of them may be 0
    extent = int(np.prod([max(axis, 1) for axis in result.shape], dtype=object))
    if min(result.shape, default=0) < 0 or result.n_bytes > size or extent > _MAX_EXTENT:
        raise FrameError(f"{where}: header announces shape {result.shape}, file holds {size} bytes")
    return result


def read_npy(stream: IO[bytes], where: str, size: int) -> NDArray[np.generic]:
    """Read one .npy stream: header first, then exactly the bytes that it announces.

    Raises:
        FrameError: as `read_npy_header`, or the stream breaks off.
    """
    header = read_npy_header(stream, where, min(size, MAX_BYTES))
    data = stream.read(header.n_bytes)
    if len(data) != header.n_bytes:
        raise FrameError(f"{where}: {len(data)} bytes of data, expected {header.n_bytes}")
    return np.frombuffer(data, header.dtype).reshape(
        header.shape, order="F" if header.is_fortran else "C"
    )


def first_line(error: Exception) -> str:
    """Give the first line of an error's message, or its kind."""
    return next(iter(str(error).splitlines()), type(error).__name__)
