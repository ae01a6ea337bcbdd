"""The encoding of the open instruction set, and LOOPBACK as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.loopback import loopback_banks
from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import (
    INSTRUCTION,
    INSTRUCTION_DTYPE,
    MARK,
    OPERANDS,
    OPERANDS_DTYPE,
    OPS,
    STATUS_TEXT,
    Op,
    Status,
    decode,
    describe_status,
    encode,
    is_open_isa,
    n_operand_words,
)
from firmware_protocol.spu001 import SPU001
from firmware_protocol.spu150 import SPU150, SPU150_TC1

if TYPE_CHECKING:
    from firmware_protocol.registers import ChipMap

FAST = settings(max_examples=60, deadline=None)
WORDS = st.integers(0, 2**64 - 1)
SHORT = st.integers(0, 0xFFFF)


@FAST
@given(st.lists(WORDS, min_size=1, max_size=20))
def test_the_batch_decoder_agrees_with_the_specification(words: list[int]) -> None:
    table = decode(np.array(words, np.uint64))
    for i, word in enumerate(words):
        fields = INSTRUCTION.parse(word.to_bytes(8, "little"))
        assert (fields.aux, fields.n, fields.a, fields.b) == (
            table.aux[i],
            table.n[i],
            table.a[i],
            table.b[i],
        )
        assert table.op[i] in (0, fields.op)
        assert table.length[i] == 1 + n_operand_words(fields.op)


@FAST
@given(WORDS)
def test_construct_and_numpy_lay_out_words_alike(word: int) -> None:
    raw = word.to_bytes(8, "little")
    for spec, dtype in ((INSTRUCTION, INSTRUCTION_DTYPE), (OPERANDS, OPERANDS_DTYPE)):
        row = np.frombuffer(raw, dtype)[0]
        parsed = spec.parse(raw)
        assert {name: int(row[name]) for name in dtype.names or ()} == {
            name: parsed[name] for name in dtype.names or ()
        }
        assert spec.build(parsed) == raw


@FAST
@given(st.sampled_from(Op), SHORT, SHORT, SHORT)
def test_what_is_encoded_is_decoded(op: Op, n: int, a: int, b: int) -> None:
    given_fields = {"n": n, "a": a, "b": b}
    fields = {name: v if name in OPS[op].uses else 0 for name, v in given_fields.items()}
    table = decode(np.array([encode(op, **fields)], np.uint64))
    assert table.op[0] == op
    assert {name: int(getattr(table, name)[0]) for name in fields} == fields
    assert table.cycles[0] == OPS[op].cycles(fields["n"])


@pytest.mark.parametrize("word", [0, MARK, 0xFF << 56, (1 << 56) | 1, (2 << 56) | (1 << 48)])
def test_words_that_are_no_instruction_decode_as_illegal(word: int) -> None:
    assert decode(np.array([word], np.uint64)).op[0] == 0


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
