"""Where a stream's frames come from: a file of any length, a pipe, a microphone, a generator.

A source gives its frames in blocks, in memory that does not grow with its length:

    with open_source("talk.flac", specs, SourceOptions(sample_rate=16000)) as source:
        for frames in source.blocks():
            ...

Latched inputs appear in the first block only, with one row. All other blocks hold the inputs that
change.
"""

from __future__ import annotations

import stat
import threading
from abc import abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.closing import Closing
from hostrt.errors import FrameError, HostrtError, UsageError
from hostrt.frames.frames import Frames, VectorSpec, normalize_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from hostrt.frames.samples import Channel

    Columns = Mapping[str, NDArray[np.generic]]
    """Rows of some inputs: name -> (T, L), T alike."""

MAX_BLOCK_FRAMES = 256
MAX_BLOCK_BYTES = 1 << 20
LOOK_S = 0.1
"""How often a read that waits looks whether the source was closed, in seconds."""

_CLOSE_S = 1.0
_PCM_SUFFIXES = (".raw", ".pcm")


@dataclass(frozen=True, slots=True, eq=False)
class SourceOptions:
    """How a source is read.

    Attributes:
        sample_rate: rate that the model expects of sound, in Hz.
        channel: channel of sound to use: its number from 0, or "mono-mix" for the average.
        loop: begin again at the end of a file. The rounds follow each other without a gap: samples
            (sound, flat arrays) are not padded to whole frames in between, and sound of another
            rate goes through one resampler, as if the file had no end.
        n_frames: end after so many frames; None: with the source, or never.
        pcm: samples of a pipe without a header: "s16le", "s8", "s32le", "f32le" or another of
            `ENCODINGS` in `pcm`.
        raw_rate: their rate in Hz; None: that of the model.
        raw_channels: how many channels they have, interleaved.
        latched: values of latched inputs, name -> (L,) or (1, L).
        device: name or part of the name of a microphone; None: the system's.
        block_frames: frames that a microphone hands over at a time.
        seed: seed of random frames.
    """

    sample_rate: int = 16000
    channel: Channel = "mono-mix"
    loop: bool = False
    n_frames: int | None = None
    pcm: str = "s16le"
    raw_rate: int | None = None
    raw_channels: int = 1
    latched: Mapping[str, ArrayLike] = field(default_factory=dict)
    device: str | None = None
    block_frames: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        rates = (self.sample_rate, self.sample_rate if self.raw_rate is None else self.raw_rate)
        if min(rates) <= 0:
            raise UsageError(f"sample rate {min(rates)} Hz, expected a positive number")
        if self.raw_channels <= 0 or self.block_frames <= 0:
            raise UsageError(
                f"{self.raw_channels} channels and {self.block_frames} frames at a time, "
                "expected positive numbers"
            )
        if self.n_frames is not None and self.n_frames < 0:
            raise UsageError(f"{self.n_frames} frames, expected 0 or more")
        if not 0 <= self.seed < 1 << 32:
            raise UsageError(f"seed {self.seed}, expected 0..{(1 << 32) - 1}")


class FrameSource(Closing):
    """Frames in blocks; read by one thread, closed by any.

    Attributes:
        title: what it reads, for people.
        specs: the model's inputs.
        sample_rate: in Hz, None when the frames are not sound.
        n_frames: how many frames there will be, None when nobody can know.
        is_live: frames come by the source's own clock and are lost when nobody takes them.
        overflows: how many times live input was lost.
    """

    def __init__(
        self,
        title: str,
        specs: Sequence[VectorSpec],
        options: SourceOptions,
        *,
        streamed: Iterable[str],
    ) -> None:
        """Check that every input has somewhere to come from.

        Args:
            title: what is read, for people.
            specs: the model's inputs.
            options: how it is read.
            streamed: names of the inputs that the source itself gives.

        Raises:
            FrameError: an input is missing, unknown or given twice, or a latched value does not
                fit.
        """
        self.title = title
        self.specs = tuple(specs)
        self.options = options
        self.sample_rate: int | None = None
        self.n_frames: int | None = options.n_frames if options.loop else None
        self.is_live = False
        self.overflows = 0
        self._notes: list[str] = []
        self._given = 0
        self._latched = _latched_values(title, self.specs, options.latched, set(streamed))
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._columns: Iterator[Columns] | None = None
        self._held = ExitStack()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the frames so far, one sentence each."""
        return tuple(self._notes)

    @abstractmethod
    def _read(self) -> Iterator[Columns]:
        """Give the streamed inputs, some rows at a time, `_block_frames` at most."""

    def blocks(self) -> Iterator[Frames]:
        """Give the frames, block by block; ends early when the source is closed.

        A block has at most 256 frames and about 1 MB. A source can be read once: a second call goes
        on where the first one was left.

        Raises:
            FrameError: contents that do not fit the model, when that part is reached.
            UsageError: reading failed.
        """
        limit = self.options.n_frames
        while limit is None or self._given < limit:
            columns = self._next()
            if columns is None:
                return
            frames = self._checked(columns)
            if limit is not None:
                frames = frames.cut(0, min(frames.n_frames, limit - self._given))
            self._given += frames.n_frames
            if frames.n_frames:
                yield frames
        self.close()

    def close(self) -> None:
        """Release what is held; from any thread, any number of times. A read that waits ends."""
        self._closing.set()
        # a reader that is in the middle of something releases everything when it sees the flag
        if self._lock.acquire(timeout=_CLOSE_S):
            try:
                self._release()
            finally:
                self._lock.release()

    @property
    def _block_frames(self) -> int:
        """How many frames a block may hold."""
        row = sum(spec.padded_length * spec.dtype.itemsize for spec in self.specs)
        return max(1, min(MAX_BLOCK_FRAMES, MAX_BLOCK_BYTES // row))

    def _know_length(self, n_frames: int) -> None:
        """Set `n_frames` when the source ends after so many."""
        if not self.options.loop:
            limit = self.options.n_frames
            self.n_frames = n_frames if limit is None else min(limit, n_frames)

    def _next(self) -> Columns | None:
        with self._lock:
            columns: Columns | None = None
            try:
                if not self._closing.is_set():
                    self._columns = self._columns or self._read()
                    columns = next(self._columns, None)
                if self._closing.is_set():
                    columns = None
            except HostrtError:
                raise  # one that has run out of time is an OSError too
            except OSError as error:
                raise UsageError(f"{self.title}: cannot be read: {error.strerror}") from error
            finally:
                if columns is None:
                    self._closing.set()
                    self._release()
            return columns

    def _checked(self, columns: Columns) -> Frames:
        if not self._given:
            columns = {**self._latched, **columns}
        specs = [spec for spec in self.specs if spec.name in columns]
        return normalize_inputs(columns, specs, first_frame=self._given)

    def _release(self) -> None:
        self._columns = None
        self._held.close()


def open_source(
    where: str | Path, specs: Sequence[VectorSpec], options: SourceOptions | None = None
) -> FrameSource:
    """Open a source of frames.

    Args:
        where: a file (.npy, .npz, .csv, .raw or .pcm, anything else is sound of any format that
            libsndfile reads), "-" for sound from standard input, "mic" or "mic:NAME" for a
            microphone, "generate:STYLE" for generated frames.
        specs: the model's inputs.
        options: how it is read.

    Raises:
        UsageError: no such file, device or style.
        FrameError: contents that do not fit the model.
        ExtraMissing: a microphone without the package that reads it.
    """
    options = options or SourceOptions()
    if isinstance(where, str):
        kind, _, name = where.partition(":")
        if where == "-":
            from hostrt.frames.pcm_source import open_stdin

            return open_stdin(specs, options)
        if kind == "mic":
            from hostrt.frames.live_audio import MicrophoneSource

            return MicrophoneSource(specs, options, name or options.device)
        if kind == "generate":
            from hostrt.frames.generated_source import GeneratedSource

            return GeneratedSource(name, specs, options)
    return _open_file(Path(where), specs, options)


def streamed_spec(title: str, specs: Sequence[VectorSpec]) -> VectorSpec:
    """Give the only input that is not latched: the one that a file of one array is for.

    Raises:
        FrameError: there is not exactly one.
    """
    wanted = [spec for spec in specs if not spec.is_latched]
    if len(wanted) != 1:
        names = ", ".join(spec.name for spec in wanted) or "none"
        raise FrameError(
            f"{title}: holds one input, the model's inputs that change are {names}",
            hint="put one array per input into an .npz file",
        )
    return wanted[0]


def _open_file(path: Path, specs: Sequence[VectorSpec], options: SourceOptions) -> FrameSource:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    suffix = path.suffix.lower()
    if stat.S_ISFIFO(mode) or (suffix in _PCM_SUFFIXES and stat.S_ISREG(mode)):
        from hostrt.frames.pcm_source import open_pcm_file

        return open_pcm_file(path, specs, options)
    if suffix in (".npy", ".npz") and stat.S_ISREG(mode):
        from hostrt.frames.array_source import open_arrays

        return open_arrays(path, specs, options)
    if suffix == ".csv" and stat.S_ISREG(mode):
        from hostrt.frames.csv_source import CsvSource

        return CsvSource(path, specs, options)
    from hostrt.frames.audio_source import AudioFileSource

    return AudioFileSource(path, specs, options)


def _latched_values(
    title: str,
    specs: Sequence[VectorSpec],
    given: Mapping[str, ArrayLike],
    streamed: set[str],
) -> dict[str, NDArray[np.signedinteger]]:
    latched = [spec for spec in specs if spec.is_latched]
    unknown = [name for name in given if name not in {spec.name for spec in latched}]
    if unknown:
        names = ", ".join(spec.name for spec in latched) or "none"
        raise FrameError(f"unknown latched input {unknown[0]!r}, the model's are {names}")
    twice = sorted(streamed & set(given))
    if twice:
        raise FrameError(f"{title}: input {twice[0]!r} is in the file and given separately")
    missing = [spec.name for spec in specs if spec.name not in streamed and spec.name not in given]
    if missing:
        raise FrameError(
            f"{title}: input {missing[0]!r} is missing",
            hint="give the value of every latched input" if missing[0] not in streamed else "",
        )
    values = normalize_inputs(given, [spec for spec in latched if spec.name in given])
    for name, rows in values.items():
        if len(rows) != 1:
            raise FrameError(f"latched input {name!r}: {len(rows)} values, expected one")
    return dict(values)
