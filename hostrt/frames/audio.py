"""Audio files as frames: any sample format, any rate, any number of channels.

Samples are read as floats in [-1, 1) (exact for PCM of up to 32 bits), one channel is chosen or all
are averaged, resampled if the rate differs, and quantized once at the end; a mono 16-bit file at
the right rate therefore arrives bit for bit. The last partial frame is padded with zeros.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError, UsageError
from hostrt.files import write_file
from hostrt.frames.samples import (
    AudioBlock,
    Channel,
    check_channel,
    check_numbers,
    cut_into_frames,
    pick_channel,
    resampled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import soundfile
    from numpy.typing import ArrayLike, NDArray

_CHUNK_SAMPLES = 1 << 16
_LENGTH_UNKNOWN = 0x7FFF_0000
_FRAMES_UNKNOWN = (1 << 63) - 1
"""What libsndfile says for a FLAC file that was written into a pipe or not to its end."""


@dataclass(frozen=True, slots=True)
class AudioSource:
    """Facts about an audio file.

    Attributes:
        path: where it was read.
        sample_rate: in Hz.
        channels: number of channels.
        container: "WAV", "FLAC", ...
        sample_format: "PCM_16", "FLOAT", ...
        samples: samples per channel.
        missing_bytes: sound that the header announces and the file does not hold.
    """

    path: str
    sample_rate: int
    channels: int
    container: str
    sample_format: str
    samples: int
    missing_bytes: int = 0

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate


@dataclass(frozen=True, slots=True, eq=False)
class AudioInput:
    """An audio file as frames.

    Attributes:
        frames: (T, L) array, int8 or int16.
        sample_rate: in Hz, of the frames.
        source: facts about the file.
        padded_samples: zeros added to fill the last frame.
        clipped: samples that were saturated.
        resampled: whether the file's rate differed.
        notes: what was done to the samples, one sentence each.
    """

    frames: NDArray[np.signedinteger]
    sample_rate: int
    source: AudioSource
    padded_samples: int
    clipped: int
    resampled: bool
    notes: tuple[str, ...]


def load_audio(
    path: str | Path,
    *,
    sample_rate: int,
    frame_length: int,
    precision: int = 16,
    channel: Channel = "mono-mix",
) -> AudioInput:
    """Read a whole audio file as frames.

    Args:
        path: WAV, FLAC, OGG or anything else libsndfile reads.
        sample_rate: rate that the model expects, in Hz; others are resampled.
        frame_length: L, samples per frame.
        precision: 8 or 16 bits.
        channel: its number from 0, or "mono-mix" for the average of all.

    Raises:
        UsageError: no such file or channel, a rate or length that is not positive.
        FrameError: the file is not audio, holds no samples or NaN.
    """
    source = probe_audio(path)
    blocks = [
        *iter_audio_blocks(
            path,
            sample_rate=sample_rate,
            frame_length=frame_length,
            precision=precision,
            channel=channel,
        )
    ]
    return _join(blocks, source, sample_rate, channel)


def iter_audio_blocks(
    path: str | Path,
    *,
    sample_rate: int,
    frame_length: int,
    precision: int = 16,
    channel: Channel = "mono-mix",
    frames_per_block: int = 256,
) -> Iterator[AudioBlock]:
    """Read an audio file block by block, in memory that does not grow with the file.

    Every block but the last has `frames_per_block` frames. Arguments and errors are those of
    `load_audio`; errors in the middle of a file appear when that part is reached.
    """
    if min(sample_rate, frame_length, frames_per_block) <= 0:
        raise UsageError(
            f"sample rate {sample_rate} Hz, {frame_length} samples per frame and "
            f"{frames_per_block} frames per block, expected positive numbers"
        )
    source = probe_audio(path)
    chunks = resampled(_mono(path, channel), source.sample_rate, sample_rate)
    yield from cut_into_frames(
        chunks, frame_length, precision, least=frames_per_block, most=frames_per_block
    )


def probe_audio(path: str | Path) -> AudioSource:
    """Read the facts of an audio file without its samples.

    Raises:
        UsageError: no such file.
        FrameError: the file is not audio, or is empty.
    """
    with open_audio(path) as stream:
        return audio_facts(stream, str(path))


def audio_facts(stream: soundfile.SoundFile, where: str) -> AudioSource:
    """Give the facts of an open audio file."""
    return AudioSource(
        path=where,
        sample_rate=stream.samplerate,
        channels=stream.channels,
        container=stream.format,
        sample_format=stream.subtype,
        samples=stream.frames,
        missing_bytes=_missing_bytes(stream.extra_info),
    )


def wav_bytes(values: ArrayLike, sample_rate: int, precision: int) -> bytes:
    """Make a mono WAV file of quantized samples, without rescaling them.

    Args:
        values: integers of any shape, flattened in C order.
        sample_rate: in Hz.
        precision: 16, or 8 (stored unsigned, as WAV demands).

    Raises:
        FrameError: not integers, or outside the precision.
        UsageError: another precision, or a rate that is not positive.
    """
    import soundfile

    if precision not in (8, 16) or sample_rate <= 0:
        raise UsageError(
            f"WAV of {precision} bits at {sample_rate} Hz, expected 8 or 16 bits and a rate above 0"
        )
    samples = np.asarray(values).reshape(-1)
    half = 1 << (precision - 1)
    if samples.dtype.kind not in "iu":
        raise FrameError(f"samples of type {samples.dtype}, expected integers")
    if samples.size and (int(samples.min()) < -half or int(samples.max()) >= half):
        raise FrameError(f"samples {samples.min()}..{samples.max()}, expected {-half}..{half - 1}")
    # libsndfile takes 8-bit files from the upper half of 16-bit samples
    upper = samples.astype(np.int16) << (16 - precision)
    buffer = io.BytesIO()
    subtype = "PCM_16" if precision == 16 else "PCM_U8"
    soundfile.write(buffer, upper, sample_rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


def save_wav(path: str | Path, values: ArrayLike, sample_rate: int, precision: int = 16) -> None:
    """Write quantized samples as a mono WAV file; see `wav_bytes`.

    Raises:
        FrameError: not integers, or outside the precision.
        UsageError: another precision, or a rate that is not positive.
        StorageError: the file cannot be written.
    """
    write_file(Path(path), wav_bytes(values, sample_rate, precision))


def _join(
    blocks: list[AudioBlock], source: AudioSource, sample_rate: int, channel: Channel
) -> AudioInput:
    padded = blocks[-1].padded_samples
    clipped = sum(block.clipped for block in blocks)
    return AudioInput(
        frames=np.concatenate([block.frames for block in blocks]),
        sample_rate=sample_rate,
        source=source,
        padded_samples=padded,
        clipped=clipped,
        resampled=source.sample_rate != sample_rate,
        notes=audio_notes(source, sample_rate, channel, padded, clipped),
    )


@contextmanager
def open_audio(path: str | Path) -> Iterator[soundfile.SoundFile]:
    """Open an audio file that holds something, and close it again.

    Raises:
        UsageError: no such file.
        FrameError: the file is not audio, or is empty.
    """
    import soundfile

    place = Path(path)
    if not place.is_file():
        found = "a folder" if place.is_dir() else "nothing"
        raise UsageError(f"{place}: found {found}, expected an audio file")
    try:
        stream = soundfile.SoundFile(place)
    except (soundfile.LibsndfileError, OSError) as error:
        raise FrameError(f"{place}: cannot be read as audio: {_reason(error)}") from error
    with stream:
        if stream.frames <= 0:
            raise FrameError(f"{place}: holds no samples, expected at least one")
        if stream.frames == _FRAMES_UNKNOWN:
            raise FrameError(
                f"{place}: its header does not say how many samples it holds",
                hint="write it again, for example: sox FILE NEW_FILE",
            )
        yield stream


def _mono(path: str | Path, channel: Channel) -> Iterator[NDArray[np.float64]]:
    with open_audio(path) as stream:
        check_channel(str(path), channel, stream.channels)
        yield from read_mono(stream, str(path), channel)


def read_mono(
    stream: soundfile.SoundFile, where: str, channel: Channel
) -> Iterator[NDArray[np.float64]]:
    """Read an open file from its beginning to its end: one channel, some samples at a time.

    Raises:
        FrameError: the file breaks off or holds NaN.
    """
    import soundfile

    count, size = 0, max(_CHUNK_SAMPLES // stream.channels, 1)
    while count < stream.frames:
        try:
            block = stream.read(size, dtype="float64", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise FrameError(f"{where}, sample {count}: {_reason(error)}") from error
        if not len(block):
            raise FrameError(f"{where}: ends after {count} samples, expected {stream.frames}")
        check_numbers(block, where, count)
        count += len(block)
        yield pick_channel(block, channel)


def audio_notes(
    source: AudioSource, sample_rate: int, channel: Channel, padded: int, clipped: int
) -> tuple[str, ...]:
    """Say in one sentence each what was done to the samples of a file."""
    notes: list[str] = []
    if source.missing_bytes:
        notes.append(f"the file ends {source.missing_bytes} bytes before the length in its header")
    if source.channels > 1:
        chosen = "averaged" if channel == "mono-mix" else f"only number {channel} used"
        notes.append(f"{source.channels} channels, {chosen}")
    if source.sample_rate != sample_rate:
        notes.append(f"resampled from {source.sample_rate} Hz to {sample_rate} Hz")
    if padded:
        notes.append(f"last frame filled with {padded} zeros")
    if clipped:
        notes.append(f"{clipped} samples clipped")
    return tuple(notes)


def _missing_bytes(log: str) -> int:
    """Find in libsndfile's log of a header by how much the file is too short."""
    found = re.search(r"^data : (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if not found:
        return 0
    announced, held = int(found[1]), int(found[2])
    # programs that write into a pipe cannot know the length and announce the largest one
    return 0 if announced >= _LENGTH_UNKNOWN else max(announced - held, 0)


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
