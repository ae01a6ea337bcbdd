"""What a run gives: outputs, measurements and where they come from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np

from hostrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_Value = TypeVar("_Value", bound=np.generic)

Clock = Literal["device", "wire", "host", "end_to_end"]
"""Who measured a latency: the chip's own counter, the link, the host's share, or all together."""

CLOCKS: tuple[Clock, ...] = get_args(Clock)


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """How a streamed run kept to its clock.

    Attributes:
        late_s: (n_frames,) seconds from when a frame was due until it was begun; NaN for frames
            that were dropped.
        dropped: (d,) numbers of the frames that were given up before they were begun.
        missed: (m,) numbers of the frames whose outputs came after their deadline, one input
            period after they were due.
        causes: where time was lost -> how many missed or dropped frames ("source", "host",
            "wire", "device").
        deadline_s: seconds from when a frame is due until its outputs are late; None: one input
            period.
    """

    late_s: NDArray[np.float64]
    dropped: NDArray[np.int64]
    missed: NDArray[np.int64]
    causes: Mapping[str, int]
    deadline_s: float | None = None

    @property
    def kept(self) -> bool:
        """Whether every frame came in time."""
        return not len(self.missed) and not len(self.dropped)


@dataclass(frozen=True, slots=True, eq=False)
class RunMetrics:
    """Raw measurements of one run; nothing is averaged or filled in.

    Attributes:
        n_frames: frames run.
        latencies_s: clock -> (n_frames,) seconds; -1 or NaN where a frame was not measured.
        input_period_s: time between frames that the run assumed, None when not given.
        frame_power_w: (n_frames,) average power per frame in watts, None when not measured.
        energy_j: energy of the whole run in joules, None when not measured.
        pll_vco_hz: frequency of the PLL's oscillator in Hz, None when unknown.
        duration_s: time that the run took on the host's clock, None when not measured.
        work: what one frame costs by count ("macs", "operations", "parameter_bytes"); empty when
            the runner cannot tell.
        simulation: where a simulator's cycles and energy went, as plain values; else empty.
        schedule: how a streamed run kept to its clock, None for runs without one.
    """

    n_frames: int
    latencies_s: Mapping[Clock, NDArray[np.float64]] = field(default_factory=dict)
    input_period_s: float | None = None
    frame_power_w: NDArray[np.float64] | None = None
    energy_j: float | None = None
    pll_vco_hz: float | None = None
    duration_s: float | None = None
    work: Mapping[str, float] = field(default_factory=dict)
    simulation: Mapping[str, object] = field(default_factory=dict)
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        for clock, values in self.latencies_s.items():
            if clock not in CLOCKS:
                raise UsageError(f"latency clock {clock!r}, expected one of {', '.join(CLOCKS)}")
            _check_length(f"latencies of clock {clock}", values, self.n_frames)
        if self.frame_power_w is not None:
            _check_length("powers", self.frame_power_w, self.n_frames)

    @property
    def clock(self) -> Clock | None:
        """The clock behind `latency_s`: the nearest to the chip that measured any frame."""
        for clock in CLOCKS:
            if clock in self.latencies_s and _mean(self.latencies_s[clock]) is not None:
                return clock
        return None

    @property
    def deadline_s(self) -> float | None:
        """Latency beyond which a frame is late: a stream's own, else one input period."""
        if self.schedule is not None and self.schedule.deadline_s is not None:
            return self.schedule.deadline_s
        return self.input_period_s

    @property
    def latency_s(self) -> float | None:
        """Mean latency of the measured frames by `clock`, None when none was measured."""
        clock = self.clock
        return None if clock is None else _mean(self.latencies_s[clock])

    @property
    def power_w(self) -> float | None:
        """Mean power in watts, None when not measured."""
        return None if self.frame_power_w is None else _mean(self.frame_power_w)


@dataclass(frozen=True, slots=True, eq=False)
class StepResult:
    """One frame's outputs and what they cost.

    Attributes:
        outputs: name -> (L,) integers; empty when none was due.
        device_s: time that the chip took, NaN when it does not tell.
        wire_s: time that the link took, the chip's included; NaN without a link.
        energy_j: energy of the frame where a simulator knows it, else NaN.
    """

    outputs: Mapping[str, NDArray[np.signedinteger]]
    device_s: float = math.nan
    wire_s: float = math.nan
    energy_j: float = math.nan


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where outputs come from; what somebody needs to make them again.

    Attributes:
        runner: name of the runner ("hw", "fqir", ...).
        simulated: whether figures come from a model and not from hardware.
        program_sha256: hash of the program file, "" when there was none.
        program_source: its name.
        chip: name of the chip.
        board: address of the board, "" without one.
        firmware: firmware version of the board, "" when unknown.
        hostrt_version: version of this package.
        started: ISO 8601 time with offset.
        settings: settings that were used, JSON-compatible.
    """

    runner: str
    simulated: bool
    program_sha256: str = ""
    program_source: str = ""
    chip: str = ""
    board: str = ""
    firmware: str = ""
    hostrt_version: str = ""
    started: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)

    def to_tree(self) -> dict[str, object]:
        """Give everything as plain values."""
        tree: dict[str, object] = asdict(self)
        return tree


@dataclass(frozen=True, slots=True, eq=False)
class RunResult:
    """Outputs and measurements of one run; immutable.

    Attributes:
        outputs: name -> read-only (T, L) integer array; fewer rows than frames where a model
            gives an output only every few frames.
        metrics: raw measurements.
        provenance: where they come from.
        notes: what a user should know, one sentence each.
        internals: internal variable -> read-only (T, ...) values after each frame, in graph order;
            empty unless a runner was asked for them.
    """

    outputs: Mapping[str, NDArray[np.signedinteger]]
    metrics: RunMetrics
    provenance: Provenance
    notes: tuple[str, ...] = ()
    internals: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_frames = self.metrics.n_frames
        object.__setattr__(self, "outputs", _read_only("output", self.outputs, n_frames))
        object.__setattr__(self, "internals", _read_only("variable", self.internals, n_frames))

    @property
    def simulated(self) -> bool:
        """Whether this comes from a simulation."""
        return self.provenance.simulated


def _read_only(
    what: str, arrays: Mapping[str, NDArray[_Value]], n_frames: int
) -> dict[str, NDArray[_Value]]:
    views = {}
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) > n_frames:
            raise UsageError(
                f"{what} {name!r}: shape {array.shape}, expected at most {n_frames} frames"
            )
        views[name] = array.view()
        views[name].flags.writeable = False
    return views


def _check_length(what: str, array: NDArray[np.generic], n_frames: int) -> None:
    if array.ndim == 0 or len(array) != n_frames:
        raise UsageError(f"{what}: shape {array.shape}, expected {n_frames} frames")


def _mean(values: NDArray[np.float64]) -> float | None:
    valid = values[np.isfinite(values) & (values >= 0)]
    return float(valid.mean()) if len(valid) else None
