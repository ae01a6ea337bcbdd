"""Arrays in .npy and .npz files as sources of frames, read a block at a time.

The same frames as `load_inputs`. Nothing is mapped into memory: a file that is cut short while it
is read is an error here, not the end of the process.
"""

from __future__ import annotations

import io
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError, UsageError
from hostrt.frames.frames import VectorSpec, normalize_inputs
from hostrt.frames.npy import NpyHeader, read_npy, read_npy_header
from hostrt.frames.npz import ZIP_ERRORS
from hostrt.frames.stream_source import FrameSource, SourceOptions, streamed_spec
from hostrt.program.archive import open_zip

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hostrt.frames.stream_source import Columns


class RowReader:
    """Rows of one stored array, some at a time; with `loop` they never end.

    Attributes:
        n_rows: rows of one round, a last partial one counted.
        padded: elements added to fill the last row of a flat array.
    """

    def __init__(
        self,
        stream: IO[bytes],
        where: str,
        size: int,
        spec: VectorSpec,
        *,
        loop: bool,
        may_be_flat: bool = False,
    ) -> None:
        """Read the header.

        Args:
            stream: a seekable .npy stream at its beginning.
            where: file and member, for messages.
            size: bytes of the stream.
            spec: the input.
            loop: begin again at the end.
            may_be_flat: cut a flat array into rows of the input's length.

        Raises:
            FrameError: not an array that fits the input, or nothing to repeat.
        """
        header = read_npy_header(stream, where, size)
        is_flat = may_be_flat and len(header.shape) == 1
        if not is_flat:
            _check_shape(header, spec)
        self.header = header
        self.padded = 0
        self._row_length = spec.length if is_flat else header.shape[1]
        n_elements = int(np.prod(header.shape, dtype=object))
        self.n_rows = -(-n_elements // spec.length) if is_flat else header.shape[0]
        if loop and not n_elements:
            raise FrameError(f"{where}: holds no frames, nothing to repeat")
        self._stream, self._where, self._loop = stream, where, loop
        self._start = stream.tell()
        self._n_elements = n_elements
        self._at = 0

    def read(self, n_rows: int) -> NDArray[np.generic]:
        """Give the next rows, `n_rows` at most; none at the end.

        Raises:
            FrameError: the file breaks off.
        """
        if self.header.is_fortran and len(self.header.shape) == 2:
            return self._read_columns(n_rows)
        pieces = [*self._pieces(n_rows * self._row_length)]
        flat = np.concatenate(pieces) if pieces else np.zeros(0, self.header.dtype)
        padding = -len(flat) % max(self._row_length, 1)
        self.padded += padding
        rows: NDArray[np.generic] = np.pad(flat, (0, padding))
        return rows.reshape(-1, self._row_length)

    def _pieces(self, wanted: int) -> Iterator[NDArray[np.generic]]:
        while wanted and (self._at < self._n_elements or self._loop):
            if self._at == self._n_elements:
                self._stream.seek(self._start)
                self._at = 0
            count = min(wanted, self._n_elements - self._at)
            yield self._elements(count)
            self._at += count
            wanted -= count

    def _read_columns(self, n_rows: int) -> NDArray[np.generic]:
        """Read rows of an array that is stored column by column."""
        height, width = self.header.shape
        if self._loop and self._at == height:
            self._at = 0
        n_rows = min(n_rows, height - self._at)
        rows = np.empty((n_rows, width), self.header.dtype)
        for column in range(width if n_rows else 0):
            place = (column * height + self._at) * self.header.dtype.itemsize
            self._stream.seek(self._start + place)
            rows[:, column] = self._elements(n_rows)
        self._at += n_rows
        return rows

    def _elements(self, count: int) -> NDArray[np.generic]:
        size = count * self.header.dtype.itemsize
        data = self._stream.read(size)
        if len(data) != size:
            raise FrameError(
                f"{self._where}: ends in the middle of its data, expected shape {self.header.shape}"
            )
        return np.frombuffer(data, self.header.dtype)


class ArraySource(FrameSource):
    """Frames from stored arrays, one per input."""

    def __init__(
        self,
        path: Path,
        specs: Sequence[VectorSpec],
        options: SourceOptions,
        readers: Mapping[str, RowReader],
        held: ExitStack,
    ) -> None:
        """Take over the open files in `held`.

        Raises:
            FrameError: the inputs cannot all be given, or have different numbers of frames.
        """
        super().__init__(str(path), specs, options, streamed=readers)
        counts = {name: reader.n_rows for name, reader in readers.items()}
        first = next(iter(counts))
        for name, count in counts.items():
            if count != counts[first]:
                raise FrameError(
                    f"{path}: input {name!r} has {count} frames and input {first!r} "
                    f"{counts[first]}, expected the same number"
                )
        self._readers = readers
        self._know_length(counts[first])
        self._held = held.pop_all()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the frames so far, one sentence each."""
        padded = sum(reader.padded for reader in self._readers.values())
        return (f"last frame filled with {padded} zeros",) if padded else ()

    def _read(self) -> Iterator[Columns]:
        try:
            while True:
                rows = {name: self._rows(reader) for name, reader in self._readers.items()}
                if not len(next(iter(rows.values()))):
                    return
                yield rows
        except ZIP_ERRORS as error:
            raise FrameError(f"{self.title}: not a usable .npz file: {error}") from error

    def _rows(self, reader: RowReader) -> NDArray[np.generic]:
        return reader.read(self._block_frames)


def open_arrays(path: Path, specs: Sequence[VectorSpec], options: SourceOptions) -> ArraySource:
    """Open a .npy file for the input that changes, or a .npz file with one array per input.

    Raises:
        UsageError: the file cannot be read.
        FrameError: contents that do not fit the model.
    """
    with ExitStack() as held:
        try:
            if path.suffix.lower() == ".npy":
                spec = streamed_spec(str(path), specs)
                stream = held.enter_context(path.open("rb"))
                size = path.stat().st_size
                reader = RowReader(
                    stream, str(path), size, spec, loop=options.loop, may_be_flat=True
                )
                return ArraySource(path, specs, options, {spec.name: reader}, held)
            return _open_npz(path, specs, options, held)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        except ZIP_ERRORS as error:
            raise FrameError(f"{path}: not a usable .npz file: {error}") from error


def _open_npz(
    path: Path, specs: Sequence[VectorSpec], options: SourceOptions, held: ExitStack
) -> ArraySource:
    archive = held.enter_context(open_zip(path))
    known = {spec.name: spec for spec in specs}
    readers: dict[str, RowReader] = {}
    latched: dict[str, NDArray[np.generic]] = {}
    for member in archive.infolist():
        name, where = member.filename.removesuffix(".npy"), f"{path}, member {member.filename}"
        if name == member.filename or name not in known:
            raise FrameError(f"{where}: expected .npy files of the inputs {', '.join(known)}")
        value = _single_value(archive, member, known[name])
        if value is not None:
            latched[name] = value
            continue
        stream = held.enter_context(_member(archive, member, where))
        readers[name] = RowReader(stream, where, member.file_size, known[name], loop=options.loop)
    if not readers:
        raise FrameError(f"{path}: holds no input that changes")
    twice = sorted(latched.keys() & options.latched.keys())
    if twice:
        raise FrameError(f"{path}: input {twice[0]!r} is in the file and given separately")
    options = replace(options, latched={**latched, **options.latched})
    return ArraySource(path, specs, options, readers, held)


def _single_value(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, spec: VectorSpec
) -> NDArray[np.generic] | None:
    """Read a latched input that holds one value for the whole run; None for any other."""
    if not spec.is_latched:
        return None
    where = f"{archive.filename}, member {member.filename}"
    with archive.open(member) as stream:
        header = read_npy_header(stream, where, member.file_size)
        if len(header.shape) == 2 and header.shape[0] != 1:
            return None
    with archive.open(member) as stream:
        return read_npy(stream, where, member.file_size)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> IO[bytes]:
    """Open one array of an archive so that its rows can be read one after the other."""
    with archive.open(member) as stream:
        header = read_npy_header(stream, where, member.file_size)
    if not header.is_fortran:
        return archive.open(member)
    # columns of something compressed cannot be read side by side
    with archive.open(member) as stream:
        array = np.ascontiguousarray(read_npy(stream, where, member.file_size))
    turned = io.BytesIO()
    np.lib.format.write_array(turned, array, allow_pickle=False)
    turned.seek(0)
    return turned


def _check_shape(header: NpyHeader, spec: VectorSpec) -> None:
    """Check the shape before any element is read, with the words that are used for elements."""
    shape = header.shape
    if len(shape) == 2:
        shape = (min(shape[0], 1), shape[1])
    # an array of any size that takes no memory
    rows = np.broadcast_to(np.zeros((), spec.dtype), shape)
    normalize_inputs({spec.name: rows}, [spec])
