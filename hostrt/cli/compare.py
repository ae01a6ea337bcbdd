"""`hostrt compare A B ...`: do runs, arrays, sounds or recordings hold the same outputs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.board_options import add_board_options
from hostrt.cli.compare_shrink import check_shrinkable, shrink_recorded
from hostrt.cli.output import print_json, say
from hostrt.cli.report_options import add_report_options, check_reports, write_reports

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.analysis.artifacts import Artifact
    from hostrt.analysis.compare_artifacts import ArtifactsVerdict
    from hostrt.report.model import Report
    from hostrt.runner.result import RunResult


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "places",
        nargs="+",
        metavar="PLACE",
        help="folder of a run, folder of .npy files, .npy, .npz, .csv, sound or recording",
    )
    parser.add_argument(
        "--tolerance", type=int, default=0, metavar="N", help="accepted differences (default 0)"
    )
    parser.add_argument(
        "--compare", choices=("first", "pairwise"), default="first",
        help="compare every one with the first, or with every other (default first)",
    )  # fmt: skip
    parser.add_argument(
        "--output", action="append", metavar="NAME", help="compare this output; may be repeated"
    )
    parser.add_argument(
        "--force", action="store_true", help="also runs that were changed after they were written"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_report_options(parser)
    group = parser.add_argument_group("shrinking")
    group.add_argument(
        "--shrink", action="store_true",
        help="run two recorded runs that differ again, find the shortest frames that show it",
    )  # fmt: skip
    group.add_argument(
        "-o", "--output-dir", type=Path, metavar="DIR", help="folder for the reproducer"
    )
    add_board_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare what lies at the places; exit code 1 when any pair differs."""
    from hostrt.analysis.artifacts import load_artifacts
    from hostrt.analysis.compare_artifacts import compare_artifacts

    check_reports(arguments)
    artifacts = [
        artifact
        for place in arguments.places
        for artifact in load_artifacts(place, force=arguments.force)
    ]
    if arguments.shrink:
        check_shrinkable(arguments, artifacts)
    verdict = compare_artifacts(
        artifacts, arguments.compare, arguments.tolerance, arguments.output or ()
    )
    written = write_reports(arguments, _report(artifacts, verdict)) if arguments.report else []
    if not arguments.json:
        _print(artifacts, verdict)
        for path in written:
            say(f"report in {path}")
    reproducer = shrink_recorded(arguments, artifacts, verdict) if arguments.shrink else None
    if arguments.json:
        sides = [item.to_json() for item in artifacts]
        place = None if reproducer is None else str(reproducer)
        print_json({**verdict.to_json(), "sides": sides, "reproducer": place})
    elif reproducer is not None:
        say(f"reproducer in {reproducer}")
    return 0 if verdict.equal else 1


def _print(artifacts: list[Artifact], verdict: ArtifactsVerdict) -> None:
    for item in artifacts:
        about = f" ({item.about})" if item.about else ""
        say(f"{item.kind} {item.name}{about}")
        for sentence in item.notes:
            say(f"  note: {sentence}")
    for sentence in verdict.notes:
        say(f"note: {sentence}")
    for pair in verdict.comparisons.pairs:
        say(pair.describe())
        if pair.label in verdict.steps:
            say(f"  {verdict.steps[pair.label]}")


def _report(artifacts: list[Artifact], verdict: ArtifactsVerdict) -> Report:
    from hostrt.report.build import report_of_run

    by_name = dict(zip(verdict.outputs, artifacts, strict=True))
    rates = {item.sample_rate for item in artifacts}
    return report_of_run(
        None,
        {name: _as_result(by_name[name], verdict.outputs[name]) for name in by_name},
        comparisons=verdict.comparisons,
        sample_rate=rates.pop() if len(rates) == 1 else None,
        command_line=sys.argv,
        notes=verdict.notes,
        title=f"Comparison of {len(artifacts)} sets of outputs",
    )


def _as_result(item: Artifact, outputs: dict[str, NDArray[np.generic]]) -> RunResult:
    """Give an artifact as the run that it may have come from."""
    from hostrt.runner.result import Provenance, RunMetrics, RunResult

    told = item.provenance
    texts = ("program_sha256", "program_source", "chip", "board", "firmware", "started")
    return RunResult(
        outputs,  # type: ignore[arg-type]  # recordings and tables hold other integers too
        RunMetrics(max((len(array) for array in outputs.values()), default=0)),
        Provenance(
            str(told.get("runner") or item.kind),
            simulated=bool(told.get("simulated")),
            **{key: str(told.get(key) or "") for key in texts},  # type: ignore[arg-type]
        ),
        item.notes,
    )
