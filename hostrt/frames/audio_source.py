"""An audio file as a source of frames, in memory that does not depend on its length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import UsageError
from hostrt.frames.audio import audio_facts, audio_notes, open_audio, read_mono
from hostrt.frames.samples import check_channel, cut_into_frames, resampled
from hostrt.frames.stream_source import FrameSource, SourceOptions, streamed_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.frames.frames import VectorSpec
    from hostrt.frames.stream_source import Columns


class AudioFileSource(FrameSource):
    """Sound from a file in any format that libsndfile reads; the same frames as `load_audio`."""

    def __init__(self, path: Path, specs: Sequence[VectorSpec], options: SourceOptions) -> None:
        """Open the file.

        Raises:
            UsageError: no such file or channel.
            FrameError: not audio, empty, or the model's inputs cannot all be given.
        """
        self._spec = streamed_spec(str(path), specs)
        super().__init__(str(path), specs, options, streamed=[self._spec.name])
        self.sample_rate = options.sample_rate
        self._clipped = self._padded = 0
        self._stream = self._held.enter_context(open_audio(path))
        self._facts = audio_facts(self._stream, self.title)
        try:
            check_channel(self.title, options.channel, self._facts.channels)
        except UsageError:
            self.close()
            raise
        samples = resampled_length(self._facts.samples, self._facts.sample_rate, self.sample_rate)
        self._know_length(-(-samples // self._spec.length))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the samples so far, one sentence each."""
        return audio_notes(
            self._facts,
            self.options.sample_rate,
            self.options.channel,
            self._padded,
            self._clipped,
        )

    def _read(self) -> Iterator[Columns]:
        chunks = resampled(self._rounds(), self._facts.sample_rate, self.options.sample_rate)
        for block in cut_into_frames(
            chunks, self._spec.length, self._spec.precision, most=self._block_frames
        ):
            self._clipped += block.clipped
            self._padded += block.padded_samples
            yield {self._spec.name: block.frames}

    def _rounds(self) -> Iterator[NDArray[np.float64]]:
        yield from read_mono(self._stream, self.title, self.options.channel)
        while self.options.loop:
            self._stream.seek(0)
            yield from read_mono(self._stream, self.title, self.options.channel)


def resampled_length(samples: int, rate: int, wanted_rate: int) -> int:
    """Tell how many samples the resampler makes of so many."""
    return (2 * samples * wanted_rate + rate) // (2 * rate)
