"""`hostrt run MODEL`: frames or audio through a model on one or more runners."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.board_options import add_board_options, board_address
from hostrt.cli.compiler_options import add_compiler_options
from hostrt.cli.output import note, print_json, say
from hostrt.cli.program_options import add_program_options
from hostrt.cli.report_options import add_report_options, check_reports, write_reports
from hostrt.cli.run_inputs import check_numbers, prepare_inputs
from hostrt.cli.run_report import print_report
from hostrt.cli.run_settings import fill_from_settings
from hostrt.cli.run_work import Work, run_one
from hostrt.cli.shrink import check_shrink, shrink_run
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from hostrt.analysis.compare import Comparison, Comparisons
    from hostrt.cli.run_store import RunFolder
    from hostrt.runner.result import RunResult


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "model", nargs="*", metavar="MODEL", help="program file, FQIR model or LOOPBACK"
    )
    parser.add_argument(
        "--cleanup-docker", action="store_true",
        help="first stop containers of the compile service; alone, do nothing else",
    )  # fmt: skip
    add_board_options(parser)
    parser.add_argument(
        "--runners",
        default="hw",
        metavar="LIST",
        help="comma list: hw, fasmir, fqir, ... (default hw)",
    )
    inputs = parser.add_argument_group("inputs")
    inputs.add_argument("--input-file", metavar="FILE", help=".wav, .flac, .npy, .npz or .csv")
    inputs.add_argument("--n-frames", type=int, metavar="N", help="frames to run (default: all)")
    inputs.add_argument("--input-sample-indices", metavar="LO,HI", help="range of frames to run")
    inputs.add_argument(
        "--input-style", choices=("sawtooth", "random", "sine"),
        help="what to generate without --input-file (default sawtooth)",
    )  # fmt: skip
    inputs.add_argument("--seed", type=int, metavar="N", help="seed of random inputs (default 0)")
    inputs.add_argument(
        "--input-period", type=float, metavar="SECONDS", help="time between frames (default 0.016)"
    )
    inputs.add_argument("--sample-rate", type=int, metavar="HZ", help="rate the model expects")
    inputs.add_argument("--channel", metavar="N", help="channel of stereo audio (default: mix)")
    outputs = parser.add_argument_group("outputs")
    outputs.add_argument("-o", "--output-dir", type=Path, metavar="DIR", help="folder for results")
    outputs.add_argument(
        "--tolerance", type=int, metavar="N", help="accepted when comparing (default 0)"
    )
    outputs.add_argument(
        "--compare", choices=("first", "pairwise"), default="first",
        help="compare every runner with the first, or with every other (default first)",
    )  # fmt: skip
    outputs.add_argument(
        "--shrink", action="store_true",
        help="when runners differ, find the shortest frames that show it (needs -o)",
    )  # fmt: skip
    outputs.add_argument("--warm-up", type=int, metavar="N", help="frames left out of statistics")
    outputs.add_argument("--json", action="store_true", help="print JSON")
    add_report_options(outputs)
    hardware = parser.add_argument_group("hardware")
    hardware.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="wait for outputs (default 3)"
    )
    hardware.add_argument("--verify", action="store_true", help="read the program back first")
    hardware.add_argument("--force", action="store_true", help="run whatever the instruction set")
    models = parser.add_argument_group("FQIR models (.pt)")
    models.add_argument(
        "--debug-vars", metavar="LIST", help="internal variables to record: names with commas, all"
    )
    models.add_argument("--latched", metavar="LIST", help="inputs that keep their value")
    models.add_argument(
        "--engine", choices=("auto", "reference", "numpy", "compiled"), help="how fqir computes"
    )
    models.add_argument("--cores", type=int, metavar="N", help="cores to compile for")
    models.add_argument(
        "--spu-model", metavar="FILE", help="energy coefficients for fasmir (default: the chip's)"
    )
    add_compiler_options(parser)
    add_program_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run a model; exit code 1 when runners disagree."""
    from hostrt.runner.factory import takes

    if arguments.cleanup_docker:
        _clean_up()
        if not arguments.model:
            return 0
    if not arguments.model:
        raise UsageError("no model is named", hint="for example hostrt run LOOPBACK")
    fill_from_settings(arguments)
    names = _runner_names(arguments.runners)
    check_numbers(arguments)
    check_shrink(arguments, names)
    check_reports(arguments)
    board = _checked_address(arguments)
    needs = {name: takes(name) for name in names}
    work = Work(arguments, prepare_inputs(arguments, frozenset(needs.values())), board)
    for name, representation in needs.items():
        # what some runner cannot run is known before another one has worked for an hour
        work.subject.for_runner(name, representation)
    if not arguments.json:
        for item in (*work.subject.notes, *work.inputs.loaded.notes):
            note(f"note: {item}")
    # what cannot be written must be known before the board has worked for an hour
    folder = _open_folder(work) if arguments.output_dir is not None else None
    results = {name: run_one(work, name) for name in names}
    comparisons = _compare(results, arguments)
    if folder is not None:
        _store(work, folder, results, comparisons.by_pair)
    written = _write_reports(work, results, comparisons) if arguments.report else []
    _tell(work, results, comparisons, folder.path if folder else None)
    if not arguments.json:
        for path in written:
            say(f"report in {path}")
    return 0 if comparisons.equal else 1


def _tell(
    work: Work, results: dict[str, RunResult], comparisons: Comparisons, place: Path | None
) -> None:
    """Print what was found, and shrink a failure when that is asked for."""
    arguments, reproducer = work.arguments, None
    if not arguments.json:
        print_report(work.subject, results, comparisons, arguments.warm_up)
        if place is not None:
            say(f"results in {place}")
    if arguments.shrink and place is not None:
        reproducer = shrink_run(work, results, comparisons, place)
    if arguments.json:
        tree = _to_json(work, results, comparisons, place)
        print_json({**tree, "reproducer": str(reproducer) if reproducer else None})
    elif reproducer is not None:
        say(f"reproducer in {reproducer}")


def _clean_up() -> None:
    """Stop containers of the compile service that were left running, and no others."""
    from hostrt.compiler.containers import cleanup

    found = cleanup()
    note(f"stopped {len(found)} containers of the compile service")


def _checked_address(arguments: argparse.Namespace) -> str | None:
    from hostrt.transport.url import parse_url

    address = board_address(arguments)
    if address is not None:
        parse_url(address)
    return address


def _runner_names(text: str) -> list[str]:
    from hostrt.runner.factory import runner_names

    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = runner_names()
    if not names:
        raise UsageError("--runners names no runner", hint="for example --runners hw")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"no runner named {unknown[0]!r}", hint=f"known runners: {', '.join(known)}"
        )
    return names


def _compare(results: dict[str, RunResult], arguments: argparse.Namespace) -> Comparisons:
    from hostrt.analysis.compare import compare_all

    return compare_all(results, arguments.compare, arguments.tolerance)


# -- results --------------------------------------------------------------------------------------


def _open_folder(work: Work) -> RunFolder:
    from hostrt.cli.run_store import RunFolder

    return RunFolder.of(work.arguments.output_dir, work.subject)


def _store(
    work: Work,
    folder: RunFolder,
    results: dict[str, RunResult],
    comparisons: dict[str, Comparison],
) -> None:
    from hostrt.cli.run_store import recipe_of

    loaded = work.inputs.loaded
    folder.store(
        results,
        comparisons,
        inputs=loaded.frames,
        sample_rate=loaded.audio.sample_rate if loaded.audio else None,
        warm_up=work.arguments.warm_up,
        recipe=recipe_of(work, folder, results),
    )


def _write_reports(
    work: Work, results: dict[str, RunResult], comparisons: Comparisons
) -> list[Path]:
    from hostrt.report.build import report_of_run

    loaded = work.inputs.loaded
    report = report_of_run(
        work.subject,
        results,
        comparisons=comparisons,
        inputs={name: loaded.frames.logical(name) for name in loaded.frames},
        sample_rate=loaded.audio.sample_rate if loaded.audio else None,
        warm_up=work.arguments.warm_up,
        command_line=sys.argv,
        notes=loaded.notes,
    )
    return write_reports(work.arguments, report)


def _to_json(
    work: Work,
    results: dict[str, RunResult],
    comparisons: Comparisons,
    folder: Path | None,
) -> dict[str, object]:
    from hostrt.analysis.metrics import LatencyMetrics

    return {
        "model": work.subject.path,
        "program_sha256": work.subject.sha256,
        "chip": work.subject.chip,
        "n_frames": work.inputs.loaded.frames.n_frames,
        "notes": [*work.subject.notes, *work.inputs.loaded.notes],
        "runners": {
            name: {
                "provenance": result.provenance.to_tree(),
                "simulated": result.simulated,
                "outputs": {key: list(array.shape) for key, array in result.outputs.items()},
                "metrics": LatencyMetrics(result.metrics, work.arguments.warm_up).to_tree(),
                "notes": list(result.notes),
            }
            for name, result in results.items()
        },
        "comparisons": {name: item.to_json() for name, item in comparisons.by_pair.items()},
        "equal": comparisons.equal,
        "folder": str(folder) if folder else None,
    }
