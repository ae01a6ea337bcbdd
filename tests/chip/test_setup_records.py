"""Boot and load of every golden program against the transactions the reference recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from firmware_protocol.records_read import parse_records
from firmware_protocol.requests import MAX_BURST_WORDS
from hostrt.chip import get_chip
from hostrt.chip.platform import EVK2, RTL, ZCU104, Platform
from hostrt.chip.step import Expect, HostAction, Modify, Poll, Step, Wait, Write
from hostrt.program import Program

if TYPE_CHECKING:
    from firmware_protocol.records import Transaction

PROGRAMS = Path(__file__).parents[1] / "data" / "spu" / "programs"

Row = tuple[str, str, int, int, tuple[int, ...] | None]


def rows_of(steps: list[Step], platform: Platform, strides: dict[str, int]) -> list[Row]:
    """Spell steps as transactions; registers read back what was written, 0 before that."""
    rows: list[Row] = []
    held: dict[int, int] = {}
    for step in steps:
        match step:
            case Write():
                for start in range(0, step.words.size, MAX_BURST_WORDS):
                    words = step.words[start : start + MAX_BURST_WORDS]
                    at = step.address + step.stride * start
                    end = at + step.stride * words.size
                    rows.append((str(step.space), "w", at, end, tuple(words.tolist())))
                held[step.address] = int(step.words[0])
            case Modify():
                end = step.address + strides[str(step.space)]
                value = (held.get(step.address, 0) & step.keep) | step.set_bits
                held[step.address] = value
                rows.append((str(step.space), "r", step.address, end, None))
                rows.append((str(step.space), "w", step.address, end, (value,)))
            case Poll() | Expect():
                end = step.address + strides[str(step.space)]
                rows.append((str(step.space), "r", step.address, end, None))
            case HostAction():
                rows.append(("host", "w", step.register, step.register + 1, (step.value,)))
            case Wait() if platform is RTL:
                # the harness is told to advance its clock instead of being left alone
                rows.append(("host", "w", 0, 1, (step.cycles,)))
    return rows


def row_of(item: Transaction) -> Row:
    values = None if item.direction == "r" or item.vals is None else tuple(item.vals.tolist())
    return (item.msgtype, item.direction, item.start_addr, item.end_addr, values)


@pytest.mark.parametrize(
    ("name", "platform", "pll", "safety"),
    [
        ("p001_a", ZCU104, False, 0),
        ("p001_b", ZCU104, False, 0),
        ("ptc1_a", EVK2, True, 0),
        ("ptc1_b", EVK2, True, 0),
        ("pmp_a", RTL, True, 0x81),
    ],
)
def test_boot_and_load_are_the_recorded_transactions(
    name: str, platform: Platform, pll: bool, safety: int
) -> None:
    records = parse_records((PROGRAMS / name / "prog" / "setup.yaml").read_bytes(), name)
    golden = [row_of(item) for part in records.values() for item in part]
    program = Program.load(PROGRAMS / name / f"{name}.femto")
    chip = get_chip(program.chip)
    strides = {"apb": 4, "spu_top": chip.map.top_stride}

    steps = chip.boot(platform, pll=pll, encryption=program.encryption, safety=safety)
    rows = rows_of([*steps, *program.load_steps(chip)], platform, strides)

    if platform is ZCU104:  # recorded with the fake connection, which does not read the version
        rows = [row for row in rows if row[1] == "w"]
    assert rows == golden
