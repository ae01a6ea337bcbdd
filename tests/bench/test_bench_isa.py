"""How long the simulated board takes for programs written by hand. Nothing fails for being slow.

`python -m tests.bench.isa_timing` judges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import decode
from firmware_protocol.open_isa_ops import Op
from hostrt.runner.hw import HwRunner
from hostrt.sim.isa.machine import Machine
from hostrt.sim.isa.memories import CoreMemories
from tests.bench.isa_programs import recurrent, small
from tests.bench.isa_timing import KINDS, kind_program, random_frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostrt.program.model import Program

    Timed = Callable[..., Any]

FRAMES = 20
MODELS = {"small": small, "recurrent": recurrent}


def multiplications(program: Program) -> tuple[int, int]:
    """Give the multiplications of MATVEC in a program, and its vector operations."""
    products = vectors = 0
    for bank in program.banks:
        if bank.kind is MemoryKind.IM:
            words, pc = bank.words.tolist(), 1
            while pc < len(words):
                found = decode(words, pc)
                assert found is not None
                products += found.fields["n"] * found.fields["k"] if found.op is Op.MATVEC else 0
                vectors += Op.ADD <= found.op <= Op.SELECT or found.op is Op.LUT
                pc += found.length
    return products, vectors


@pytest.mark.parametrize("name", MODELS)
def test_frames_on_a_simulated_board(name: str, timed: Timed) -> None:
    program = MODELS[name]()
    frames = random_frames(program, FRAMES)
    with HwRunner(program, board="sim://spu001") as runner:
        result = timed(runner.run, frames)
    (output,) = result.outputs.values()
    assert len(np.unique(output, axis=0)) == FRAMES


@pytest.mark.parametrize("name", KINDS)
def test_an_instruction(name: str, timed: Timed) -> None:
    memories = CoreMemories.blank()
    memories.im[: len(kind_program(name, 50))] = kind_program(name, 50)
    machine = Machine([memories])

    def frame() -> int:
        machine.message(0, 1, memories.dm[:0])
        return len(machine.run())

    assert timed(frame) == 0
    assert machine.last_trap is None


def test_the_programs_are_of_the_sizes_that_the_goals_name() -> None:
    products, _ = multiplications(recurrent())
    assert 950_000 < products < 1_050_000
    products, vectors = multiplications(small())
    assert products < 100_000
    assert vectors == 101
