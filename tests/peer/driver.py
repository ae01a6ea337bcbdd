"""Runs in the peer's interpreter: one job as JSON on standard input, its answer on standard output.

The vendor's packages are used through their public calls alone. Jobs: `run` (reset, program,
frames on a board), `read` (a program file or archive), `write` (a program file), `write_prog` (a
PROG pair), `command_line`.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ZYNQ_PORT = 7
PAUSE_S = 0.01
"""A longer time between two packets is a wait that the client makes, not work."""

sent_at: list[float] = []
"""When each piece was handed to a TCP connection (`time.perf_counter`)."""


def main() -> None:
    """Do the job and print the answer; what the vendor prints goes to standard error."""
    answer_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # Only types and messages of failures are of interest, not the vendor's lines of code.
    sys.tracebacklimit = 0
    sys.unraisablehook = silence
    job = json.load(sys.stdin)
    redirect_zynq()
    answer = JOBS[job["do"]](job)
    answer_to.write(json.dumps(answer))
    answer_to.flush()
    # The vendor's finalisers write records at exit; nobody reads them.
    os._exit(0)


def silence(_: object) -> None:
    """Say nothing about failures in the vendor's finalisers."""


def redirect_zynq() -> None:
    """Send connections to the board's fixed port to the server under test instead."""
    target = os.environ.get("HOSTRT_PEER_ZCU104")
    if not target:
        return
    host, _, port = target.rpartition(":")
    connect, send = socket.socket.connect, socket.socket.sendall

    def connect_elsewhere(self: socket.socket, address: Any) -> None:
        is_board = isinstance(address, tuple) and address[1] == ZYNQ_PORT
        connect(self, (host, int(port)) if is_board else address)

    def send_and_note(self: socket.socket, data: Any) -> None:
        sent_at.append(time.perf_counter())
        send(self, data)

    socket.socket.connect = connect_elsewhere  # type: ignore[method-assign,assignment]
    socket.socket.sendall = send_and_note  # type: ignore[method-assign,assignment]


def load_program(job: dict[str, Any]) -> Any:
    """Read a program with the vendor's reader; an archive gets its IOSpec from a file."""
    femtodriver = importlib.import_module("femtodriver")
    femtorun = importlib.import_module("femtorun")
    path = job["program"]
    if not path.endswith(".zip"):
        return femtodriver.CompiledData.read_from_femtofile(path)
    compiled = femtodriver.CompiledData.read_from_zip(path)
    if "iospec" in job:
        compiled.iospec = femtorun.IOSpec(job["iospec"])
    return compiled


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Reset, program and stream frames; `extras` are further calls in between.

    `meanwhile` is a command of somebody else's, run while the board is open.
    """
    femtodriver = importlib.import_module("femtodriver")
    runner = femtodriver.SPURunner(
        load_program(job),
        platform=job["platform"],
        fake_connection=False,
        program_pll=job.get("pll", True),
        io_records_dir=str(Path.cwd() / "io_records"),
        hardware_address=job.get("address"),
    )
    started = time.perf_counter()
    runner.reset()
    answer: dict[str, Any] = {"reset_s": time.perf_counter() - started, **times_of_sending()}
    for name in job.get("extras", []):
        answer[name] = extra(name, runner)
    if "meanwhile" in job:
        done = subprocess.run(job["meanwhile"], capture_output=True, text=True, check=False)
        answer["meanwhile"] = done.stdout
    answer |= stream(runner, job["frames"])
    answer["metrics"] = runner.get_metrics(input_period=0.016)
    if job.get("finish", True):
        runner.finish()
    return answer


def stream(runner: Any, frames: list[dict[str, list[int]]]) -> dict[str, Any]:
    """Run the frames; integer lists by vector name in and out, and the time of each step."""
    numpy = importlib.import_module("numpy")
    outputs, seconds = [], []
    for frame in frames:
        inputs = {name: numpy.array(values, numpy.int16) for name, values in frame.items()}
        started = time.perf_counter()
        found, _ = runner.step(inputs)
        seconds.append(time.perf_counter() - started)
        outputs.append({str(name): numpy.asarray(v).tolist() for name, v in found.items()})
    return {"outputs": outputs, "frame_s": seconds}


def extra(name: str, runner: Any) -> Any:
    """Make one further call and give what it says, as JSON types."""
    match name:
        case "dump":
            return memories(runner.dump_mems())
        case "verify":
            return bool(runner.verify_programming(throw=False)[0])
        case "version":
            return int(runner.hw_recv("VERSION"))
        case "sleep_and_wake":
            runner.change_mem_power_state("sleep")
            runner.change_mem_power_state("wake")
        case "reset_again":
            runner.reset()
    return None


def times_of_sending() -> dict[str, Any]:
    """Say how often something was sent, and the time between, fixed waits left out."""
    sent = getattr(sys.modules.get("hid"), "sent_at", []) or sent_at
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    return {"n_sent": len(sent), "busy_s": sum(gap for gap in gaps if gap < PAUSE_S)}


def read(job: dict[str, Any]) -> dict[str, Any]:
    """Read a program file or archive; times of `repeat` readings."""
    importlib.import_module("femtodriver")
    seconds: list[float] = []
    compiled = None
    for _ in range(job.get("repeat", 1)):
        started = time.perf_counter()
        compiled = load_program(job)
        seconds.append(time.perf_counter() - started)
    if not job.get("contents", True):
        return {"seconds": seconds}
    return {"seconds": seconds, "memories": memories(compiled), "metadata": plain(compiled)}


def memories(compiled: Any) -> dict[str, dict[str, list[list[int]]]]:
    """Give the words per core and memory (one list per group of bits), for comparison."""
    numpy = importlib.import_module("numpy")
    return {
        str(core): {
            str(kind): [numpy.ravel(bank).tolist() for bank in banks]
            for kind, banks in kinds.items()
        }
        for core, kinds in compiled.mems_per_core.items()
    }


def plain(compiled: Any) -> dict[str, Any]:
    """Give the metadata as JSON types."""
    tree: dict[str, Any] = json.loads(json.dumps(compiled.metadata, default=str))
    return tree


def write(job: dict[str, Any]) -> dict[str, Any]:
    """Write what was read as a `.femto` file; times of `repeat` writings."""
    importlib.import_module("femtodriver")
    seconds, path = [], ""
    for _ in range(job.get("repeat", 1)):
        compiled = load_program(job)
        compiled.encryption_key_idx = job.get("key_index", 0)
        started = time.perf_counter()
        file = compiled.to_femtofile(**job["identity"])
        path, _ = file.export_file(str(Path.cwd()), "written")
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds, "path": path}


def write_prog(job: dict[str, Any]) -> dict[str, Any]:
    """Have PROG files written, which happens when a fake board is reset; waits are not counted.

    The vendor's other records of a reset are written along; it has no call for PROG files alone.
    """
    femtodriver = importlib.import_module("femtodriver")
    waited = 0.0

    def wait(seconds: float) -> None:
        nonlocal waited
        waited += seconds

    time.sleep = wait  # type: ignore[assignment]
    runner = femtodriver.SPURunner(
        load_program(job),
        platform="zcu104",
        fake_connection=True,
        io_records_dir=str(Path.cwd() / "prog_records"),
    )
    started = time.perf_counter()
    runner.reset()
    seconds = time.perf_counter() - started
    written = sorted((Path.cwd() / "prog_records" / "apb_records").glob("program_network_*"))
    return {"seconds": seconds, "waited_s": waited, "paths": [str(path) for path in written]}


def command_line(job: dict[str, Any]) -> dict[str, Any]:
    """Do what the vendor's command line does with a program file, on a board."""
    femtodriver = importlib.import_module("femtodriver")
    yaml = importlib.import_module("yaml")
    with femtodriver.Femtodriver() as tool:
        tool.run(model=job["program"], output_dir="out", runners="hw", hardware=job["platform"])
    (metrics,) = Path("out").rglob("run_metrics.yaml")
    return {"folder": str(metrics.parent.resolve()), "metrics": yaml.safe_load(metrics.read_text())}


JOBS = {
    "command_line": command_line,
    "run": run,
    "read": read,
    "write": write,
    "write_prog": write_prog,
}

if __name__ == "__main__":
    main()
