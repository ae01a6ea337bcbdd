"""Times both sides of a comparison in turns, so that a busy moment hits both alike."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hostrt.errors import ExtraMissing, ProgramUnsupported
from hostrt.fqir.executor import Executor
from hostrt.fqir.load import load_model
from tests.bench.ours import ROOT
from tests.peer.calls import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bench.fqir_models import Subject
    from tests.peer.fqir_calls import FqirPeer

BACKENDS = ("python", "cpp")
FRAMES_PER_TURN = 200
COMMANDS = 5

ONE_THREAD = dict.fromkeys(
    ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"], "1"
)

_LOAD_MEMORY = """
import json, sys, tracemalloc
from pathlib import Path
from hostrt.fqir.load import load_model

def high_water():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])

small, large = sys.argv[1:]
load_model(small)
before = high_water()
model = load_model(large)
grown = high_water() - before
del model
tracemalloc.start()
model = load_model(large)
print(json.dumps({"traced": tracemalloc.get_traced_memory()[1], "grown": grown}))
"""


@dataclass(slots=True)
class Sides:
    """Seconds by side ("numpy", "compiled", "python", "cpp"); a side that cannot is absent.

    Attributes:
        frame: median of a frame, per turn.
        sequence: a whole sequence, per turn.
        prepare: from a model in memory to the first frame's result, by engine.
        notes: why a side is absent.
    """

    frame: dict[str, list[float]] = field(default_factory=dict)
    sequence: dict[str, list[float]] = field(default_factory=dict)
    prepare: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def time_model(subject: Subject, peer: FqirPeer | None, engines: list[str], n_turns: int) -> Sides:
    """Time a model on engines of ours and every backend of theirs."""
    sides = Sides()
    turns = _our_turns(subject, engines, sides)
    turns += _their_turns(subject, peer, sides) if peer else []
    for _ in range(n_turns):
        for turn in turns:
            turn()
    return sides


def _our_turns(subject: Subject, engines: list[str], sides: Sides) -> list[Callable[[], None]]:
    turns = []
    for engine in engines:
        model = load_model(subject.path)
        started = time.perf_counter()
        try:
            executor = Executor(model, engine=engine)
        except (ExtraMissing, ProgramUnsupported) as error:
            sides.notes[engine] = str(error)
            continue
        first = [array[0] for array in subject.inputs]
        executor.step(dict(zip(executor.input_names, first, strict=True)))
        sides.prepare[engine] = time.perf_counter() - started
        turns.append(_our_turn(subject, executor, engine, sides))
        turns[-1]()  # compiles, and fills caches
    sides.frame.clear()
    sides.sequence.clear()
    return turns


def _our_turn(
    subject: Subject, executor: Executor, engine: str, sides: Sides
) -> Callable[[], None]:
    names = executor.input_names
    frames = [dict(zip(names, row, strict=True)) for row in zip(*subject.inputs, strict=True)]
    whole = dict(zip(names, subject.inputs, strict=True))

    def turn() -> None:
        executor.reset()
        seconds = []
        for frame in frames[:FRAMES_PER_TURN]:
            started = time.perf_counter()
            executor.step(frame)
            seconds.append(time.perf_counter() - started)
        sides.frame.setdefault(engine, []).append(statistics.median(seconds))
        executor.reset()
        started = time.perf_counter()
        executor.run(whole)
        sides.sequence.setdefault(engine, []).append(time.perf_counter() - started)

    return turn


def _their_turns(subject: Subject, peer: FqirPeer, sides: Sides) -> list[Callable[[], None]]:
    turns = []
    for backend in BACKENDS:
        if backend == "cpp" and not peer.started["native"]:
            continue
        where = {"path": str(subject.path), "inputs": str(subject.inputs_path), "backend": backend}
        answer = peer.call("frame_seconds", **where)
        if answer["error"]:
            sides.notes[backend] = answer["error"]
            continue
        turns.append(_their_turn(peer, where, backend, sides))
    return turns


def _their_turn(
    peer: FqirPeer, where: dict[str, str], backend: str, sides: Sides
) -> Callable[[], None]:
    target = where["inputs"].replace(".npz", "_out.npz")

    def turn() -> None:
        """Their whole sequence is their main graph's or all frames in turn, whichever is faster."""
        stepped = peer.call("frame_seconds", **where)
        whole = peer.call("sequence", **where, outputs=target)
        sides.frame.setdefault(backend, []).append(stepped["median_s"])
        candidates = [stepped["total_s"]] + ([] if whole["error"] else [whole["seconds"]])
        sides.sequence.setdefault(backend, []).append(min(candidates))

    return turn


def load_seconds(path: Path, peer: FqirPeer | None) -> tuple[float, float | None]:
    """Time loading a file here and there, in turns; medians."""
    ours, theirs = [], []
    for _ in range(9):
        started = time.perf_counter()
        load_model(path)
        ours.append(time.perf_counter() - started)
        if peer:
            theirs.append(peer.call("load_seconds", path=str(path))["seconds"])
    return statistics.median(ours), statistics.median(theirs) if theirs else None


def load_memory(small: Path, large: Path) -> dict[str, int]:
    """Give bytes that loading a file takes at its peak, after a small one was loaded.

    Returns:
        `traced`: what Python allocates; `grown`: by how much the process grows.
    """
    command = [sys.executable, "-c", _LOAD_MEMORY, str(small), str(large)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def command_seconds(
    subject: Subject, folder: Path, python: str, *, is_first: bool
) -> tuple[float, float | None]:
    """Time `hostrt run` from the command line to written output, and `import fmot`; in turns.

    Args:
        subject: what is run.
        folder: for inputs and outputs.
        python: the interpreter that has fmot, "" for none.
        is_first: every run finds nothing that runs before it have kept.
    """
    run = [sys.executable, "-m", "hostrt.cli.main", "run", str(subject.path), "--runners", "fqir"]
    ours, theirs = [], []
    for turn in range(COMMANDS + 1):
        target = folder / f"out_{is_first}_{turn}"
        command = [*run, "--input-file", str(named_inputs(subject, folder)), "-o", str(target)]
        kept = {"XDG_CACHE_HOME": str(folder / f"cache_{turn}")} if is_first else {}
        ours.append(_process_seconds(command, **kept))
        if python:
            theirs.append(_process_seconds([python, "-c", "import fmot"]))
    # the first of each fills caches
    return statistics.median(ours[1:]), statistics.median(theirs[1:]) if theirs else None


def named_inputs(subject: Subject, folder: Path) -> Path:
    """Write the inputs under the names that the model has for them."""
    import numpy as np

    tensors = load_model(subject.path).arith.inputs
    path = folder / f"{subject.name}_named.npz"
    arrays: dict[str, Any] = {
        tensor.name: array for tensor, array in zip(tensors, subject.inputs, strict=True)
    }
    np.savez(path, **arrays)
    return path


def _process_seconds(command: list[str], **variables: str) -> float:
    # hostrt takes every HOSTRT_ variable for a setting
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**kept, **ONE_THREAD, **variables},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-400:]
    return time.perf_counter() - started
