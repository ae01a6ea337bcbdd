"""`hostrt reset`: a hard reset, and who answers after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.board_options import add_board_options, open_any_board
from hostrt.cli.output import print_fields, print_json

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_board_options(parser)
    parser.add_argument("--chip", metavar="NAME", help="chip, when the board cannot tell")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Reset and boot a board; its memories are empty afterwards."""
    with open_any_board(arguments) as board:
        board.boot()
        fields = {
            "board": board.info.url,
            "chip": board.chip.map.title,
            "clock": f"{board.chip.clock_hz(board.platform) / 1e6:.4f} MHz",
            "serial": board.info.serial or "-",
            "firmware": board.info.firmware or "-",
            "tells execution time": "yes" if board.info.reads_exec_time else "no",
            "state": str(board.state),
        }
        if board.info.answers:
            fields["version register"] = f"0x{board.read_version():02x}"
    if arguments.json:
        print_json(fields)
    else:
        print_fields(fields)
    return 0
