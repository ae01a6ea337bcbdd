"""One frame of a stream, as whoever iterates over it gets it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.runner.feed import Block


@dataclass(frozen=True, slots=True, eq=False)
class StreamFrame:
    """One frame's outputs and times.

    Attributes:
        number: frame number from 0, dropped frames counted.
        outputs: name -> (L,) integers; empty when none was due or the frame was dropped.
        due_s: when the frame was due, in seconds after the first one.
        late_s: seconds from when it was due until it was begun.
        end_to_end_s: seconds from when it was due until its outputs were there; NaN when dropped.
        device_s: time that the chip took, NaN when it does not tell.
        wire_s: time that the link took, the chip's included; NaN without a link.
        host_s: time on this computer from its beginning to its outputs, the link's left out.
        energy_j: energy that a simulator gives, else NaN.
        missed: the outputs came after the deadline.
        dropped: it was given up before it was begun.
        cause: where time was lost ("source", "host", "wire", "device"), "" when none was.
    """

    number: int
    outputs: Mapping[str, NDArray[np.signedinteger]]
    due_s: float
    late_s: float
    end_to_end_s: float = math.nan
    device_s: float = math.nan
    wire_s: float = math.nan
    host_s: float = math.nan
    energy_j: float = math.nan
    missed: bool = False
    dropped: bool = False
    cause: str = ""
    _place: tuple[Block, int] | None = field(default=None, repr=False)

    @property
    def inputs(self) -> dict[str, NDArray[np.signedinteger]]:
        """What went in: name -> (L,) integers, without padding."""
        if self._place is None:
            return {}
        frames, index = self._place[0].frames, self._place[1]
        return {
            name: frames.logical(name)[0 if frames.is_sent_once(name) else index]
            for name in frames
            if index == 0 or not frames.is_sent_once(name)
        }
