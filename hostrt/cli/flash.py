"""`hostrt flash`: a program onto a board, or onto an SD card for it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.board_options import add_board_options, chip_of_board, open_named_board
from hostrt.cli.output import note, print_json, progress, say
from hostrt.cli.program_options import add_program_options, load_program

if TYPE_CHECKING:
    from hostrt.board.board import Board
    from hostrt.board.receipt import LoadReceipt
    from hostrt.program.model import Program


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("file", nargs="+", help="PROG_A and PROG_D, a .femto, a .zip or LOOPBACK")
    add_board_options(parser)
    parser.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        help="read back and compare (default: for programs that are not encrypted)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan, send nothing")
    parser.add_argument("--force", action="store_true", help="write even what is there already")
    parser.add_argument(
        "--sd", type=Path, metavar="DIR", help="write to an SD card's folder instead"
    )
    parser.add_argument("--slot", type=int, default=0, metavar="N", help="model number on the card")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_program_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Flash one program."""
    arguments.chip = chip_of_board(arguments)
    program = load_program(arguments, arguments.file)
    for item in program.notes:
        note(f"note: {item}")
    if arguments.sd is not None:
        return _to_card(arguments, program)
    with open_named_board(arguments, program) as board:
        if arguments.dry_run:
            return _dry_run(arguments, board, program)
        return _flash(arguments, board, program)


def _to_card(arguments: argparse.Namespace, program: Program) -> int:
    from hostrt.program.sd_card import write_sd

    if arguments.dry_run:
        names = [str(arguments.sd / f"{arguments.slot}PROG_{side}") for side in "AD"]
        print_json({"would_write": names}) if arguments.json else say("\n".join(names))
        return 0
    paths = write_sd(program, arguments.sd, arguments.slot)
    if arguments.json:
        print_json({"files": [str(path) for path in paths], "program_sha256": program.sha256})
    else:
        for path in paths:
            say(f"wrote {path}, read back and equal")
    return 0


def _dry_run(arguments: argparse.Namespace, board: Board, program: Program) -> int:
    from hostrt.board.flash import plan_flash

    plan = plan_flash(board, program, verify=arguments.verify)
    if arguments.json:
        print_json({"board": board.info.url, **plan.to_json()})
        return 0
    for step in plan.steps:
        say(str(step))
    say(
        f"{4 * plan.n_words} bytes in {len(plan.steps)} steps, fixed waits {plan.n_waits_s:g} s, "
        f"{'with' if plan.verify else 'without'} read-back; nothing was sent"
    )
    return 0


def _flash(arguments: argparse.Namespace, board: Board, program: Program) -> int:
    from hostrt.board.flash import flash, state_after

    try:
        with progress("flash", quiet=arguments.quiet or arguments.json) as update:
            receipt = flash(
                board,
                program,
                verify=arguments.verify,
                force=arguments.force,
                progress=update,
            )
    except BaseException as error:
        note(f"{board.info.url}: {state_after(board, error)}")
        raise
    _print_receipt(arguments, board, receipt)
    return 0


def _print_receipt(arguments: argparse.Namespace, board: Board, receipt: LoadReceipt) -> None:
    if arguments.json:
        print_json(
            {
                "board": board.info.url,
                "simulated": board.info.simulated,
                "chip": board.chip.name,
                "program_sha256": receipt.program_sha256,
                "bytes": 4 * receipt.n_words,
                "seconds": receipt.seconds,
                "bytes_per_s": receipt.bytes_per_s,
                "verified": receipt.verified,
                "skipped": receipt.skipped,
            }
        )
    elif receipt.skipped:
        say(f"{board.info.url} holds this program already: nothing written (--force writes it)")
    else:
        say(
            f"{board.info.url}: {4 * receipt.n_words} bytes in {receipt.seconds:.3f} s "
            f"({receipt.bytes_per_s / 1e3:.1f} kB/s), "
            f"{'read back and equal' if receipt.verified else 'not read back'}"
        )
    if not board.info.answers and not arguments.json:
        note("note: no board is behind this link, nothing could be checked")
