"""The folder a run leaves behind, for one runner or several."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.runner.store import OutputFolder

if TYPE_CHECKING:
    from pathlib import Path

    from hostrt.analysis.compare import Comparison
    from hostrt.frames.frames import Frames
    from hostrt.runner.result import RunResult

COMPARISON = "compare_metrics.yaml"


def store_results(
    folder: Path,
    results: dict[str, RunResult],
    comparisons: dict[str, Comparison],
    *,
    inputs: Frames,
    sample_rate: int | None,
    warm_up: int,
) -> None:
    """Write outputs, metrics and manifest.

    One runner's results lie in `folder` itself; with several, each has a folder of its own name
    and `compare_metrics.yaml` holds the metrics of all of them and every verdict.

    Raises:
        StorageError: something cannot be written.
    """
    alone = len(results) == 1
    arrays = {name: inputs.logical(name) for name in inputs}
    trees: dict[str, object] = {}
    for name, result in results.items():
        target = OutputFolder(folder if alone else folder / name)
        trees[name] = LatencyMetrics(result.metrics, warm_up).to_tree()
        rates = dict.fromkeys(result.outputs, sample_rate) if sample_rate else {}
        target.write_result(
            result,
            metrics_tree=LatencyMetrics(result.metrics, warm_up).to_tree(),
            sample_rates={key: rate for key, rate in rates.items() if rate},
        )
        if alone:
            _adopt_program_files(target, folder)
        target.finish(result, inputs=arrays, command_line=sys.argv)
    if not alone:
        summary = OutputFolder(folder)
        verdicts = {pair: item.to_json() for pair, item in comparisons.items()}
        summary.write_yaml(COMPARISON, {"runners": trees, "comparisons": verdicts})


def _adopt_program_files(target: OutputFolder, folder: Path) -> None:
    """Name the program files in the manifest too."""
    for path in sorted(folder.rglob("*PROG_[AD]")):
        target.write_file(str(path.relative_to(folder)), path.read_bytes())
