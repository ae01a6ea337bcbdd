"""The folder a run leaves behind, for one runner or several."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.iospec import format_iospec
from hostrt.analysis.metrics import LatencyMetrics
from hostrt.cli.export import export_program, folder_name, safe_name
from hostrt.errors import ProgramCorrupt, ProgramNotFound
from hostrt.runner.recipe import Recipe, StoredFile
from hostrt.runner.store import INPUTS, OutputFolder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from hostrt.analysis.compare import Comparison
    from hostrt.cli.run_work import Work
    from hostrt.cli.subject import Subject
    from hostrt.frames.frames import Frames
    from hostrt.runner.result import RunResult

COMPARISON = "compare_metrics.yaml"


@dataclass(frozen=True, slots=True)
class SubjectFiles:
    """What was run, as files of the folder.

    Attributes:
        names: every file, below the folder.
        program: the compiled program, None when there was none.
        model: the model, None when there was none.
        iospec: name of the model's I/O specification, "" without a model.
    """

    names: tuple[str, ...]
    program: StoredFile | None = None
    model: StoredFile | None = None
    iospec: str = ""


class RunFolder:
    """The folder of one invocation, made and tried out before anything runs.

    Attributes:
        path: the folder.
        files: what was run, as files of it.
    """

    def __init__(self, path: Path, subject: Subject) -> None:
        """Make the folder, drop the verdict of an earlier run, and write what is run.

        Raises:
            StorageError: something cannot be written.
        """
        self.path = path
        self._folder = OutputFolder(path)
        self.files = export_subject(subject, path, self._folder)

    @classmethod
    def of(cls, parent: Path, subject: Subject) -> RunFolder:
        """Make the folder of a subject below `parent`."""
        return cls(parent / subject_folder(subject), subject)

    def write_file(self, name: str, data: bytes) -> None:
        """Write one more file; `store` names it in the manifest.

        Raises:
            StorageError: it cannot be written.
        """
        self._folder.write_file(name, data)

    def store(
        self,
        results: dict[str, RunResult],
        comparisons: dict[str, Comparison],
        *,
        inputs: Frames,
        sample_rate: int | None,
        warm_up: int,
        recipe: Recipe | None = None,
    ) -> None:
        """Write inputs, outputs, metrics and manifest.

        One runner's results lie in the folder itself; with several, each has a folder of its own
        name and `compare_metrics.yaml` holds the metrics of all of them and every verdict.

        Raises:
            StorageError: something cannot be written.
        """
        alone = len(results) == 1
        arrays = {name: inputs.logical(name) for name in inputs}
        self._folder.write_inputs(arrays)
        for name in self.files.names:
            self._folder.adopt(name)
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
            own = recipe if alone else None
            target.finish(result, inputs=arrays, command_line=sys.argv, recipe=own)
            trees[name] = tree
        if not alone:
            verdicts = {pair: item.to_json() for pair, item in comparisons.items()}
            self._folder.write_yaml(COMPARISON, {"runners": trees, "comparisons": verdicts})
            self._folder.finish_several(
                tuple(results), inputs=arrays, command_line=sys.argv, recipe=recipe
            )


def recipe_of(work: Work, folder: RunFolder, results: Mapping[str, RunResult]) -> Recipe:
    """Say how results were made, so that they can be made again.

    Args:
        work: what was run.
        folder: where it is kept.
        results: runner -> what it gave.
    """
    boards = [result.provenance.board for result in results.values() if result.provenance.board]
    recipe = make_recipe(
        work.subject, folder.files, work.arguments, tuple(results), work.inputs.period_s
    )
    return replace(
        recipe,
        board=boards[0] if boards else work.board or "",
        tolerance=work.arguments.tolerance,
        origin=_origin(work),
    )


def make_recipe(
    subject: Subject,
    files: SubjectFiles,
    arguments: argparse.Namespace,
    runners: tuple[str, ...],
    period_s: float,
) -> Recipe:
    """Say how results were made as far as `run` and `stream` do it in the same way.

    Args:
        subject: what was run.
        files: where it is kept.
        arguments: of the verb.
        runners: who ran it.
        period_s: seconds from one frame to the next.
    """
    encryption = None if subject.program is None else subject.program.encryption
    return Recipe(
        runners=runners,
        inputs=INPUTS,
        period_s=period_s,
        timeout_s=arguments.timeout,
        program=files.program,
        model=files.model,
        iospec=files.iospec,
        chip=subject.chip,
        key_index=None if encryption is None else encryption.key_index,
        salt=None if encryption is None else encryption.salt,
        verify=arguments.verify,
        force=arguments.force,
        engine=arguments.engine or "auto",
        compiler=arguments.compiler,
        warm_up=arguments.warm_up,
    )


def _origin(work: Work) -> dict[str, object]:
    arguments = work.arguments
    if arguments.input_file is not None:
        return {"file": str(arguments.input_file), "frames": arguments.input_sample_indices}
    return {"style": arguments.input_style, "seed": arguments.seed}


def subject_folder(subject: Subject) -> str:
    """Name the folder of what was run."""
    program = subject.program
    return folder_name(program) if program is not None else safe_name(subject.name)


def export_subject(subject: Subject, path: Path, folder: OutputFolder) -> SubjectFiles:
    """Write the program's files, and for a model the model and the specification in use."""
    files = SubjectFiles(())
    if subject.program is not None:
        written = export_program(subject.program, path)
        names = tuple(item.relative_to(path).as_posix() for item in written)
        program = StoredFile(names[0], subject.program.sha256, subject.program.source.path)
        files = SubjectFiles(names, program)
    if subject.model is None:
        return files
    model, iospec = f"{safe_name(subject.name)}.pt", f"{safe_name(subject.name)}_iospec.yaml"
    folder.write_file(model, _bytes_of(subject.path, subject.sha256))
    folder.write_file(iospec, format_iospec(subject.io.iospec).encode())
    stored = StoredFile(model, subject.sha256, subject.path)
    return replace(files, model=stored, iospec=iospec)


def _bytes_of(path: str, sha256: str) -> bytes:
    """Read a model once more, to keep it beside its results."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ProgramNotFound(f"{path}: cannot be read again: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ProgramCorrupt(
            f"{path}: changed while it was being used", hint="run it again when it is whole"
        )
    return data
