"""Loads files in a process of its own and prints what that cost, as JSON.

`python -m tests.fqir.costly FILE...`. The peak of memory is only known per process, and that of
a process which made the files would be theirs.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TypedDict

from hostrt.errors import HostrtError
from hostrt.fqir.load import load_model


class Cost(TypedDict):
    """What loading some files cost.

    Attributes:
        peak_before: highest resident memory before the first file, in bytes.
        peak: highest resident memory after the last.
        seconds: processor time per file.
        errors: error per file, "" when it was loaded.
    """

    peak_before: int
    peak: int
    seconds: list[float]
    errors: list[str]


def peak_bytes() -> int:
    """Give the highest resident memory of this process so far (Linux only)."""
    words = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()
    return int(words[0]) * 1024


def measure(paths: list[str]) -> Cost:
    """Load files one after the other."""
    cost = Cost(peak_before=peak_bytes(), peak=0, seconds=[], errors=[])
    for path in paths:
        error = ""
        started = time.process_time()
        try:
            load_model(path)
        except HostrtError as caught:
            error = f"{type(caught).__name__}: {caught.message}"
        cost["seconds"].append(time.process_time() - started)
        cost["errors"].append(error)
    cost["peak"] = peak_bytes()
    return cost


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1:])))
