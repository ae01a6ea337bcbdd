"""Holds what `board.budget` says against frames through a paced virtual board.

    python -m tests.bench.budget_check [--frames N]

Prints a row per bus speed, frame size and window. The goal is 10 %. The budget is a least time, so
a host that is busy with something else, or slower than a slot of the bus, only adds to it: the mean
over the run has all of that, the quickest frames of the run have the least of it.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import BankImage, MemoryKind
from hostrt import Program, Runner, open_board
from hostrt.transport.rules import USB_SLOTS_S

if TYPE_CHECKING:
    from collections.abc import Iterator

GOAL = 0.10
LENGTHS = (32, 128, 512)
WINDOWS = (1, 4)
FRAMES = 100
TRIES = 5
_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    Attributes:
        speed: bus speed.
        length: elements of 16 bits in a frame, each way.
        window: most reports in flight.
        budget_s: seconds per frame by arithmetic.
        mean_s: seconds per frame over the run.
        quickest_s: seconds per frame over the three frames in a row that took the least time.
    """

    speed: str
    length: int
    window: int
    budget_s: float
    mean_s: float
    quickest_s: float

    @property
    def off(self) -> float:
        """How much fewer frames per second there were than the budget says, as a fraction."""
        return 1 - self.budget_s / self.mean_s

    @property
    def quickest_off(self) -> float:
        """The same by the quickest frames."""
        return 1 - self.budget_s / self.quickest_s

    def __str__(self) -> str:
        return (
            f"{self.speed:5} {self.length:5} {self.window:7}"
            f"{1 / self.budget_s:12.1f} {1 / self.mean_s:10.1f} {100 * self.off:6.1f} %"
            f" {1 / self.quickest_s:14.1f} {100 * self.quickest_off:6.1f} %"
        )


HEADER = "bus   frame  window  budget (/s)  mean (/s)     off  quickest (/s)     off"


def loopback(length: int) -> Program:
    """Give LOOPBACK with a bank more, long enough that a window is tried while loading."""
    program = Program.loopback("spu001", length=length)
    zeros = BankImage(0, MemoryKind.DM, 1, np.zeros(1024, np.uint64))
    return replace(program, banks=(*program.banks, zeros))


def measure(speed: str, length: int, window: int, n_frames: int) -> Row:
    """Run frames as fast as the bus takes them."""
    program = loopback(length)
    frames = np.zeros((n_frames, length), np.int16)
    address = f"evk2+sim://spu001?usb_speed={speed}&window={window}"
    with open_board(address) as board, Runner("hw", program, board=board) as runner:
        metrics = runner.run(frames).metrics
        budget = board.budget(program, 1.0)
    latencies = metrics.latencies_s["end_to_end"]
    if metrics.duration_s is None:
        raise AssertionError("the hw runner measures its duration")
    return Row(
        speed,
        length,
        window,
        budget.frame_s,
        metrics.duration_s / n_frames,
        float(np.convolve(latencies, np.full(_IN_A_ROW, 1 / _IN_A_ROW), "valid").min()),
    )


def least_disturbed(speed: str, length: int, window: int, n_frames: int, tries: int = TRIES) -> Row:
    """Measure until the quickest frames are within the goal; the best run where none is."""
    rows: list[Row] = []
    for _ in range(tries):
        rows.append(measure(speed, length, window, n_frames))
        if rows[-1].quickest_off <= GOAL:
            break
    return min(rows, key=lambda row: row.quickest_s)


def _rows(n_frames: int) -> Iterator[Row]:
    for speed in USB_SLOTS_S:
        for length in LENGTHS:
            for window in WINDOWS:
                yield measure(speed, length, window, n_frames)


def main() -> int:
    """Print the table; exit code 1 when a row misses the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES, help="frames per row")
    n_frames: int = parser.parse_args().frames
    load = f"load average {os.getloadavg()[0]:.2f}, {os.cpu_count()} processors"
    sys.stdout.write(f"{load}\n{HEADER}\n")
    worst = 0.0
    for row in _rows(n_frames):
        sys.stdout.write(f"{row}\n")
        worst = max(worst, abs(row.quickest_off))
    sys.stdout.write(f"quickest frames at worst {100 * worst:.1f} % off, goal {100 * GOAL:.0f} %\n")
    return 0 if worst <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
