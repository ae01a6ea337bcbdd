"""What a chip holds, and whether a program fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_protocol.bank_geometry import SPU001_GEOMETRY, SPU150_GEOMETRY
from firmware_protocol.open_isa import MAX_INSTRUCTIONS, N_THREADS
from hostrt.errors import ProgramUnsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firmware_protocol.bank_geometry import BankGeometry
    from hostrt.fasmir.allocate import Needs


def geometry_of(chip: str) -> BankGeometry:
    """Give the memories of a chip, by its spoken name."""
    return SPU001_GEOMETRY if chip == "spu001" else SPU150_GEOMETRY


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one core of a chip holds, in words.

    Attributes:
        data: of DM.
        tables: of TM.
        instructions: of IM.
        threads: of PB and SB.
    """

    data: int
    tables: int
    instructions: int
    threads: int = N_THREADS

    @classmethod
    def of(cls, chip: BankGeometry) -> Capacity:
        """Read it from the chip's banks."""
        return cls(chip.n_dm * chip.dm_words, chip.n_tm * chip.tm_words, chip.im_words)

    def _sides(self, needs: Needs) -> Iterator[tuple[str, int, int]]:
        """Give what is needed and what there is, per memory."""
        yield "data memory", needs.data, self.data
        yield "table memory", needs.tables, self.tables
        yield "instruction memory", needs.instructions, self.instructions
        yield "the program buffer", needs.threads, self.threads

    def excess(self, needs: Needs) -> Iterator[str]:
        """Say what of a core's program does not fit."""
        for what, wanted, there in self._sides(needs):
            if wanted > there:
                yield f"core {needs.core} needs {wanted} words of {what} and has {there}"

    def lacking(self, needs: Needs) -> int:
        """Give the words that a core's program has no room for."""
        return sum(max(wanted - there, 0) for _, wanted, there in self._sides(needs))


def format_needs(needs: Sequence[Needs], capacity: Capacity) -> str:
    """Make a table of what each core needs, in words, and holds."""
    rows: list[tuple[str, ...]] = [
        ("", "weights", "state", "temporaries", "data", "tables", "instructions", "threads")
    ]
    for one in needs:
        parts = (one.constants, one.state, one.temporaries, one.data)
        rest = (one.tables, one.instructions, one.threads)
        rows.append((f"core {one.core}", *map(str, (*parts, *rest))))
    c = capacity
    held = (c.data, c.tables, c.instructions, c.threads)
    rows.append(("a core holds", "", "", "", *map(str, held)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def require_fit(name: str, chip: BankGeometry, needs: Sequence[Needs], executed: int) -> None:
    """Refuse a program that is too large for a chip.

    Args:
        name: of the model, for messages.
        chip: its memories.
        needs: of every core.
        executed: instructions in a frame, at most.

    Raises:
        ProgramUnsupported: with a table of what needs how much.
    """
    capacity = Capacity.of(chip)
    excess = [text for one in needs for text in capacity.excess(one)]
    if excess:
        raise ProgramUnsupported(
            f"{name} does not fit {chip.name}: {excess[0]}",
            hint="use a smaller model, narrower weights or a larger chip; words needed are\n"
            + format_needs(needs, capacity),
            needs=[
                {
                    "core": one.core,
                    "weights": one.constants,
                    "state": one.state,
                    "temporaries": one.temporaries,
                    "tables": one.tables,
                    "instructions": one.instructions,
                    "threads": one.threads,
                }
                for one in needs
            ],
        )
    if executed > MAX_INSTRUCTIONS:
        raise ProgramUnsupported(
            f"{name} takes up to {executed} instructions per frame, {chip.name} stops a program "
            f"after {MAX_INSTRUCTIONS}",
            hint="shorten its loops",
        )
