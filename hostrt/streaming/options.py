"""What a user can choose about a stream."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from hostrt.errors import UsageError

OnLate = Literal["wait", "drop", "stop"]
"""What happens to frames that come too late: run them all, give them up, or end the stream."""

ON_LATE: tuple[OnLate, ...] = get_args(OnLate)

MAX_PERIOD_S = 3600.0


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How a stream keeps time.

    Attributes:
        period_s: seconds from one frame to the next.
        realtime: begin every frame when it is due; otherwise as fast as the runner takes them.
        on_late: "wait" runs every frame however late; "drop" gives a frame up once `queue` newer
            ones have come; "stop" ends the stream with the first missed deadline.
        queue: frames that may wait before "drop" gives one up.
        deadline_s: seconds from when a frame is due until its outputs are late; None: one period.
        overlap: send a frame that has come while the outputs of the one before are fetched.
        n_frames: end after so many frames; None: with the source.
    """

    period_s: float
    realtime: bool = True
    on_late: OnLate = "wait"
    queue: int = 2
    deadline_s: float | None = None
    overlap: bool = True
    n_frames: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.period_s <= MAX_PERIOD_S:
            raise UsageError(
                f"period of {self.period_s:g} s, expected more than 0 and at most {MAX_PERIOD_S:g}"
            )
        if self.on_late not in ON_LATE:
            raise UsageError(f"on late {self.on_late!r}, expected one of {', '.join(ON_LATE)}")
        if self.queue < 1:
            raise UsageError(f"queue of {self.queue} frames, expected 1 or more")
        if self.deadline_s is not None and not (
            math.isfinite(self.deadline_s) and self.deadline_s > 0
        ):
            raise UsageError(f"deadline of {self.deadline_s:g} s, expected more than 0")
        if self.n_frames is not None and self.n_frames < 0:
            raise UsageError(f"{self.n_frames} frames, expected 0 or more")

    @property
    def allowed_s(self) -> float:
        """Seconds from when a frame is due until its outputs are late."""
        return self.period_s if self.deadline_s is None else self.deadline_s
