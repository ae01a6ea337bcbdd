"""Addresses: constants first, then what lives from frame to frame, then temporaries.

Temporaries share words where they never hold something at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa import FIRST_PC, n_operand_words
from firmware_protocol.open_isa_ops import Op
from hostrt.fasmir.allocate_access import span_of
from hostrt.fasmir.allocate_merge import merge_copies
from hostrt.fasmir.assembly import Role
from hostrt.fasmir.lower_draft import Label

if TYPE_CHECKING:
    from hostrt.fasmir.allocate_access import Uses
    from hostrt.fasmir.allocate_merge import Homes
    from hostrt.fasmir.lower_draft import Buffer, Draft


@dataclass(frozen=True, slots=True)
class Needs:
    """What the program of one core takes.

    Attributes:
        core: which.
        constants: DM words of weights and other constants.
        state: DM words of what lives from frame to frame.
        temporaries: DM words of everything else, shared where possible.
        tables: TM words.
        instructions: IM words, the mark included.
        threads: words of PB and SB.
    """

    core: int
    constants: int
    state: int
    temporaries: int
    tables: int
    instructions: int
    threads: int

    @property
    def data(self) -> int:
        """DM words altogether."""
        return self.constants + self.state + self.temporaries


@dataclass(frozen=True, slots=True)
class Placed:
    """A draft whose vectors and tables have addresses, whether they exist or not.

    Attributes:
        draft: what nobody uses has the address -1; superfluous lines have no operation.
        homes: where buffers are that have become part of others.
        needs: what it takes.
    """

    draft: Draft
    homes: Homes
    needs: Needs


def place(draft: Draft) -> Placed:
    """Merge what copies connect, then give addresses."""
    homes, uses = merge_copies(draft)
    _drop_jumps(draft)
    constants = _in_a_row(draft, uses, Role.CONSTANT, 0)
    state = _in_a_row(draft, uses, Role.STATE, constants)
    top = _share(draft, uses, state)
    at = 0
    for table in draft.tables:
        table.address = at
        at += table.n_words
    code = sum(1 + n_operand_words(line.op) for line in draft.lines if line.op is not None)
    needs = Needs(
        core=draft.number,
        constants=constants,
        state=state - constants,
        temporaries=top - state,
        tables=at,
        instructions=FIRST_PC + code,
        threads=len(draft.threads),
    )
    return Placed(draft, homes, needs)


def _in_a_row(draft: Draft, uses: Uses, role: Role, address: int) -> int:
    for buffer in draft.buffers:
        if buffer.role is role and (buffer in uses.of or not buffer.length):
            buffer.address = address
            address += buffer.n_words
    return address


def _share(draft: Draft, uses: Uses, base: int) -> int:
    """Give temporaries the lowest addresses from `base` on that are free while they live.

    Returns:
        The address after all of them.
    """
    waiting: list[Buffer] = [
        buffer for buffer in draft.buffers if buffer.role is Role.TEMPORARY and buffer in uses.of
    ]
    # big ones first: small ones then find room in the gaps
    waiting.sort(key=lambda buffer: -buffer.n_words)
    taken = np.zeros((len(waiting), 4), np.int64)  # first, last, address, end
    for count, buffer in enumerate(waiting):
        span = span_of(uses.of[buffer], draft.regions)
        before = taken[:count]
        meets = before[(before[:, 0] <= span.last) & (span.first <= before[:, 1])]
        address = base
        for _, _, start, end in meets[np.argsort(meets[:, 2], kind="stable")].tolist():
            if start - address >= buffer.n_words:
                break
            address = max(address, end)
        buffer.address = address
        taken[count] = span.first, span.last, address, address + buffer.n_words
    return max(base, int(taken[:, 3].max(initial=0)))


def _drop_jumps(draft: Draft) -> None:
    """Delete jumps to the next instruction, from the last to the first."""
    following = len(draft.lines)
    for index in range(len(draft.lines) - 1, -1, -1):
        line = draft.lines[index]
        if line.op is Op.JUMP:
            target = line.fields["b"]
            if isinstance(target, Label) and index < draft.marks[target.name] <= following:
                line.op = None
        if line.op is not None:
            following = index
