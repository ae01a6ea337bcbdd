"""`--shrink`: the shortest frames on which two runners still differ, in a folder of their own."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hostrt.cli.output import note
from hostrt.cli.rerun import without_recording
from hostrt.cli.run_work import Work, run_one
from hostrt.errors import SequenceError, UsageError
from hostrt.runner.reproducer import REPRODUCE, Failure, Reproducer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hostrt.analysis.compare import Comparison, Comparisons
    from hostrt.analysis.verdicts import OutputVerdict
    from hostrt.frames.frames import Frames
    from hostrt.runner.result import RunResult

FOLDER = "reproducer"
README = "README.txt"


@dataclass(frozen=True, slots=True)
class _Found:
    """A failure and the first frame that shows it."""

    failure: Failure
    frame: int


def check_shrink(arguments: Namespace, names: Sequence[str]) -> None:
    """Refuse what leaves nothing to shrink or nowhere to keep it.

    Raises:
        UsageError: one runner alone, or no folder for results.
    """
    if not arguments.shrink:
        return
    if len(names) < 2:
        raise UsageError(
            f"--shrink compares runners, found {len(names)}", hint="for example --runners hw,fqir"
        )
    if arguments.output_dir is None:
        raise UsageError("--shrink writes a folder, and none is named", hint="add -o DIR")


def shrink_run(
    work: Work, results: dict[str, RunResult], comparisons: Comparisons, folder: Path
) -> Path | None:
    """Shrink the first pair of runners that differs and write what reproduces it.

    Args:
        work: what was run.
        results: runner -> what it gave.
        comparisons: verdicts on them.
        folder: the run's folder; the reproducer is made in it.

    Returns:
        The reproducer's folder; None when all are equal or the difference did not come again.

    Raises:
        HostrtError: what a runner raises, or something that cannot be written.
    """
    from hostrt.analysis.shrink import shrink

    place = folder / FOLDER
    _drop_old(place)
    failed = next((pair for pair in comparisons.pairs if not pair.equal), None)
    if failed is None:
        return None
    boards = [item.provenance.board for item in results.values() if item.provenance.board]
    board = boards[0] if boards else work.board
    attempt = _Attempt(work, None if board is None else without_recording(board), failed)
    frames = work.inputs.loaded.frames
    found = shrink(
        frames.n_frames, attempt.differs, first_frame=_first_frame(failed.failed[0], frames)
    )
    # once more, for the results to keep, and to see whether it comes every time
    again = None if found is None else attempt.run(found.frames)
    failure = None if again is None else attempt.failure(again)
    if found is None or again is None or failure is None:
        note(
            "shrink: the difference did not come again when the frames were run anew; nothing to "
            "reproduce it with was written"
        )
        return None
    reproducer = Reproducer(
        failure, failed.tolerance, found.frames, frames.n_frames, found.n_runs, found.is_complete
    )
    _write(place, attempt.work_on(found.frames), again, attempt.compare(again), reproducer)
    more = "" if found.is_complete else "; more tries might leave out more"
    attempt.tell(
        f"{frames.n_frames} frames became {len(found.frames)} in {found.n_runs} tries{more}"
    )
    return place


class _Attempt:
    """Runs some of the frames through both runners, each from reset."""

    def __init__(self, work: Work, board: str | None, failed: Comparison) -> None:
        self._is_quiet = work.arguments.quiet or work.arguments.json
        quiet = Namespace(**{**vars(work.arguments), "quiet": True})
        self._work = replace(work, arguments=quiet, board=board)
        self._names = (failed.a, failed.b)
        self._output = failed.failed[0].name
        self._tolerance = failed.tolerance

    def tell(self, sentence: str) -> None:
        """Say how far it is, unless told to be quiet."""
        if not self._is_quiet:
            note(f"shrink: {sentence}")

    def work_on(self, numbers: Sequence[int]) -> Work:
        """Give what is run when only these frames are."""
        from hostrt.frames.sources import LoadedInputs

        inputs = self._work.inputs
        chosen = _take(inputs.loaded.frames, numbers)
        return replace(self._work, inputs=replace(inputs, loaded=LoadedInputs(chosen)))

    def run(self, numbers: Sequence[int]) -> dict[str, RunResult] | None:
        """Run them; None when the model's sequences forbid these frames."""
        work = self.work_on(numbers)
        try:
            return {name: run_one(work, name) for name in self._names}
        except SequenceError:
            return None

    def compare(self, results: dict[str, RunResult]) -> Comparison:
        """Compare both runners."""
        from hostrt.analysis.compare import compare

        a, b = (results[name] for name in self._names)
        return replace(compare(a, b, tolerance=self._tolerance), a=self._names[0], b=self._names[1])

    def failure(self, results: dict[str, RunResult]) -> Failure | None:
        """Give the difference of the output that differed at first; another does not count."""
        return failure_of(self.compare(results), self._output)

    def differs(self, numbers: tuple[int, ...]) -> _Found | None:
        """See `hostrt.analysis.shrink.shrink`."""
        results = self.run(numbers)
        failure = None if results is None else self.failure(results)
        self.tell(f"{len(numbers)} frames: {'equal' if failure is None else 'different'}")
        return None if failure is None else _Found(failure, failure.frame or 0)


def failure_of(comparison: Comparison, output: str) -> Failure | None:
    """Say how an output differs, None when it does not."""
    verdict = next((item for item in comparison.failed if item.name == output), None)
    if verdict is None:
        return None
    failure = Failure(comparison.a, comparison.b, output, verdict.reason)
    if verdict.first is None:
        return failure
    first = verdict.first
    return replace(failure, frame=first.frame, element=first.element, a=first.a, b=first.b)


def _first_frame(verdict: OutputVerdict, frames: Frames) -> int:
    if verdict.first is None:
        return max(0, frames.n_frames - 1)
    return verdict.first.frame


def _take(frames: Frames, numbers: Sequence[int]) -> Frames:
    """Give some of the frames; a latched input that is sent once stays."""
    from hostrt.frames.frames import Frames

    rows = list(numbers)
    arrays = {
        name: frames[name] if frames.is_sent_once(name) else frames[name][rows] for name in frames
    }
    for array in arrays.values():
        array.flags.writeable = False
    return Frames(len(rows), frames.specs, arrays)


# -- the folder -----------------------------------------------------------------------------------


def _drop_old(place: Path) -> None:
    """Take the verdict of an earlier run away, as every folder of results does."""
    from hostrt.runner.store import MANIFEST, OutputFolder

    if (place / MANIFEST).exists():
        OutputFolder(place)


def _write(
    place: Path,
    work: Work,
    results: dict[str, RunResult],
    comparison: Comparison,
    reproducer: Reproducer,
) -> None:
    from hostrt.cli.run_store import RunFolder, recipe_of

    folder = RunFolder(place, work.subject)
    folder.write_file(REPRODUCE, reproducer.to_bytes())
    folder.write_file(README, _readme(reproducer).encode())
    folder.store(
        results,
        {comparison.label: comparison},
        inputs=work.inputs.loaded.frames,
        sample_rate=None,
        warm_up=work.arguments.warm_up,
        recipe=recipe_of(work, folder, results),
    )


def _readme(reproducer: Reproducer) -> str:
    expected = reproducer.expected
    return f"""A case in which {expected.runner_a} and {expected.runner_b} do not agree.

    {expected.describe()}

Frames left: {len(reproducer.frames)} of {reproducer.n_frames}. To run them again, from here:

    hostrt reproduce .

It says whether the same difference comes again: exit code 0 if it does, 1 if not. A board other
than a simulated one must be named: --board URL.

inputs.npz holds the frames; manifest.json says how they were run and holds the hashes of all files;
reproduce.json holds the difference. The folders hold what each runner gave, which

    hostrt compare .

compares in full.
"""
