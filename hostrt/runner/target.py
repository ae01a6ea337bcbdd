"""Which board a runner uses, and whether a program may run there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hostrt.board.board import Board, open_board
from hostrt.board.discover import default_board, is_simulated_url
from hostrt.errors import WrongTarget
from hostrt.program.model import InstructionSet
from hostrt.transport.url import parse_url

if TYPE_CHECKING:
    from hostrt.program.model import Program

logger = logging.getLogger(__name__)


def open_for(program: Program, address: str | None) -> tuple[Board, str]:
    """Open the board for a program.

    Args:
        program: its chip decides what a simulated board is made of.
        address: board address; None takes HOSTRT_BOARD, the configuration file, the only board
            connected or the simulated board, in this order.

    Returns:
        The board, and why it was chosen ("" when it was named).
    """
    why = ""
    if address is None:
        address, why = choose_board()
    return open_board(address, chip=program.chip), why


def choose_board() -> tuple[str, str]:
    """Choose a board when none is named; gives its address and why."""
    from hostrt.config import resolve

    setting = resolve("board")
    if setting.value:
        return str(setting.value), f"from {setting.origin}"
    return default_board()


def check_instruction_set(board: Board, program: Program, *, force: bool) -> None:
    """Refuse programs whose instructions this board cannot execute.

    Raises:
        WrongTarget: says what to do instead.
    """
    if not board.info.answers or force:
        return
    simulated = board.info.simulated or is_simulated_url(board.info.url)
    if program.instruction_set is InstructionSet.VENDOR:
        if board.info.simulated and _executes(board.info.url):
            raise WrongTarget(
                f"{program.source} is in the vendor's instruction set, which no simulated board "
                "can execute: it is not public",
                hint="use a real board, or a stand-in that answers without computing: "
                f"--board 'sim://{program.chip}?answer=echo&program={program.source}'",
            )
        if program.encryption is None and not simulated:
            raise WrongTarget(
                f"{program.source} is not encrypted: real chips start such programs only in a "
                "debug mode whose entry is not public",
                hint="use the encrypted build; files can still be inspected, converted, exported",
            )
    elif not simulated:
        raise WrongTarget(
            f"{program.source} is in the open instruction set, which real chips do not execute",
            hint="give a compiled program; if the board at this address is a simulated one, say "
            "--force",
        )


def _executes(url: str) -> bool:
    return parse_url(url).options.get("answer", "execute") == "execute"
