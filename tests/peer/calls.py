"""Calling the peer's programs: which interpreter has them, and one job in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VARIABLE = "HOSTRT_PEER_PYTHON"
JOB_SECONDS = 120

HARDWARE = {
    "spu001": "spu1p3v1.dat",
    "spu150tc1": "spu2p0v1.dat",
    "spu150": "spu2p1v1.dat",
}
"""The vendor's chip selection (`FS_HW_CFG`) per chip."""

SERIAL = f"PEER{os.getpid()}"
"""Serial number of the board that the peer sees; its lock file is this process's own."""

PRODUCTS = {"spu001": "SPU001", "spu150tc1": "SPU150", "spu150": "SPU150"}


@dataclass(frozen=True, slots=True)
class Boards:
    """Where the virtual boards listen, as `host:port`; empty when there is none."""

    evk2: str = ""
    zcu104: str = ""


class PeerFailed(Exception):
    """The peer's process ended without an answer."""


@cache
def find_peer() -> tuple[str, str]:
    """Give the interpreter that has the vendor's packages and "", or "" and why there is none."""
    named = os.environ.get(VARIABLE)
    python = named or sys.executable
    probe = "import importlib.util as u, sys; sys.exit(u.find_spec('femtodriver') is None)"
    try:
        found = subprocess.run([python, "-c", probe], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{VARIABLE}={named} does not start: {error}"
    if found.returncode == 0:
        return python, ""
    return "", f"femtodriver is not installed in {python}; name another with {VARIABLE}"


def call_peer(
    job: dict[str, Any], folder: Path, *, chip: str = "spu001", boards: Boards | None = None
) -> dict[str, Any]:
    """Run one job of `driver.py` in the peer's interpreter.

    Args:
        job: see `driver.py`.
        folder: working directory, for whatever the vendor's packages leave behind.
        chip: chip generation that they work for.
        boards: the virtual boards that its connections go to.

    Raises:
        PeerFailed: no answer came; says what the process wrote last.
    """
    python, reason = find_peer()
    if not python:
        raise PeerFailed(reason)
    places = boards or Boards()
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE / "shim"),
        "FS_HW_CFG": HARDWARE[chip],
        "HOSTRT_PEER_SERIAL": SERIAL,
        "HOSTRT_PEER_PRODUCT": PRODUCTS[chip],
        "HOSTRT_PEER_EVK2": places.evk2,
        "HOSTRT_PEER_ZCU104": places.zcu104,
    }
    done = subprocess.run(
        [python, str(HERE / "driver.py")],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=JOB_SECONDS,
        check=False,
    )
    if not done.stdout:
        raise PeerFailed(f"{job['do']} ended with {done.returncode}: {done.stderr[-600:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
