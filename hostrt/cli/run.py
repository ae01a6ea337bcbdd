"""`hostrt run MODEL`: frames or audio through a model on one or more runners."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.board_options import add_board_options, board_address
from hostrt.cli.compiler_options import OPEN, add_compiler_options, compile_options, make_compiler
from hostrt.cli.output import note, print_json, say
from hostrt.cli.program_options import add_program_options
from hostrt.cli.run_inputs import check_numbers, prepare_inputs
from hostrt.cli.run_report import print_report
from hostrt.cli.run_settings import fill_from_settings
from hostrt.errors import ProgramUnsupported, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.analysis.compare import Comparison, Comparisons
    from hostrt.cli.run_inputs import RunInputs
    from hostrt.cli.run_store import RunFolder
    from hostrt.cli.subject import Subject
    from hostrt.frames.frames import Frames
    from hostrt.runner.base import BaseRunner
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
    outputs.add_argument("--warm-up", type=int, metavar="N", help="frames left out of statistics")
    outputs.add_argument("--json", action="store_true", help="print JSON")
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


@dataclass(frozen=True, slots=True)
class _Run:
    """Everything one invocation works on."""

    arguments: argparse.Namespace
    inputs: RunInputs
    board: str | None

    @property
    def subject(self) -> Subject:
        return self.inputs.subject


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
    board = _checked_address(arguments)
    needs = {name: takes(name) for name in names}
    work = _Run(arguments, prepare_inputs(arguments, frozenset(needs.values())), board)
    for name, representation in needs.items():
        # what some runner cannot run is known before another one has worked for an hour
        work.subject.for_runner(name, representation)
    if not arguments.json:
        for item in (*work.subject.notes, *work.inputs.loaded.notes):
            note(f"note: {item}")
    # what cannot be written must be known before the board has worked for an hour
    folder = _open_folder(work) if arguments.output_dir is not None else None
    results = {name: _run_one(work, name) for name in names}
    comparisons = _compare(results, arguments)
    if folder is not None:
        _store(work, folder, results, comparisons.by_pair)
    place = folder.path if folder else None
    if arguments.json:
        print_json(_to_json(work, results, comparisons, place))
    else:
        print_report(work.subject, results, comparisons, arguments.warm_up)
        if place is not None:
            say(f"results in {place}")
    return 0 if comparisons.equal else 1


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


# -- running --------------------------------------------------------------------------------------


def _run_one(work: _Run, name: str) -> RunResult:
    from hostrt.runner.factory import Runner, takes

    arguments = work.arguments
    options: dict[str, object] = {}
    if name == "hw":
        options = {
            "board": work.board,
            "timeout_s": arguments.timeout,
            "verify": arguments.verify,
            "force": arguments.force,
        }
    elif name == "fasmir":
        options = {"spu_model": arguments.spu_model}
    elif name == "fqir":
        options = {
            "iospec": work.subject.io.iospec,
            "debug_vars": [item for item in (arguments.debug_vars or "").split(",") if item],
            "engine": arguments.engine or "auto",
        }
    subject = work.subject
    if name == "fasmir" and subject.model is not None and arguments.compiler != OPEN:
        return _run_on_service(work)
    with Runner(name, subject.for_runner(name, takes(name)), **options) as runner:
        return _frames_through(work, runner)


def _run_on_service(work: _Run) -> RunResult:
    """Run the vendor's simulator: what the `fasmir` runner is for its instruction set."""
    from hostrt.compiler.femtocrux import FemtocruxCompiler
    from hostrt.runner.service import ServiceRunner

    subject, arguments = work.subject, work.arguments
    with make_compiler(arguments) as compiler:
        if not isinstance(compiler, FemtocruxCompiler) or not (subject.model and subject.compiled):
            raise ProgramUnsupported(
                f"the compiler {arguments.compiler!r} has no simulator",
                hint="leave fasmir out of --runners",
            )
        options = compile_options(arguments, subject.model, subject.io.iospec)
        with ServiceRunner(subject.compiled, subject.model, compiler, options) as runner:
            return _frames_through(work, runner)


def _frames_through(work: _Run, runner: BaseRunner) -> RunResult:
    return runner.run(
        _as_inputs(work.inputs.loaded.frames),
        input_period_s=work.inputs.period_s,
        on_frame=_on_frame(runner.name, quiet=work.arguments.quiet or work.arguments.json),
    )


def _as_inputs(frames: Frames) -> dict[str, NDArray[np.signedinteger]]:
    return {name: frames.logical(name) for name in frames}


def _on_frame(name: str, *, quiet: bool) -> Callable[[int, int], None] | None:
    if quiet or not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        if done == total or done % 64 == 0:
            end = "\n" if done == total else ""
            print(f"\r{name}: frame {done} of {total}", end=end, file=sys.stderr, flush=True)

    return show


def _compare(results: dict[str, RunResult], arguments: argparse.Namespace) -> Comparisons:
    from hostrt.analysis.compare import compare_all

    return compare_all(results, arguments.compare, arguments.tolerance)


# -- results --------------------------------------------------------------------------------------


def _open_folder(work: _Run) -> RunFolder:
    from hostrt.cli.run_store import RunFolder

    return RunFolder.of(work.arguments.output_dir, work.subject)


def _store(
    work: _Run,
    folder: RunFolder,
    results: dict[str, RunResult],
    comparisons: dict[str, Comparison],
) -> None:
    loaded = work.inputs.loaded
    folder.store(
        results,
        comparisons,
        inputs=loaded.frames,
        sample_rate=loaded.audio.sample_rate if loaded.audio else None,
        warm_up=work.arguments.warm_up,
    )


def _to_json(
    work: _Run,
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
