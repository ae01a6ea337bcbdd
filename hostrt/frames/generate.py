"""Generated inputs: the three stimuli of the reference command line, value for value.

With s = 2**(precision - 2): sawtooth counts through 16 steps of s/8 from -s over the flattened
frames; random draws integers from [-s, s); sine is s*sin(2*pi*t/T), cut towards
zero, in every element of frame t.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from hostrt.errors import FrameError, UsageError
from hostrt.frames.frames import Frames, VectorSpec, normalize_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Style = Literal["sawtooth", "random", "sine"]
STYLES: tuple[str, ...] = get_args(Style)


def generate_inputs(
    specs: Sequence[VectorSpec], n_frames: int, *, style: str = "sawtooth", seed: int = 0
) -> Frames:
    """Make frames for every input; latched inputs get one value, sent before the first frame.

    Args:
        specs: the model's inputs; `length` elements are generated, the padding is zero.
        n_frames: number of frames, 0 or more.
        style: "sawtooth", "random" or "sine".
        seed: seed of the random style; inputs draw from one generator, in the order of `specs`.

    Raises:
        FrameError: a negative number of frames.
        UsageError: an unknown style.
    """
    if n_frames < 0:
        raise FrameError(f"{n_frames} frames asked for, expected 0 or more")
    # the reference's random inputs come from this generator; newer ones give other values
    generator = np.random.RandomState(seed)
    columns = {
        spec.name: stimulus(
            style, spec, min(n_frames, 1) if spec.is_latched else n_frames, generator
        )
        for spec in specs
    }
    return normalize_inputs(columns, specs)


def stimulus(
    style: str,
    spec: VectorSpec,
    n_frames: int,
    generator: np.random.RandomState,
    *,
    first: int = 0,
    period: int | None = None,
) -> NDArray[np.signedinteger]:
    """Make one input's frames, shape (n_frames, spec.length), in the input's type.

    Args:
        style: "sawtooth", "random" or "sine".
        spec: the input.
        n_frames: how many.
        generator: random numbers.
        first: number of the first one.
        period: frames in one period of a sine; None: `n_frames`.

    Raises:
        UsageError: an unknown style.
    """
    shape = (n_frames, spec.length)
    scale = 1 << (spec.precision - 2)
    if style == "sawtooth":
        steps = np.arange(first * spec.length, (first + n_frames) * spec.length)
        ramp = steps % 16 * (2 * scale) // 16 - scale
        return ramp.reshape(shape).astype(spec.dtype)
    if style == "random":
        return generator.randint(-scale, scale, size=shape).astype(spec.dtype)
    if style == "sine":
        period = n_frames if period is None else period
        phase = 2 * np.pi * np.arange(first, first + n_frames) / max(period, 1)
        column = np.trunc(scale * np.sin(phase)).astype(spec.dtype)
        return np.repeat(column[:, np.newaxis], spec.length, axis=1)
    raise UsageError(f"input style {style!r}, expected one of {', '.join(STYLES)}")
