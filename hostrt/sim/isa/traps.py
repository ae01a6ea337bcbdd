"""Why a thread stops before its HALT."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware_protocol.open_isa import Status


class Trap(Exception):
    """A thread cannot go on.

    Attributes:
        status: why.
        core: where it ran.
        pc: word of the instruction memory at which it stopped.
        fetched: an instruction was fetched there.
    """

    def __init__(self, status: Status, core: int, pc: int, *, fetched: bool = True) -> None:
        super().__init__(f"{status.name} at pc {pc} of core {core}")
        self.status = status
        self.core = core
        self.pc = pc
        self.fetched = fetched
