"""`hostrt stream SOURCE`: sound or frames through a model in real time, as a microphone would."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.board_options import board_address
from hostrt.cli.output import note, print_json
from hostrt.cli.stream_options import add_stream_options, latched_values, stream_options
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from hostrt.board.board import Board
    from hostrt.cli.stream_store import StreamFolder
    from hostrt.cli.subject import Subject
    from hostrt.frames.stream_source import FrameSource
    from hostrt.streaming.options import StreamOptions

_EXIT_OF_SIGNAL = 128
_IN_THIS_PROCESS = ("sim", "evk2+sim")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_stream_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Stream; exit code 7 when a deadline was missed under --on-late stop, 130 when interrupted."""
    from hostrt.cli.report_options import check_reports, write_reports
    from hostrt.cli.run_settings import fill_from_settings
    from hostrt.cli.stream_report import print_summary, report_of, summary_tree
    from hostrt.cli.stream_session import Session
    from hostrt.runner.factory import takes

    fill_from_settings(arguments)
    _check(arguments)
    check_reports(arguments)
    options = stream_options(arguments)
    representation = takes(arguments.runner)
    subject = _subject(arguments, options, frozenset({representation}))
    subject.for_runner(arguments.runner, representation)
    folder = _folder(arguments, subject)
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(_source(arguments, subject, options))
        if not arguments.json:
            for item in subject.notes:
                note(f"note: {item}")
        meter = None
        if arguments.power_meter is not None:
            from hostrt.power.base import open_meter

            # first, because it may be what the board gets its power from
            meter = stack.enter_context(open_meter(arguments.power_meter))
        board = None
        if arguments.runner == "hw":
            board = stack.enter_context(_board(arguments, subject, options))
        keeps = folder is not None or bool(arguments.report)
        session = stack.enter_context(Session(arguments, subject, source, options, keeps=keeps))
        session.play(board, meter)
        written = []
        if folder is not None:
            folder.store(session)
            written.append(str(folder.path))
        if arguments.report:
            written += map(str, write_reports(arguments, report_of(session)))
        if arguments.json:
            print_json(summary_tree(session, written))
        elif arguments.output != "-":
            print_summary(session, written)
        if session.failure is not None:
            raise session.failure
        return _EXIT_OF_SIGNAL + session.signal_number if session.signal_number else 0


def _folder(arguments: argparse.Namespace, subject: Subject) -> StreamFolder | None:
    if arguments.output_dir is None:
        return None
    from hostrt.cli.stream_store import StreamFolder

    return StreamFolder.of(arguments.output_dir, subject)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.output == "-" and arguments.json:
        raise UsageError(
            "--output - and --json both want standard output", hint="write one of them to a file"
        )
    if arguments.warm_up < 0:
        raise UsageError(f"--warm-up {arguments.warm_up}: expected 0 or more")
    if arguments.output == "-" and sys.stdout.isatty():
        raise UsageError(
            "--output -: raw samples would go to the terminal", hint="pipe them into a program"
        )


def _subject(
    arguments: argparse.Namespace, options: StreamOptions, takes: frozenset[str]
) -> Subject:
    """Load the model; LOOPBACK gets the length that the source's frames have."""
    from hostrt.cli.run_inputs import DEFAULT_RATE_HZ
    from hostrt.cli.subject import load_subject

    model = list(arguments.model) or ["LOOPBACK"]
    if model == ["LOOPBACK"]:
        rate = arguments.sample_rate or DEFAULT_RATE_HZ
        length = _length_in(arguments.source) or max(1, round(options.period_s * rate))
        model = [f"LOOPBACK:{length}"]
    return load_subject(arguments, model, takes)


def _length_in(source: str) -> int | None:
    """Give the length of the frames in a .npy file, None for everything else."""
    from hostrt.frames.npy import read_npy_header

    path = Path(source)
    if path.suffix.lower() != ".npy" or not path.is_file():
        return None
    with path.open("rb") as stream:
        shape = read_npy_header(stream, source, path.stat().st_size).shape
    return shape[1] if len(shape) == 2 and shape[1] else None


def _source(arguments: argparse.Namespace, subject: Subject, options: StreamOptions) -> FrameSource:
    from hostrt.cli.run_inputs import channel_of, rate_of
    from hostrt.frames.stream_source import SourceOptions, open_source

    length = next((spec.length for spec in subject.input_specs if not spec.is_latched), 1)
    return open_source(
        arguments.source,
        subject.input_specs,
        SourceOptions(
            sample_rate=rate_of(arguments, length, options.period_s),
            channel="mono-mix" if arguments.channel is None else channel_of(arguments.channel),
            loop=arguments.loop,
            n_frames=options.n_frames,
            pcm=arguments.pcm,
            raw_rate=arguments.pcm_rate,
            raw_channels=arguments.pcm_channels,
            latched=latched_values(arguments),
            seed=arguments.seed,
        ),
    )


def _board(arguments: argparse.Namespace, subject: Subject, options: StreamOptions) -> Board:
    """Open the board, a simulated one in a process of its own; refuse what its link cannot do."""
    from hostrt.runner.target import choose_board, open_for
    from hostrt.transport.url import parse_url

    program = subject.program
    if program is None:
        raise AssertionError("the hw runner takes programs")
    address, why = board_address(arguments), ""
    if address is None:
        address, why = choose_board()
    url = parse_url(address)
    if url.scheme in _IN_THIS_PROCESS and "apart" not in url.wrappers:
        address = f"apart+{address}" if "://" in address else f"apart+{address}://"
    board, _ = open_for(program, address)
    if why:
        note(f"board {board.info.url} ({why})")
    try:
        if options.realtime and arguments.budget:
            board.budget(program, options.period_s).raise_if_impossible()
    except BaseException:
        board.close()
        raise
    return board
