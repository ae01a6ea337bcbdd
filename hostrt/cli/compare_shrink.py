"""`hostrt compare --shrink`: two recorded runs that differ, run again and shrunk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.board_options import board_address
from hostrt.cli.output import note
from hostrt.cli.rerun import find_case, work_of
from hostrt.cli.run_work import run_one
from hostrt.cli.shrink import shrink_run
from hostrt.errors import ProgramUnsupported, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from hostrt.analysis.artifacts import Artifact
    from hostrt.analysis.compare_artifacts import ArtifactsVerdict
    from hostrt.cli.rerun import Case
    from hostrt.cli.run_work import Work


def check_shrinkable(arguments: argparse.Namespace, artifacts: Sequence[Artifact]) -> None:
    """Refuse what cannot be run again, or leaves nowhere to keep what is found.

    Raises:
        UsageError: something else than runs, or no folder.
    """
    other = next((item for item in artifacts if item.kind != "run"), None)
    if other is not None:
        raise UsageError(
            f"--shrink runs recorded runs again, and {other.name} is of another kind: {other.kind}"
        )
    if arguments.output_dir is None:
        raise UsageError("--shrink writes a folder, and none is named", hint="add -o DIR")


def shrink_recorded(
    arguments: argparse.Namespace, artifacts: Sequence[Artifact], verdict: ArtifactsVerdict
) -> Path | None:
    """Run the first pair that differs again and shrink the difference.

    Returns:
        The reproducer's folder; None when nothing differs, or not any more.

    Raises:
        UsageError: the pair cannot be run again side by side.
        HostrtError: what running again raises.
    """
    from hostrt.analysis.compare import compare_all

    failed = next((pair for pair in verdict.comparisons.pairs if not pair.equal), None)
    if failed is None:
        return None
    named = dict(zip(verdict.outputs, artifacts, strict=True))
    cases = {
        _runner(named[name]): find_case(Path(named[name].name)) for name in (failed.a, failed.b)
    }
    work = _side_by_side(cases, arguments)
    results = {runner: run_one(work, runner) for runner in cases}
    comparisons = compare_all(results, tolerance=arguments.tolerance)
    if comparisons.equal:
        note("shrink: run again, they agree; nothing to reproduce was written")
    return shrink_run(work, results, comparisons, arguments.output_dir)


def _runner(item: Artifact) -> str:
    return str(item.provenance.get("runner"))


def _side_by_side(cases: dict[str, Case], arguments: argparse.Namespace) -> Work:
    """Load what both runners can run: the same frames through the same program or model."""
    if len(cases) < 2:
        (runner,) = cases
        raise UsageError(
            f"both sides are results of the runner {runner!r}: shrinking runs two runners",
            hint="compare it with another runner's result on the same frames",
        )
    one, two = cases.values()
    if one.manifest.inputs != two.manifest.inputs:
        raise UsageError(
            f"{one.folder} and {two.folder} are results on different frames",
            hint="run both on the same ones",
        )
    for what in ("program", "model"):
        a, b = (getattr(case.recipe, what) for case in (one, two))
        if a is not None and b is not None and a.sha256 != b.sha256:
            raise UsageError(
                f"{one.folder} and {two.folder} are results of different {what}s",
                hint="shrinking runs one and the same through both runners",
            )
    refusals = []
    for case in (one, two):
        try:
            return _both(replace(case, runners=tuple(cases)), arguments)
        except ProgramUnsupported as error:
            refusals.append(error)
    raise refusals[0]


def _both(case: Case, arguments: argparse.Namespace) -> Work:
    from hostrt.runner.factory import takes

    work = work_of(case, arguments, board_address(arguments))
    for runner in case.runners:
        work.subject.for_runner(runner, takes(runner))
    return work
