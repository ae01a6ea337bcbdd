"""The reference toolkit as a process that answers jobs (`fqir_driver.py`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.peer.calls import HERE, PeerFailed, find_peer

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD_SECONDS = 180

_PLACES = """
import importlib.util as u, json, numpy, sysconfig
print(json.dumps({
    "source": u.find_spec("fmot").submodule_search_locations[0] + "/fqir/_cpp_runtime.cpp",
    "torch": u.find_spec("torch").submodule_search_locations[0] + "/include",
    "numpy": numpy.get_include(),
    "python": sysconfig.get_paths()["include"],
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
}))
"""


class FqirPeer:
    """The toolkit in a process of its own.

    Attributes:
        started: what its start said: `import_s`, `native` (has a compiled backend), `version`.
    """

    def __init__(self, process: subprocess.Popen[str], native: Path | None = None) -> None:
        self._process = process
        self.started = self.call("start", native=str(native or ""))

    def call(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Do a job.

        Returns:
            Its answer; `error` says what the toolkit raised, "" when nothing.

        Raises:
            PeerFailed: the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise PeerFailed(f"{what} ended the peer with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def serve_fqir(folder: Path, native: Path | None = None) -> Iterator[FqirPeer]:
    """Start the toolkit.

    Args:
        folder: working directory, for whatever it leaves behind.
        native: folder of its compiled backend, see `native_folder`.

    Raises:
        PeerFailed: it is not installed.
    """
    python, reason = find_peer()
    if not python:
        raise PeerFailed(reason)
    with (folder / "peer.log").open("w") as log:
        process = subprocess.Popen(
            [python, str(HERE / "fqir_driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )
        with process:
            try:
                yield FqirPeer(process, native)
            finally:
                process.kill()


@cache
def native_folder() -> tuple[Path | None, str]:
    """Compile the toolkit's native backend, which its package holds as source, once.

    Returns:
        The folder to be named to `serve_fqir` and "", or None and why there is none.
    """
    python, reason = find_peer()
    if not python:
        return None, reason
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None, "there is no C++ compiler"
    done = subprocess.run([python, "-c", _PLACES], capture_output=True, text=True, check=True)
    places = json.loads(done.stdout)
    source = Path(places["source"])
    if not source.is_file():
        return None, "the toolkit comes without the source of its compiled backend"
    folder = Path(tempfile.gettempdir()) / f"hostrt-peer-native-{os.getuid()}"
    target = folder / f"_cpp_runtime{places['suffix']}"
    if target.is_file() and target.stat().st_mtime > source.stat().st_mtime:
        return folder, ""
    folder.mkdir(exist_ok=True)
    command = [compiler, "-O3", "-std=c++17", "-shared", "-fPIC", str(source), "-o", str(target)]
    command += [f"-I{places[name]}" for name in ("python", "numpy", "torch")]
    # what a compiler says would show lines of the vendor's source
    built = subprocess.run(command, capture_output=True, timeout=BUILD_SECONDS, check=False)
    return (folder, "") if built.returncode == 0 else (None, "its source does not compile here")
