"""What `hostrt run` prints for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.cli.output import print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.analysis.compare import Comparisons
    from hostrt.cli.subject import Subject
    from hostrt.runner.result import RunResult

_OUTPUTS_SHOWN = 16
_COLUMNS = ("min", "median", "p90", "p99", "max")


def print_report(
    subject: Subject,
    results: dict[str, RunResult],
    comparisons: Comparisons,
    warm_up: int,
) -> None:
    """Print what ran where, latencies and verdicts."""
    say(subject.headline())
    for name, result in results.items():
        where = result.provenance.board or "this computer"
        kind = " (simulated)" if result.simulated else ""
        say(f"\n{name}: {result.metrics.n_frames} frames on {where}{kind}")
        for key, array in list(result.outputs.items())[:_OUTPUTS_SHOWN]:
            say(f"  output {key}: {' x '.join(map(str, array.shape))} {array.dtype}")
        if len(result.outputs) > _OUTPUTS_SHOWN:
            say(f"  and {len(result.outputs) - _OUTPUTS_SHOWN} more outputs")
        _print_latencies(result, warm_up)
        for item in result.notes:
            say(f"  note: {item}")
    if comparisons.pairs:
        say(f"\n{comparisons.describe()}")


def print_latency_table(metrics: LatencyMetrics, columns: Sequence[str] = _COLUMNS) -> None:
    """Print statistics of every clock that measured frames.

    Args:
        metrics: of one run.
        columns: names of statistics, see `Summary`.
    """
    rows = [
        [clock, *(f"{1e3 * getattr(summary, column):.3f}" for column in columns), summary.count]
        for clock, summary in metrics.summaries.items()
        if summary.count
    ]
    if rows:
        print_table(["latency (ms)", *columns, "frames"], rows)


def _print_latencies(result: RunResult, warm_up: int) -> None:
    metrics = LatencyMetrics(result.metrics, warm_up)
    print_latency_table(metrics)
    if metrics.host_per_frame_s is not None:
        say(f"  host time per frame: {1e6 * metrics.host_per_frame_s:.1f} us (mean of the run)")
    if result.metrics.simulation:
        _print_simulation(result)
    if result.metrics.work:
        counts = (f"{value:g} {key}" for key, value in result.metrics.work.items())
        say(f"  work per frame: {', '.join(counts)}")
    slack = metrics.slack_s
    if slack is not None and slack.size and result.metrics.input_period_s is not None:
        missed = int((slack < 0).sum())
        period_ms = 1e3 * result.metrics.input_period_s
        say(f"  input period {period_ms:g} ms: {missed} of {slack.size} frames took longer")


def _print_simulation(result: RunResult) -> None:
    """Print where simulated cycles and energy went."""
    tree, n_frames = result.metrics.simulation, result.metrics.n_frames
    cycles, classes = tree["cycles_per_frame"], tree["cycles_by_class"]
    if isinstance(cycles, list) and cycles and isinstance(classes, dict):
        say(f"  cycles per frame: {sum(cycles) / n_frames:.0f} (mean), {max(cycles)} (most)")
        parts = sorted(classes.items(), key=lambda item: -item[1])
        say(f"  cycles by class: {', '.join(f'{name} {count:.0f}' for name, count in parts)}")
    if result.metrics.energy_j is not None and n_frames:
        energy = f"{1e6 * result.metrics.energy_j / n_frames:.3f} uJ per frame"
        power = result.metrics.power_w
        say(f"  energy: {energy}" + (f", power {1e6 * power:.1f} uW" if power else ""))
