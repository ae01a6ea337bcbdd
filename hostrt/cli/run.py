"""`hostrt run MODEL`: frames or audio through a model on one or more runners."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.board_options import add_board_options, board_address
from hostrt.cli.output import note, print_json
from hostrt.cli.program_options import add_program_options, load_program
from hostrt.cli.run_settings import fill_from_settings
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.analysis.compare import Comparison
    from hostrt.frames.frames import Frames
    from hostrt.frames.sources import LoadedInputs
    from hostrt.program.model import Program
    from hostrt.runner.result import RunResult

DEFAULT_FRAMES = 2
DEFAULT_PERIOD_S = 0.016
DEFAULT_RATE_HZ = 16_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", nargs="+", metavar="MODEL", help="program file or LOOPBACK")
    add_board_options(parser)
    parser.add_argument(
        "--runners", default="hw", metavar="LIST", help="comma list: hw, dummy, ... (default hw)"
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
    outputs.add_argument("--warm-up", type=int, metavar="N", help="frames left out of statistics")
    outputs.add_argument("--json", action="store_true", help="print JSON")
    hardware = parser.add_argument_group("hardware")
    hardware.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="wait for outputs (default 3)"
    )
    hardware.add_argument("--verify", action="store_true", help="read the program back first")
    hardware.add_argument("--force", action="store_true", help="run whatever the instruction set")
    add_program_options(parser)


@dataclass(frozen=True, slots=True)
class _Run:
    """Everything one invocation works on."""

    arguments: argparse.Namespace
    program: Program
    period_s: float
    loaded: LoadedInputs


def run(arguments: argparse.Namespace) -> int:
    """Run a model; exit code 1 when runners disagree."""
    fill_from_settings(arguments)
    names = [name.strip() for name in arguments.runners.split(",") if name.strip()]
    if not names:
        raise UsageError("--runners names no runner", hint="for example --runners hw")
    work = _prepare(arguments)
    results = {name: _run_one(work, name) for name in dict.fromkeys(names)}
    comparisons = _compare(results, arguments.tolerance)
    folder = _store(work, results, comparisons) if arguments.output_dir is not None else None
    if arguments.json:
        print_json(_to_json(work, results, comparisons, folder))
    else:
        _print(work, results, comparisons, folder)
    return 0 if all(item.equal for item in comparisons.values()) else 1


# -- inputs ---------------------------------------------------------------------------------------


def _prepare(arguments: argparse.Namespace) -> _Run:
    from hostrt.frames.generate import generate_inputs
    from hostrt.frames.sources import LoadedInputs, load_inputs, parse_indices
    from hostrt.runner.plan import make_plan

    if arguments.n_frames is not None and arguments.n_frames < 0:
        raise UsageError(f"--n-frames {arguments.n_frames}: expected 0 or more")
    program = _load(arguments)
    specs = make_plan(program).input_specs
    text = arguments.input_sample_indices
    indices = parse_indices(text) if text else None
    period_s = _period(arguments)
    if arguments.input_file is None:
        n_frames = DEFAULT_FRAMES if arguments.n_frames is None else arguments.n_frames
        frames = generate_inputs(specs, n_frames, style=arguments.input_style, seed=arguments.seed)
        loaded = LoadedInputs(frames if indices is None else frames.cut(*indices))
    else:
        length = next((spec.length for spec in specs if not spec.is_latched), 1)
        loaded = load_inputs(
            arguments.input_file,
            specs,
            sample_rate=_rate(arguments, length, period_s),
            channel="mono-mix" if arguments.channel is None else _channel(arguments.channel),
            indices=indices,
            n_frames=arguments.n_frames,
        )
    return _Run(arguments, program, period_s, loaded)


def _load(arguments: argparse.Namespace) -> Program:
    """Load the model; LOOPBACK for audio gets a vector of one period's samples."""
    model = list(arguments.model)
    if model == ["LOOPBACK"] and arguments.input_file is not None:
        from hostrt.frames.sources import AUDIO_SUFFIXES

        if Path(arguments.input_file).suffix.lower() in AUDIO_SUFFIXES:
            rate = arguments.sample_rate or DEFAULT_RATE_HZ
            model = [f"LOOPBACK:{max(1, round(_period(arguments) * rate))}"]
    return load_program(arguments, model)


def _period(arguments: argparse.Namespace) -> float:
    period: float = (
        arguments.input_period if arguments.input_period is not None else DEFAULT_PERIOD_S
    )
    if not 0 < period < 3600:
        raise UsageError(f"--input-period {period:g}: expected seconds, more than 0")
    return period


def _rate(arguments: argparse.Namespace, length: int, period_s: float) -> int:
    """Rate the model expects: as told, else as many samples per second as its frames hold."""
    rate = arguments.sample_rate
    if rate is None:
        rate = round(length / period_s) if arguments.input_period is not None else DEFAULT_RATE_HZ
    if not 1 <= rate <= 10_000_000:
        raise UsageError(f"sample rate {rate} Hz: expected 1..10000000")
    return int(rate)


def _channel(text: str) -> int:
    if not text.isdigit():
        raise UsageError(f"--channel {text!r}: expected a channel number, from 0")
    return int(text)


# -- running --------------------------------------------------------------------------------------


def _run_one(work: _Run, name: str) -> RunResult:
    from hostrt.runner.factory import Runner

    arguments = work.arguments
    options: dict[str, object] = {}
    if name == "hw":
        options = {
            "board": board_address(arguments),
            "timeout_s": arguments.timeout,
            "verify": arguments.verify,
            "force": arguments.force,
        }
    with Runner(name, work.program, **options) as runner:
        return runner.run(
            _as_inputs(work.loaded.frames),
            input_period_s=work.period_s,
            on_frame=_on_frame(name, quiet=arguments.quiet or arguments.json),
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


def _compare(results: dict[str, RunResult], tolerance: int) -> dict[str, Comparison]:
    from hostrt.analysis.compare import compare_outputs

    first, *others = results
    return {
        f"{first},{other}": compare_outputs(
            results[first].outputs, results[other].outputs, tolerance=tolerance
        )
        for other in others
    }


# -- results --------------------------------------------------------------------------------------


def _store(work: _Run, results: dict[str, RunResult], comparisons: dict[str, Comparison]) -> Path:
    from hostrt.cli.export import export_program, folder_name
    from hostrt.cli.run_store import store_results

    folder: Path = work.arguments.output_dir / folder_name(work.program)
    export_program(work.program, folder)
    rate = work.loaded.audio.sample_rate if work.loaded.audio else None
    store_results(
        folder,
        results,
        comparisons,
        inputs=work.loaded.frames,
        sample_rate=rate,
        warm_up=work.arguments.warm_up,
    )
    return folder


def _to_json(
    work: _Run,
    results: dict[str, RunResult],
    comparisons: dict[str, Comparison],
    folder: Path | None,
) -> dict[str, object]:
    from hostrt.analysis.metrics import LatencyMetrics

    return {
        "model": work.program.source.path,
        "program_sha256": work.program.sha256,
        "chip": work.program.chip,
        "n_frames": work.loaded.frames.n_frames,
        "notes": list(work.loaded.notes),
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
        "comparisons": {name: item.to_json() for name, item in comparisons.items()},
        "equal": all(item.equal for item in comparisons.values()),
        "folder": str(folder) if folder else None,
    }


def _print(
    work: _Run,
    results: dict[str, RunResult],
    comparisons: dict[str, Comparison],
    folder: Path | None,
) -> None:
    from hostrt.cli.run_report import print_report

    for item in work.loaded.notes:
        note(f"note: {item}")
    print_report(work.program, results, comparisons, work.arguments.warm_up)
    if folder is not None:
        print(f"results in {folder}")
