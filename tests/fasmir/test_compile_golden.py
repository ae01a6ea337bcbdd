"""Golden models, compiled: what the chip computes from its images is what the reference gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.memory import MemoryKind
from hostrt.fasmir.compile import Compiled, compile_model
from hostrt.fasmir.lower_shares import Shares
from hostrt.program import Program
from tests.fasmir.on_chip import OnChip, by_name
from tests.fqir.inspected import NAMES, golden, meta_of
from tests.fqir.models import sides

if TYPE_CHECKING:
    from pathlib import Path

FITTING = [name for name in NAMES if name != "opzoo"]
"""opzoo has an input of 24 bits, which no message carries."""

CYCLES = {
    "control_flow": 719,
    "gru2": 4485,
    "identity32": 166,
    "int32_edges": 2523,
    "latched_gain": 1624,
    "mlp_int4": 528,
    "mlp_sigmoid": 2994,
    "norm_softmax": 617,
    "tdnn_dw": 1188,
}
"""Most cycles of a frame on one core; they may only become fewer."""


FEW = 24
"""Frames where other tests run all of them."""


def check(
    name: str, compiled: Compiled, program: Program | None = None, *, frames: int | None = None
) -> int:
    """Run frames, all without a number, and compare; give the most cycles that one took."""
    inputs, expected = sides(name)
    chip, most = OnChip(compiled, program), 0
    outputs = [one.name for one in compiled.assembly.outputs]
    for frame in range(frames or len(expected[0])):
        found = chip.frame(by_name(compiled, inputs, frame))
        for key, array in zip(outputs, expected, strict=True):
            assert np.array_equal(found[key], array[frame].reshape(-1)), (frame, key)
        most = max(most, chip.cycles)
    return most


@pytest.mark.parametrize("name", FITTING)
def test_one_core_gives_the_reference_outputs_in_no_more_cycles_than_before(name: str) -> None:
    compiled = compile_model(golden(name), latched=meta_of(name)["latched"])

    assert check(name, compiled) <= CYCLES[name]


@pytest.mark.parametrize(("chip", "cores"), [("spu001", 2), ("spu150", 4)])
@pytest.mark.parametrize("name", FITTING)
def test_several_cores_give_the_reference_outputs(name: str, chip: str, cores: int) -> None:
    latched = meta_of(name)["latched"]
    compiled = compile_model(golden(name), latched=latched, chip=chip, cores=cores)

    # cores that make nothing faster are left alone
    assert check(name, compiled, frames=FEW) <= CYCLES[name]


@pytest.mark.parametrize(
    ("chip", "parts"), [("spu001", (0.0, 1.0)), ("spu150", (0.25, 0.25, 0.25, 0.25))]
)
@pytest.mark.parametrize("name", FITTING)
def test_any_division_gives_the_reference_outputs(
    name: str, chip: str, parts: tuple[float, ...]
) -> None:
    latched = meta_of(name)["latched"]
    compiled = compile_model(golden(name), latched=latched, chip=chip, shares=Shares(parts))

    check(name, compiled, frames=FEW)


def test_several_cores_are_faster_where_there_is_something_to_share() -> None:
    model = golden("mlp_sigmoid")

    programs = [compile_model(model, chip="spu150", cores=n) for n in (1, 2, 4)]
    cycles = [check("mlp_sigmoid", one, frames=FEW) for one in programs]

    assert cycles[0] > 1.5 * cycles[1] > 1.5 * cycles[2]


@pytest.mark.parametrize("form", ["0PROG_A", "m.femto", "m.zip", "folder"])
@pytest.mark.parametrize("chip", ["spu001", "spu150"])
def test_a_program_is_the_same_out_of_every_file(chip: str, form: str, tmp_path: Path) -> None:
    compiled = compile_model(golden("latched_gain"), latched=["ctl"], chip=chip, cores=2)
    assert compiled.program.save(tmp_path / form) is not None

    program = Program.load(tmp_path / form, chip=chip)

    # images of an SPU-150 hold the upper bits of instructions too, which are zeros here
    banks = [
        bank for bank in program.banks if bank.kind is not MemoryKind.IM_MSB or bank.words.any()
    ]
    assert sorted(banks, key=str) == sorted(compiled.program.banks, key=str)
    check("latched_gain", compiled, program, frames=FEW)


def test_a_latched_input_keeps_its_value() -> None:
    compiled = compile_model(golden("latched_gain"), latched=["ctl"])
    (x, ctl), expected = sides("latched_gain")
    chip, held = OnChip(compiled), None
    for frame in range(len(x)):
        if held is None or not np.array_equal(ctl[frame], held):
            held = ctl[frame]
            assert chip.frame({"ctl": held}) == {}

        found = chip.frame({"x": x[frame]})

        assert np.array_equal(found["output.0"], expected[0][frame])
