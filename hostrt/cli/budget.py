"""`hostrt budget MODEL`: how many frames per second a link to a board can carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.board_options import add_board_options, board_address, chip_of_board
from hostrt.cli.compiler_options import add_compiler_options
from hostrt.cli.output import note, print_json, print_table, say
from hostrt.cli.program_options import add_program_options
from hostrt.cli.run_inputs import DEFAULT_PERIOD_S
from hostrt.errors import HostrtError, UsageError

if TYPE_CHECKING:
    import argparse

    from hostrt.board.budget import Budget
    from hostrt.board.traffic import Traffic
    from hostrt.program.model import Program

_MAX_WINDOW = 62


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", nargs="+", metavar="MODEL", help="program file or FQIR model")
    parser.add_argument(
        "--input-period", type=float, default=DEFAULT_PERIOD_S, metavar="SECONDS",
        help="time between frames (default 0.016)",
    )  # fmt: skip
    parser.add_argument(
        "--usb-speed", choices=("full", "high"), help="an EVK2 at this speed, without a board"
    )
    parser.add_argument(
        "--window", type=int, metavar="N", help="requests in flight there, 1 (default) to 62"
    )
    parser.add_argument(
        "--device-time", type=float, metavar="SECONDS", help="time that the chip needs for a frame"
    )
    parser.add_argument(
        "--frame-time", type=float, metavar="SECONDS",
        help="time per frame that was measured on the board, which then decides",
    )  # fmt: skip
    parser.add_argument(
        "--round-trip", type=float, default=0.0, metavar="SECONDS",
        help="time that a board on a network takes to answer (default 0)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--latched", metavar="LIST", help="inputs that keep their value")
    parser.add_argument("--cores", type=int, metavar="N", help="cores to compile an FQIR model for")
    parser.set_defaults(debug_vars=None, engine=None)
    add_board_options(parser)
    add_compiler_options(parser)
    add_program_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show what links carry; exit code 1 when the one that was asked about cannot."""
    address = _checked_address(arguments)
    arguments.chip = chip_of_board(arguments)
    program = _program(arguments)
    asked: Budget | None
    if address is not None:
        asked, others = _of_board(arguments, program, address)
    else:
        asked, others = _without_board(arguments, program)
    if arguments.json:
        tree = asked.to_tree() if asked is not None else None
        print_json({"asked": tree, "others": [item.to_tree() for item in others]})
    else:
        _print(asked, others)
    return 1 if asked is not None and not asked.is_possible else 0


def _checked_address(arguments: argparse.Namespace) -> str | None:
    address = board_address(arguments)
    if address is not None and (arguments.usb_speed or arguments.window is not None):
        raise UsageError(
            "--usb-speed and --window describe a link without a board, and --board names one",
            hint="give requests in flight in the board's address: ?window=N",
        )
    if arguments.window is not None and not 1 <= arguments.window <= _MAX_WINDOW:
        raise UsageError(f"--window {arguments.window}, expected 1 to {_MAX_WINDOW}")
    if (arguments.frame_time is not None or arguments.round_trip) and address is None:
        raise UsageError(
            "--frame-time and --round-trip were measured on a board, and none is named",
            hint="add --board URL",
        )
    return address


def _program(arguments: argparse.Namespace) -> Program:
    from hostrt.cli.subject import load_subject

    subject = load_subject(arguments, arguments.model, frozenset({"program"}))
    if not arguments.json:
        for item in subject.notes:
            note(f"note: {item}")
    if subject.program is None:
        raise AssertionError("a subject for programs has one")
    return subject.program


def _of_board(
    arguments: argparse.Namespace, program: Program, address: str
) -> tuple[Budget, list[Budget]]:
    from hostrt.board.traffic import traffic_of
    from hostrt.chip.platform import EVK2
    from hostrt.runner.target import open_for

    board, _ = open_for(program, address)
    with board:
        board.check_target(program)
        asked = board.budget(
            program,
            arguments.input_period,
            device_s=arguments.device_time,
            round_trip_s=arguments.round_trip,
            measured_s=arguments.frame_time,
        )
        if board.platform is not EVK2:
            return asked, []
        tells = board.info.reads_exec_time
        traffic = traffic_of(program, board.chip, EVK2, exec_time=tells)
    return asked, _at_speeds(arguments, traffic, asked)


def _without_board(
    arguments: argparse.Namespace, program: Program
) -> tuple[Budget | None, list[Budget]]:
    from hostrt.board.traffic import traffic_of
    from hostrt.chip import get_chip
    from hostrt.chip.platform import EVK2

    chip = get_chip(program.chip)
    chip.check_platform(EVK2, pll=True)
    traffic = traffic_of(program, chip, EVK2, exec_time=True)
    asked = None
    if arguments.usb_speed is not None:
        asked = _at_speed(arguments, traffic, arguments.usb_speed, arguments.window or 1)
    return asked, _at_speeds(arguments, traffic, asked)


def _at_speeds(
    arguments: argparse.Namespace, traffic: Traffic, asked: Budget | None
) -> list[Budget]:
    """Give the budgets of both bus speeds, but not once more the one that was asked for."""
    from hostrt.board.budget import WIDER_WINDOW
    from hostrt.transport.rules import USB_SLOTS_S

    windows = sorted({1, arguments.window or WIDER_WINDOW, WIDER_WINDOW})
    found = [
        _at_speed(arguments, traffic, speed, window) for speed in USB_SLOTS_S for window in windows
    ]
    return [item for item in found if asked is None or item.rules != asked.rules]


def _at_speed(arguments: argparse.Namespace, traffic: Traffic, speed: str, window: int) -> Budget:
    from hostrt.board.budget import make_budget
    from hostrt.transport.rules import usb_rules

    return make_budget(
        f"EVK2 at {speed} speed",
        traffic,
        usb_rules(speed, window),
        arguments.input_period,
        device_s=arguments.device_time,
    )


def _print(asked: Budget | None, others: list[Budget]) -> None:
    if asked is not None:
        say(asked.describe())
        try:
            asked.raise_if_impossible()
        except HostrtError as error:
            say(error.hint)
    rows = [_row(item) for item in others]
    if rows:
        header = ["link", "in flight", "ms/frame", "overlapped", "frames/s", "verdict"]
        print_table(header, rows)


def _row(item: Budget) -> list[object]:
    rate = item.largest_rate_hz
    return [
        item.link,
        item.rules.window if item.rules is not None else "-",
        round(item.frame_s * 1e3, 3),
        round(item.overlapped_s * 1e3, 3),
        round(rate, 1) if rate is not None else "-",
        str(item.verdict),
    ]
