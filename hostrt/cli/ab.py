"""`hostrt ab RUN1 RUN2`: is one run faster than the other, and how sure is that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.output import print_json, say
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from hostrt.analysis.bootstrap import Change
    from hostrt.analysis.measured import Floats, MeasuredRun
    from hostrt.runner.result import Clock

_STATISTICS = ("median", "mean", "p95", "p99")
_CLOCKS = ("device", "wire", "host", "end_to_end")
_WORDS = {"latency": ("faster", "slower"), "power": ("lower", "higher"), "energy": ("less", "more")}
_UNITS = {"latency": "s", "power": "W", "energy": "J"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("a", metavar="RUN1", help="folder of a run or stream")
    parser.add_argument("b", metavar="RUN2", help="folder of another one")
    parser.add_argument(
        "--runner", default="", metavar="NAME", help="which runner, of runs with several"
    )
    parser.add_argument(
        "--metric", choices=tuple(_WORDS), default="latency",
        help="what of each frame (default latency)",
    )  # fmt: skip
    parser.add_argument(
        "--clock", choices=_CLOCKS, help="whose latency (default: the nearest that both have)"
    )
    parser.add_argument(
        "--statistic", choices=_STATISTICS, default="median", help="of all frames (default median)"
    )
    parser.add_argument(
        "--confidence", type=float, default=0.95, metavar="P", help="of the interval (default 0.95)"
    )
    parser.add_argument(
        "--resamples", type=int, default=2000, metavar="N", help="draws (default 2000)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default 0)")
    parser.add_argument(
        "--warm-up", type=int, metavar="N", help="frames left out at the beginning (default 0)"
    )
    parser.add_argument(
        "--fail-if-slower", type=float, metavar="PERCENT",
        help="exit code 1 when RUN2 is shown to be slower by more than this, or needs more; also "
        "when too few frames were measured to tell",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compare what two runs measured."""
    from hostrt.analysis.bootstrap import Options, compare_series
    from hostrt.analysis.measured import load_measured
    from hostrt.config import resolve

    limit = arguments.fail_if_slower
    if limit is not None and not 0 <= limit < float("inf"):
        raise UsageError(f"--fail-if-slower {limit}, expected a percentage of 0 or more")
    if arguments.clock is not None and arguments.metric != "latency":
        raise UsageError(f"--clock is for latencies, found --metric {arguments.metric}")
    warm_up = resolve("warm_up", arguments.warm_up).value
    options = Options(
        arguments.statistic,
        arguments.confidence,
        arguments.resamples,
        arguments.seed,
        warm_up if isinstance(warm_up, int) else 0,
    )
    a, b = (load_measured(place, arguments.runner) for place in (arguments.a, arguments.b))
    clock, *series = _series(arguments, a, b)
    is_paired = a.is_same_input(b)
    change = compare_series(series[0], series[1], options, is_paired=is_paired)
    notes = _notes(a, b)
    passed = limit is None or _passes(change, limit)
    if arguments.json:
        runs = {"a": _run_tree(a), "b": _run_tree(b)}
        about = {"metric": arguments.metric, "clock": clock, "unit": _UNITS[arguments.metric]}
        print_json({**runs, **about, **change.to_tree(), "notes": notes, "passed": passed})
    else:
        _print(arguments, a, b, clock, change, notes)
    return 0 if passed else 1


def _series(
    arguments: argparse.Namespace, a: MeasuredRun, b: MeasuredRun
) -> tuple[Clock | None, Floats, Floats]:
    """Choose what is compared: the clock, if it is one, and both runs' measurements."""
    if arguments.metric != "latency":
        return None, _amounts(a, arguments.metric), _amounts(b, arguments.metric)
    common = [clock for clock in a.clocks if clock in b.clocks]
    wanted: Clock | None = arguments.clock or next(iter(common), None)
    if wanted is None or wanted not in common:
        had = "; ".join(f"{run.path}: {', '.join(run.clocks) or 'none'}" for run in (a, b))
        what = "no clock" if wanted is None else f"no clock {wanted}"
        raise UsageError(f"the runs have {what} in common", hint=f"clocks that measured: {had}")
    return wanted, a.latencies_s[wanted], b.latencies_s[wanted]


def _amounts(run: MeasuredRun, metric: str) -> Floats:
    found = run.power_w if metric == "power" else run.energy_j
    if found is None:
        raise UsageError(
            f"{run.path}: no {metric} was measured of its frames",
            hint="run it with a power meter (hostrt stream --power-meter), on fasmir, or with "
            "--input-period for energies",
        )
    return found


def _passes(change: Change, limit_percent: float) -> bool:
    """Tell whether a gate lets a change through; one that cannot judge does not."""
    if change.low is None:
        return False
    return 100 * change.low <= limit_percent


def _notes(a: MeasuredRun, b: MeasuredRun) -> list[str]:
    notes = []
    if a.simulated != b.simulated:
        notes.append("one run is simulated and the other measured: this says nothing about either")
    if not a.is_same_input(b):
        notes.append("the runs are not on the same frames: they are compared as wholes")
    programs = [run.manifest.provenance.get("program_sha256") for run in (a, b)]
    if programs[0] != programs[1]:
        notes.append("the runs are of different programs")
    return notes


def _run_tree(run: MeasuredRun) -> dict[str, object]:
    return {
        "path": str(run.path),
        "runner": run.manifest.provenance.get("runner"),
        "board": run.manifest.provenance.get("board"),
        "program_sha256": run.manifest.provenance.get("program_sha256"),
        "simulated": run.simulated,
        "n_frames": run.n_frames,
    }


def _print(
    arguments: argparse.Namespace,
    a: MeasuredRun,
    b: MeasuredRun,
    clock: Clock | None,
    change: Change,
    notes: list[str],
) -> None:
    for name, item in (("RUN1", a), ("RUN2", b)):
        say(f"{name} {item.path}: {item.describe()}")
    for sentence in notes:
        say(f"note: {sentence}")
    what = f"latency by the clock {clock}" if clock is not None else arguments.metric
    unit = _UNITS[arguments.metric]
    values = [_amount(value, unit) for value in (change.value_a, change.value_b)]
    pairs = (
        f"{change.n_a} pairs of frames"
        if change.is_paired
        else (f"{change.n_a} and {change.n_b} frames, not paired")
    )
    left_out = [f"{change.warm_up} of warm-up"] if change.warm_up else []
    left_out += [f"{change.excluded} not measured"] if change.excluded else []
    besides = f", without {' and '.join(left_out)}" if left_out else ""
    say(f"{change.statistic} {what}: {values[0]} and {values[1]}, {pairs}{besides}")
    verdict = change.describe(*_WORDS[arguments.metric])
    sure = f" ({100 * change.confidence:g} % confidence)" if change.low is not None else ""
    say(f"RUN2 against RUN1: {verdict}{sure}")


def _amount(value: float | None, unit: str) -> str:
    """Give a number with the prefix that suits it."""
    if value is None:
        return "nothing"
    for prefix, size in (("", 1.0), ("m", 1e-3), ("u", 1e-6)):
        if value >= size:
            return f"{value / size:.4g} {prefix}{unit}"
    return f"{value / 1e-9:.4g} n{unit}"
