"""What the compiler's assembly says about itself, and the images made of it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import MARK, decode
from firmware_protocol.open_isa_ops import Mode, Type
from hostrt.fasmir.assembly import Role, Symbol, Table, pack, unpack
from hostrt.fasmir.compile import compile_model
from hostrt.fasmir.lower_shares import Shares
from hostrt.fasmir.parse import parse_assembly
from hostrt.fasmir.spaces import SPACES, Space
from hostrt.fasmir.text import format_assembly
from tests.fasmir.agreement import require_agreement
from tests.fqir.inspected import golden, meta_of
from tests.fqir.models import ADD, Draft, noise

if TYPE_CHECKING:
    from hostrt.fasmir.assembly import Assembly, Core
    from hostrt.fasmir.compile import Compiled
    from hostrt.fqir.graph import Model

NAMES = ("control_flow", "gru2", "int32_edges", "latched_gain", "norm_softmax", "tdnn_dw")


def compiled(name: str) -> Compiled:
    parts = Shares((0.4, 0.3, 0.3))
    return compile_model(
        golden(name), latched=meta_of(name)["latched"], chip="spu150", shares=parts
    )


def number_of(assembly: Assembly, core: Core, space: Space, name: str) -> int:
    """Give what a name stands for."""
    match space:
        case Space.DATA:
            return next(one.address for one in core.symbols if one.name == name)
        case Space.TABLE:
            return next(one.address for one in core.tables if one.name == name)
        case Space.THREAD:
            return next(one.number for one in core.threads if one.name == name)
        case Space.MAILBOX:
            return next(one.mailbox for one in assembly.outputs if one.name == name)
        case Space.CODE:
            return next(one.labels[name] for one in assembly.cores if name in one.labels)


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_says_what_its_field_says(name: str) -> None:
    assembly = compiled(name).assembly
    seen = set()
    for core, _, line in assembly.walk():
        fields = line.instruction.fields
        for key, reference in line.references.items():
            space = SPACES[line.instruction.op][key]
            seen.add(space)
            expected = number_of(assembly, core, space, reference.name) + reference.offset
            assert fields[key] == expected, (line, key)
        for key, space in SPACES[line.instruction.op].items():
            is_number = key == "y" and fields["mode"] == Mode.IMMEDIATE
            without = key == "init" and not fields["has_init"]
            if space is not Space.DATA or not (is_number or without):
                assert key in line.references
    assert {Space.DATA, Space.CODE} <= seen


@pytest.mark.parametrize("name", NAMES)
def test_names_are_unique_and_text_gives_the_same_assembly(name: str) -> None:
    assembly = compiled(name).assembly

    labels = [label for _, _, line in assembly.walk() for label in line.labels]
    assert len(labels) == len(set(labels))
    for core in assembly.cores:
        names = [one.name for one in core.symbols] + [one.name for one in core.tables]
        names += [one.name for one in core.threads]
        assert len(names) == len(set(names))
    assert parse_assembly(format_assembly(assembly)) == assembly


@pytest.mark.parametrize("name", NAMES)
def test_images_hold_what_the_assembly_says(name: str) -> None:
    found = compiled(name)
    banks = {(bank.core, bank.kind, bank.index): bank.words for bank in found.program.banks}
    for core in found.assembly.cores:
        code = [int(word) for word in banks[core.number, MemoryKind.IM, 0]]
        assert code[0] == MARK
        for pc, line in zip(core.pcs, core.lines, strict=True):
            assert decode(code, pc) == line.instruction
        assert len(code) == core.n_words
        data = banks[core.number, MemoryKind.DM, 0]
        for symbol in core.symbols:
            if symbol.initial is not None:
                there = unpack(data[symbol.address : symbol.end], symbol.type, symbol.length)
                assert np.array_equal(there, symbol.initial)
        for table in core.tables:
            tables = banks[core.number, MemoryKind.TM, 0]
            words = tables[table.address : table.address + table.n_words]
            assert np.array_equal(words, table.words())


@pytest.mark.parametrize("name", NAMES)
def test_constants_come_first_then_state_then_temporaries(name: str) -> None:
    found = compiled(name)
    for core, needs in zip(found.assembly.cores, found.needs, strict=True):
        kept = [one for one in core.symbols if one.initial is not None]
        for before, after in pairwise(kept):
            assert before.end == after.address
        roles = [one.role for one in kept]
        assert roles == sorted(roles, key=[Role.CONSTANT, Role.STATE].index)
        assert sum(one.n_words for one in kept) == needs.constants + needs.state
        assert max((one.end for one in core.symbols), default=0) == needs.data


def wide(n: int) -> Model:
    """Give a model with little state and large temporaries."""
    draft = Draft()
    x = draft.input("x", n)
    big = draft.add("vvmul", "big", x, x, shamt_bwred=0, bw=32)
    y = draft.add(
        "shift", "y", draft.add("vvadd", "sum", big, x, **ADD | {"bw": 32}), shamt=-20, bw=16
    )
    return draft.model(y)


@pytest.mark.parametrize("chip", ["spu001", "spu150"])
def test_banks_with_nothing_but_temporaries_are_powered_too(chip: str) -> None:
    found = require_agreement(wide(40_000), [noise((2, 40_000), 16)], chip=chip)

    words = [bank.words.size for bank in found.program.banks if bank.kind is MemoryKind.DM]
    # 20 000 words of 32-bit numbers, beside 10 000 of input: in four physical banks
    assert words == ([1] * 4 if chip == "spu001" else [3 * 8192 + 1])


def test_what_is_no_longer_needed_makes_room() -> None:
    draft = Draft()
    y = draft.input("x", 64)
    for i in range(20):
        y = draft.add("vvmul", f"y{i}", y, y, shamt_bwred=-15, bw=16)

    assert compile_model(draft.model(y)).needs[0].temporaries == 16


def test_a_watched_tensor_keeps_its_place_and_shape() -> None:
    model = golden("gru2")
    names = [tensor.name for tensor in model.arith.nodes[3].outputs]

    found = compile_model(model, watch=names)

    assert [one.name for one in found.assembly.watched] == names
    one = found.assembly.watched[0]
    symbol = next(s for s in found.assembly.core(0).symbols if s.name == one.symbol)
    assert symbol.role is Role.STATE
    assert symbol.length == int(np.prod(one.shape))


def test_the_specification_is_completed_and_keeps_its_names() -> None:
    found = compiled("latched_gain")

    spec = found.iospec
    assert spec.latched == ("ctl",)
    assert [one.varname for one in spec.inputs.values()] == ["x", "ctl"]
    assert [one.mailbox_id for one in spec.outputs.values()] == [0, 1]
    assert [one.padded_length for one in spec.outputs.values()] == [16, 4]
    assert [one.words for one in spec.outputs.values()] == [4, 1]
    pcs = {one.pc for one in spec.inputs.values()}
    assert pcs == {found.assembly.core(0).labels[one.label] for one in found.assembly.inputs}
    assert found.program.iospec == spec


@given(st.sampled_from(list(Type)), st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=30))
def test_packed_vectors_keep_the_low_bits(kind: Type, numbers: list[int]) -> None:
    half = 1 << (kind.bits - 1)
    values = np.array(numbers, np.int64)

    words = pack(values, kind)

    assert words.size == -(-len(numbers) // kind.lanes)
    expected = [(number + half) % (2 * half) - half for number in numbers]
    assert unpack(words, kind, len(numbers)).tolist() == expected


def test_symbols_and_tables_are_equal_when_their_contents_are() -> None:
    values = np.arange(5)
    one = Symbol("a", 3, Type.I16, 5, Role.CONSTANT, values)
    assert one == Symbol("a", 3, Type.I16, 5, Role.CONSTANT, values.copy())
    assert one != Symbol("a", 3, Type.I16, 5, Role.CONSTANT, values + 1)
    assert one != Symbol("a", 3, Type.I16, 5, Role.CONSTANT, None)
    assert one != "a"
    assert one.words().tolist() == [0x0003_0002_0001_0000, 4]
    table = Table("t", 0, True, np.array([-1, 70_000]))
    assert table == Table("t", 0, True, np.array([-1, 70_000]))
    assert table != Table("t", 0, True, np.array([-1, 70_001]))
    assert table != "t"
    assert table.words().tolist() == [0xFFFF, 0xFFFF, 70_000 & 0xFFFF, 1]
    assert len({one, table}) == 2
