"""Generated frames as a source that ends when it is told to, or never."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import UsageError
from hostrt.frames.generate import STYLES, stimulus
from hostrt.frames.stream_source import FrameSource, SourceOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hostrt.frames.frames import VectorSpec
    from hostrt.frames.stream_source import Columns

ENDLESS_SINE_FRAMES = 128
"""Period of a sine that never ends; one that does has one period in all its frames."""


class GeneratedSource(FrameSource):
    """The stimuli of `generate_inputs`, value for value when the number of frames is given.

    Without one they go on for ever: sawtooth and random as they begin, a sine with a period of 128
    frames; random inputs then draw from one generator each, seeded with seed, seed + 1, ...
    Latched inputs that are not given are generated too.
    """

    def __init__(self, style: str, specs: Sequence[VectorSpec], options: SourceOptions) -> None:
        """Prepare the generators.

        Raises:
            UsageError: an unknown style.
            FrameError: a latched value that does not fit.
        """
        if style not in STYLES:
            raise UsageError(f"input style {style!r}, expected one of {', '.join(STYLES)}")
        self._style = style
        self._streamed = [spec for spec in specs if not spec.is_latched]
        self._generators = _generators(style, specs, options)
        latched = {
            spec.name: stimulus(style, spec, 1, self._generators[spec.name])
            for spec in specs
            if spec.is_latched
        }
        options = replace(options, latched={**latched, **options.latched})
        names = [spec.name for spec in self._streamed]
        super().__init__(f"generated {style}", specs, options, streamed=names)
        self.n_frames = options.n_frames

    def _read(self) -> Iterator[Columns]:
        first, step = 0, self._block_frames
        period = ENDLESS_SINE_FRAMES if self.n_frames is None else self.n_frames
        while True:
            yield {
                spec.name: stimulus(
                    self._style,
                    spec,
                    step,
                    self._generators[spec.name],
                    first=first,
                    period=period,
                )
                for spec in self._streamed
            }
            first += step


def _generators(
    style: str, specs: Sequence[VectorSpec], options: SourceOptions
) -> Mapping[str, np.random.RandomState]:
    """Give each input a generator that stands where `generate_inputs` would have come to."""
    if style != "random" or options.n_frames is None:
        return {
            spec.name: np.random.RandomState((options.seed + index) % (1 << 32))
            for index, spec in enumerate(specs)
        }
    walker = np.random.RandomState(options.seed)
    result: dict[str, np.random.RandomState] = {}
    for spec in specs:
        result[spec.name] = np.random.RandomState()
        result[spec.name].set_state(walker.get_state())
        n_frames = min(options.n_frames, 1) if spec.is_latched else options.n_frames
        if spec is not specs[-1]:
            _skip(walker, spec, n_frames)
    return result


def _skip(walker: np.random.RandomState, spec: VectorSpec, n_frames: int) -> None:
    step = max(1, (1 << 16) // spec.length)
    for first in range(0, n_frames, step):
        stimulus("random", spec, min(step, n_frames - first), walker)
