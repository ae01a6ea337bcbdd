"""From blocks of samples to blocks of frames, piece by piece, whatever the samples come from.

Nothing here reads anything: the functions turn one iterator into another. How the samples are cut
into pieces on the way in does not change a bit of what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hostrt.errors import FrameError, UsageError
from hostrt.frames.quantize import Quantized, quantize_float

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Channel = Literal["mono-mix"] | int
"""Which channel to use: its number from 0, or the average of all."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """Some consecutive frames of sound.

    Attributes:
        frames: (T, L) array, int8 or int16.
        clipped: samples that were saturated.
        padded_samples: zeros added to fill the last frame; 0 except in the last block.
    """

    frames: NDArray[np.signedinteger]
    clipped: int
    padded_samples: int


def check_channel(where: str, channel: Channel, channels: int) -> None:
    """Check that a channel exists.

    Raises:
        UsageError: it does not.
    """
    if channel != "mono-mix" and not 0 <= channel < channels:
        raise UsageError(
            f"{where}: channel {channel!r}, expected mono-mix or a number in 0..{channels - 1}"
        )


def check_numbers(block: NDArray[np.floating], where: str, first: int) -> None:
    """Check that (n, channels) samples are numbers; `first` is the number of the first one.

    Raises:
        FrameError: one of them is NaN.
    """
    if np.isnan(block).any():
        bad = first + int(np.argwhere(np.isnan(block))[0][0])
        raise FrameError(f"{where}, sample {bad}: found nan, expected a number")


def pick_channel(block: NDArray[np.float64], channel: Channel) -> NDArray[np.float64]:
    """Choose one channel of (n, channels) samples, or average all: (n,)."""
    mono: NDArray[np.float64] = block.mean(axis=1) if channel == "mono-mix" else block[:, channel]
    return mono


def resampled(
    chunks: Iterator[NDArray[np.float64]], rate: int, wanted_rate: int
) -> Iterator[NDArray[np.float64]]:
    """Bring mono samples from one rate in Hz to another, continuously over all chunks."""
    if rate == wanted_rate:
        yield from chunks
        return
    import soxr  # type: ignore[import-untyped]

    resampler = soxr.ResampleStream(rate, wanted_rate, 1, dtype="float64", quality="VHQ")
    for chunk in chunks:
        yield resampler.resample_chunk(np.ascontiguousarray(chunk))
    yield resampler.resample_chunk(np.zeros(0), last=True)


def cut_into_frames(
    chunks: Iterator[NDArray[np.float64]],
    frame_length: int,
    precision: int,
    *,
    most: int,
    least: int = 1,
) -> Iterator[AudioBlock]:
    """Cut mono samples into blocks of frames and quantize them.

    Args:
        chunks: floats in [-1, 1), any number at a time.
        frame_length: L, samples per frame.
        precision: 8 or 16 bits.
        most: frames in a block at most.
        least: frames to wait for before a block is given; only the last block may have fewer. With
            1, every frame is given as soon as its samples are there.

    Yields:
        Blocks, the last one filled up with zeros; one empty block if there are no samples at all.

    Raises:
        FrameError: a sample is NaN.
    """
    pending: list[NDArray[np.float64]] = []
    n_pending, is_empty = 0, True
    for chunk in chunks:
        pending.append(chunk)
        n_pending += len(chunk)
        # joining only when a block is full keeps the copying linear in the number of samples
        if n_pending < least * frame_length:
            continue
        held = np.concatenate(pending)
        while len(held) >= least * frame_length:
            size = min(len(held) // frame_length, most) * frame_length
            yield _block(held[:size], frame_length, precision)
            held, is_empty = held[size:], False
        pending, n_pending = [held], len(held)
    if n_pending or is_empty:
        yield _block(np.concatenate([np.zeros(0), *pending]), frame_length, precision)


def _block(samples: NDArray[np.float64], frame_length: int, precision: int) -> AudioBlock:
    padding = -len(samples) % frame_length
    quantized: Quantized = quantize_float(np.pad(samples, (0, padding)), precision)
    return AudioBlock(quantized.values.reshape(-1, frame_length), quantized.clipped, padding)
