"""`hostrt reproduce FOLDER`: run a recorded result again and say whether it is the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.board_options import add_board_options, board_address
from hostrt.cli.output import note, print_json, say
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from hostrt.analysis.compare import Comparison
    from hostrt.cli.rerun import Case
    from hostrt.runner.reproducer import Failure, Reproducer
    from hostrt.runner.result import RunResult


@dataclass(frozen=True, slots=True)
class _Again:
    """One runner's results, recorded and new.

    Attributes:
        comparison: the recorded outputs against the new ones, without tolerance.
        recorded_s: recorded mean latency in seconds.
        now_s: new mean latency in seconds.
    """

    comparison: Comparison
    recorded_s: float | None
    now_s: float | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What running again gave.

    Attributes:
        again: runner -> its results.
        expected: the failure that a reproducer holds, None for other runs.
        found: the failure that came now, None when none did.
    """

    again: dict[str, _Again]
    expected: Failure | None = None
    found: Failure | None = None

    @property
    def is_same(self) -> bool:
        """Whether it ended as recorded: a reproducer's failure, or every output bit for bit."""
        if self.expected is not None:
            return self.found == self.expected
        return all(item.comparison.equal for item in self.again.values())


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "place", metavar="FOLDER", type=Path, help="folder of a run or reproducer, or its manifest"
    )
    parser.add_argument(
        "--runners", metavar="LIST", help="comma list: run these again (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_board_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run a recorded result again; exit code 1 when the outcome is another one."""
    from hostrt.cli.rerun import find_case, work_of
    from hostrt.cli.run_work import run_one

    case = find_case(arguments.place, arguments.runners)
    reproducer = _reproducer(case)
    work = work_of(case, arguments, board_address(arguments))
    if not arguments.json:
        _introduce(case)
    results = {name: run_one(work, name) for name in case.runners}
    outcome = _Outcome({name: _again(case, name, result) for name, result in results.items()})
    if reproducer is not None:
        found = _failure(reproducer, results)
        outcome = replace(outcome, expected=reproducer.expected, found=found)
    if arguments.json:
        print_json(_to_json(case, outcome))
    else:
        _print(outcome)
    return 0 if outcome.is_same else 1


def _reproducer(case: Case) -> Reproducer | None:
    """Give the failure to look for; None for other runs, and where only some runners are asked."""
    from hostrt.runner.reproducer import REPRODUCE, load_reproducer

    if REPRODUCE not in case.manifest.files or case.runners != case.manifest.runners:
        return None
    reproducer = load_reproducer(case.folder)
    names = (reproducer.expected.runner_a, reproducer.expected.runner_b)
    if not set(names) <= set(case.runners):
        raise UsageError(
            f"{case.folder / REPRODUCE}: runners {' and '.join(names)}, expected two of "
            f"{', '.join(case.runners)}"
        )
    return reproducer


def _introduce(case: Case) -> None:
    recorded = str(case.manifest.provenance.get("hostrt_version") or "")
    if recorded and recorded != version("hostrt"):
        note(f"note: recorded with hostrt {recorded}, this is {version('hostrt')}")


def _again(case: Case, runner: str, result: RunResult) -> _Again:
    from hostrt.analysis.artifacts import load_artifacts
    from hostrt.analysis.compare import compare_outputs
    from hostrt.runner.store import load_manifest

    part = case.part(runner)
    (recorded,) = load_artifacts(part)
    comparison = compare_outputs(recorded.outputs, result.outputs)
    return _Again(
        replace(comparison, a=f"{runner} recorded", b="now"),
        load_manifest(part).latency_s,
        result.metrics.latency_s,
    )


def _failure(reproducer: Reproducer, results: dict[str, RunResult]) -> Failure | None:
    from hostrt.analysis.compare import compare
    from hostrt.cli.shrink import failure_of

    expected = reproducer.expected
    a, b = expected.runner_a, expected.runner_b
    comparison = compare(results[a], results[b], tolerance=reproducer.tolerance)
    return failure_of(replace(comparison, a=a, b=b), expected.output)


def _print(outcome: _Outcome) -> None:
    for runner, item in outcome.again.items():
        if item.comparison.equal:
            say(f"{runner}: same outputs as recorded")
        else:
            say(item.comparison.describe())
        if item.recorded_s is not None and item.now_s is not None:
            say(
                f"  latency: {1e3 * item.recorded_s:.3f} ms recorded, {1e3 * item.now_s:.3f} ms now"
            )
    if outcome.expected is not None:
        expected = outcome.expected
        if outcome.is_same:
            say(f"reproduced: the same difference: {expected.describe()}")
        elif outcome.found is None:
            say(f"not reproduced: {expected.runner_a} and {expected.runner_b} agree now")
        else:
            say(f"another difference: {outcome.found.describe()}")
            say(f"  recorded was: {expected.describe()}")
    else:
        say("reproduced: same outputs" if outcome.is_same else "not reproduced: outputs differ")


def _to_json(case: Case, outcome: _Outcome) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "same": outcome.is_same,
        "folder": str(case.folder),
        "runners": {
            runner: {
                "same": item.comparison.equal,
                "comparison": item.comparison.to_json(),
                "latency_s": {"recorded": item.recorded_s, "now": item.now_s},
            }
            for runner, item in outcome.again.items()
        },
        "expected": None if outcome.expected is None else asdict(outcome.expected),
        "found": None if outcome.found is None else asdict(outcome.found),
    }
