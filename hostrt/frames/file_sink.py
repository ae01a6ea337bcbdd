"""Files that take a stream's outputs as they come: .npy, .csv, sound, a folder of them."""

from __future__ import annotations

import contextlib
import os
import secrets
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from hostrt.errors import StorageError, UsageError
from hostrt.files import make_folder
from hostrt.frames.stream_sink import FrameSink, raw_bytes, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import soundfile
    from numpy.typing import NDArray

    from hostrt.frames.frames import VectorSpec
    from hostrt.frames.stream_sink import Outputs

_HINT = "check that the folder exists, is writable and has room"
_NPY_HEADER_BYTES = 128
_CSV_ROWS = 256
_SUBTYPES = {8: ("PCM_U8", "PCM_S8", "PCM_16"), 16: ("PCM_16",), 24: ("PCM_24",)}
_FORMATS = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".aiff": "AIFF",
    ".aif": "AIFF",
    ".au": "AU",
    ".caf": "CAF",
    ".w64": "W64",
    ".rf64": "RF64",
    ".ogg": "OGG",
    ".oga": "OGG",
    ".opus": "OGG",
    ".mp3": "MP3",
}
SUFFIXES = (".npy", ".csv", ".raw", ".pcm", *_FORMATS)
"""Suffixes of the files that can be written; .ogg, .oga, .opus and .mp3 do not keep every bit."""
_WAV_LIMIT = (1 << 32) - (1 << 16)


class FileSink(FrameSink):
    """One output in one file, written under another name until it is closed."""

    def __init__(self, path: Path, spec: VectorSpec) -> None:
        super().__init__(str(path), path)
        self.spec = spec
        self._target = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self._n_rows = 0
        self._is_open = True
        self._failure: StorageError | None = None

    def write(self, outputs: Outputs) -> None:
        """Append the rows of this sink's output."""
        if self._failure is not None:
            raise StorageError(str(self._failure), hint=self._failure.hint)
        rows = rows_of(outputs, self.spec)
        try:
            self._append(rows)
        except OSError as error:
            self._failure = self._cannot(error)
            raise self._failure from error
        self._n_rows += len(rows)

    def close(self, *, interrupted: bool = False) -> None:
        """Give the file its name; one that is empty after an interruption is taken away."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._finish()
            if self._n_rows or not interrupted:
                self._part.replace(self._target)
        except OSError as error:
            raise self._cannot(error) from error
        finally:
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)

    @abstractmethod
    def _append(self, rows: NDArray[np.signedinteger]) -> None:
        """Write rows; an OSError says that they are not part of the file."""

    @abstractmethod
    def _finish(self) -> None:
        """Complete the file, sync and close it."""

    def _cannot(self, error: OSError) -> StorageError:
        reason = error.strerror or str(error)
        path = str(self._target)
        return StorageError(f"cannot write {path}: {reason}", hint=_HINT, path=path)


class _BytesSink(FileSink):
    """A file whose rows are bytes that follow each other."""

    def __init__(self, path: Path, spec: VectorSpec, head: bytes = b"") -> None:
        super().__init__(path, spec)
        self._end = 0
        try:
            # not buffered: what was written when the disk was full is known
            self._file = self._part.open("xb", buffering=0)
        except OSError as error:
            raise self._cannot(error) from error
        self._put(head)

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._end += len(data)

    def _finish(self) -> None:
        with self._file:
            # half of a block may stand there when the disk is full
            self._file.truncate(self._end)
            self._complete()
            os.fsync(self._file.fileno())

    def _complete(self) -> None:
        """Write what is known at the end only."""


class NpySink(_BytesSink):
    """An array of (T, L) integers in the output's type."""

    def __init__(self, path: Path, spec: VectorSpec) -> None:
        """Make the file.

        Raises:
            StorageError: it cannot be made.
        """
        super().__init__(path, spec, _npy_header(0, spec))

    def _append(self, rows: NDArray[np.signedinteger]) -> None:
        self._put(raw_bytes(rows))

    def _complete(self) -> None:
        self._file.seek(0)
        self._file.write(_npy_header(self._n_rows, self.spec))


class RawSink(_BytesSink):
    """Samples without a header, little-endian: s8, s16le, or s32le for 24 bits."""

    def _append(self, rows: NDArray[np.signedinteger]) -> None:
        self._put(raw_bytes(rows))


class CsvSink(_BytesSink):
    """Lines of integers, one per frame."""

    def _append(self, rows: NDArray[np.signedinteger]) -> None:
        for low in range(0, len(rows), _CSV_ROWS):
            lines = [",".join(map(str, row)) for row in rows[low : low + _CSV_ROWS].tolist()]
            self._put("".join(f"{line}\n" for line in lines).encode())


class SoundSink(FileSink):
    """Samples of one channel, not rescaled: what comes out of a lossless file is what went in.

    After a disk was full, a compressed file may end in the middle of a block of its own.
    """

    def __init__(self, path: Path, spec: VectorSpec, sample_rate: int) -> None:
        """Make the file; its suffix names the format.

        Args:
            path: the file.
            spec: the output.
            sample_rate: in Hz.

        Raises:
            UsageError: no format has this suffix, or it does not take such samples.
            StorageError: the file cannot be made.
        """
        import soundfile

        super().__init__(path, spec)
        self._format, self._subtype = _sound_format(path, spec.precision)
        # the errors of libsndfile do not tell a folder that is missing from a rate that is wrong
        try:
            self._part.open("xb").close()
        except OSError as error:
            raise self._cannot(error) from error
        try:
            self._stream: soundfile.SoundFile = soundfile.SoundFile(
                self._part,
                "w",
                samplerate=sample_rate,
                channels=1,
                format=self._format,
                subtype=self._subtype,
            )
        except soundfile.LibsndfileError as error:
            self._part.unlink(missing_ok=True)
            raise UsageError(
                f"{path}: {self._format} with {self._subtype} samples at {sample_rate} Hz "
                f"cannot be written: {error.error_string.rstrip('.')}"
            ) from error

    def _append(self, rows: NDArray[np.signedinteger]) -> None:
        import soundfile

        held = self._n_rows * self.spec.length + rows.size
        if self._format == "WAV" and held * rows.dtype.itemsize > _WAV_LIMIT:
            raise OSError(0, "a WAV file holds 4 GB at most: write .w64 or .flac")
        # libsndfile takes the upper bits that a format has from 32-bit samples
        samples = rows.reshape(-1).astype(np.int32) << (32 - self.spec.precision)
        try:
            self._stream.write(samples)
        except (soundfile.LibsndfileError, AssertionError) as error:
            # a short write is an assertion there
            raise OSError(0, str(error).rstrip(".") or "no room left") from error

    def _finish(self) -> None:
        import soundfile

        try:
            self._stream.close()
        except soundfile.LibsndfileError as error:
            raise OSError(0, str(error).rstrip(".")) from error
        with self._part.open("rb+") as stream:
            os.fsync(stream.fileno())


class FolderSink(FrameSink):
    """All outputs: output_<name>.npy, and sound files beside them when there is a sample rate."""

    def __init__(
        self,
        path: str | Path,
        specs: Mapping[str, VectorSpec],
        sample_rate: int | None = None,
        *,
        sound: str = "wav",
    ) -> None:
        """Make the folder and its files.

        Args:
            path: the folder.
            specs: the outputs.
            sample_rate: in Hz; None: no sound files.
            sound: suffix of the sound files.

        Raises:
            UsageError: no such format of sound.
            StorageError: they cannot be made.
        """
        folder = Path(path)
        super().__init__(str(folder), folder)
        make_folder(folder)
        self._sinks: list[FileSink] = []
        try:
            for name, spec in specs.items():
                stem = f"output_{quote(name, safe='')}"
                self._sinks.append(NpySink(folder / f"{stem}.npy", spec))
                if sample_rate is not None:
                    target = folder / f"{stem}.{sound}"
                    self._sinks.append(SoundSink(target, spec, sample_rate))
        except (StorageError, UsageError):
            self.close(interrupted=True)
            raise

    @property
    def files(self) -> tuple[Path, ...]:
        """The files; they are there when the sink has been closed."""
        return tuple(sink.path for sink in self._sinks if sink.path is not None)

    def write(self, outputs: Outputs) -> None:
        """Append the rows of every output."""
        for sink in self._sinks:
            sink.write(outputs)

    def close(self, *, interrupted: bool = False) -> None:
        """Close every file, whether or not another one can be finished."""
        with contextlib.ExitStack() as stack:
            for sink in self._sinks:
                stack.callback(sink.close, interrupted=interrupted)


def _npy_header(n_rows: int, spec: VectorSpec) -> bytes:
    """Make a header whose size does not depend on the number of rows."""
    descr = spec.dtype.newbyteorder("<").str
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({n_rows}, {spec.length}), }}"
    size = _NPY_HEADER_BYTES - 10
    head = b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little")
    return head + text.encode().ljust(size - 1) + b"\n"


def _sound_format(path: Path, precision: int) -> tuple[str, str]:
    """Choose libsndfile's names of format and samples for a file."""
    import soundfile

    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise UsageError(f"{path}: suffix {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
    name = _FORMATS[suffix]
    for subtype in _SUBTYPES[precision]:
        if soundfile.check_format(name, subtype):
            return name, subtype
    # formats that do not keep every bit have one kind of samples of their own
    return name, "OPUS" if suffix == ".opus" else soundfile.default_subtype(name)
