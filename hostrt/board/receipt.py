"""What loading and streaming give back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware_protocol.words import Words


@dataclass(frozen=True, slots=True)
class LoadReceipt:
    """What was put on a board.

    Attributes:
        program_sha256: content hash of the program.
        n_words: 32-bit words written.
        seconds: time the writing took, verification excluded.
        verified: every bank was read back and found equal.
        skipped: the board held this program already and nothing was written.
    """

    program_sha256: str
    n_words: int
    seconds: float
    verified: bool
    skipped: bool = False

    @property
    def bytes_per_s(self) -> float:
        """Rate of the writing, 0 when nothing was written."""
        return 4 * self.n_words / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class FrameReply:
    """The outputs of one frame as they came from the board.

    Attributes:
        words: uint32 (n,), all output messages, headers included; empty when none was due.
        device_s: duration of the inference told by the board, NaN when it does not tell.
        wire_s: seconds from handing the first input over to holding the last output word.
    """

    words: Words
    device_s: float
    wire_s: float
