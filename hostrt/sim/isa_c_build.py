"""The C library of the open instruction set, compiled once and loaded: see `isa_c`."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import firmware_protocol
from firmware_protocol.open_isa_cost import EVENT_NAMES
from hostrt.errors import ExtraMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = Path(firmware_protocol.__file__).parent / "c"
"""Folder of the C library."""

_FLAGS = ("-std=c99", "-O3", "-fPIC", "-shared")
_COMPILE_TIMEOUT_S = 120.0


class Memory(ctypes.Structure):
    """`oisa_memory_t`."""

    _fields_ = (
        ("words", ctypes.c_void_p),
        ("n_words", ctypes.c_uint32),
        ("bank_words", ctypes.c_uint32),
        ("power", ctypes.c_uint32),
    )


class Core(ctypes.Structure):
    """`oisa_core_t`."""

    _fields_ = (
        ("im", Memory),
        ("dm", Memory),
        ("tm", Memory),
        ("sb", ctypes.c_void_p),
        ("pb", ctypes.c_void_p),
        ("rq", ctypes.c_void_p),
        ("runs", ctypes.c_uint32),
    )


Output = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t)
"""`oisa_output_t`."""


class Setup(ctypes.Structure):
    """`oisa_setup_t`."""

    _fields_ = (
        ("cores", ctypes.POINTER(Core)),
        ("n_cores", ctypes.c_uint32),
        ("scratch", ctypes.c_void_p),
        ("scratch_words", ctypes.c_size_t),
        ("links", ctypes.c_void_p),
        ("link_words", ctypes.c_size_t),
        ("output", Output),
        ("user", ctypes.c_void_p),
        ("max_instructions", ctypes.c_uint32),
    )


def build(folder: Path | None = None) -> Path:
    """Compile the library, unless that was done before with the same sources and compiler.

    Args:
        folder: where the compiled library is kept; default: `hostrt` in the user's cache folder.

    Returns:
        The shared library.

    Raises:
        ExtraMissing: no compiler, it fails, or the folder cannot be written.
    """
    compiler = _find_compiler()
    target = (folder or _cache_folder()) / f"open-isa-{_digest(compiler)}.so"
    if target.exists():
        return target
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as place:
            made = Path(place) / target.name
            sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
            _compile([compiler, *_FLAGS, *sources, "-o", str(made)])
            made.replace(target)
    except OSError as error:
        raise ExtraMissing(
            f"the open instruction set in C cannot be compiled: {error}",
            hint="set XDG_CACHE_HOME to a folder that can be written, or use the engine in Python",
        ) from error
    return target


@cache
def load(path: Path) -> ctypes.CDLL:
    """Load a library that `build` made.

    Raises:
        ExtraMissing: this computer keeps numbers high byte first.
    """
    if sys.byteorder != "little":
        raise ExtraMissing(
            "the engine in C needs a computer that keeps numbers low byte first",
            hint="use the engine in Python",
        )
    library = ctypes.CDLL(str(path))
    for name, result, arguments in _functions():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _functions() -> Iterator[tuple[str, object, list[object]]]:
    """Give name, result and arguments of each function that is used."""
    chip, core, size = ctypes.c_char_p, ctypes.c_uint32, ctypes.c_size_t
    yield "oisa_size", size, []
    yield "oisa_init", ctypes.c_int, [chip, ctypes.POINTER(Setup)]
    for name in ("oisa_reset", "oisa_drained", "oisa_begin_frame"):
        yield name, None, [chip]
    yield "oisa_message", ctypes.c_int, [chip, ctypes.c_void_p, size]
    yield "oisa_wake", ctypes.c_int, [chip, core, ctypes.c_uint32]
    yield "oisa_run", ctypes.c_int, [chip, ctypes.c_uint32]
    yield "oisa_frame_cycles", ctypes.c_uint64, [chip]
    for name in ("oisa_clock", "oisa_busy_cycles"):
        yield name, ctypes.c_uint64, [chip, core]
    counts = ctypes.POINTER(ctypes.c_uint64 * len(EVENT_NAMES))
    yield "oisa_events", counts, [chip, core]


def _find_compiler() -> str:
    named = os.environ.get("CC", "").split()
    for name in (*named[:1], "cc", "gcc", "clang"):
        found = shutil.which(name)
        if found:
            return found
    raise ExtraMissing(
        "no C compiler: none of cc, gcc, clang was found",
        hint="install one (apt-get install gcc), set CC, or use the engine in Python",
    )


def _cache_folder() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "hostrt"


def _digest(compiler: str) -> str:
    """Name what the library is made from."""
    digest = hashlib.sha256("\0".join([compiler, *_FLAGS]).encode())
    for path in sorted(SOURCES.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _compile(command: list[str]) -> None:
    """Run the compiler.

    Raises:
        ExtraMissing: it fails, or takes too long.
    """
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_COMPILE_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        said = (str(error.stderr).strip().splitlines() or ["it said nothing"])[0]
        raise ExtraMissing(
            f"{command[0]} cannot compile the open instruction set: {said}",
            hint="set CC to a C99 compiler, or use the engine in Python",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ExtraMissing(
            f"{command[0]} did not finish within {_COMPILE_TIMEOUT_S:.0f} s",
            hint="set CC to another C compiler, or use the engine in Python",
        ) from error
