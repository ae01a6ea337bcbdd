"""Where two programs differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.femto_layout import ModelType

if TYPE_CHECKING:
    from hostrt.program.model import Program


_ALWAYS_SAID = ("chip", "cores", "encryption", "register writes")
"""What every format can say, so that its absence means something."""


@dataclass(frozen=True, slots=True)
class BankDifference:
    """One bank that differs.

    Attributes:
        core, bank: which.
        sizes: used words in each program.
        n_words: words that differ, those that only one program has included.
        first: index of the first of them.
        values: what each program has there, None past its end.
    """

    core: int
    bank: str
    sizes: tuple[int, int]
    n_words: int
    first: int
    values: tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class ProgramDifference:
    """Everything in which two programs differ.

    Attributes:
        fields: name -> the two values.
        banks: banks that differ.
    """

    fields: dict[str, tuple[object, object]]
    banks: tuple[BankDifference, ...]

    @property
    def same(self) -> bool:
        """True when nothing differs."""
        return not self.fields and not self.banks

    def to_json(self) -> dict[str, object]:
        """Give the difference as plain types."""
        return {
            "same": self.same,
            "fields": {name: [str(a), str(b)] for name, (a, b) in self.fields.items()},
            "banks": [
                {
                    "core": item.core,
                    "bank": item.bank,
                    "sizes": list(item.sizes),
                    "n_words": item.n_words,
                    "first": item.first,
                    "values": [_hex(value) for value in item.values],
                }
                for item in self.banks
            ],
        }


def compare_programs(a: Program, b: Program) -> ProgramDifference:
    """Compare two programs bank by bank and word by word; where they came from does not count.

    Between two formats, what one of them cannot say (names, clock, user data) is no difference.
    """
    alike = a.source.format == b.source.format
    pairs: dict[str, tuple[object, object]] = {
        "chip": (a.chip, b.chip),
        "cores": (a.n_cores, b.n_cores),
        "encryption": (a.encryption, b.encryption),
        "name": (a.identity.name, b.identity.name),
        "version": (a.identity.version, b.identity.version),
        "model type": (a.identity.model_type, b.identity.model_type),
        "clock (MHz)": (a.identity.clock_mhz, b.identity.clock_mhz),
        "user data": (a.identity.userdata.hex(), b.identity.userdata.hex()),
        "I/O specification": (_io(a, with_names=alike), _io(b, with_names=alike)),
        "register writes": (_writes(a), _writes(b)),
    }
    fields = {
        name: pair
        for name, pair in pairs.items()
        if pair[0] != pair[1] and (alike or name in _ALWAYS_SAID or not any(map(_is_unsaid, pair)))
    }
    return ProgramDifference(fields, tuple(_banks(a, b)))


def _banks(a: Program, b: Program) -> list[BankDifference]:
    ours = {(bank.core, bank.kind, bank.index): bank for bank in a.banks}
    theirs = {(bank.core, bank.kind, bank.index): bank for bank in b.banks}
    found = []
    for place in sorted({*ours, *theirs}):
        bank = ours.get(place) or theirs[place]
        empty = np.empty(0, np.uint64)
        first = ours[place].words if place in ours else empty
        second = theirs[place].words if place in theirs else empty
        common = min(first.size, second.size)
        bad = np.flatnonzero(first[:common] != second[:common])
        n_words = int(bad.size) + abs(int(first.size) - int(second.size))
        if n_words:
            at = int(bad[0]) if bad.size else common
            values = tuple(int(w[at]) if at < w.size else None for w in (first, second))
            sizes = (int(first.size), int(second.size))
            found.append(
                BankDifference(bank.core, bank.name, sizes, n_words, at, (values[0], values[1]))
            )
    return found


def _io(program: Program, *, with_names: bool) -> str:
    spec = program.iospec
    if spec is None:
        return ""
    placed = [(key, v, f"pc {v.pc}") for key, v in spec.inputs.items()]
    placed += [(key, v, f"mailbox {v.mailbox_id}") for key, v in spec.outputs.items()]
    return ", ".join(
        (f"{key}: " if with_names else "") + f"{v.length} x {v.precision} bit at {place}"
        for key, v, place in placed
    )


def _writes(program: Program) -> str:
    return "plain load" if program.stream is None else f"{len(program.stream)} as they stand"


def _is_unsaid(value: object) -> bool:
    return value in ("", None, int(ModelType.CUSTOM))


def _hex(value: int | None) -> str | None:
    return None if value is None else f"0x{value:016x}"
