"""What a running stream tells about itself, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """A stream at one moment.

    Attributes:
        frame: frames done, dropped ones included.
        n_frames: frames in all, None when the source does not know.
        elapsed_s: seconds since the first frame was due.
        period_s: seconds between frames, None for a stream that runs as fast as it can.
        latency_s: from when the last frame was due to its outputs, in seconds; NaN before the
            first.
        latency_p99_s: 99th percentile of it over the last second or so.
        missed: frames whose outputs came after their deadline.
        dropped: frames given up before they were begun.
        causes: where time was lost -> missed or dropped frames ("source", "host", "wire",
            "device").
        waiting: frames that have come and wait to be begun: the back-pressure.
        waiting_limit: frames that may wait before the policy acts or the source is held back.
        input_peak: largest input sample since the last status, 0..1 of full scale.
        input_rms: root mean square of the input since then, 0..1.
        output_peak: the same of the outputs.
        output_rms: the same of the outputs.
        power_w: mean power since the last status in watts, None when unknown.
    """

    frame: int
    n_frames: int | None
    elapsed_s: float
    period_s: float | None
    latency_s: float
    latency_p99_s: float
    missed: int = 0
    dropped: int = 0
    causes: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    waiting_limit: int = 0
    input_peak: float = 0.0
    input_rms: float = 0.0
    output_peak: float = 0.0
    output_rms: float = 0.0
    power_w: float | None = None
