"""Where cycles and energy of simulated frames go: by instruction class, thread, core and memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa_cost import EVENT_NAMES, Events
from firmware_protocol.open_isa_ops import VECTOR_OPS, Op

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hostrt.fasmir.assembly import Assembly, Core
    from hostrt.fasmir.simulator import FrameCost
    from hostrt.fasmir.spu_model import SpuModel
    from hostrt.sim.isa.code import Executed

_CLASSES: Mapping[Op, str] = {
    **dict.fromkeys(VECTOR_OPS, "vector"),
    Op.MATVEC: "matvec",
    Op.SUM: "sum",
    Op.LUT: "table",
    Op.COUNT: "control",
    Op.COPY: "move",
    Op.MOVE: "move",
    Op.MOVEL: "move",
    **dict.fromkeys((Op.RECV, Op.SEND, Op.POST), "message"),
    **dict.fromkeys((Op.HALT, Op.JUMP, Op.JZERO, Op.LOOP, Op.SIGNAL), "control"),
}
_START = "start"
"""Class of the cycles that starting threads takes."""


def class_of(op: Op) -> str:
    """Give the class that an operation is counted in."""
    return _CLASSES[op]


@dataclass(slots=True)
class _Share:
    """One core's share of one frame."""

    cycles: int = 0
    events: Counter[str] = field(default_factory=Counter)
    by_class: Counter[str] = field(default_factory=Counter)
    by_thread: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Account:
    """Sums over the frames of one run.

    Attributes:
        assembly: what was executed.
        clock_hz: clock of the cores.
        period_s: time from one frame to the next, None when frames follow each other at once.
        model: coefficients of energy.
        n_banks: memory banks that are powered.
        cycles: per frame, from its first message until all cores were free.
        energy_j: per frame.
    """

    assembly: Assembly
    clock_hz: float
    period_s: float | None
    model: SpuModel
    n_banks: int
    cycles: list[int] = field(default_factory=list)
    energy_j: list[float] = field(default_factory=list)
    _busy: Counter[int] = field(default_factory=Counter)
    _by_class: Counter[str] = field(default_factory=Counter)
    _by_thread: Counter[str] = field(default_factory=Counter)
    _events: dict[int, Counter[str]] = field(default_factory=dict)
    _threads: dict[int, dict[int, str]] = field(default_factory=dict)
    _shares: dict[tuple[int, tuple[tuple[int, int, int], ...]], _Share] = field(
        default_factory=dict
    )

    def add(self, cost: FrameCost) -> None:
        """Take what one frame cost."""
        total: Counter[str] = Counter()
        for core, executed in enumerate(cost.executed):
            busy = cost.busy_cycles[core]
            if not busy:
                continue
            share = self._share(core, executed)
            total += share.events
            self._events.setdefault(core, Counter()).update(share.events)
            self._busy[core] += busy
            self._by_class.update(share.by_class)
            self._by_class[_START] += busy - share.cycles
            self._by_thread.update(share.by_thread)
        self.cycles.append(cost.cycles)
        self.energy_j.append(self._energy(total, cost))

    def latencies_s(self) -> NDArray[np.float64]:
        """Give the latency of each frame in seconds."""
        return np.array(self.cycles, np.float64) / self.clock_hz

    def powers_w(self) -> NDArray[np.float64]:
        """Give the mean power of each frame, idle time until the next one included, in watts."""
        spans = np.maximum(self.latencies_s(), self.period_s or 0.0)
        return np.array(self.energy_j, np.float64) / np.where(spans > 0, spans, np.inf)

    def tree(self) -> dict[str, object]:
        """Give everything as plain values."""
        n_frames = max(len(self.cycles), 1)
        span = sum(max(c / self.clock_hz, self.period_s or 0.0) for c in self.cycles)
        return {
            "clock_hz": self.clock_hz,
            "spu_model": self.model.name,
            "cycles_per_frame": self.cycles,
            "energy_per_frame_j": self.energy_j,
            "cycles_by_class": _mean(self._by_class, n_frames),
            "cycles_by_thread": _mean(self._by_thread, n_frames),
            "cores": {
                core: {
                    "busy_cycles": busy / n_frames,
                    "utilisation": busy / self.clock_hz / span if span else 0.0,
                    "traffic": _mean(self._events[core], n_frames),
                }
                for core, busy in sorted(self._busy.items())
            },
        }

    def _share(self, core: int, executed: tuple[Executed, ...]) -> _Share:
        """Add up one core's share of a frame; most frames of a model are alike."""
        key = (core, tuple((item.pc, item.done, item.stopped) for item in executed))
        if key not in self._shares:
            threads = self._threads_of(core)
            share = _Share()
            for item in executed:
                share.events.update(asdict(item.events))
                share.cycles += item.cycles
                if item.instruction is not None:
                    share.by_class[class_of(item.instruction.op)] += item.cycles
                share.by_thread[threads.get(item.pc, f"core {core}")] += item.cycles
            self._shares[key] = share
        return self._shares[key]

    def _threads_of(self, core: int) -> dict[int, str]:
        """Name the thread that each pc of a core belongs to: the entry last before it."""
        if core not in self._threads:
            found = next((one for one in self.assembly.cores if one.number == core), None)
            self._threads[core] = {} if found is None else _thread_names(self.assembly, found)
        return self._threads[core]

    def _energy(self, events: Counter[str], cost: FrameCost) -> float:
        latency = cost.cycles / self.clock_hz
        return self.model.frame_energy_j(
            Events(**{name: events[name] for name in EVENT_NAMES}),
            busy_s=sum(cost.busy_cycles) / self.clock_hz,
            seconds=max(latency, self.period_s or 0.0),
            n_cores=len(self.assembly.cores),
            n_banks=self.n_banks,
        )


def _thread_names(assembly: Assembly, core: Core) -> dict[int, str]:
    entries = {core.labels[item.label]: f"core {core.number} {item.name}" for item in core.threads}
    for item in assembly.inputs:
        if item.core == core.number:
            entries[core.labels[item.label]] = f"core {core.number} input {item.name}"
    for other in assembly.cores:
        for line in other.lines:
            fields = line.instruction.fields
            if line.instruction.op is Op.POST and fields["core"] == core.number:
                entries.setdefault(fields["b"], f"core {core.number} message at {fields['b']}")
    names, name = {}, f"core {core.number}"
    for pc in core.pcs:
        name = entries.get(pc, name)
        names[pc] = name
    return names


def _mean(counts: Mapping[str, int], n: int) -> dict[str, float]:
    return {name: count / n for name, count in sorted(counts.items()) if count}
