"""Sound from a pipe or a file without a header as a source of frames."""

from __future__ import annotations

import os
import select
import stat
import sys
from itertools import chain
from typing import TYPE_CHECKING

from hostrt.errors import FrameError, UsageError
from hostrt.frames.pcm import PcmDecoder, PcmFormat
from hostrt.frames.samples import (
    check_channel,
    check_numbers,
    cut_into_frames,
    pick_channel,
    resampled,
)
from hostrt.frames.stream_source import LOOK_S, FrameSource, SourceOptions, streamed_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.frames.frames import VectorSpec
    from hostrt.frames.stream_source import Columns

_PIECE_BYTES = 1 << 16


class PcmSource(FrameSource):
    """Samples from a file descriptor, raw or behind a WAV header; frames as soon as they are there.

    The end of the data ends the stream; a last partial frame is filled with zeros.
    """

    def __init__(
        self,
        title: str,
        descriptor: int,
        specs: Sequence[VectorSpec],
        options: SourceOptions,
        *,
        is_owned: bool = False,
    ) -> None:
        """Read nothing yet.

        Args:
            title: what is read, for people.
            descriptor: open for reading.
            specs: the model's inputs.
            options: how it is read.
            is_owned: close the descriptor with the source.

        Raises:
            UsageError: no such encoding, or a pipe that cannot begin again.
            FrameError: the model's inputs cannot all be given.
        """
        self._spec = streamed_spec(title, specs)
        super().__init__(title, specs, options, streamed=[self._spec.name])
        self.sample_rate = options.sample_rate
        self._descriptor = descriptor
        self._raw = PcmFormat(
            options.pcm, options.raw_rate or options.sample_rate, options.raw_channels
        )
        self._format: PcmFormat | None = None
        self._clipped = self._padded = 0
        if options.loop and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageError(f"{title}: a pipe cannot begin again", hint="leave out the loop")
        if is_owned:
            self._held.callback(os.close, descriptor)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the samples so far, one sentence each."""
        notes = [*self._notes]
        if self._padded:
            notes.append(f"last frame filled with {self._padded} zeros")
        if self._clipped:
            notes.append(f"{self._clipped} samples clipped")
        return tuple(notes)

    def _read(self) -> Iterator[Columns]:
        chunks = self._chunks()
        first = next(chunks, None)
        if first is None or self._format is None:
            if self._closing.is_set():
                return
            raise FrameError(f"{self.title}: ended without a sample")
        self._note_format(self._format)
        samples = resampled(chain([first], chunks), self._format.rate, self.options.sample_rate)
        for block in cut_into_frames(
            samples, self._spec.length, self._spec.precision, most=self._block_frames
        ):
            self._clipped += block.clipped
            self._padded += block.padded_samples
            yield {self._spec.name: block.frames}

    def _chunks(self) -> Iterator[NDArray[np.float64]]:
        """Give the samples of one channel; none that are empty."""
        count = 0
        while True:
            decoder = PcmDecoder(self.title, self._raw)
            before = count
            for samples in self._decoded(decoder):
                if len(samples):
                    check_channel(self.title, self.options.channel, samples.shape[1])
                    check_numbers(samples, self.title, count)
                    count += len(samples)
                    self._format = decoder.format
                    yield pick_channel(samples, self.options.channel)
            if not self.options.loop or count == before:
                self._note_end(decoder)
                return
            os.lseek(self._descriptor, 0, os.SEEK_SET)

    def _decoded(self, decoder: PcmDecoder) -> Iterator[NDArray[np.float64]]:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        while not self._closing.is_set():
            if poll.poll(LOOK_S * 1000):
                data = os.read(self._descriptor, _PIECE_BYTES)
                if not data:
                    yield decoder.finish()
                    return
                yield decoder.feed(data)

    def _note_format(self, found: PcmFormat) -> None:
        if found.channels > 1:
            channel = self.options.channel
            chosen = "averaged" if channel == "mono-mix" else f"only number {channel} used"
            self._notes.append(f"{found.channels} channels, {chosen}")
        if found.rate != self.options.sample_rate:
            self._notes.append(f"resampled from {found.rate} Hz to {self.options.sample_rate} Hz")

    def _note_end(self, decoder: PcmDecoder) -> None:
        if decoder.missing_bytes:
            self._notes.append(
                f"the data ended {decoder.missing_bytes} bytes before the length in its header"
            )
        if decoder.left_bytes:
            self._notes.append(f"{decoder.left_bytes} bytes of a partial sample left out")


def open_stdin(specs: Sequence[VectorSpec], options: SourceOptions) -> PcmSource:
    """Read samples from standard input.

    Raises:
        UsageError: it is closed or a terminal.
        FrameError: the model's inputs cannot all be given.
    """
    title = "standard input"
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, ValueError, OSError) as error:
        raise UsageError(f"{title}: is closed, expected sound from a pipe") from error
    if os.isatty(descriptor):
        raise UsageError(
            f"{title}: is a terminal, expected sound from a pipe",
            hint="for example: sox FILE -t wav - | ...",
        )
    return PcmSource(title, descriptor, specs, options)


def open_pcm_file(path: Path, specs: Sequence[VectorSpec], options: SourceOptions) -> PcmSource:
    """Read samples from a file without a header, or from a named pipe.

    Raises:
        UsageError: it cannot be read, or a pipe that cannot begin again.
        FrameError: the model's inputs cannot all be given.
    """
    try:
        # a named pipe that nobody writes to yet must not hold up the caller
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return PcmSource(str(path), descriptor, specs, options, is_owned=True)
    except UsageError:
        os.close(descriptor)
        raise
