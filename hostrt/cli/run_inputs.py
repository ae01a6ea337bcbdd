"""What `hostrt run` runs: the model and its frames, from a file or generated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.subject import load_subject
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from hostrt.cli.subject import Subject
    from hostrt.frames.frames import Frames, VectorSpec
    from hostrt.frames.sources import LoadedInputs

DEFAULT_FRAMES = 2
DEFAULT_PERIOD_S = 0.016
DEFAULT_RATE_HZ = 16_000
MAX_GENERATED_BYTES = 1 << 31
"""Largest generated input; more is a typing error or should come from a file, in pieces."""

_MAX_SEED = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class RunInputs:
    """A model and the frames for it.

    Attributes:
        subject: the program or model.
        period_s: seconds from one frame to the next.
        loaded: the frames, with notes about them.
    """

    subject: Subject
    period_s: float
    loaded: LoadedInputs


def check_numbers(arguments: argparse.Namespace) -> None:
    """Refuse numbers that cannot work, before a board is touched.

    Raises:
        UsageError: naming the flag.
    """
    for flag in ("n_frames", "warm_up", "tolerance"):
        value = getattr(arguments, flag)
        if value is not None and value < 0:
            raise UsageError(f"--{flag.replace('_', '-')} {value}: expected 0 or more")
    if not 0 <= arguments.seed <= _MAX_SEED:
        raise UsageError(f"--seed {arguments.seed}: expected 0..{_MAX_SEED}")
    if not (math.isfinite(arguments.timeout) and arguments.timeout > 0):
        raise UsageError(f"--timeout {arguments.timeout:g}: expected seconds, more than 0")


def prepare_inputs(arguments: argparse.Namespace, takes: frozenset[str]) -> RunInputs:
    """Load the model and its frames.

    Args:
        arguments: of `run`.
        takes: what the runners take: "program", "assembly", "model".

    Raises:
        UsageError: flags or frames that do not fit the model.
        ProgramError: the model cannot be read, or does not say what its inputs are.
    """
    from hostrt.frames.sources import LoadedInputs, load_inputs, parse_indices

    period_s = _period(arguments)
    subject = _load(arguments, period_s, takes)
    specs = subject.input_specs
    text = arguments.input_sample_indices
    indices = parse_indices(text) if text else None
    if arguments.input_file is None:
        return RunInputs(subject, period_s, LoadedInputs(_generate(arguments, specs, indices)))
    length = next((spec.length for spec in specs if not spec.is_latched), 1)
    loaded = load_inputs(
        arguments.input_file,
        specs,
        sample_rate=rate_of(arguments, length, period_s),
        channel="mono-mix" if arguments.channel is None else channel_of(arguments.channel),
        indices=indices,
        n_frames=arguments.n_frames,
    )
    return RunInputs(subject, period_s, loaded)


def _generate(
    arguments: argparse.Namespace, specs: Sequence[VectorSpec], indices: tuple[int, int] | None
) -> Frames:
    from hostrt.frames.generate import generate_inputs

    n_frames = DEFAULT_FRAMES if arguments.n_frames is None else arguments.n_frames
    size = n_frames * sum(spec.padded_length * spec.precision // 8 for spec in specs)
    if size > MAX_GENERATED_BYTES:
        raise UsageError(
            f"--n-frames {n_frames}: {size / 1e9:.1f} GB of generated frames, expected at most "
            f"{MAX_GENERATED_BYTES / 1e9:.1f} GB",
            hint="run fewer frames at a time",
        )
    frames = generate_inputs(specs, n_frames, style=arguments.input_style, seed=arguments.seed)
    return frames if indices is None else frames.cut(*indices)


def _load(arguments: argparse.Namespace, period_s: float, takes: frozenset[str]) -> Subject:
    """Load the model; LOOPBACK for audio gets a vector of one period's samples."""
    model = list(arguments.model)
    if model == ["LOOPBACK"] and arguments.input_file is not None:
        from hostrt.frames.sources import AUDIO_SUFFIXES

        if Path(arguments.input_file).suffix.lower() in AUDIO_SUFFIXES:
            rate = arguments.sample_rate or DEFAULT_RATE_HZ
            model = [f"LOOPBACK:{max(1, round(period_s * rate))}"]
    return load_subject(arguments, model, takes)


def _period(arguments: argparse.Namespace) -> float:
    given = arguments.input_period
    period: float = DEFAULT_PERIOD_S if given is None else given
    if not 0 < period < 3600:
        raise UsageError(f"--input-period {period:g}: expected seconds, more than 0")
    return period


def rate_of(arguments: argparse.Namespace, length: int, period_s: float) -> int:
    """Rate the model expects: as told, else as many samples per second as its frames hold."""
    rate = arguments.sample_rate
    if rate is None:
        rate = round(length / period_s) if arguments.input_period is not None else DEFAULT_RATE_HZ
    if not 1 <= rate <= 10_000_000:
        raise UsageError(f"sample rate {rate} Hz: expected 1..10000000")
    return int(rate)


def channel_of(text: str) -> int:
    """Read the number of a channel.

    Raises:
        UsageError: not a number.
    """
    if not (text.isdecimal() and len(text) <= 4):
        raise UsageError(f"--channel {text!r}: expected a channel number, from 0")
    return int(text)
