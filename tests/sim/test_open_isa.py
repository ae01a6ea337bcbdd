"""The encoding of the open instruction set, and LOOPBACK as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.loopback import loopback_banks
from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import (
    INSTRUCTION,
    MARK,
    OPERANDS,
    STATUS_TEXT,
    Instruction,
    Status,
    decode,
    describe_status,
    encode,
    find_fault,
    is_open_isa,
    make,
    n_operand_words,
)
from firmware_protocol.open_isa_ops import FIELDS, VECTOR_OPS, Mode, Op
from firmware_protocol.spu001 import SPU001
from firmware_protocol.spu150 import SPU150, SPU150_TC1

if TYPE_CHECKING:
    from firmware_protocol.registers import ChipMap

FAST = settings(max_examples=200, deadline=None)
WORDS = st.integers(0, 2**64 - 1)


@st.composite
def instructions(draw: st.DrawFn) -> Instruction:
    op = draw(st.sampled_from(Op))
    fields = {}
    for field in FIELDS[op]:
        low, high = field.range
        fields[field.name] = draw(st.integers(low, high) | st.sampled_from([low, high]))
    if op in VECTOR_OPS and fields["mode"] == Mode.IMMEDIATE:
        fields["y"] = draw(st.integers(-0x8000, 0x7FFF))
    return Instruction(op, fields)


@FAST
@given(instructions())
def test_what_is_encoded_is_decoded_unless_the_document_calls_it_illegal(
    wanted: Instruction,
) -> None:
    words = wanted.words()
    assert len(words) == wanted.length == 1 + n_operand_words(wanted.op)
    found = decode(words, 0)
    if find_fault(wanted):
        assert found is None
        with pytest.raises(LocalMisuseError):
            make(wanted.op, **wanted.fields)
    else:
        assert found is not None
        assert (found.op, dict(found.fields)) == (wanted.op, dict(wanted.fields))
        assert encode(wanted.op, **wanted.fields) == words


@FAST
@given(st.lists(WORDS, min_size=4, max_size=4), st.sampled_from(Op) | st.none())
def test_words_are_an_instruction_or_none(words: list[int], op: Op | None) -> None:
    if op is not None:
        words[0] = int(op) << 56 | words[0] >> 8
    found = decode(words, 0)
    if found is not None:
        assert list(found.words()) == words[: found.length]


@FAST
@given(instructions())
def test_the_fields_lie_where_the_layout_says(instruction: Instruction) -> None:
    first, *rest = (word.to_bytes(8, "little") for word in instruction.words())
    head = INSTRUCTION.parse(first)
    assert head.op == instruction.op
    for name in ("n", "a", "b"):
        assert getattr(head, name) == instruction.fields.get(name, 0)
    if instruction.op in VECTOR_OPS:
        operands = OPERANDS.parse(rest[0])
        assert operands.c == instruction.fields["y"] & 0xFFFF
        assert operands.d & 0xFF == instruction.fields["sx"] & 0xFF


def test_no_two_fields_of_an_operation_share_a_bit() -> None:
    for op, fields in FIELDS.items():
        used = [0] * (1 + n_operand_words(op))
        used[0] = 0xFF << 56
        for field in fields:
            mask = ((1 << field.width) - 1) << field.low
            assert not used[field.word] & mask, (op, field)
            used[field.word] |= mask
            assert used[field.word] < 1 << 64


@pytest.mark.parametrize("word", [0, MARK, 0x3F << 56, (1 << 56) | 1, (2 << 56) | (1 << 48)])
def test_words_that_are_no_instruction_decode_as_illegal(word: int) -> None:
    assert decode([word, 0, 0, 0], 0) is None


def test_a_field_that_does_not_fit_or_is_not_used_is_refused() -> None:
    with pytest.raises(LocalMisuseError, match=r"n=65536"):
        encode(Op.RECV, n=65536)
    with pytest.raises(LocalMisuseError, match=r"HALT has no a"):
        encode(Op.HALT, a=1)


def test_every_status_has_a_text_and_unknown_ones_say_so() -> None:
    assert set(STATUS_TEXT) == set(Status)
    assert describe_status(0x1E) == "undocumented"


@pytest.mark.parametrize("chip", [SPU001, SPU150_TC1, SPU150], ids=lambda chip: chip.name)
def test_loopback_fits_every_chip_and_is_marked(chip: ChipMap) -> None:
    program = loopback_banks(chip, 40_000)
    (code,) = (bank for bank in program.banks if bank.kind is MemoryKind.IM)
    assert is_open_isa(int(code.words[0]))
    assert program.n_dwords == 10_000
    assert sum(b.words.size for b in program.banks if b.kind is MemoryKind.DM) == 20_000


@pytest.mark.parametrize("length", [0, -1, 65536 * 2 + 1])
def test_a_vector_that_does_not_fit_twice_is_refused(length: int) -> None:
    with pytest.raises(LocalMisuseError, match=r"holds 1\.\.131072"):
        loopback_banks(SPU001, length)
