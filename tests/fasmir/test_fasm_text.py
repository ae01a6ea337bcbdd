"""Assembly as text: what is written is read back, what is wrong is named with its line."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.open_isa_ops import Op
from hostrt.errors import ProgramCorrupt
from hostrt.fasmir.parse import parse_assembly
from hostrt.fasmir.text import format_assembly, instruction_text
from tests.fasmir.strategies import assemblies

if TYPE_CHECKING:
    from hostrt.fasmir.assembly import Assembly

BY_HAND = """
; a comment alone
.program "by hand" chip=spu001 version=2
.input x core=0 label=start words=1
.output "the output" mailbox=7 words=0x1
.core 0
.temporary x i16[4] @0
.constant w i8[3] @1   ; three weights
    .data 1 -2
    .data 3 ; the last
.state h i64[2] @2 unset
.table t i16[2] @0
    .zeros 2
.thread 3 main label=start needs=1 missing=1
start:
    RECV n=1 a=x          ; take it
    ADD n=4 a=x b=h+1 xt=1 yt=0 zt=3 mode=2 y=-5
    LUT n=4 a=x b=x xt=1 zt=1 table=t lo=-1
    SEND a=h+1 n=1 b="the output"
    HALT
"""


@settings(max_examples=120, deadline=None)
@given(assemblies())
def test_what_is_written_is_read_back(assembly: Assembly) -> None:
    text = format_assembly(assembly)
    again = parse_assembly(text)
    assert again == assembly
    assert format_assembly(again) == text


def test_text_by_hand_is_understood() -> None:
    assembly = parse_assembly(BY_HAND)
    assert (assembly.name, assembly.chip) == ("by hand", "spu001")
    (core,) = assembly.cores
    assert [line.instruction.op for line in core.lines] == [
        Op.RECV, Op.ADD, Op.LUT, Op.SEND, Op.HALT,
    ]  # fmt: skip
    add = core.lines[1]
    assert dict(add.instruction.fields) | {"b": 3, "y": -5, "mode": 2} == add.instruction.fields
    assert core.lines[0].comment == "take it"
    assert core.labels == {"start": 1}
    assert core.symbols[1].initial is not None
    assert core.symbols[1].initial.tolist() == [1, -2, 3]
    assert core.symbols[2].initial is None
    assert core.tables[0].content.tolist() == [0, 0]
    assert instruction_text(core.lines[3]) == 'SEND n=1 a=h+1 b="the output"'


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        (".program", ".programme", 3, "programme"),
        ("version=2", "version=9", 3, "version 9"),
        ("chip=spu001 ", "", 3, "no chip="),
        ("label=start words=1", "label=start words=1 words=1", 4, "words=1"),
        (".core 0\n", "", 6, "before the first core"),
        ("i8[3]", "i7[3]", 8, "i7"),
        ("i8[3]", "i8[2]", 10, "more than 2"),
        ("i8[3]", "i8[4]", 8, "3 numbers for 'w'"),
        (".data 1 -2", ".data 1 -200", 8, "a number of 'w'"),
        (".data 1 -2", ".data 1 two", 9, "no 64-bit number"),
        ("    RECV", "    RECEIVE", 16, "RECEIVE"),
        ("n=4 a=x b=h+1", "n=4 a=y b=h+1", 17, "unknown name 'y'"),
        ("n=4 a=x b=h+1", "n=four a=x b=h+1", 17, "n=four"),
        ("n=4 a=x b=h+1", "n=70000 a=x b=h+1", 17, "70000"),
        ("n=4 a=x b=h+1", "n=4 q=1 b=h+1", 17, "q=1"),
        ("yt=0 zt=3", "yt=1 zt=3", 17, "a number has no type"),
        ("    HALT\n", "    HALT\nend:\n", 21, "'end'"),
        ("    HALT\n", "start:\n    HALT\n", 21, "'start' twice"),
        ("    HALT\n", "    HALT\n.core 0\n", 21, "1..255"),
        ("    HALT\n", '    HALT "\n', 20, '"'),
        (".thread 3", ".thread 64", 14, "64"),
        ("main label=start", "main label=end", 20, "thread 'main' at 'end'"),
        ("core=0 label=start", "core=1 label=start", 20, "input 'x' at 'start'"),
        ("x i16[4] @0", "w i16[4] @0", 8, "twice"),
    ],
)
def test_a_fault_is_named_with_its_line(old: str, new: str, line: int, what: str) -> None:
    assert old in BY_HAND
    with pytest.raises(ProgramCorrupt) as caught:
        parse_assembly(BY_HAND.replace(old, new, 1), "x.fasm")
    assert f"x.fasm, line {line}:" in str(caught.value)
    assert what in str(caught.value)


LINES = sorted({line.strip() for line in BY_HAND.splitlines() if line.strip()})


@pytest.mark.parametrize("line", LINES)
def test_a_line_cut_after_any_word_gives_an_assembly_or_a_fault(line: str) -> None:
    before, words = BY_HAND[: BY_HAND.index(line)], line.split(" ")
    for n_words in range(1, len(words) + 1):
        for text in (" ".join(words[:n_words]), before + " ".join(words[:n_words])):
            with contextlib.suppress(ProgramCorrupt):
                parse_assembly(text)


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=80) | st.lists(st.sampled_from(BY_HAND.split(" ")), max_size=40).map(" ".join)
)
def test_no_text_crashes_the_reader(text: str) -> None:
    try:
        parse_assembly(text)
    except ProgramCorrupt:
        return


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(BY_HAND)), st.integers(0, 30), st.text(max_size=5))
def test_a_change_anywhere_gives_an_assembly_or_a_fault(at: int, n: int, new: str) -> None:
    try:
        parse_assembly(BY_HAND[:at] + new + BY_HAND[at + n :])
    except ProgramCorrupt:
        return


def test_long_constants_survive() -> None:
    values = np.random.default_rng(0).integers(-128, 128, 5000)
    numbers = " ".join(map(str, values.tolist()))
    text = f".program p chip=spu001 version=2\n.core 0\n.constant w i8[5000] @0\n.data {numbers}\n"
    assembly = parse_assembly(text)
    assert parse_assembly(format_assembly(assembly)) == assembly
