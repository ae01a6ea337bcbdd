"""What is wrong with a pickle, before file and offset are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import ProgramCorrupt, ProgramUnsafe

if TYPE_CHECKING:
    from hostrt.errors import ProgramError

HINT_DAMAGED = "the file is damaged; fetch it again"
HINT_BUDGET = "raise the limit in hostrt.fqir.limits.Limits if you trust the file"
HINT_HOSTILE = "nothing was executed; ask where the file comes from"


class PickleFault(Exception):
    """A fault of the instruction that is being read; the reader adds where that is.

    Attributes:
        kind: the error that the user gets.
        found: what stands there.
        expected: what should.
        hint: what the user can do.
    """

    def __init__(self, kind: type[ProgramError], found: str, expected: str, *, hint: str) -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.kind = kind
        self.found = found
        self.expected = expected
        self.hint = hint


def corrupt(found: str, expected: str) -> PickleFault:
    """Make the fault of a pickle that is not put together right."""
    return PickleFault(ProgramCorrupt, found, expected, hint=HINT_DAMAGED)


def costly(found: str, expected: str) -> PickleFault:
    """Make the fault of a pickle that costs more than `Limits` allow."""
    return PickleFault(ProgramUnsafe, found, expected, hint=HINT_BUDGET)


def unsafe(found: str, expected: str) -> PickleFault:
    """Make the fault of a pickle that wants something it may not have."""
    return PickleFault(ProgramUnsafe, found, expected, hint=HINT_HOSTILE)
