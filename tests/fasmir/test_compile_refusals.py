"""Models that the open compiler refuses, and what it says about them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from firmware_protocol.iospec import IoSequence, IOSpec
from hostrt.errors import ProgramUnsupported, UsageError
from hostrt.fasmir.compile import compile_model
from hostrt.fasmir.lower_shares import Shares
from hostrt.fqir.graph import Table
from tests.fasmir.agreement import flat_iospec, require_agreement
from tests.fqir.inspected import golden
from tests.fqir.models import ADD, Draft, accumulator, noise, recurrent, table

if TYPE_CHECKING:
    from hostrt.fqir.graph import Model

PRODUCT = {"shamt_bwred": -9, "bw_out": 16, "rounded": True}


def chain(n: int, width: int, *, seed: int = 0) -> Model:
    """Give n layers of width x width weights of 8 bits."""
    draft, rng = Draft(), np.random.default_rng(seed)
    x = draft.input("x", width)
    for i in range(n):
        w = draft.parameter(f"w{i}", rng.integers(-128, 128, (width, width)))
        x = draft.add("matmul", f"y{i}", x, w, **PRODUCT)
    x.shape = (width,)
    return draft.model(x)


# ---------------------------------------------------------------------- messages


def test_an_input_of_24_bits_is_refused_by_name() -> None:
    with pytest.raises(ProgramUnsupported, match='input "w24" has elements of 24 bits') as caught:
        compile_model(golden("opzoo"))

    assert "low and a high part" in caught.value.hint


def test_an_output_that_may_leave_its_bits_is_refused_by_name() -> None:
    draft = Draft()
    x = draft.input("x", 4)
    y = draft.add("vvadd", "y", x, x, **ADD | {"bw": 24})

    with pytest.raises(ProgramUnsupported, match='output "y" can be -65536 to 65534, expected 16'):
        compile_model(draft.model(y))


def test_an_output_whose_proven_range_fits_is_sent_whatever_it_saturates_to() -> None:
    draft = Draft()
    x = draft.input("x", 5, dtype="int8")
    y = draft.add("vvadd", "y", x, x, **ADD | {"bw": 24})

    require_agreement(draft.model(y), [noise((4, 5), 8)])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"length": 7}, "has 4 elements and the length 7"),
        ({"precision": 8}, "has 8 bits per element"),
        ({"varname": "other"}, 'input "x" is not in its I/O specification'),
    ],
)
def test_a_specification_of_another_model_is_refused(change: dict[str, Any], found: str) -> None:
    model = accumulator()
    spec = flat_iospec(model)
    changed = replace(spec, inputs={"x": replace(spec.inputs["x"], **change)})

    with pytest.raises(ProgramUnsupported, match=found):
        compile_model(model, iospec=changed)


def test_a_tensor_of_several_axes_is_one_vector_for_those_who_say_so() -> None:
    draft = Draft()
    x = draft.input("x", 3, 5)
    y = draft.add("transpose", "y", x, dim0=0, dim1=1)
    y.shape = (5, 3)
    model = draft.model(y)

    with pytest.raises(ProgramUnsupported, match='input "x" has 15 elements and the length 3'):
        compile_model(model)
    require_agreement(model, [noise((3, 3, 5), 16)])


@pytest.mark.parametrize(
    ("sequences", "found"),
    [
        ({"a": ({"x": 1}, {})}, "has 0 sequences with outputs"),
        ({"a": ({"x": 1}, {"y": 1}), "b": ({"x": 1}, {"y": 1})}, "has 2 sequences with outputs"),
        ({"a": ({}, {"y": 1})}, "no input starts a frame"),
        ({"a": ({"x": 2}, {"y": 1})}, "expected 1 that takes and gives each vector once"),
    ],
)
def test_specifications_must_have_one_sequence_that_computes(
    sequences: dict[str, tuple[dict[str, int], dict[str, int]]], found: str
) -> None:
    model = accumulator()
    spec = flat_iospec(model)
    made = {key: IoSequence(key, *sides) for key, sides in sequences.items()}

    with pytest.raises(ProgramUnsupported, match=found):
        compile_model(model, iospec=IOSpec(spec.inputs, spec.outputs, {}, made))


def test_more_inputs_than_signals_are_refused() -> None:
    draft = Draft()
    inputs = [draft.input(f"x{i}", 4) for i in range(32)]
    y = draft.add("vneg", "y", inputs[0], bw=16)

    with pytest.raises(ProgramUnsupported, match="32 inputs start a frame together"):
        compile_model(draft.model(y))


def test_a_model_whose_inputs_are_all_latched_is_refused() -> None:
    with pytest.raises(ProgramUnsupported, match="no input starts a frame"):
        compile_model(accumulator(), latched=["x"])


# ---------------------------------------------------------------------- room


def test_weights_beyond_all_cores_are_refused_with_a_table() -> None:
    with pytest.raises(ProgramUnsupported, match="does not fit SPU-001: core 0 needs") as caught:
        compile_model(chain(5, 512), name="big")

    rows = caught.value.hint.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["weights", "core", "core", "a"]
    assert rows[-1].split() == ["a", "core", "holds", "65536", "8192", "4096", "64"]
    weights = [int(row.split()[2]) for row in rows[1:-1]]
    assert sum(weights) == 5 * 512 * 64
    assert "needs" in caught.value.context


@pytest.mark.parametrize(("chip", "cores"), [("spu001", 2), ("spu150", 4)])
def test_a_million_weights_are_spread_over_as_few_cores_as_hold_them(chip: str, cores: int) -> None:
    compiled = compile_model(chain(7, 384), chip=chip)

    assert len(compiled.assembly.cores) == cores
    assert compiled.notes == (f"one core does not hold the weights: {cores} cores share them",)
    assert sum(one.constants for one in compiled.needs) == 7 * 384 * 48


@pytest.mark.slow
@pytest.mark.parametrize(("chip", "cores"), [("spu001", 2), ("spu150", 4)])
def test_a_large_recurrent_model_computes_on_several_cores(chip: str, cores: int) -> None:
    model = recurrent(400, 760)

    compiled = require_agreement(model, [noise((4, 400), 16)], chip=chip)

    assert len(compiled.assembly.cores) == cores


def test_weights_are_taken_away_from_a_core_that_is_full_of_other_things() -> None:
    draft, rng = Draft(), np.random.default_rng(0)
    x, rest = draft.input("x", 256), draft.state("rest", 55_000)
    more = draft.state("more", 60_000)
    draft.assign(rest, draft.add("viadd", "up", rest, y=1, **ADD))
    draft.assign(more, draft.add("viadd", "down", more, y=-1, **ADD))
    w = draft.parameter("w", rng.integers(-128, 128, (256, 2800)))
    y = draft.add("matmul", "y", x, w, **PRODUCT)
    y.shape = (2800,)
    ends = [draft.add("sum", f"end{t.name}", t, dim=0, keepdim=True, shamt_bwred=-8, bw=16)
            for t in (rest, more)]  # fmt: skip
    for end in ends:
        end.shape = (1,)

    compiled = compile_model(draft.model(y, *ends))

    mine, other = compiled.needs
    assert mine.constants < other.constants
    assert mine.data <= 65_536


def test_too_many_instructions_are_refused() -> None:
    draft = Draft()
    y = x = draft.input("x", 4)
    for i in range(2100):
        y = draft.add("vvadd", f"y{i}", y, x, **ADD)

    with pytest.raises(ProgramUnsupported, match="needs 4204 words of instruction memory"):
        compile_model(draft.model(y))


def test_too_many_tables_are_refused() -> None:
    draft, rng = Draft(), np.random.default_rng(0)
    y = x = draft.input("x", 4)
    look = {"shamt_address": -8, "bw_address": 8}
    for i in range(33):
        values = table(rng.integers(-100, 100, 256).tolist())
        y = draft.add(
            "vvadd", f"y{i}", y, draft.add("lut", f"t{i}", x, table=values, **look), **ADD
        )

    with pytest.raises(ProgramUnsupported, match="needs 8448 words of table memory and has 8192"):
        compile_model(draft.model(y))


def test_a_vector_beyond_what_an_instruction_counts_is_refused() -> None:
    draft = Draft()
    x = draft.input("x", 65_536, dtype="int8")

    with pytest.raises(ProgramUnsupported, match="has 65536 elements, an instruction counts 65535"):
        compile_model(draft.model(draft.add("vneg", "y", x, bw=8)))


@pytest.mark.parametrize("cores", [0, 3])
def test_a_chip_has_only_so_many_cores(cores: int) -> None:
    with pytest.raises(UsageError, match=f"{cores} cores, expected 1 to 2: SPU-001"):
        compile_model(accumulator(), cores=cores)


def test_more_cores_than_are_useful_are_left_alone() -> None:
    compiled = compile_model(accumulator(), cores=2)

    assert compiled.notes == ("1 of 2 cores are used: more of them would not be faster",)
    assert compiled.program.n_cores == 1


def test_threads_that_wait_for_answers_are_not_used_up() -> None:
    draft, rng = Draft(), np.random.default_rng(0)
    x = draft.input("x", 32)
    for i in range(70):
        w = draft.parameter(f"w{i}", rng.integers(-128, 128, (32, 32)))
        x = draft.add("matmul", f"y{i}", x, w, **PRODUCT)
    x.shape = (32,)
    model = draft.model(x)

    shares = Shares((0.25, 0.25, 0.25, 0.25))
    compiled = require_agreement(model, [noise((3, 32), 16)], chip="spu150", shares=shares)

    assert compiled.needs[0].threads == 63


def test_what_has_no_exact_equivalent_is_refused() -> None:
    draft = Draft()
    x = draft.input("x", 4)
    y = draft.add("shift", "y", x, shamt=-70, bw=16, rounded=True)

    with pytest.raises(ProgramUnsupported, match="cannot be planned ahead") as caught:
        compile_model(draft.model(y))

    assert caught.value.hint == "the fqir runner's reference engine can run it, a chip cannot"


# ---------------------------------------------------------------------- tables


@pytest.mark.parametrize("first", [-40_000, -200, 33_000])
@pytest.mark.parametrize("size", [1, 40])
@pytest.mark.parametrize("bits", [8, 16, 30])
def test_tables_of_any_addresses_and_widths(first: int, size: int, bits: int) -> None:
    draft, rng = Draft(), np.random.default_rng(bits)
    x = draft.input("x", 9)
    low = draft.add("viadd", "low", x, y=first, **ADD | {"bw": 32, "shamt_x": -11})
    values = rng.integers(-(1 << bits - 1), 1 << bits - 1, 64)
    content = Table("", np.arange(first - 20, first + 44), values)
    y = draft.add("lut", "y", low, table=content, shamt_address=0, bw_address=24)
    z = draft.add("shift", "z", y, shamt=min(16 - bits, 0), bw=16)

    compiled = require_agreement(draft.model(z), [noise((size, 9), 16)])

    (made,) = compiled.assembly.core(0).tables
    assert made.wide == (bits == 30)


def test_a_table_of_64_bits_is_refused() -> None:
    draft = Draft()
    x = draft.input("x", 9, dtype="int8")
    content = Table("", np.arange(-128, 128), np.arange(256) << 40)
    y = draft.add("lut", "y", x, table=content, shamt_address=0, bw_address=8)

    with pytest.raises(ProgramUnsupported, match="the table memory holds 32 bits"):
        compile_model(draft.model(draft.add("shift", "z", y, shamt=-40, bw=16)))


def test_tables_that_are_part_of_others_are_in_memory_once() -> None:
    draft = Draft()
    x = draft.input("x", 8)
    values = table(list(range(0, 2560, 10)))
    whole = draft.add("lut", "whole", x, table=values, shamt_address=-8, bw_address=8)
    positive = draft.add("relu", "positive", x)
    part = draft.add("lut", "part", positive, table=values, shamt_address=-8, bw_address=8)

    compiled = require_agreement(draft.model(whole, part), [noise((5, 8), 16)])

    assert compiled.needs[0].tables == 256


def test_shares_are_taken_as_they_are_given() -> None:
    compiled = compile_model(chain(1, 64), shares=Shares((0.25, 0.75)))

    assert [one.constants for one in compiled.needs] == [16 * 8, 48 * 8]
