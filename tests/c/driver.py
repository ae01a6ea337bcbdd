"""The C library of the open instruction set, compiled and asked through tests/c/host_driver.c."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import firmware_protocol
from firmware_protocol.open_isa_cost import EVENT_NAMES, Events
from tests.c.cases import Case, Drained, Message, Outcome, Result, Words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.c.cases import Core

SOURCES = Path(firmware_protocol.__file__).parent / "c"
DRIVER = Path(__file__).parent / "host_driver.c"
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
UNDEFINED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
SANITIZED = ("-g", "-fsanitize=address", *UNDEFINED)

_OUTPUT, _SETUP, _WRITE, _POWER, _RUNS, _MESSAGE, _WAKE, _DRAINED = range(8)
_READ, _FIGURES, _TIME = 9, 10, 11
_DM, _SB = 1, 3
_BUDGET = 2**32 - 1


def find_compiler() -> str | None:
    """Find the system's C compiler."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compile_c(compiler: str, folder: Path, *flags: str) -> tuple[Path, str]:
    """Compile library and driver.

    Returns:
        The program, which is not there when that failed, and what the compiler said.
    """
    target = folder / "driver"
    sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    done = subprocess.run(
        [compiler, *flags, f"-I{SOURCES}", *sources, str(DRIVER), "-o", str(target)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return target, done.stderr


class Driver:
    """A compiled driver."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, cases: Sequence[Case], budget: int = _BUDGET) -> list[Result]:
        """Run cases, each on a chip of its own, in one process."""
        parts = [part for case in cases for part in _commands(case, budget)]
        answer = _Answer(self.ask(np.concatenate(parts)))
        results = [answer.result(case) for case in cases]
        assert answer.is_at_end()
        return results

    def one(self, cores: list[Core], *actions: Message | Drained) -> Result:
        """Run one case."""
        return self.run([Case(cores, list(actions))])[0]

    def time_us(self, cycles: int, hz_n: int, hz_d: int) -> int:
        """Ask for an execution time."""
        answer = self.ask(np.array([_TIME, cycles, hz_n, hz_d], np.uint64))
        return int(answer[1])

    def ask(self, commands: Words) -> Words:
        """Give commands to the driver, and what it says to them."""
        done = subprocess.run(
            [str(self.path)],
            input=commands.tobytes(),
            capture_output=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return np.frombuffer(done.stdout, np.uint64)


def _commands(case: Case, budget: int) -> Iterator[Words]:
    sizes = [
        size
        for core in case.cores
        for memory, bank in _banked(core)
        for size in (memory.size, bank)
    ]
    yield _words(_SETUP, len(case.cores), case.max_instructions, *sizes)
    for number, core in enumerate(case.cores):
        for kind, memory in enumerate((core.im, core.dm, core.tm, core.sb, core.pb, core.rq)):
            yield _words(_WRITE, number, kind, 0, memory.size)
            yield memory
        for kind, power in enumerate((core.im_power, core.dm_power, core.tm_power)):
            yield _words(_POWER, number, kind, power)
        yield _words(_RUNS, number, int(core.runs))
    for action in case.actions:
        if isinstance(action, Drained):
            yield _words(_DRAINED)
            continue
        if isinstance(action, Message):
            yield _words(_MESSAGE, budget, len(action.words), *action.words)
        else:
            yield _words(_WAKE, budget, action.core, action.head_tail)
        yield _words(_FIGURES)
    for number, core in enumerate(case.cores):
        yield _words(_READ, number, _DM, 0, core.dm.size)
        yield _words(_READ, number, _SB, 0, core.sb.size)


def _banked(core: Core) -> tuple[tuple[Words, int], ...]:
    return ((core.im, core.im_bank), (core.dm, core.dm_bank), (core.tm, core.tm_bank))


def _words(*values: int) -> Words:
    return np.array(values, np.uint64)


class _Answer:
    """What a driver said, read from the front."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._at = 0

    def is_at_end(self) -> bool:
        return self._at == self._words.size

    def result(self, case: Case) -> Result:
        assert self._take(2) == [_SETUP, 0]
        n_cores = len(case.cores)
        outcomes = [self._outcome(n_cores) for a in case.actions if not isinstance(a, Drained)]
        memories = [self._memory() for _ in range(2 * n_cores)]
        return Result(tuple(outcomes), tuple(memories[::2]), tuple(memories[1::2]))

    def _outcome(self, n_cores: int) -> Outcome:
        outputs = []
        tag = self._take(1)[0]
        while tag == _OUTPUT:
            header, n = self._take(2)
            outputs.append((header, tuple(self._take(n))))
            tag = self._take(1)[0]
        assert tag in (_MESSAGE, _WAKE)
        code, _ = self._take(2)
        tag, cycles = self._take(2)
        assert tag == _FIGURES
        figures = [self._take(2 + len(EVENT_NAMES)) for _ in range(n_cores)]
        clocks, busy = (tuple(each[i] for each in figures) for i in (0, 1))
        events = tuple(Events(*each[2:]) for each in figures)
        return Outcome(code == 0, tuple(outputs), cycles, clocks, busy, events)

    def _memory(self) -> bytes:
        tag, n = self._take(2)
        assert tag == _READ
        self._at += n
        return self._words[self._at - n : self._at].tobytes()

    def _take(self, n: int) -> list[int]:
        self._at += n
        return [int(word) for word in self._words[self._at - n : self._at]]
