"""What `hostrt stream` says at the end: for people, as JSON, and as a report."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.cli.output import say
from hostrt.cli.run_report import print_latency_table

if TYPE_CHECKING:
    from hostrt.cli.stream_session import Session
    from hostrt.report.model import Report

_COLUMNS = ("min", "mean", "median", "p90", "p95", "p99", "max")


def summary_tree(session: Session, written: list[str]) -> dict[str, object]:
    """Give the stream as plain values.

    Args:
        session: after it was played.
        written: files and folders that were written.
    """
    result, options = session.result, session.options
    metrics = LatencyMetrics(result.metrics, session.arguments.warm_up)
    return {
        "model": session.subject.path,
        "source": session.source.title,
        "n_frames": result.metrics.n_frames,
        "input_period_s": options.period_s,
        "deadline_s": options.allowed_s,
        "realtime": options.realtime,
        "on_late": options.on_late,
        "interrupted": session.interrupted,
        "failure": None if session.failure is None else session.failure.message,
        "provenance": result.provenance.to_tree(),
        "simulated": result.simulated,
        "metrics": metrics.to_tree(per_frame=False),
        "power": None if session.power is None else session.power.to_tree(),
        "overflows": session.source.overflows,
        "underflows": session.underflows,
        "notes": list(result.notes),
        "written": written,
    }


def print_summary(session: Session, written: list[str]) -> None:
    """Print the stream for people; see `summary_tree`."""
    result, options = session.result, session.options
    run = result.metrics
    where = result.provenance.board or "this computer"
    kind = " (simulated)" if result.simulated else ""
    say(f"{session.source.title}: {run.n_frames} frames through {session.subject.name}")
    say(f"{result.provenance.runner} on {where}{kind}")
    metrics = LatencyMetrics(run, session.arguments.warm_up)
    print_latency_table(metrics, _COLUMNS)
    if run.schedule is not None:
        schedule = run.schedule
        say(
            f"input period {1e3 * options.period_s:g} ms, deadline {1e3 * options.allowed_s:g} ms: "
            f"{len(schedule.missed)} missed, {len(schedule.dropped)} dropped"
        )
        causes = [f"{name} {count}" for name, count in schedule.causes.items() if count]
        if causes:
            say(f"time was lost by: {', '.join(causes)}")
    if metrics.throughput_fps is not None:
        say(f"throughput: {metrics.throughput_fps:.1f} frames/s")
    if run.energy_j is not None and run.n_frames:
        by = f" ({session.power.meter})" if session.power is not None else ""
        say(
            f"energy: {1e6 * run.energy_j / run.n_frames:.3f} uJ per frame, power "
            f"{1e3 * (run.power_w or 0.0):.4g} mW{by}"
        )
    if session.underflows:
        say(f"the loudspeaker had nothing to play {session.underflows} times")
    for item in result.notes:
        say(f"note: {item}")
    for path in written:
        say(f"written: {path}")


def report_of(session: Session) -> Report:
    """Make the report of a stream."""
    from hostrt.report.build import report_of_run

    name = session.result.provenance.runner
    return report_of_run(
        session.subject,
        {name: session.result},
        inputs=session.inputs,
        sample_rate=session.source.sample_rate,
        warm_up=session.arguments.warm_up,
        power={name: session.power} if session.power is not None else {},
        interrupted=session.interrupted,
        command_line=tuple(sys.argv),
    )
