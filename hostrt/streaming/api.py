"""`stream()`: frames through a runner in real time, results one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.streaming.options import StreamOptions
from hostrt.streaming.sources import as_source
from hostrt.streaming.stream import Stream

if TYPE_CHECKING:
    from hostrt.power.base import PowerMeter
    from hostrt.runner.base import BaseRunner
    from hostrt.streaming.options import OnLate
    from hostrt.streaming.sources import Streamable


def stream(
    source: Streamable,
    runner: BaseRunner,
    period_s: float,
    *,
    on_late: OnLate = "wait",
    realtime: bool = True,
    queue: int = 2,
    deadline_s: float | None = None,
    overlap: bool = True,
    n_frames: int | None = None,
    sample_rate: int | None = None,
    meter: PowerMeter | None = None,
) -> Stream:
    """Play frames through a runner, one every `period_s` seconds.

    The stream begins at once, in a thread of its own; iterate over it for the results:

        with Runner("hw", program) as hw, stream("speech.wav", hw, 0.016) as frames:
            for frame in frames:
                print(frame.number, frame.outputs["y"], frame.end_to_end_s)

    Args:
        source: audio file, .npy, .npz or .csv; arrays as `Runner.run` takes them; an iterator of
            frames, {name: (L,)} or (L,); or an open `FrameSource`.
        runner: where frames go; started and finished here unless it is started already.
        period_s: seconds from one frame to the next.
        on_late: "wait" runs every frame however late; "drop" gives a frame up once `queue` newer
            ones have come; "stop" ends the stream with the first missed deadline.
        realtime: hold frames to the period; otherwise they follow each other at once.
        queue: frames that may wait before "drop" gives one up.
        deadline_s: seconds from when a frame is due until it is late; None: one period.
        overlap: send a frame that has come while the outputs of the one before are fetched.
        n_frames: end after so many frames.
        sample_rate: rate that the model expects of audio in Hz; None: as many samples per second
            as frames of the model's length and this period make.
        meter: a power meter to run along.

    Returns:
        A `Stream`: an iterator of `StreamFrame`, and a context manager.

    Raises:
        UsageError, FrameError: options or frames that cannot be used.
        HostrtError: the runner cannot be started; while iterating, whatever ends the stream.
    """
    options = StreamOptions(
        period_s=period_s,
        realtime=realtime,
        on_late=on_late,
        queue=queue,
        deadline_s=deadline_s,
        overlap=overlap,
        n_frames=n_frames,
    )
    if not runner.started and not isinstance(source, str):
        _suit(runner, source)
    specs = runner.plan.input_specs
    if sample_rate is None:
        length = next((spec.length for spec in specs if not spec.is_latched), 1)
        sample_rate = max(1, round(length / period_s))
    return Stream(as_source(source, specs, sample_rate), runner, options, meter=meter)


def _suit(runner: BaseRunner, source: Streamable) -> None:
    """Let a model of no stated length take that of frames in memory."""
    import numpy as np

    if isinstance(source, np.ndarray | dict | list):
        runner.suit(source)
