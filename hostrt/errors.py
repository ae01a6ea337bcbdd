"""Every error a user can meet, each kind with one exit code.

The tree says who failed: the request (`UsageError`), the file (`ProgramError`), reaching the board
(`BoardUnavailable`), the link (`LinkError`), the board itself (`BoardFault`), a compiler that is a
service (`CompilerError`). The message is one line: what was found, what was expected; `hint` says
what to do next.
"""

from __future__ import annotations

from typing import ClassVar


class HostrtError(Exception):
    """Root of hostrt's errors.

    Attributes:
        code: short stable name, the key of `hostrt explain CODE`.
        exit_code: exit code of the command line when this error ends it.
        hint: what the user can do next, or "".
        context: facts for machines (board, address, frame, file, ...); JSON-compatible.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str = "", **context: object) -> None:
        super().__init__(message)
        self.hint = hint
        self.context = context

    @property
    def message(self) -> str:
        """The one-line message."""
        return str(self)


class CheckFailed(HostrtError):
    """Something that was asked to be true is not: outputs differ, a limit is exceeded."""

    code = "check-failed"
    exit_code = 1


class UsageError(HostrtError, ValueError):
    """A flag, a setting or an argument cannot be used."""

    code = "usage"
    exit_code = 2


class FrameError(UsageError):
    """Frames of the wrong shape, type, range or number, or a missing input."""

    code = "frames"


class SequenceError(UsageError):
    """Inputs and outputs were used in an order the model's I/O specification forbids."""

    code = "sequence"


class RateImpossible(UsageError):
    """More frames per second were asked for than the link to the board can carry."""

    code = "rate-impossible"


class ProgramError(HostrtError):
    """A program file cannot be used."""

    code = "program"
    exit_code = 3


class ProgramNotFound(ProgramError):
    """No such program file."""

    code = "program-not-found"


class ProgramCorrupt(ProgramError):
    """A program file does not have the structure its format demands."""

    code = "program-corrupt"


class ProgramUnsafe(ProgramError):
    """An archive or pickle holds something that hostrt refuses to touch."""

    code = "program-unsafe"


class ProgramUnsupported(ProgramError):
    """A sound file that this version, chip or format cannot express or use."""

    code = "program-unsupported"


class WrongTarget(ProgramError):
    """The program was made for another chip or instruction set than the board has."""

    code = "wrong-target"


class BoardUnavailable(HostrtError):
    """The board cannot be opened."""

    code = "board-unavailable"
    exit_code = 4


class BoardNotFound(BoardUnavailable):
    """No board at that address, or none connected."""

    code = "board-not-found"


class BoardAmbiguous(BoardUnavailable):
    """Several boards match and none was named."""

    code = "board-ambiguous"


class BoardBusy(BoardUnavailable):
    """Another process holds the board."""

    code = "board-busy"


class BoardAccessDenied(BoardUnavailable):
    """The operating system does not let this user open the board."""

    code = "board-access"


class ExtraMissing(BoardUnavailable):
    """An optional package or library is needed and not installed."""

    code = "extra-missing"


class LinkError(HostrtError):
    """The link to the board failed."""

    code = "link"
    exit_code = 5


class LinkLost(LinkError):
    """The board was unplugged or the connection closed."""

    code = "link-lost"


class LinkTimeout(LinkError, TimeoutError):
    """The board did not answer in time."""

    code = "link-timeout"


class LinkCorrupt(LinkError):
    """The board answered something that breaks the link's rules."""

    code = "link-corrupt"


class LinkRefused(LinkError):
    """The board refused a request (error or timeout report)."""

    code = "link-refused"


class LinkOutOfStep(LinkError):
    """Requests and answers no longer match and could not be brought back into step."""

    code = "link-out-of-step"


class BoardFault(HostrtError):
    """The board was reached and does not work as it must."""

    code = "board-fault"
    exit_code = 6


class WrongVersion(BoardFault):
    """The chip's VERSION register is not the one expected."""

    code = "wrong-version"


class ClockNotLocked(BoardFault):
    """The PLL did not lock before the deadline."""

    code = "clock-not-locked"


class OutputNeverCame(BoardFault):
    """The output interrupt did not come before the deadline."""

    code = "output-never-came"


class BadStatus(BoardFault):
    """An output message carries a status other than "processing successful"."""

    code = "bad-status"


class VerifyFailed(BoardFault):
    """Memory read back differs from what was written."""

    code = "verify-failed"


class BoardBroken(BoardFault):
    """The board failed earlier and has not been reset since; the cause is chained."""

    code = "board-broken"


class DeadlineMissed(HostrtError):
    """Streaming fell behind under the strict policy."""

    code = "deadline-missed"
    exit_code = 7


class StorageError(HostrtError):
    """A result could not be written: disk full, no permission, no such folder."""

    code = "storage"
    exit_code = 8


class CompilerError(HostrtError):
    """A compiler that is a service failed, as opposed to the model that it was given."""

    code = "compiler"
    exit_code = 9


class CompilerUnavailable(CompilerError):
    """The compiler's service cannot be reached or started."""

    code = "compiler-unavailable"


class CompilerTimeout(CompilerError, TimeoutError):
    """The compiler's service did not answer in time."""

    code = "compiler-timeout"
