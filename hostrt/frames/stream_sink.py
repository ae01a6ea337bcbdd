"""Where a stream's outputs go: a file, a folder, a pipe, a loudspeaker.

A sink takes rows as they come, in memory that does not grow with what it has taken:

    with open_sink("out.wav", outputs, sample_rate=16000) as sink:
        for frame in stream:
            sink.write({name: rows[None] for name, rows in frame.outputs.items()})

Files are written beside their target and renamed when the sink is closed: until then what was there
before stays. A stream that was interrupted or failed leaves what came until then, complete and
readable; one that brought nothing leaves what was there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.errors import FrameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.frames.frames import VectorSpec

    Outputs = Mapping[str, NDArray[np.signedinteger]]
    """Output rows: name -> (T, L) integers."""


class FrameSink(ABC):
    """Takes outputs; written and closed by one thread.

    Attributes:
        title: where they go, for people.
        path: the file or folder, None when it is neither.
        ended: nobody takes what is written any more (the reader of a pipe has gone); what is
            written after that is dropped.
        underflows: how often a loudspeaker had nothing to play.
    """

    def __init__(self, title: str, path: Path | None = None) -> None:
        self.title = title
        self.path = path
        self.ended = False
        self.underflows = 0

    @abstractmethod
    def write(self, outputs: Outputs) -> None:
        """Take the next rows.

        Args:
            outputs: name -> (T, L) integers; outputs that this sink does not keep are ignored.

        Raises:
            FrameError: an output is missing, or has another shape or larger values than announced.
            StorageError: they cannot be written; what came before is kept.
        """

    @abstractmethod
    def close(self, *, interrupted: bool = False) -> None:
        """Finish; calls after the first do nothing.

        Args:
            interrupted: the stream did not come to its end. Files keep what came until then; a
                loudspeaker falls silent at once instead of playing what waits.

        Raises:
            StorageError: what was written cannot be finished.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(interrupted=error is not None)


def open_sink(
    where: str | Path,
    specs: Mapping[str, VectorSpec],
    sample_rate: int | None = None,
    *,
    output: str | None = None,
) -> FrameSink:
    """Open a place for outputs.

    Args:
        where: a file by its suffix (.npy, .csv, .raw, .wav, .flac, ...; see `SUFFIXES` of
            `file_sink`), a folder (one that exists, or a name that ends with "/" or has no
            suffix), "-" for samples on standard output, "speaker" or "speaker:NAME" for a
            loudspeaker.
        specs: the model's outputs, by name.
        sample_rate: of outputs that are sound, in Hz. A folder gets sound files if it is given.
        output: the output to keep, for all places but a folder; None: the only one.

    Raises:
        UsageError: a place that cannot be used, no such output, or several and none was named.
        StorageError: the file cannot be made.
        ExtraMissing: a loudspeaker without the package that plays.
    """
    if isinstance(where, str):
        kind, _, name = where.partition(":")
        if where == "-":
            from hostrt.frames.pcm_sink import open_stdout

            return open_stdout(choose_output("standard output", specs, output))
        if kind == "speaker":
            from hostrt.frames.live_audio import SpeakerSink

            spec = choose_output(where, specs, output)
            return SpeakerSink(spec, _needed_rate(where, sample_rate), name or None)
    return _open_path(str(where), specs, sample_rate, output)


def choose_output(where: str, specs: Mapping[str, VectorSpec], output: str | None) -> VectorSpec:
    """Give the output for a place that takes one.

    Raises:
        UsageError: no such output, or several and none was named.
    """
    names = ", ".join(specs) or "none"
    if output is None and len(specs) == 1:
        return next(iter(specs.values()))
    if output is None:
        raise UsageError(
            f"{where}: takes one output, the model's are {names}",
            hint="name the one to keep, or give a folder",
        )
    if output not in specs:
        raise UsageError(f"no output {output!r}, the model's are {names}")
    return specs[output]


def rows_of(outputs: Outputs, spec: VectorSpec) -> NDArray[np.signedinteger]:
    """Give one output's rows in its own type.

    Raises:
        FrameError: missing, of another shape or type, or values outside its precision.
    """
    rows = outputs.get(spec.name)
    if rows is None:
        names = ", ".join(outputs) or "none"
        raise FrameError(f"output {spec.name!r} is missing, found {names}")
    if rows.ndim != 2 or rows.shape[1] != spec.length or rows.dtype.kind not in "iu":
        raise FrameError(
            f"output {spec.name!r}: {rows.dtype} of shape {rows.shape}, "
            f"expected integers (frames, {spec.length})"
        )
    low, high = spec.limits
    if rows.size and (int(rows.min()) < low or int(rows.max()) > high):
        raise FrameError(
            f"output {spec.name!r}: values {rows.min()}..{rows.max()}, expected {low}..{high}"
        )
    return rows.astype(spec.dtype, copy=False)


def raw_bytes(rows: NDArray[np.signedinteger]) -> bytes:
    """Give integers as little-endian bytes, in C order."""
    return rows.astype(rows.dtype.newbyteorder("<"), copy=False).tobytes()


def _open_path(
    where: str, specs: Mapping[str, VectorSpec], sample_rate: int | None, output: str | None
) -> FrameSink:
    from hostrt.frames.file_sink import CsvSink, FolderSink, NpySink, RawSink, SoundSink

    path = Path(where)
    if where.endswith("/") or path.is_dir() or not path.suffix:
        return FolderSink(path, specs, sample_rate)
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: is neither a file nor a folder", hint="'-' is standard output")
    spec = choose_output(where, specs, output)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return NpySink(path, spec)
    if suffix == ".csv":
        return CsvSink(path, spec)
    if suffix in (".raw", ".pcm"):
        return RawSink(path, spec)
    return SoundSink(path, spec, _needed_rate(where, sample_rate))


def _needed_rate(where: str, sample_rate: int | None) -> int:
    if sample_rate is None or sample_rate <= 0:
        found = "no sample rate" if sample_rate is None else f"a sample rate of {sample_rate} Hz"
        raise UsageError(
            f"{where}: {found}, expected one above 0 for outputs that are sound",
            hint="name the sample rate, or write a .npy file",
        )
    return sample_rate
