"""Frames that are in memory already, or come from an iterator, as sources of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from hostrt.errors import FrameError
from hostrt.frames.frames import Frames, normalize_inputs
from hostrt.frames.stream_source import FrameSource, SourceOptions, open_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from hostrt.frames.frames import FrameInputs, VectorSpec

_FIRST_FRAMES = 16
_BLOCK_FRAMES = 256

Streamable = FrameSource | str | Path | FrameInputs | Iterable[Mapping[str, "ArrayLike"]]
"""What can be streamed: a source, a file or address of one, arrays, or an iterator of frames."""


class ArraySource(FrameSource):
    """Frames in memory."""

    def __init__(self, inputs: FrameInputs, specs: Sequence[VectorSpec]) -> None:
        """Check the frames.

        Raises:
            FrameError: wrong shape, type, range or number of inputs.
        """
        super().__init__(tuple(specs), title="frames in memory")
        self._frames = normalize_inputs(inputs, specs)
        self.n_frames = self._frames.n_frames

    def blocks(self) -> Iterator[Frames]:
        """See `FrameSource.blocks`."""
        return cut_in_blocks(self._frames)

    def close(self) -> None:
        """Hold nothing."""


class IteratorSource(FrameSource):
    """Frames that somebody makes one by one; each is asked for when the one before was taken."""

    def __init__(self, frames: Iterable[object], specs: Sequence[VectorSpec]) -> None:
        super().__init__(tuple(specs), title="frames from an iterator")
        self._iterator = iter(frames)

    def blocks(self) -> Iterator[Frames]:
        """See `FrameSource.blocks`."""
        for number, frame in enumerate(self._iterator):
            specs = [spec for spec in self.specs if not (number and spec.is_latched)]
            try:
                yield normalize_inputs([_named(frame, specs)], specs, latched_may_be_absent=True)
            except FrameError as error:
                raise FrameError(
                    f"frame {number} of the iterator: {error.message}", hint=error.hint
                ) from error

    def close(self) -> None:
        """Ask for no more; an iterator cannot be interrupted while it makes a frame."""


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


def cut_in_blocks(frames: Frames) -> Iterator[Frames]:
    """Give frames block by block; what is sent once lies in the first one only."""
    low, size = 0, _FIRST_FRAMES
    while low < frames.n_frames:
        high = min(low + size, frames.n_frames)
        block = frames.cut(low, high)
        if low:
            arrays: dict[str, NDArray[np.signedinteger]] = {
                name: block[name] for name in block if not block.is_sent_once(name)
            }
            specs = tuple(spec for spec in block.specs if spec.name in arrays)
            block = Frames(block.n_frames, specs, arrays)
        yield block
        low, size = high, _BLOCK_FRAMES


def _named(frame: object, specs: Sequence[VectorSpec]) -> Mapping[str, ArrayLike]:
    if isinstance(frame, Mapping):
        return frame
    streamed = [spec for spec in specs if not spec.is_latched]
    if len(streamed) != 1:
        names = ", ".join(spec.name for spec in specs)
        raise FrameError(f"an array, expected a mapping: the model's inputs are {names}")
    return {streamed[0].name: cast("ArrayLike", frame)}
