"""What the vendor's packages do in the comparison, timed inside their own process."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.material import FRAME_ELEMENTS
from tests.peer.calls import Boards, call_peer

if TYPE_CHECKING:
    from pathlib import Path

N_FRAMES = 30


def load_seconds(path: Path, folder: Path) -> float:
    """Time reading a `.femto` file or an archive."""
    job = {"do": "read", "program": str(path), "contents": False, "repeat": 7}
    return float(min(call_peer(job, folder)["seconds"]))


def save_seconds(source: Path, iospec: Path, folder: Path) -> float:
    """Time writing what an archive holds as a `.femto` file."""
    job = {
        "do": "write",
        "program": str(source),
        "iospec": str(iospec),
        "repeat": 5,
        "identity": {"femtodriver_version": "2.6.0"},
    }
    return float(min(call_peer(job, folder)["seconds"]))


def save_prog_seconds(path: Path, folder: Path) -> float:
    """Time having a PROG pair written, waits left out."""
    answer = call_peer({"do": "write_prog", "program": str(path)}, folder)
    if len(answer["paths"]) != 2:
        raise AssertionError(f"the peer wrote {answer['paths']}, expected a pair")
    return float(answer["seconds"])


def run(path: Path, platform: str, boards: Boards, folder: Path) -> dict[str, float]:
    """Program a board and run frames.

    Returns:
        `program_s` seconds on the wire, pauses of 10 ms and more left out; `n_packets`;
        `reset_s` seconds of the whole call; `frame_s` median seconds of a frame.
    """
    frames = np.random.default_rng(1).integers(-9999, 9999, (N_FRAMES, FRAME_ELEMENTS))
    job = {
        "do": "run",
        "program": str(path),
        "platform": platform,
        "address": "127.0.0.1" if platform == "zcu104" else None,
        "frames": [{"0": frame.tolist()} for frame in frames],
        "finish": False,
    }
    answer = call_peer(job, folder, boards=boards)
    return {
        "program_s": answer["busy_s"],
        "n_packets": answer["n_sent"],
        "reset_s": answer["reset_s"],
        "frame_s": statistics.median(answer["frame_s"]),
    }
