"""`hostrt selftest`: write patterns into a board's memories and read them back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hostrt.chip.selftest import PATTERNS
from hostrt.cli.board_options import add_board_options, open_any_board
from hostrt.cli.output import print_json
from hostrt.errors import UsageError

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_board_options(parser)
    parser.add_argument("--chip", metavar="NAME", help="chip, when the board cannot tell")
    parser.add_argument("--core", type=int, action="append", metavar="N", help="only this core")
    parser.add_argument(
        "--pattern", action="append", choices=tuple(PATTERNS), help="only this pattern"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Test every data and table memory; what was loaded is lost."""
    from hostrt.board.verify import memory_test

    with open_any_board(arguments) as board:
        if not board.info.answers:
            raise UsageError(f"{board.info.url} answers with dummies: there is nothing to test")
        n_cores = board.chip.map.n_cores
        cores = arguments.core if arguments.core is not None else range(n_cores)
        if any(not 0 <= core < n_cores for core in cores):
            raise UsageError(f"--core: {board.chip.map.title} has cores 0..{n_cores - 1}")
        board.boot()
        started = time.perf_counter()
        banks = memory_test(board, cores=cores, patterns=arguments.pattern or tuple(PATTERNS))
        seconds = time.perf_counter() - started
    if arguments.json:
        print_json({"board": board.info.url, "banks": banks, "seconds": seconds, "passed": True})
    else:
        print(f"{len(banks)} banks tested in {seconds:.2f} s, all patterns read back: passed")
    return 0
