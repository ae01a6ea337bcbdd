"""The document of the open instruction set says what the code's tables say, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.loopback import loopback_banks
from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import (
    ISA_VERSION,
    KNOWN_VERSIONS,
    LINK_CYCLES,
    LINK_WORDS,
    MARK,
    MAX_INSTRUCTIONS,
    MAX_SHIFT,
    N_THREADS,
    QUEUE_LENGTH,
    STATUS_TEXT,
    THREAD_START_CYCLES,
    Status,
    decode,
    n_operand_words,
)
from firmware_protocol.open_isa_ops import FIELDS, VECTOR_OPS, Mode, Op, Type
from firmware_protocol.spu001 import SPU001
from firmware_protocol.spu150 import SPU150
from tests.sim import isa_oracle_ops
from tests.sim.isa_document import ONE_LINE, OP_ROWS, TEXT, after, rows
from tests.sim.isa_strategies import instructions

if TYPE_CHECKING:
    from firmware_protocol.open_isa import Instruction
    from firmware_protocol.registers import ChipMap

EACH_OP = pytest.mark.parametrize("op", list(Op), ids=lambda op: op.name)
WORDS = st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4)


def test_every_operation_is_listed_with_its_code() -> None:
    listed = {int(row[0], 16): row[1] for row in OP_ROWS.values()}
    assert listed == {int(op): op.name for op in Op}


@EACH_OP
def test_the_fields_are_those_of_the_encoding(op: Op) -> None:
    listed = OP_ROWS[op.name][2]
    if op in VECTOR_OPS:
        assert listed == "vector"
        listed = after("`vector` stands for the fields ")
    names = [] if listed == "-" else listed.split(", ")
    assert names == [field.name for field in FIELDS[op]]


@EACH_OP
def test_a_decoder_made_from_the_document_finds_the_same_in_any_words(op: Op) -> None:
    @settings(max_examples=15, deadline=None)
    @given(instructions([op]), WORDS, st.booleans(), st.integers(0, 63), st.integers(0, 3))
    def check(legal: Instruction, noise: list[int], wild: bool, bit: int, word: int) -> None:
        code = [int(op) << 56 | noise[0] >> 8, *noise[1:]] if wild else list(legal.words())
        code[word % len(code)] ^= 1 << bit
        code = (code + noise)[: 1 + n_operand_words(code[0] >> 56)]
        found = decode(code, 0)
        mine = (found.op.name, dict(found.fields)) if found else None
        assert mine == isa_oracle_ops.decode(code)

    check()


def test_every_type_is_listed() -> None:
    names = {item.name.lower(): item for item in Type}
    listed = {names[row[0]]: row[1:] for row in rows(4) if row[0] in names}
    assert listed == {item: [str(int(item)), str(item.bits), str(item.lanes)] for item in Type}


def test_every_mode_is_listed() -> None:
    listed = {int(row[0]): row[1] for row in rows(2) if row[0].isdecimal()}
    assert set(listed) == set(Mode)
    assert listed[Mode.SCALAR].startswith("y is element 0")
    assert listed[Mode.IMMEDIATE].startswith("y is the number c")
    assert listed[Mode.SCALAR_X].endswith("x is element 0 of the vector at a, for all i")


def test_every_status_is_listed() -> None:
    listed = {int(row[0], 16): row[1:] for row in rows(3) if row[0].startswith("0x")}
    assert listed == {int(status): [status.name, STATUS_TEXT[status]] for status in Status}


@pytest.mark.parametrize(("chip", "column"), [(SPU001, 1), (SPU150, 2)], ids=["spu001", "spu150"])
@pytest.mark.parametrize("kind", [kind for kind in MemoryKind if kind is not MemoryKind.IM_MSB])
def test_every_memory_is_listed_with_its_size(chip: ChipMap, column: int, kind: MemoryKind) -> None:
    (row,) = (row for row in rows(4) if row[0] == kind)
    size = sum(r.n_dwords for r in chip.regions if (r.core, r.kind) == (0, kind))
    assert int(row[column].split()[0]) == size


def test_mark_version_and_limits_are_those_of_the_code() -> None:
    def spaced(number: int) -> str:
        return f"{number:,}".replace(",", " ")

    assert f"version {ISA_VERSION} is 0x{MARK:X}" in ONE_LINE
    assert "a version other than " + " or ".join(map(str, KNOWN_VERSIONS)) in ONE_LINE
    assert f"When {spaced(MAX_INSTRUCTIONS)} instructions were fetched" in ONE_LINE
    assert f"The thread takes {THREAD_START_CYCLES} cycles to start" in ONE_LINE
    assert f"ends at begin + {THREAD_START_CYCLES} + its cycles" in ONE_LINE
    assert f"arrives {LINK_CYCLES} cycles after POST ends" in ONE_LINE
    assert f"would be the {QUEUE_LENGTH + 1}th start waiting" in ONE_LINE
    assert f"be more than {LINK_WORDS}; messages" in ONE_LINE
    assert f"A core has {N_THREADS} threads" in ONE_LINE
    assert f"signed, -{MAX_SHIFT}..{MAX_SHIFT}, anything else is illegal" in ONE_LINE


def test_the_listing_of_loopback_is_the_program() -> None:
    (code,) = (b for b in loopback_banks(SPU001, 16).banks if b.kind is MemoryKind.IM)
    assert ", ".join(f"{word:016X}" for word in code.words.tolist()) in TEXT
