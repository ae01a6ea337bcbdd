"""Cycles and events are those of the document's formulas, whatever the instruction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from firmware_protocol.open_isa_cost import EVENT_NAMES, cycles_of, events_of, moves_words
from firmware_protocol.open_isa_ops import VECTOR_OPS, Mode, Op, Type
from tests.sim.isa_document import ONE_LINE, after, formula_of, rows, value_of, whole_vectors
from tests.sim.isa_strategies import instructions

if TYPE_CHECKING:
    from firmware_protocol.open_isa import Instruction

SOME = settings(max_examples=12, deadline=None)
EVENT_ROWS = {row[0]: row[1:] for row in rows(4)}
UNITS = {
    "message words in": "stream_words",
    "message words out": "stream_words",
    "core-to-core words": "link_words",
    "products": "products",
    "lane operations": "lane_ops",
    "lane operation": "lane_ops",
    "TM words": "tm_reads",
}
MOVES = (Op.MOVE, Op.MOVEL)
OTHER_OPS = [op for op in Op if op not in VECTOR_OPS and op not in MOVES]


@pytest.mark.parametrize("op", OTHER_OPS, ids=lambda op: op.name)
def test_cycles_are_those_of_the_table(op: Op) -> None:
    @SOME
    @given(instructions([op]))
    def check(instruction: Instruction) -> None:
        f = instruction.fields
        narrow, _, wide = formula_of(op).partition(", wide: ")
        assert cycles_of(instruction) == value_of(wide if f.get("wide") else narrow, f)

    check()


@pytest.mark.parametrize("op", sorted(VECTOR_OPS), ids=lambda op: op.name)
def test_cycles_of_vector_operations_follow_from_the_widest_operand(op: Op) -> None:
    assert formula_of(op) == "vector"
    rule = after("Cycles: 3 + ceil(n / l), where l is ")
    assert rule == (
        "the smallest number of lanes among zt and the types of the operands that are whole vectors"
    )

    @SOME
    @given(instructions([op]))
    def check(instruction: Instruction) -> None:
        lanes = min(Type(code).lanes for code in whole_vectors(instruction.fields))
        expected = value_of("3 + ceil(n / l)", {**instruction.fields, "l": lanes})
        assert cycles_of(instruction) == expected

    check()


@pytest.mark.parametrize("op", MOVES, ids=lambda op: op.name)
def test_cycles_of_moves_depend_on_whether_whole_words_move(op: Op) -> None:
    assert formula_of(op) == "move"
    assert after("Cycles: 3 + ceil(n / lanes) if ") == (
        "outer = 1, xt = zt, xi = zi = 1, and xo and zo (for MOVEL also xl and zl) are multiples "
        "of the lanes; else 3 + n * outer"
    )

    @settings(max_examples=60, deadline=None)
    @given(instructions([op]))
    def check(instruction: Instruction) -> None:
        f = instruction.fields
        places = (f["xo"], f["zo"], f.get("xl", 0), f.get("zl", 0))
        whole = all(place % Type(f["xt"]).lanes == 0 for place in places)
        by_words = (f["outer"], f["xt"], f["xi"], f["zi"]) == (1, f["zt"], 1, 1) and whole
        assert moves_words(instruction) == by_words
        formula = "3 + ceil(n / lanes(xt))" if by_words else "3 + n * outer"
        assert cycles_of(instruction) == value_of(formula, f)

    check()


def listed_events(row: list[str], instruction: Instruction) -> dict[str, int]:
    """Calculate the events of a row: words read, words written, others."""
    f = instruction.fields
    reads, writes, others = row
    found = {
        "dm_reads": sum(value_of(part, f) for part in reads.split(", ")),
        "dm_writes": value_of(writes or "0", f),
    }
    if f.get("wide"):
        others = re.sub(r"n TM words \(wide: (.*?)\)", r"\1 TM words", others)
    others = re.sub(r" \(wide: .*?\)", "", others)
    for part in filter(None, others.split(", ")):
        (unit,) = (name for name in UNITS if part.endswith(f" {name}"))
        found[UNITS[unit]] = value_of(part.removesuffix(f" {unit}"), f)
    return found


def counted_events(instruction: Instruction) -> dict[str, int]:
    events = events_of(instruction)
    assert events.im_reads == len(instruction.words())
    names = [name for name in EVENT_NAMES if name != "im_reads"]
    return {name: getattr(events, name) for name in names if getattr(events, name)}


@pytest.mark.parametrize("op", [*OTHER_OPS, *MOVES], ids=lambda op: op.name)
def test_events_are_those_of_the_table(op: Op) -> None:
    @SOME
    @given(instructions([op]))
    def check(instruction: Instruction) -> None:
        name = op.name
        if op in MOVES:
            name = "MOVE, MOVEL on whole words"
            name = name if moves_words(instruction) else "other MOVE, MOVEL"
        row = EVENT_ROWS.get(name, ["0", "0", ""])
        row = [cell.replace("/ lanes)", "/ lanes(xt))") for cell in row]
        listed = listed_events(row, instruction)
        assert counted_events(instruction) == {key: n for key, n in listed.items() if n}

    check()


@pytest.mark.parametrize("op", sorted(VECTOR_OPS), ids=lambda op: op.name)
def test_events_of_vector_operations_are_those_of_their_operands(op: Op) -> None:
    reads, writes, others = EVENT_ROWS["vector"]
    assert reads == (
        "words of x and y (1 for a single element unless n = 0, 0 for a number), and of z for "
        "MAC and SELECT"
    )
    assert writes == "words of z"
    assert others == "n products (MUL, MAC), else n lane operations"
    assert '"Words of" a vector of n elements is ceil(n / lanes)' in ONE_LINE

    @SOME
    @given(instructions([op]))
    def check(instruction: Instruction) -> None:
        f = instruction.fields
        whole = {code: value_of(f"ceil(n / lanes({code}))", f) for code in ("xt", "yt", "zt")}
        one = int(f["n"] > 0)
        x = one if f["mode"] == Mode.SCALAR_X else whole["xt"]
        y = {Mode.SCALAR: one, Mode.IMMEDIATE: 0}.get(Mode(f["mode"]), whole["yt"])
        old = whole["zt"] if op in (Op.MAC, Op.SELECT) else 0
        work = "products" if op in (Op.MUL, Op.MAC) else "lane_ops"
        listed = {"dm_reads": x + y + old, "dm_writes": whole["zt"], work: f["n"]}
        assert counted_events(instruction) == {key: n for key, n in listed.items() if n}

    check()
