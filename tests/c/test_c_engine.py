"""The C library as an engine of the simulated chip: how it is built, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import MARK, Status, encode
from firmware_protocol.open_isa_ops import Op
from hostrt.errors import ExtraMissing, UsageError
from hostrt.sim.isa.memories import CoreMemories
from hostrt.sim.isa_c import CMachine
from hostrt.sim.isa_c_build import build
from tests.c.cases import program

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = np.zeros(0, np.uint64)


def memories(*instructions: tuple[int, ...]) -> CoreMemories:
    blank = CoreMemories.blank(64, 32, 16)
    blank.im[:] = program(*instructions)
    return blank


def trap_of(machine: CMachine) -> tuple[Status, int, int, bool] | None:
    trap = machine.last_trap
    return (trap.status, trap.core, trap.pc, trap.fetched) if trap else None


def test_the_library_is_compiled_once_into_the_users_cache(
    engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = engine.stat().st_mtime_ns
    monkeypatch.setenv("XDG_CACHE_HOME", str(engine.parent.parent))
    assert build() == engine
    assert engine.stat().st_mtime_ns == stamp
    assert list(engine.parent.iterdir()) == [engine]


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ExtraMissing, match="no C compiler") as caught:
        build(tmp_path)
    assert "engine in Python" in caught.value.hint


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho first >&2\necho second >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(ExtraMissing, match=r"cannot compile the open instruction set: first$"):
        build(tmp_path)
    assert list(tmp_path.iterdir()) == [broken]


def test_a_cache_that_cannot_be_written_is_said(compiler: str, tmp_path: Path) -> None:
    assert compiler
    (tmp_path / "file").touch()
    with pytest.raises(ExtraMissing, match="cannot be compiled") as caught:
        build(tmp_path / "file" / "folder")
    assert "XDG_CACHE_HOME" in caught.value.hint


def test_memories_that_do_not_fit_the_library_are_refused(engine: Path) -> None:
    with pytest.raises(UsageError, match="memories of 5 cores"):
        CMachine([memories()] * 5, library=engine)
    with pytest.raises(UsageError, match="memories of 0 cores"):
        CMachine([], library=engine)
    strange = replace(memories(), dm=np.zeros(64, np.uint64)[::2])
    with pytest.raises(UsageError, match="strides"):
        CMachine([strange], library=engine)


def test_it_tells_what_stopped_a_thread_and_forgets_when_reset(engine: Path) -> None:
    machine = CMachine([memories((0,))], library=engine)
    assert machine.message(0, 1, NOTHING)
    (stop,) = machine.run()
    assert stop.tolist() == [Status.ILLEGAL_INSTRUCTION, 0, 1, 0]
    assert trap_of(machine) == (Status.ILLEGAL_INSTRUCTION, 0, 1, True)
    assert (machine.total_cycles, machine.lost) == (4, 0)
    assert not machine.message(3, 1, NOTHING)
    assert machine.wake(2, 5) == 0
    assert machine.lost == 6

    machine.reset()

    assert trap_of(machine) is None
    assert (machine.total_cycles, machine.lost, machine.frame_cycles) == (0, 0, 0)
    assert machine.run() == []


def test_it_sees_memories_as_they_are(engine: Path) -> None:
    send, halt = encode(Op.SEND, n=1, a=2, b=3), encode(Op.HALT)
    powered = {MemoryKind.DM: True, MemoryKind.TM: True, MemoryKind.IM: True}
    core = replace(memories(send, halt), powered=lambda kind, first, count: powered[kind])
    machine = CMachine([core], library=engine)

    core.dm[2] = 7
    machine.message(0, 1, NOTHING)
    assert machine.run()[0].tolist() == [0x1F, 3, 7, 0]

    powered[MemoryKind.DM] = False
    machine.power_changed(0)
    machine.message(0, 1, NOTHING)
    assert machine.run()[0].tolist() == [Status.BANK_OFF, 0, 1, 0]

    powered[MemoryKind.DM] = True
    machine.power_changed(0)
    core.im[0] = MARK + 1
    machine.changed(0, MemoryKind.IM)
    machine.message(0, 1, NOTHING)
    assert machine.run()[0].tolist() == [Status.WRONG_VERSION, 0, 1, 0]
    assert trap_of(machine) == (Status.WRONG_VERSION, 0, 1, False)
    machine.begin_frame()
    assert machine.frame_cycles == 0
    core.im[0] = MARK
    machine.message(0, 99, NOTHING)
    machine.run()
    assert trap_of(machine) == (Status.BAD_ADDRESS, 0, 99, False)
