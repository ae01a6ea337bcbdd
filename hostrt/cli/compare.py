"""`hostrt compare A B ...`: do runs, arrays, sounds or recordings hold the same outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.output import print_json, say

if TYPE_CHECKING:
    import argparse

    from hostrt.analysis.artifacts import Artifact
    from hostrt.analysis.compare_artifacts import ArtifactsVerdict


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


def run(arguments: argparse.Namespace) -> int:
    """Compare what lies at the places; exit code 1 when any pair differs."""
    from hostrt.analysis.artifacts import load_artifacts
    from hostrt.analysis.compare_artifacts import compare_artifacts

    artifacts = [
        artifact
        for place in arguments.places
        for artifact in load_artifacts(place, force=arguments.force)
    ]
    verdict = compare_artifacts(
        artifacts, arguments.compare, arguments.tolerance, arguments.output or ()
    )
    if arguments.json:
        print_json({**verdict.to_json(), "sides": [item.to_json() for item in artifacts]})
    else:
        _print(artifacts, verdict)
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
