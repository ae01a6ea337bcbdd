"""Compare how fast FQIR models run here and in the reference toolkit, in this run.

    python -m tests.bench.fqir_compare [--json FILE] [--models NAME ...] [--turns N]

One thread each, in turns, medians. The toolkit is found as `tests/peer` finds it
(`HOSTRT_PEER_PYTHON`); its compiled backend is built from its package when there is a compiler.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.fqir.load import load_model
from tests.bench import fqir_timing
from tests.bench.compare_with_peer import format_row
from tests.bench.fqir_models import FRAMES, GOLDEN, LARGE, Subject, subjects
from tests.bench.timing import Row, faster, within
from tests.peer.calls import find_peer
from tests.peer.fqir_calls import native_folder, serve_fqir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.fqir_timing import Sides
    from tests.peer.fqir_calls import FqirPeer

FRAME_GOALS = {"numpy": 5, "compiled": 15}
SEQUENCE_GOAL = 30
LOAD_GOAL_S = 0.15
LOAD_MEMORY_GOAL = 5
INT32_BYTES = 4


@dataclass(slots=True)
class Ratios:
    """How many times faster each engine was, model by model.

    Attributes:
        frame: engine -> ratios, frame by frame.
        sequence: engine -> ratios, whole sequences.
    """

    frame: dict[str, list[float]] = field(default_factory=dict)
    sequence: dict[str, list[float]] = field(default_factory=dict)


def model_rows(subject: Subject, sides: Sides, ratios: Ratios) -> Iterator[Row]:
    """Frame by frame and as a sequence, against both backends of theirs."""
    for engine, seconds in sides.prepare.items():
        yield Row(f"{subject.name}, to the first frame, {engine}", seconds)
    for what, times, kept in (
        ("frame", sides.frame, ratios.frame),
        (f"{FRAMES} frames", sides.sequence, ratios.sequence),
    ):
        medians = {side: statistics.median(seconds) for side, seconds in times.items()}
        for engine in (side for side in medians if side not in fqir_timing.BACKENDS):
            name = f"{subject.name}, {what}, {engine}"
            row = faster(name, medians[engine], medians.get("python"), 1)
            if row.ratio is not None:
                kept.setdefault(engine, []).append(row.ratio)
            yield row
        yield from _native_row(subject, what, medians)


def _native_row(subject: Subject, what: str, medians: dict[str, float]) -> Iterator[Row]:
    ours = {side: s for side, s in medians.items() if side not in fqir_timing.BACKENDS}
    if ours and "cpp" in medians:
        best = min(ours, key=lambda side: ours[side])
        name = f"{subject.name}, {what}, {best}"
        yield faster(name, ours[best], medians["cpp"], 1, "peer's compiled backend")


def mean_rows(ratios: Ratios) -> Iterator[Row]:
    """Geometric means over all models, and the goals."""
    for engine, found in ratios.frame.items():
        yield _mean_row(f"frame by frame, {engine}", found, FRAME_GOALS.get(engine, 1))
    for engine, found in ratios.sequence.items():
        yield _mean_row(f"{FRAMES} frames, {engine}", found, SEQUENCE_GOAL)


def _mean_row(name: str, ratios: list[float], goal: float) -> Row:
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    note = f"geometric mean of {len(ratios)}, {min(ratios):.1f} to {max(ratios):.1f}"
    return Row(name, mean, None, "x", mean, f">= {goal:g}x", mean >= goal, note)


def load_rows(subject: Subject, peer: FqirPeer | None) -> Iterator[Row]:
    """Loading the largest model."""
    ours, theirs = fqir_timing.load_seconds(subject.path, peer)
    row = within(f"load {subject.name}", ours, LOAD_GOAL_S, "< 150 ms")
    yield Row(**{**asdict(row), "theirs": theirs, "ratio": theirs / ours if theirs else None})
    values = [tensor.value for tensor in load_model(subject.path).arith.parameters]
    size = INT32_BYTES * sum(value.size for value in values if value is not None)
    found = fqir_timing.load_memory(GOLDEN / "identity32" / "model.pt", subject.path)
    for name, n_bytes in (
        ("Python allocates", found["traced"]),
        ("the process grows by", found["grown"]),
    ):
        row = within(
            f"load {subject.name}: {name}",
            n_bytes / 1e6,
            LOAD_MEMORY_GOAL * size / 1e6,
            "< 5 x parameters",
            f"parameters {size / 1e6:.1f} MB as int32",
            unit="MB",
        )
        yield Row(**{**asdict(row), "ratio": n_bytes / size})


def command_rows(subject: Subject, folder: Path, python: str) -> Iterator[Row]:
    """From the command line to written output, against importing the toolkit."""
    for words, is_first in (("", False), (", nothing compiled yet", True)):
        times = fqir_timing.command_seconds(subject, folder, python, is_first=is_first)
        yield faster(f"hostrt run {subject.name}{words}", *times, 1, "import fmot")


def all_rows(options: argparse.Namespace, peer: FqirPeer | None, folder: Path) -> Iterator[Row]:
    """Everything, as it is measured."""
    names = options.models
    ratios = Ratios()
    chosen = [subject for subject in subjects(folder) if not names or subject.name in names]
    for subject in chosen:
        sides = fqir_timing.time_model(subject, peer, options.engines, options.turns)
        yield from model_rows(subject, sides, ratios)
    yield from mean_rows(ratios)
    for subject in chosen:
        if subject.name == LARGE:
            yield from load_rows(subject, peer)
            yield from command_rows(subject, folder, find_peer()[0])


def main() -> int:
    """Print the table; the exit code says nothing about goals."""
    if not fqir_timing.ONE_THREAD.items() <= os.environ.items():
        # numpy reads these when it is imported, which it was
        again = [sys.executable, "-m", "tests.bench.fqir_compare", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, **fqir_timing.ONE_THREAD})
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as well")
    parser.add_argument("--models", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--engines", nargs="+", default=list(FRAME_GOALS), metavar="ENGINE")
    parser.add_argument("--turns", type=int, default=5, metavar="N")
    arguments = parser.parse_args()
    write = sys.stdout.write
    python, reason = find_peer()
    native, why = native_folder()
    write(f"peer: {python or reason}; its compiled backend: {native or why}\n")
    write(f"processors: {os.cpu_count()}, load average {os.getloadavg()[0]:.2f}\n")
    write(f"{'':<40}{'hostrt':>10}{'peer':>10}    {'ratio':>8}  goal\n")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serve_fqir(folder, native) if python else nullcontext() as peer:
            for row in all_rows(arguments, peer, folder):
                rows.append(row)
                write(f"{format_row(row)}\n")
                sys.stdout.flush()
    missed = [f"{row.name} ({row.note})" for row in rows if row.met is False]
    write(f"goals missed: {', '.join(missed) or 'none'}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
