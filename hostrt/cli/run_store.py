"""The folder a run leaves behind, for one runner or several."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from firmware_protocol.iospec import format_iospec
from hostrt.analysis.metrics import LatencyMetrics
from hostrt.cli.export import export_program, folder_name, safe_name
from hostrt.files import write_file
from hostrt.runner.store import OutputFolder

if TYPE_CHECKING:
    from pathlib import Path

    from hostrt.analysis.compare import Comparison
    from hostrt.cli.subject import Subject
    from hostrt.frames.frames import Frames
    from hostrt.runner.result import RunResult

COMPARISON = "compare_metrics.yaml"


class RunFolder:
    """The folder of one invocation, made and tried out before anything runs.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path, subject: Subject) -> None:
        """Make the folder, drop the verdict of an earlier run, and write the program's files.

        Raises:
            StorageError: something cannot be written.
        """
        self.path = path
        self._folder = OutputFolder(path)
        self._program_files = _export(subject, path)

    @classmethod
    def of(cls, parent: Path, subject: Subject) -> RunFolder:
        """Make the folder of a subject below `parent`."""
        program = subject.program
        name = folder_name(program) if program is not None else safe_name(subject.name)
        return cls(parent / name, subject)

    def store(
        self,
        results: dict[str, RunResult],
        comparisons: dict[str, Comparison],
        *,
        inputs: Frames,
        sample_rate: int | None,
        warm_up: int,
    ) -> None:
        """Write outputs, metrics and manifest.

        One runner's results lie in the folder itself; with several, each has a folder of its own
        name and `compare_metrics.yaml` holds the metrics of all of them and every verdict.

        Raises:
            StorageError: something cannot be written.
        """
        alone = len(results) == 1
        arrays = {name: inputs.logical(name) for name in inputs}
        trees: dict[str, object] = {}
        for name, result in results.items():
            target = self._folder if alone else OutputFolder(self.path / name)
            tree = LatencyMetrics(result.metrics, warm_up).to_tree()
            rates = dict.fromkeys(result.outputs, sample_rate) if sample_rate else {}
            target.write_result(
                result,
                metrics_tree=tree,
                sample_rates={key: rate for key, rate in rates.items() if rate},
            )
            if alone:
                self._adopt_program_files()
            target.finish(result, inputs=arrays, command_line=sys.argv)
            trees[name] = tree
        if not alone:
            verdicts = {pair: item.to_json() for pair, item in comparisons.items()}
            self._folder.write_yaml(COMPARISON, {"runners": trees, "comparisons": verdicts})

    def _adopt_program_files(self) -> None:
        """Name the program's files in the manifest too."""
        for path in self._program_files:
            self._folder.write_file(str(path.relative_to(self.path)), path.read_bytes())


def _export(subject: Subject, folder: Path) -> list[Path]:
    """Write the program's files, or for a model the specification that was used."""
    if subject.program is not None:
        return export_program(subject.program, folder)
    path = folder / f"{safe_name(subject.name)}_iospec.yaml"
    write_file(path, format_iospec(subject.io.iospec).encode())
    return [path]
