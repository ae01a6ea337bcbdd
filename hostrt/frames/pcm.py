"""Samples as they come through a pipe: raw, or behind a WAV header, in pieces of any size.

No I/O: bytes go in, samples come out. Programs that write a WAV file into a pipe cannot know its
length and announce 0 or the largest one; such data ends with the pipe.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TYPES = {
    "u8": ("u1", 128.0),
    "s8": ("i1", 128.0),
    "s16le": ("<i2", 2.0**15),
    "s24le": ("<i4", 2.0**31),
    "s32le": ("<i4", 2.0**31),
    "f32le": ("<f4", 1.0),
    "f64le": ("<f8", 1.0),
}
ENCODINGS = tuple(_TYPES)
"""Encodings of samples: kind, bits and byte order."""

_OF_WAV = {
    (1, 8): "u8",
    (1, 16): "s16le",
    (1, 24): "s24le",
    (1, 32): "s32le",
    (3, 32): "f32le",
    (3, 64): "f64le",
}
_EXTENSIBLE = 0xFFFE
_LENGTH_UNKNOWN = 0x7FFF_0000
_MAX_HEADER = 1 << 20
_MAX_CHANNELS = 1024
_CONTAINERS = {b"fLaC": "FLAC", b"OggS": "Ogg", b"FORM": "AIFF", b"RIFX": "big-endian WAV"}


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """How samples are written.

    Attributes:
        encoding: one of `ENCODINGS`.
        rate: in Hz.
        channels: interleaved.
        n_bytes: bytes of samples that were announced, None when they end with the pipe.
    """

    encoding: str
    rate: int
    channels: int
    n_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.encoding not in _TYPES:
            raise UsageError(f"samples {self.encoding!r}, expected one of {', '.join(_TYPES)}")

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        bits = int("".join(filter(str.isdigit, self.encoding)))
        return bits // 8 * self.channels


class PcmDecoder:
    """Turns bytes into samples.

    Attributes:
        format: how the samples are written; None until enough has come to know.
        missing_bytes: after `finish`, what a header announced and did not come.
        left_bytes: after `finish`, bytes at the end that are no whole sample.
    """

    def __init__(self, where: str, raw: PcmFormat) -> None:
        """Begin before the first byte.

        Args:
            where: what is read, for messages.
            raw: how the samples are written when there is no WAV header.
        """
        self.format: PcmFormat | None = None
        self.missing_bytes = 0
        self.left_bytes = 0
        self._where, self._raw = where, raw
        self._held = b""
        self._taken = 0

    def feed(self, data: bytes) -> NDArray[np.float64]:
        """Take some bytes and give the samples that are complete: (n, channels), in [-1, 1).

        Raises:
            FrameError: another container, or a header that cannot be used.
        """
        self._held += data
        if self.format is None:
            self._look()
        return self._samples()

    def finish(self) -> NDArray[np.float64]:
        """Give the last samples after the last byte.

        Raises:
            FrameError: the bytes ended inside a header.
        """
        if self.format is None:
            if _may_be_wav(self._held) and len(self._held) >= 12:
                raise FrameError(f"{self._where}: ended inside a WAV header")
            self.format = self._raw
        samples = self._samples()
        announced = self.format.n_bytes
        self.missing_bytes = max((announced or 0) - self._taken - len(self._held), 0)
        self.left_bytes = len(self._held)
        return samples

    def _look(self) -> None:
        container = _CONTAINERS.get(self._held[:4])
        if container is not None:
            raise FrameError(
                f"{self._where}: found {container}, expected raw samples or WAV",
                hint="decode first, for example: sox FILE -t wav - | ...",
            )
        if not _may_be_wav(self._held):
            self.format = self._raw
            return
        found = parse_wav_header(self._held, self._where)
        if found is not None:
            self.format, start = found
            self._held = self._held[start:]

    def _samples(self) -> NDArray[np.float64]:
        if self.format is None:
            return np.zeros((0, 1))
        size = len(self._held)
        if self.format.n_bytes is not None:
            # what follows the samples is not sound
            size = min(size, self.format.n_bytes - self._taken)
            self._held = self._held[:size]
        size -= size % self.format.sample_bytes
        data, self._held = self._held[:size], self._held[size:]
        self._taken += size
        return decode_samples(data, self.format.encoding).reshape(-1, self.format.channels)


def decode_samples(data: bytes, encoding: str) -> NDArray[np.float64]:
    """Turn bytes of whole samples into floats, integers scaled to [-1, 1) exactly."""
    dtype, scale = _TYPES[encoding]
    if encoding == "s24le":
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data = wide.tobytes()
    samples = np.frombuffer(data, dtype).astype(np.float64)
    if encoding == "u8":
        samples -= 128
    samples /= scale
    return samples


def parse_wav_header(data: bytes, where: str) -> tuple[PcmFormat, int] | None:
    """Read a WAV header.

    Args:
        data: the first bytes, "RIFF" or "RF64" and what follows.
        where: what is read, for messages.

    Returns:
        The format and where the samples begin; None when more bytes are needed.

    Raises:
        FrameError: a header that breaks the rules, or samples that are not plain numbers.
    """
    place, found = 12, None
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        place += 8
        if name == b"data":
            if found is None:
                raise FrameError(f"{where}: WAV header without a format before its samples")
            is_open = size == 0 or size >= _LENGTH_UNKNOWN
            return PcmFormat(*found, None if is_open else size), place
        if size > _MAX_HEADER - place:
            raise FrameError(f"{where}: WAV header of more than {_MAX_HEADER} bytes")
        if place + size > len(data):
            return None
        if name == b"fmt ":
            found = _parse_format(data[place : place + size], where)
        place += size + size % 2
    return None


def _parse_format(chunk: bytes, where: str) -> tuple[str, int, int]:
    if len(chunk) < 16:
        raise FrameError(f"{where}: WAV format of {len(chunk)} bytes, expected 16 or more")
    tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    encoding = _OF_WAV.get((tag, bits))
    if encoding is None:
        raise FrameError(
            f"{where}: WAV of kind {tag} with {bits} bits, expected integers or floats",
            hint="convert first, for example: sox FILE -t wav -e signed -b 16 - | ...",
        )
    if not 0 < channels <= _MAX_CHANNELS or rate == 0 or block != channels * bits // 8:
        raise FrameError(
            f"{where}: WAV of {channels} channels at {rate} Hz in {block} bytes per sample"
        )
    return encoding, rate, channels


def _may_be_wav(data: bytes) -> bool:
    starts = data[:4] in (b"RIFF"[: len(data)], b"RF64"[: len(data)])
    return starts and data[8:12] == b"WAVE"[: max(len(data) - 8, 0)]
