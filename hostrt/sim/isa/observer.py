"""Looking on while instructions are executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from firmware_protocol.open_isa import Instruction
    from hostrt.sim.isa.traps import Trap


class Observer(Protocol):
    """Looks on while a machine works; it may read memories and must not change them."""

    def executed(self, core: int, pc: int, instruction: Instruction, end: int) -> None:
        """An instruction has had its effect.

        Args:
            core: where.
            pc: its first word in the instruction memory.
            instruction: which.
            end: the core's time at its end, in cycles since the frame began.
        """

    def ended(self, core: int, pc: int, begin: int, end: int, trap: Trap | None) -> None:
        """A thread has ended.

        Args:
            core: where.
            pc: where it began.
            begin: when it began, in cycles since the frame began.
            end: when it ended.
            trap: why, None for a HALT.
        """
