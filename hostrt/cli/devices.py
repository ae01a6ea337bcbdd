"""`hostrt devices`: boards in reach, none of them opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.cli.output import note, print_json, print_table

if TYPE_CHECKING:
    import argparse

    from hostrt.board.discover import FoundBoard


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """List boards; exit code 0 even when there are none."""
    from hostrt.board.discover import find_boards

    boards = find_boards()
    if arguments.json:
        print_json([board.to_json() for board in boards])
        return 0
    if not boards:
        print("no boards found")
        note("hint: `hostrt sim serve --evk2 127.0.0.1:7000` serves a simulated one; --board sim")
        return 0
    rows = [
        [
            board.url,
            board.kind,
            board.chip or board.product or "-",
            board.manufacturer or "-",
            _state(board),
            board.note,
        ]
        for board in boards
    ]
    print_table(["board", "kind", "chip", "firmware", "state", ""], rows)
    return 0


def _state(board: FoundBoard) -> str:
    if board.in_use is None:
        return "-"
    if not board.in_use:
        return "free"
    return f"in use by process {board.holder}" if board.holder else "in use"
