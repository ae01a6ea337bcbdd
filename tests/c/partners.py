"""The implementations in Python, asked the same as the C library."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa_cost import EVENT_NAMES, Events
from hostrt.sim.isa.machine import Machine
from hostrt.sim.isa.memories import CoreMemories
from hostrt.sim.isa_c import CMachine
from tests.c.cases import Case, Core, Drained, Message, Outcome, Result
from tests.sim.isa_oracle import Oracle, OracleCore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.c.cases import Words


def ask_oracle(case: Case) -> Result:
    """Run a case on the oracle."""
    cores = [_oracle_core(core) for core in case.cores]
    oracle = Oracle(cores, case.max_instructions)
    before = [Counter[str]() for _ in cores]
    outcomes, waits = [], False
    for action in case.actions:
        if isinstance(action, Drained):
            waits = False
            continue
        if isinstance(action, Message):
            begins = oracle.answered and not waits
            taken = bool(action.words) and oracle.message(
                *_head(action.words[0]), list(action.words[1:]), output_waits=waits
            )
            if taken and begins:
                before = [Counter(core.events) for core in cores]
        else:
            taken = action.core < len(cores) and cores[action.core].listens
            if taken:
                oracle.wake(action.core, action.head_tail)
        outputs = tuple((box << 32 | status, tuple(w)) for box, status, w in oracle.run())
        waits = waits or bool(outputs)
        counts = [_difference(core.events, old) for core, old in zip(cores, before, strict=True)]
        busy = tuple(core.busy for core in cores)
        clocks = tuple(core.clock for core in cores)
        cycles = oracle.frame_cycles
        outcomes.append(Outcome(taken, outputs, cycles, clocks, busy, tuple(counts)))
    memories = [[np.array(w, np.uint64).tobytes() for w in (core.dm, core.sb)] for core in cores]
    return Result(tuple(outcomes), *(tuple(kind) for kind in zip(*memories, strict=True)))


def ask_machine(case: Case) -> Result:
    """Run a case on the machine of the simulated board."""
    memories = [_core_memories(core) for core in case.cores]
    machine = Machine(memories, max_instructions=case.max_instructions)
    before = _totals(machine, len(memories))

    def counts(begins: bool) -> tuple[Events, ...]:
        nonlocal before
        after = _totals(machine, len(memories))
        if begins:
            before = after
        return tuple(_minus(new, old) for new, old in zip(after, before, strict=True))

    return _ask(case, machine, memories, counts)


def ask_engine(case: Case, library: Path) -> Result:
    """Run a case on the same machine in C."""
    memories = [_core_memories(core) for core in case.cores]
    banks = case.cores[0]
    sizes = {
        MemoryKind.IM: banks.im_bank,
        MemoryKind.DM: banks.dm_bank,
        MemoryKind.TM: banks.tm_bank,
    }
    machine = CMachine(
        memories, max_instructions=case.max_instructions, bank_words=sizes, library=library
    )

    def counts(_begins: bool) -> tuple[Events, ...]:
        return tuple(machine.events(core) for core in range(len(memories)))

    return _ask(case, machine, memories, counts)


def _ask(
    case: Case,
    machine: Machine | CMachine,
    memories: list[CoreMemories],
    counts: Callable[[bool], tuple[Events, ...]],
) -> Result:
    """Run a case; `counts` gives events of the frame, told when one begins."""
    outcomes, waits, has_sent = [], False, False
    for action in case.actions:
        if isinstance(action, Drained):
            waits = False
            continue
        if isinstance(action, Message):
            payload = np.array(action.words[1:], np.uint64)
            taken = bool(action.words) and machine.message(
                *_head(action.words[0]), payload, output_waits=waits
            )
            if taken and has_sent and not waits:
                counts(True)
                has_sent = False
        else:
            taken = action.core < len(memories) and _listens(case.cores[action.core])
            if taken:
                machine.wake(action.core, action.head_tail)
        outputs = tuple(_message(m.view("<u8").tolist()) for m in machine.run())
        waits, has_sent = waits or bool(outputs), has_sent or bool(outputs)
        busy = tuple(int(each) for each in machine.busy_cycles)
        clocks = tuple(int(each) for each in machine.clocks)
        cycles = machine.frame_cycles
        outcomes.append(Outcome(taken, outputs, cycles, clocks, busy, counts(False)))
    return Result(
        tuple(outcomes),
        tuple(memory.dm.tobytes() for memory in memories),
        tuple(memory.sb.tobytes() for memory in memories),
    )


def _head(header: int) -> tuple[int, int]:
    return header & 0xFFFF_FFFF, header >> 32


def _message(words: list[int]) -> tuple[int, tuple[int, ...]]:
    return words[0], tuple(words[1:])


def _listens(core: Core) -> bool:
    mark = int(core.im[0]) >> 8 if core.im_power & 1 else 0
    return core.runs and mark == int.from_bytes(b"OPENISA", "big")


def _oracle_core(core: Core) -> OracleCore:
    parts = (_seen(core), core.dm, core.tm, core.rq, core.pb, core.sb)
    im, dm, tm, rq, pb, sb = (part.tolist() for part in parts)
    dm_on = [bool(core.dm_power >> i // core.dm_bank & 1) for i in range(len(dm))]
    tm_on = [bool(core.tm_power >> i // core.tm_bank & 1) for i in range(len(tm))]
    return OracleCore(im, dm, tm, rq, pb, sb, dm_on, tm_on, core.runs)


def _seen(core: Core) -> Words:
    """IM as it reads: what is not powered is 0."""
    banks = np.arange(core.im.size) // core.im_bank
    powered = np.array([core.im_power >> int(bank) & 1 for bank in banks], np.uint64)
    return core.im * powered


def _core_memories(core: Core) -> CoreMemories:
    banked = {
        MemoryKind.DM: (core.dm_bank, core.dm_power),
        MemoryKind.TM: (core.tm_bank, core.tm_power),
        MemoryKind.IM: (core.im_bank, core.im_power),
    }

    def powered(kind: MemoryKind, first: int, count: int) -> bool:
        size, power = banked[kind]
        return all(power >> i & 1 for i in range(first // size, (first + count - 1) // size + 1))

    im, dm, tm, rq, pb, sb = (
        np.array(part, "<u8") for part in (core.im, core.dm, core.tm, core.rq, core.pb, core.sb)
    )
    return CoreMemories(im, dm, tm, rq, pb, sb, powered=powered, runs=lambda: core.runs)


def _difference(now: Counter[str], before: Counter[str]) -> Events:
    return Events(*(now[name] - before[name] for name in EVENT_NAMES))


def _minus(now: Events, before: Events) -> Events:
    return Events(*(getattr(now, name) - getattr(before, name) for name in EVENT_NAMES))


def _totals(machine: Machine, n_cores: int) -> list[Events]:
    return [
        sum((each.events for each in machine.executed(core)), Events()) for core in range(n_cores)
    ]
