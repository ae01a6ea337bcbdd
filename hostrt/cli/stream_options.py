"""The flags of `hostrt stream`, and what is checked before anything is opened."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.board_options import add_board_options
from hostrt.cli.compiler_options import add_compiler_options
from hostrt.cli.program_options import add_program_options
from hostrt.cli.report_options import add_report_options
from hostrt.cli.run_inputs import DEFAULT_PERIOD_S
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hostrt.streaming.options import StreamOptions


def add_stream_options(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "source", metavar="SOURCE",
        help="audio, .npy, .npz or .csv file; - for sound on standard input; mic or mic:NAME; "
        "generate:sawtooth, generate:random or generate:sine",
    )  # fmt: skip
    parser.add_argument(
        "model", nargs="*", metavar="MODEL",
        help="program file or FQIR model (default LOOPBACK, with frames of one period)",
    )  # fmt: skip
    add_board_options(parser)
    parser.add_argument(
        "--runner", default="hw", metavar="NAME", help="hw (default), fasmir, fqir, ..."
    )
    _add_timing(parser)
    _add_inputs(parser)
    _add_outputs(parser)
    hardware = parser.add_argument_group("hardware")
    hardware.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="wait for outputs (default 3)"
    )
    hardware.add_argument("--verify", action="store_true", help="read the program back first")
    hardware.add_argument("--force", action="store_true", help="run whatever the instruction set")
    hardware.add_argument(
        "--power-meter", metavar="URL",
        help="measure power along: ppk2:///dev/ttyACM0, joulescope://SERIAL, sim",
    )  # fmt: skip
    models = parser.add_argument_group("FQIR models (.pt)")
    models.add_argument("--latched", metavar="LIST", help="inputs that keep their value")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="set_values",
        help="value of a latched input: numbers with commas, or a .npy file",
    )  # fmt: skip
    models.add_argument(
        "--engine", choices=("auto", "reference", "numpy", "compiled"), help="how fqir computes"
    )
    models.add_argument("--cores", type=int, metavar="N", help="cores to compile for")
    models.add_argument(
        "--spu-model", metavar="FILE", help="energy coefficients for fasmir (default: the chip's)"
    )
    parser.set_defaults(debug_vars=None)
    add_compiler_options(parser)
    add_program_options(parser)


def _add_timing(parser: argparse.ArgumentParser) -> None:
    timing = parser.add_argument_group("timing")
    timing.add_argument(
        "--input-period", type=float, metavar="SECONDS",
        help="time from one frame to the next (default 0.016)",
    )  # fmt: skip
    timing.add_argument(
        "--realtime", action=argparse.BooleanOptionalAction, default=True,
        help="begin every frame when it is due (default), or as soon as it can be",
    )  # fmt: skip
    timing.add_argument(
        "--on-late", choices=("wait", "drop", "stop"), default="wait",
        help="frames that come too late: run them all, give them up, or end with exit code 7 "
        "(default wait)",
    )  # fmt: skip
    timing.add_argument(
        "--queue", type=int, default=2, metavar="N",
        help="frames that may wait before --on-late drop gives one up (default 2)",
    )  # fmt: skip
    timing.add_argument(
        "--deadline", type=float, metavar="SECONDS",
        help="from when a frame is due until it is late (default: the input period)",
    )  # fmt: skip
    timing.add_argument(
        "--overlap", action=argparse.BooleanOptionalAction, default=True,
        help="send a frame that has come while the outputs of the last one are fetched (default)",
    )  # fmt: skip
    timing.add_argument(
        "--budget", action=argparse.BooleanOptionalAction, default=True,
        help="refuse a rate that the link cannot carry before anything starts (default)",
    )  # fmt: skip


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    inputs = parser.add_argument_group("inputs")
    inputs.add_argument("--duration", type=float, metavar="SECONDS", help="end after so much input")
    inputs.add_argument("--n-frames", type=int, metavar="N", help="end after so many frames")
    inputs.add_argument("--loop", action="store_true", help="begin again at the end of a file")
    inputs.add_argument("--sample-rate", type=int, metavar="HZ", help="rate the model expects")
    inputs.add_argument("--channel", metavar="N", help="channel of stereo audio (default: mix)")
    inputs.add_argument(
        "--pcm", choices=("s8", "s16le", "s32le", "f32le"), default="s16le",
        help="samples of a pipe without a header (default s16le)",
    )  # fmt: skip
    inputs.add_argument(
        "--pcm-rate", type=int, metavar="HZ", help="their rate (default: the model's)"
    )
    inputs.add_argument(
        "--pcm-channels", type=int, default=1, metavar="N", help="their channels (default 1)"
    )
    inputs.add_argument("--seed", type=int, metavar="N", help="seed of random inputs (default 0)")


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    outputs = parser.add_argument_group("outputs")
    outputs.add_argument(
        "-o", "--output", metavar="FILE",
        help=".wav, .flac, .npy or .csv file; - for raw samples on standard output; speaker or "
        "speaker:NAME",
    )  # fmt: skip
    outputs.add_argument(
        "--output-name", metavar="NAME", help="which output goes there, of a model with several"
    )
    outputs.add_argument(
        "--output-dir", type=Path, metavar="DIR", help="folder for all outputs and metrics"
    )
    outputs.add_argument("--warm-up", type=int, metavar="N", help="frames left out of statistics")
    outputs.add_argument("--json", action="store_true", help="print JSON at the end")
    add_report_options(outputs)


def stream_options(arguments: argparse.Namespace) -> StreamOptions:
    """Take how time is kept from the arguments.

    Raises:
        UsageError: numbers that cannot work.
    """
    from hostrt.streaming.options import StreamOptions

    given = arguments.input_period
    period_s = DEFAULT_PERIOD_S if given is None else given
    return StreamOptions(
        period_s=period_s,
        realtime=arguments.realtime,
        on_late=arguments.on_late,
        queue=arguments.queue,
        deadline_s=arguments.deadline,
        overlap=arguments.overlap,
        n_frames=frames_wanted(arguments, period_s),
    )


def frames_wanted(arguments: argparse.Namespace, period_s: float) -> int | None:
    """Give how many frames --n-frames and --duration allow, None for all.

    Raises:
        UsageError: fewer than none.
    """
    limits = []
    if arguments.n_frames is not None:
        if arguments.n_frames < 0:
            raise UsageError(f"--n-frames {arguments.n_frames}: expected 0 or more")
        limits.append(arguments.n_frames)
    if arguments.duration is not None:
        if not 0 <= arguments.duration < 1e9:
            raise UsageError(f"--duration {arguments.duration:g}: expected seconds, 0 or more")
        # half a frame of sound is a frame, a rounding error is none
        limits.append(math.ceil(arguments.duration / period_s - 1e-6))
    return min(limits, default=None)


def latched_values(arguments: argparse.Namespace) -> dict[str, NDArray[np.generic]]:
    """Read the values of latched inputs: name -> (L,).

    Raises:
        UsageError: not NAME=VALUE, or neither numbers nor a file.
        FrameError: the file is no array.
    """
    import numpy as np

    from hostrt.frames.npy import read_npy

    found: dict[str, NDArray[np.generic]] = {}
    for text in arguments.set_values:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"--set {text!r}: expected NAME=VALUE")
        path = Path(value)
        try:
            if path.suffix.lower() == ".npy":
                with path.open("rb") as stream:
                    array = read_npy(stream, value, path.stat().st_size)
                found[name] = np.atleast_1d(array)
                continue
        except OSError as error:
            raise UsageError(f"--set {text}: cannot be read: {error.strerror}") from error
        try:
            found[name] = np.array([int(item) for item in value.split(",")], np.int64)
        except (ValueError, OverflowError) as error:
            raise UsageError(
                f"--set {text!r}: expected whole numbers with commas, or a .npy file"
            ) from error
    return found
