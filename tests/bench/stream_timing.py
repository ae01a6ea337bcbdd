"""How well streams keep time: pacing error, overhead per frame, misses, memory, and the output.

    python -m tests.bench.stream_timing                    # half a minute of sound at 8 ms
    python -m tests.bench.stream_timing --seconds 600      # ten minutes
    python -m tests.bench.stream_timing --stress           # with a busy process beside it

Runs `hostrt stream` in a process of its own on a simulated EVK2 behind a high-speed bus, and
compares what it wrote with an offline run of the same sound.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from hostrt import Program, Runner

RATE_HZ = 16_000
BOARD = "evk2+sim://spu001?usb_speed=high&window=4"


def main() -> int:
    """Measure and print one table; exit code 1 when outputs differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--period", type=float, default=0.008)
    parser.add_argument("--board", default=BOARD)
    parser.add_argument("--stress", action="store_true", help="keep another core busy")
    arguments = parser.parse_args()
    length = round(arguments.period * RATE_HZ)
    n_frames = round(arguments.seconds / arguments.period)
    samples = _sound(n_frames * length)
    stressors = [multiprocessing.Process(target=_burn, daemon=True)] if arguments.stress else []
    for process in stressors:
        process.start()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        soundfile.write(place / "x.wav", samples, RATE_HZ, "PCM_16")
        memory = _stream(place, arguments)
        frames = np.load(next((place / "kept").iterdir()) / "frames.npy")
        found, _ = soundfile.read(place / "y.wav", dtype="int16")
    for process in stressors:
        process.kill()
    inputs = samples.reshape(-1, length)
    with Runner("hw", Program.loopback("spu001", length=length), board="sim") as runner:
        offline = runner.run(inputs).outputs["output"]
    is_equal = np.array_equal(found.reshape(-1, length), offline)
    _report(frames, memory, is_equal=is_equal)
    return 0 if is_equal else 1


def _stream(place: Path, arguments: argparse.Namespace) -> list[float]:
    """Run the stream and give the memory of its process over time, in MB."""
    words = [
        "stream", place / "x.wav", "--board", arguments.board, "--input-period", arguments.period,
        "-o", place / "y.wav", "--output-dir", place / "kept", "--quiet",
    ]  # fmt: skip
    memory = []
    with subprocess.Popen(
        [sys.executable, "-m", "hostrt.cli.main", *map(str, words)], stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            time.sleep(1.0)
            memory.append(_resident_mb(process.pid))
    if process.returncode:
        raise SystemExit(f"hostrt stream ended with {process.returncode}")
    return [value for value in memory if value]


def _resident_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _report(
    frames: np.ndarray[tuple[int], np.dtype[np.void]], memory: list[float], *, is_equal: bool
) -> None:
    # a frame that waited for another one says nothing about the clock
    free = np.ones(len(frames), bool)
    free[1:] = frames["due_s"][:-1] + frames["end_to_end_s"][:-1] < frames["due_s"][1:]
    late = 1e3 * frames["late_s"][free]
    middle = memory[len(memory) // 4 : -2] or memory
    tree = {
        "frames": len(frames),
        "outputs_equal_offline": is_equal,
        "dropped": int(frames["dropped"].sum()),
        "missed": int(frames["missed"].sum()),
        "pacing_error_ms": _summary(late),
        "end_to_end_ms": _summary(1e3 * frames["end_to_end_s"]),
        "overhead_ms": _summary(1e3 * frames["host_s"]),
        "memory_mb": {"first": round(middle[0], 1), "last": round(middle[-1], 1)},
    }
    sys.stdout.write(json.dumps(tree, indent=2) + "\n")


def _summary(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float]:
    values = values[np.isfinite(values)]
    return {
        "median": round(float(np.median(values)), 4),
        "p99": round(float(np.percentile(values, 99)), 4),
        "max": round(float(values.max()), 4),
    }


def _sound(n_samples: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    noise = np.random.default_rng(0).integers(-(2**15), 2**15, n_samples)
    return noise.astype(np.int16)


def _burn() -> None:
    while True:
        sum(range(10_000))


if __name__ == "__main__":
    sys.exit(main())
