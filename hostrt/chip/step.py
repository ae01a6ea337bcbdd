"""Steps: everything that can be asked of a chip, as plain data.

The primitive steps are the requests of `firmware_protocol.requests`; the composite ones below
need an answer before the next request can be made. A transport executes them, a recorder writes
them down, a dry run prints them and a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from firmware_protocol.requests import (
    ExecTime,
    FrameIn,
    FrameOut,
    HostAction,
    Read,
    Request,
    Space,
    Write,
)

if TYPE_CHECKING:
    from hostrt.errors import BoardFault

__all__ = [
    "ExecTime",
    "Expect",
    "FrameIn",
    "FrameOut",
    "HostAction",
    "Modify",
    "Poll",
    "Read",
    "Request",
    "Space",
    "Step",
    "Wait",
    "Write",
    "describe",
]


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass: hardware sleeps `seconds`, a simulator advances `cycles` reference cycles."""

    cycles: int
    seconds: float

    def __str__(self) -> str:
        return f"wait {self.seconds * 1e3:g} ms"


@dataclass(frozen=True, slots=True)
class Modify:
    """Read a register, keep the bits of `keep`, set the bits of `set_bits`, write it back."""

    space: Space
    address: int
    keep: int
    set_bits: int
    register: str = ""
    comment: str | None = None

    def __str__(self) -> str:
        return f"modify {self.space} {self.register} keep 0x{self.keep:x} set 0x{self.set_bits:x}"


@dataclass(frozen=True, slots=True)
class Poll:
    """Read a register until `value & mask` is non-zero.

    Attributes:
        timeout_s: seconds before `error` is raised.
        interval: pause between two reads.
        what: what is waited for, for the error message ("PLL lock").
        error: kind of error raised when the deadline passes.
        hint: what the user can do then.
    """

    space: Space
    address: int
    mask: int
    interval: Wait
    timeout_s: float
    what: str
    error: type[BoardFault]
    register: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return f"poll {self.space} {self.register} & 0x{self.mask:x} for {self.timeout_s:g} s"


@dataclass(frozen=True, slots=True)
class Expect:
    """Read a register and insist on its value."""

    space: Space
    address: int
    value: int
    mask: int
    what: str
    error: type[BoardFault]
    register: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return f"expect {self.space} {self.register} == 0x{self.value:x}"


Step: TypeAlias = Request | Wait | Modify | Poll | Expect
"""One thing to do on a bus."""


def describe(steps: list[Step]) -> str:
    """Give one line per step, for dry runs."""
    return "\n".join(str(step) for step in steps)
