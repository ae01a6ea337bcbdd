"""One invocation of `hostrt run`, and how each runner takes its frames."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostrt.cli.compiler_options import OPEN, compile_options, make_compiler
from hostrt.errors import ProgramUnsupported

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from hostrt.board.board import Board
    from hostrt.cli.run_inputs import RunInputs
    from hostrt.cli.subject import Subject
    from hostrt.frames.frames import Frames
    from hostrt.runner.base import BaseRunner
    from hostrt.runner.result import RunResult


@dataclass(frozen=True, slots=True)
class Work:
    """Everything one invocation works on.

    Attributes:
        arguments: of `run`.
        inputs: the model and its frames.
        board: address of the board, None when none is named.
    """

    arguments: argparse.Namespace
    inputs: RunInputs
    board: str | None

    @property
    def subject(self) -> Subject:
        """The program or model."""
        return self.inputs.subject


def run_one(work: Work, name: str) -> RunResult:
    """Run all frames through one runner, from reset.

    Args:
        work: what to run.
        name: the runner.

    Raises:
        HostrtError: what the runner raises.
    """
    subject, arguments = work.subject, work.arguments
    if name == "fasmir" and subject.model is not None and arguments.compiler != OPEN:
        return _run_on_service(work)
    with make_runner(subject, arguments, name, work.board) as runner:
        return _frames_through(work, runner)


def make_runner(
    subject: Subject, arguments: argparse.Namespace, name: str, board: Board | str | None
) -> BaseRunner:
    """Make a runner of what the arguments say.

    Args:
        subject: what it runs.
        arguments: of `run` or `stream`.
        name: the runner.
        board: the board or its address, None when none is named.

    Raises:
        ProgramUnsupported: the subject has no representation that the runner takes.
    """
    from hostrt.runner.factory import Runner, takes

    options: dict[str, object] = {}
    if name == "hw":
        options = {
            "board": board,
            "timeout_s": arguments.timeout,
            "verify": arguments.verify,
            "force": arguments.force,
        }
    elif name == "fasmir":
        options = {"spu_model": arguments.spu_model}
    elif name == "fqir":
        options = {
            "iospec": subject.io.iospec,
            "debug_vars": [item for item in (arguments.debug_vars or "").split(",") if item],
            "engine": arguments.engine or "auto",
        }
    return Runner(name, subject.for_runner(name, takes(name)), **options)


def _run_on_service(work: Work) -> RunResult:
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


def _frames_through(work: Work, runner: BaseRunner) -> RunResult:
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
