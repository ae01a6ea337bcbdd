"""Latency, throughput and deadlines of a run, and the tree that run_metrics.yaml holds.

The tree begins with the reference tool's keys, so that scripts which read them keep working, with
their units put right; hostrt's own keys follow and carry the unit in the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hostrt.analysis.statistics import Summary, summarise, valid_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hostrt.runner.result import Clock, RunMetrics, Schedule

NOT_MEASURED = "not measured on hardware"
"""Text that the reference tool puts in place of a power."""

INVALID_S = -1.0
"""What the reference tool's latency keys hold for a frame that was not measured."""


_NUMBERS_LISTED = 1000


@dataclass(frozen=True, slots=True)
class LatencyMetrics:
    """Statistics of one run's measurements.

    Attributes:
        run: the measurements.
        warm_up: frames at the beginning left out of hostrt's own statistics (never of the
            reference's keys).
    """

    run: RunMetrics
    warm_up: int = 0

    @property
    def summaries(self) -> dict[Clock, Summary]:
        """Statistics in seconds, per clock."""
        return {
            clock: summarise(values, warm_up=self.warm_up)
            for clock, values in self.run.latencies_s.items()
        }

    @property
    def throughput_fps(self) -> float | None:
        """Frames per second over the whole run, None when its duration is unknown."""
        duration = self.run.duration_s
        return self.run.n_frames / duration if duration else None

    @property
    def host_per_frame_s(self) -> float | None:
        """Mean host time per frame of a run whose frames were not timed one by one, else None."""
        run = self.run
        if run.duration_s is None or run.latencies_s or not run.n_frames:
            return None
        return run.duration_s / run.n_frames

    @property
    def deadline_clock(self) -> Clock | None:
        """The clock that deadlines are judged by: the one that sees most of the way."""
        order: tuple[Clock, ...] = ("end_to_end", "device", "wire", "host")
        measured = self.run.latencies_s
        return next((c for c in order if c in measured and len(valid_values(measured[c]))), None)

    @property
    def slack_s(self) -> NDArray[np.float64] | None:
        """Deadline minus latency per measured frame, in seconds; negative = missed.

        None without an input period or a measured latency.
        """
        clock, deadline_s = self.deadline_clock, self.run.deadline_s
        if clock is None or deadline_s is None:
            return None
        measured = valid_values(self.run.latencies_s[clock][self.warm_up :])
        return deadline_s - measured

    def to_tree(self, *, per_frame: bool = True) -> dict[str, object]:
        """Give everything as plain values for YAML.

        Args:
            per_frame: also what was measured of each frame; without it the size does not depend
                on the number of frames.
        """
        return {**self._reference_tree(per_frame), **self._own_tree(per_frame)}

    def _reference_tree(self, per_frame: bool) -> dict[str, object]:
        run = self.run
        tree: dict[str, object] = {}
        if run.pll_vco_hz is not None:
            tree["PLL VCO frequency (MHz)"] = run.pll_vco_hz / 1e6
        mean = INVALID_S if run.latency_s is None else run.latency_s
        tree |= self._entry(run.n_frames, mean, _power(run.power_w))
        if not per_frame:
            return tree
        latencies, powers = self._frame_latencies(), self._frame_powers()
        tree["Frames"] = {
            index: self._entry(1, latency, power)
            for index, (latency, power) in enumerate(zip(latencies, powers, strict=True))
        }
        if run.n_frames:
            tree["Frame Statistics"] = {
                "Latency (s)": _statistics(latencies),
                "Power (W)": NOT_MEASURED if run.frame_power_w is None else _statistics(powers),
            }
        return tree

    def _own_tree(self, per_frame: bool) -> dict[str, object]:
        run = self.run
        tree: dict[str, object] = {"latency_clock": run.clock}
        tree["latency_s"] = {clock: one.to_tree() for clock, one in self.summaries.items()}
        if per_frame:
            tree["latency_per_frame_s"] = {
                clock: [None if not x >= 0 else x for x in values.tolist()]
                for clock, values in run.latencies_s.items()
            }
        if run.energy_j is not None:
            tree["energy_j"] = run.energy_j
        if self.throughput_fps is not None:
            tree["throughput_frames_per_s"] = self.throughput_fps
        if self.host_per_frame_s is not None:
            tree["host_per_frame_s"] = self.host_per_frame_s
        if run.work:
            tree["work_per_frame"] = dict(run.work)
        if run.simulation:
            tree["simulation"] = dict(run.simulation)
        slack = self.slack_s
        if slack is not None and slack.size:
            tree["deadline"] = {
                "clock": self.deadline_clock,
                "input_period_s": run.input_period_s,
                "deadline_s": run.deadline_s,
                "slack_s": {"min": float(slack.min()), "mean": float(slack.mean())},
                "missed": int(np.count_nonzero(slack < 0)),
                "frames": slack.size,
            }
        if run.schedule is not None:
            tree["schedule"] = self._schedule_tree(run.schedule)
        return tree

    def _schedule_tree(self, schedule: Schedule) -> dict[str, object]:
        """Say how a stream kept time; the deadline may be another one than the input period."""
        return {
            "late_s": summarise(schedule.late_s, warm_up=self.warm_up).to_tree(),
            "missed": len(schedule.missed),
            "dropped": len(schedule.dropped),
            "causes": dict(schedule.causes),
            "missed_frames": schedule.missed[:_NUMBERS_LISTED].tolist(),
            "dropped_frames": schedule.dropped[:_NUMBERS_LISTED].tolist(),
        }

    def _entry(self, n_frames: int, latency: float, power: object) -> dict[str, object]:
        entry: dict[str, object] = {"Frames Simulated": n_frames}
        if self.run.input_period_s is not None:
            entry["Input Period (s)"] = self.run.input_period_s
        entry["Latency (s)"] = latency
        entry["Power (W)"] = power
        return entry

    def _frame_latencies(self) -> list[float]:
        clock = self.run.clock
        if clock is None:
            return [INVALID_S] * self.run.n_frames
        return [x if x >= 0 else INVALID_S for x in self.run.latencies_s[clock].tolist()]

    def _frame_powers(self) -> list[object]:
        if self.run.frame_power_w is None:
            return [NOT_MEASURED] * self.run.n_frames
        return [_power(x if x >= 0 else None) for x in self.run.frame_power_w.tolist()]


def _power(value: float | None) -> float | str:
    return NOT_MEASURED if value is None else value


def _statistics(values: list[float] | list[object]) -> dict[str, object]:
    summary = summarise([x if isinstance(x, float) else INVALID_S for x in values])
    found = summary.count > 0
    return {
        "min": summary.min if found else INVALID_S,
        "mean": summary.mean if found else INVALID_S,
        "max": summary.max if found else INVALID_S,
        "values": values,
    }
