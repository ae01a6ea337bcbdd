"""Options of every verb that talks to a board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.output import note
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from hostrt.board.board import Board
    from hostrt.program.model import Program

_REFERENCE_NAMES = ("evk2", "zynq", "fpgazynq", "fakezynq")
_UNREACHABLE = ("redis", "fakeredis")


def add_board_options(parser: argparse.ArgumentParser) -> None:
    """Declare how a board is named."""
    group = parser.add_argument_group("board")
    group.add_argument(
        "--board",
        "--hardware",
        dest="board",
        metavar="URL",
        help="evk2, evk2://SERIAL, evk2+tcp://HOST:PORT, zcu104://HOST:PORT (also zynq), fakezynq, "
        "sim, sim://CHIP, replay:///FILE; record+URL?to=FILE records (default: HOSTRT_BOARD, the "
        "configuration file, the only board connected, else the simulated board)",
    )
    group.add_argument(
        "--hardware-address", metavar="ADDR", help="serial number (evk2) or host[:port] (zynq)"
    )
    group.add_argument(
        "--dummy-output-file", metavar="NPY", help="what fakezynq answers: 32-bit words"
    )


def board_address(arguments: argparse.Namespace) -> str | None:
    """Give the address the arguments name, None when they name none."""
    board: str | None = arguments.board
    if board in _UNREACHABLE:
        raise UsageError(
            f"--hardware {board}: the queue of the register-transfer-level harness is not "
            "supported by this version",
            hint="use --board sim for a simulated board",
        )
    place, dummy = arguments.hardware_address, arguments.dummy_output_file
    if place is not None:
        if board not in _REFERENCE_NAMES:
            raise UsageError(
                f"--hardware-address goes with --hardware {'|'.join(_REFERENCE_NAMES)}, "
                f"found {board or 'no board'}",
                hint="or give the whole address: --board evk2://SERIAL, --board zcu104://HOST",
            )
        board = f"{board}://{place}"
    if dummy is not None:
        if board is None or not board.startswith("fakezynq"):
            raise UsageError(f"--dummy-output-file goes with fakezynq, found {board or 'no board'}")
        from urllib.parse import quote

        joint = "&" if "?" in board else "?" if "://" in board else "://?"
        board = f"{board}{joint}values={quote(dummy)}"
    return board


def chip_of_board(arguments: argparse.Namespace) -> str | None:
    """Give the chip that the arguments name: by --chip, or in an address as `sim://spu150`."""
    if arguments.chip is not None or "://" not in (arguments.board or ""):
        chip: str | None = arguments.chip
        return chip
    from hostrt.chip import CHIP_NAMES
    from hostrt.transport.url import parse_url

    host = parse_url(arguments.board).host
    return host if host in CHIP_NAMES else None


def open_named_board(arguments: argparse.Namespace, program: Program) -> Board:
    """Open the board that the arguments name, and say which one when they name none."""
    from hostrt.runner.target import open_for

    board, why = open_for(program, board_address(arguments))
    if why:
        note(f"board {board.info.url} ({why})")
    return board


def open_any_board(arguments: argparse.Namespace) -> Board:
    """Open the board that the arguments name, for verbs that need no program."""
    from hostrt.board.board import open_board
    from hostrt.runner.target import choose_board

    address, why = board_address(arguments), ""
    if address is None:
        address, why = choose_board()
    board = open_board(address, chip=arguments.chip)
    if why:
        note(f"board {board.info.url} ({why})")
    return board
