"""What hostrt does in the comparison, timed in this process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hostrt.board.board import open_board
from hostrt.program import Program
from hostrt.program.archive import zip_members
from hostrt.runner.hw import HwRunner
from tests.bench.material import FRAME_ELEMENTS
from tests.bench.timing import best_seconds, median_seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
N_FRAMES = 200
START_REPEATS = 9

_MEMORY = """
import sys, tracemalloc
from pathlib import Path
from hostrt.board.board import open_board
from hostrt.program import Program

def high_water():
    # not getrusage: its figure starts at the size of the process that started this one
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])

program, address, is_traced = sys.argv[1:]
with open_board(address) as board:
    board.load(Program.loopback())
    before = high_water()
    if is_traced == "True":
        tracemalloc.start()
    board.load(Program.load(program))
    print(tracemalloc.get_traced_memory()[1] if is_traced == "True" else high_water() - before)
"""


def load_seconds(path: Path) -> float:
    """Time reading a program file."""
    return best_seconds(lambda: Program.load(path))


def inflate_seconds(path: Path) -> float:
    """Time inflating the members of an archive and nothing else."""
    data = path.read_bytes()
    return best_seconds(lambda: zip_members(data, path.name))


def save_seconds(source: Path, target: Path) -> float:
    """Time writing a program, read from `source`, as another file."""
    program = Program.load(source)
    return best_seconds(lambda: program.save(target))


def reference_prog_seconds(path: Path) -> float:
    """Time a plain loop over the lines of a PROG pair, which is what there is without hostrt."""
    other = path.with_name(path.name[:-1] + "D")

    def read() -> list[tuple[int, int]]:
        with path.open() as a, other.open() as d:
            return [(int(x, 16), int(y, 16)) for x, y in zip(a, d, strict=True)]

    return best_seconds(read, 3)


def reference_prog_write_seconds(path: Path, target: Path) -> float:
    """Time a plain loop that writes the lines of a PROG pair."""
    other = path.with_name(path.name[:-1] + "D")
    pairs = [
        (int(x, 16), int(y, 16))
        for x, y in zip(path.read_text().split(), other.read_text().split(), strict=True)
    ]

    def write() -> None:
        with target.open("w") as a, target.with_suffix(".d").open("w") as d:
            for address, word in pairs:
                a.write(f"{address:08x}\n")
                d.write(f"{word:08x}\n")

    return best_seconds(write, 3)


def program_board(address: str, path: Path, repeats: int = 3) -> tuple[float, int]:
    """Time loading a booted board, fixed waits of the boot left out; best of `repeats`.

    Returns:
        Seconds, and packets exchanged where the link counts them, else 0.
    """
    program = Program.load(path)
    with open_board(address) as board:
        seconds = [board.load(program).seconds for _ in range(repeats)]
        reports = getattr(getattr(board.transport, "stats", None), "reports", 0)
    return min(seconds), int(reports) // repeats


def step_seconds(address: str, path: Path) -> float:
    """Time one frame from array to array through `step`; the median of many."""
    frames = iter(_frames(2 * N_FRAMES))
    with HwRunner(Program.load(path), board=address, force=True) as runner:
        (name,) = runner.plan.inputs
        return median_seconds(lambda: runner.step({name: next(frames)}), N_FRAMES)


def run_seconds(address: str, path: Path) -> float:
    """Time a frame inside `run` over many frames."""
    frames = _frames(N_FRAMES)
    with HwRunner(Program.load(path), board=address, force=True) as runner:
        return best_seconds(lambda: runner.run(frames), 3) / N_FRAMES


def _frames(n: int) -> NDArray[np.int16]:
    rng = np.random.default_rng(1)
    return rng.integers(-9999, 9999, (n, FRAME_ELEMENTS), dtype=np.int16)


def start_seconds(*arguments: str) -> float:
    """Time a process of this interpreter, warm."""
    command = [sys.executable, *arguments]

    def start() -> None:
        subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30, check=False)

    start()
    return median_seconds(start, START_REPEATS)


def flash_memory(address: str, path: Path, *, traced: bool) -> int:
    """Give how much memory loading a file and flashing a board elsewhere takes.

    Args:
        address: a board in another process.
        path: program file.
        traced: count what Python allocates; otherwise by how much the process grows at most.

    Returns:
        Bytes beyond what a process has after it did the same with the smallest program.
    """
    command = [sys.executable, "-c", _MEMORY, str(path), address, str(traced)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=True)
    return int(done.stdout)
