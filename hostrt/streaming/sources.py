"""Frames that are in memory already, or come from an iterator, as sources of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike

from hostrt.errors import FrameError
from hostrt.frames.frames import FrameInputs, normalize_inputs
from hostrt.frames.stream_source import FrameSource, SourceOptions, open_source, streamed_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hostrt.frames.frames import VectorSpec

_FIRST_FRAMES = 16

Streamable = FrameSource | str | Path | FrameInputs | Iterable[Mapping[str, ArrayLike] | ArrayLike]
"""What can be streamed: a source, a file or address of one, arrays, or an iterator of frames."""


class ArraySource(FrameSource):
    """Frames in memory."""

    def __init__(self, inputs: FrameInputs, specs: Sequence[VectorSpec]) -> None:
        """Check the frames.

        Raises:
            FrameError: wrong shape, type, range or number of inputs.
        """
        self._frames = frames = normalize_inputs(inputs, specs)
        once = {name: frames[name] for name in frames if frames.is_sent_once(name)}
        rest = [name for name in frames if name not in once]
        super().__init__("frames in memory", specs, SourceOptions(latched=once), streamed=rest)
        self._streamed = rest
        self._know_length(frames.n_frames)

    def _read(self) -> Iterator[Mapping[str, NDArray[np.generic]]]:
        low, size = 0, min(_FIRST_FRAMES, self._block_frames)
        while low < self._frames.n_frames:
            yield {name: self._frames[name][low : low + size] for name in self._streamed}
            low, size = low + size, self._block_frames


class IteratorSource(FrameSource):
    """Frames that somebody makes one by one; each is asked for when the one before was taken.

    Latched inputs lie in the frames that change them.
    """

    def __init__(self, frames: Iterable[object], specs: Sequence[VectorSpec]) -> None:
        names = [spec.name for spec in specs]
        super().__init__("frames from an iterator", specs, SourceOptions(), streamed=names)
        self._iterator = iter(frames)

    def _read(self) -> Iterator[Mapping[str, NDArray[np.generic]]]:
        for number, frame in enumerate(self._iterator):
            try:
                found = normalize_inputs(
                    [self._named(frame)], self.specs, latched_may_be_absent=True
                )
            except FrameError as error:
                raise FrameError(
                    f"frame {number} of the iterator: {error.message}", hint=error.hint
                ) from error
            yield dict(found)

    def _named(self, frame: object) -> Mapping[str, ArrayLike]:
        if isinstance(frame, Mapping):
            return frame
        return {streamed_spec(self.title, self.specs).name: cast("ArrayLike", frame)}


def as_source(source: Streamable, specs: Sequence[VectorSpec], sample_rate: int) -> FrameSource:
    """Make a source of what can be streamed.

    Args:
        source: a source, a file, arrays as `Runner.run` takes them, or an iterator of frames,
            each {name: (L,)} or, for a model with one input, (L,).
        specs: the model's inputs.
        sample_rate: rate that the model expects of audio, in Hz.

    Raises:
        UsageError, FrameError: it cannot be read or does not fit the model.
    """
    if isinstance(source, FrameSource):
        return source
    if isinstance(source, str | Path):
        return open_source(str(source), specs, SourceOptions(sample_rate=sample_rate))
    if isinstance(source, Iterator):
        return IteratorSource(source, specs)
    if isinstance(source, np.ndarray | Mapping | list | tuple):
        return ArraySource(cast("FrameInputs", source), specs)
    return IteratorSource(cast("Iterable[object]", source), specs)
