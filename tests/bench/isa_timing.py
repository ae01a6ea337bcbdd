"""Times the simulated board on programs of the open instruction set written by hand.

    python -m tests.bench.isa_timing

The goals: a recurrent model of a million weights at least 5 times faster than real time at 16 ms
per frame, a small model at least 50 times.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa import MARK, encode
from firmware_protocol.open_isa_ops import Op
from hostrt.runner.hw import HwRunner
from hostrt.sim.isa.machine import Machine
from hostrt.sim.isa.memories import CoreMemories
from tests.bench.isa_programs import recurrent, small
from tests.bench.timing import Row, best_seconds, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hostrt.program.model import Program

FRAME_S = 16e-3
GOALS = {"recurrent": 5, "small": 50}
FRAMES = 200
REPEATS = 100
_N = 128
_I16 = {"xt": 1, "yt": 1, "zt": 1}
_VECTOR = {"n": _N, "a": 0, "y": 100, "b": 200, **_I16}
_MATRIX = {"n": _N, "k": _N, "a": 0, "b": 9000, "w": 1000, "xt": 1, "zt": 1, "shift": -7}
_SATURATED = {**_VECTOR, "bits": 16}
_LUT = {"n": _N, "a": 0, "b": 200, "xt": 1, "zt": 1, "lo": -128, "hi": 127, "sx": -8}
_NUMBER = {"n": _N, "a": 0, "b": 200, "mode": 2, "y": 77, "xt": 1, "zt": 1}

KINDS: dict[str, tuple[Op, dict[str, int]]] = {
    "ADD, saturated": (Op.ADD, _SATURATED),
    "ADD, shifted, saturated": (Op.ADD, {**_SATURATED, "sx": 2, "shift": -3}),
    "ADD, all shifts, rounded": (
        Op.ADD,
        {**_SATURATED, "sx": 2, "sy": -2, "shift": -3, "rounded": 1},
    ),
    "MUL, saturated": (Op.MUL, {**_SATURATED, "shift": -15}),
    "MUL by a number": (Op.MUL, {**_NUMBER, "shift": -7, "bits": 16}),
    "MAC, saturated": (Op.MAC, {**_SATURATED, "shift": -15}),
    "MAX": (Op.MAX, _VECTOR),
    "GT": (Op.GT, _VECTOR),
    "SELECT": (Op.SELECT, _VECTOR),
    "LUT of 256": (Op.LUT, _LUT),
    "SUM of 128": (Op.SUM, {"n": 1, "k": _N, "b": 200, "xt": 1, "zt": 1, "bits": 16}),
    "MATVEC 128 x 128, i16 * i8": (Op.MATVEC, {**_MATRIX, "yt": 0, "stride": 16, "bits": 16}),
    "MATVEC 128 x 128, i16 * i16": (Op.MATVEC, {**_MATRIX, "yt": 1, "stride": 32, "bits": 16}),
    "COPY": (Op.COPY, {"n": 32, "a": 0, "b": 200}),
    "MOVE, strided": (Op.MOVE, {"n": _N, "outer": 1, "b": 200, "xt": 1, "zt": 1, "xi": 2, "zi": 1}),
    "COUNT": (Op.COUNT, {"n": 4, "a": 0, "b": 4, "xt": 1, "zt": 1}),
    "LOOP": (Op.LOOP, {"n": 1, "b": 1}),
}
"""Instructions on vectors of 128 elements of 16 bits, as models have them."""


def kind_program(name: str, repeats: int) -> list[int]:
    """Give an instruction memory with an instruction many times."""
    op, fields = KINDS[name]
    return [MARK, *(list(encode(op, **fields)) * repeats), *encode(Op.HALT)]


def kind_rows() -> Iterator[Row]:
    """Give the time of each kind of instruction."""
    for name in KINDS:
        memories = CoreMemories.blank()
        code = kind_program(name, REPEATS)
        memories.im[: len(code)] = code
        generator = np.random.default_rng(1)
        memories.dm[:] = generator.integers(0, 1 << 64, memories.dm.size, np.uint64)
        machine = Machine([memories])

        def frame(
            machine: Machine = machine, nothing: NDArray[np.uint64] = memories.dm[:0]
        ) -> None:
            machine.message(0, 1, nothing)
            machine.run()

        yield Row(name, best_seconds(frame, 20) / REPEATS)


def random_frames(program: Program, n: int) -> NDArray[np.int16]:
    """Give n frames of input, int16 (n, length)."""
    assert program.iospec is not None
    (vector,) = program.iospec.inputs.values()
    return np.random.default_rng(2).integers(-(2**15), 2**15, (n, vector.length)).astype(np.int16)


def model_rows() -> Iterator[Row]:
    """Give the time of a frame, from array to array through a simulated board in this process."""
    for program in (small(), recurrent()):
        name = program.identity.name
        frames = random_frames(program, FRAMES)
        with HwRunner(program, board="sim://spu001") as runner:
            seconds = best_seconds(lambda frames=frames, run=runner.run: run(frames), 5) / FRAMES  # type: ignore[misc]
        goal = GOALS[name]
        text = f">= {goal}x real time at 16 ms"
        note = f"{FRAME_S / seconds:.0f} times faster than real time"
        yield within(f"a frame of {name}", seconds, FRAME_S / goal, text, note)


def main() -> int:
    """Print all rows; 1 when a goal was missed."""
    missed = 0
    for row in (*kind_rows(), *model_rows()):
        sys.stdout.write(f"{row.name:36} {row.ours * 1e6:9.2f} us  {row.goal:28} {row.note}\n")
        missed += row.met is False
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
