"""Putting a program on a board.

The chip's memories are RAM: what is flashed over a link is gone after a power cycle. What stays is
an SD card (`hostrt.program.sd_card`).
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_protocol.packing import dwords_to_words
from hostrt.board.board import Board, BoardState
from hostrt.board.memo import Note, recall, remember
from hostrt.board.receipt import LoadReceipt
from hostrt.chip.base import Power
from hostrt.chip.step import Modify, Read, Space, Wait, Write
from hostrt.errors import BoardFault, LinkError, StorageError, UsageError, WrongTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_protocol.memory import BankImage
    from firmware_protocol.words import Words
    from hostrt.chip.step import Step
    from hostrt.program.model import Program

logger = logging.getLogger(__name__)

PROBE_DWORDS = 16
"""Words read back from both ends of each bank when checking whether a board holds a program."""


@dataclass(frozen=True, slots=True)
class FlashPlan:
    """What flashing would do.

    Attributes:
        steps: everything that would be sent, in order.
        n_words: 32-bit words written to memories and registers.
        n_waits_s: fixed waits of the boot.
        verify: memories would be read back.
    """

    steps: tuple[Step, ...]
    n_words: int
    n_waits_s: float
    verify: bool

    def to_json(self) -> dict[str, object]:
        """Give the plan as plain types."""
        return {
            "n_words": self.n_words,
            "n_bytes": 4 * self.n_words,
            "fixed_waits_s": self.n_waits_s,
            "verify": self.verify,
            "steps": [str(step) for step in self.steps],
        }


def plan_flash(board: Board, program: Program, *, verify: bool | None = None) -> FlashPlan:
    """Say what `flash` would do; nothing is sent."""
    board.check_target(program)
    boot = board.chip.boot(board.platform, encryption=program.encryption)
    steps = [*boot, *program.load_steps(board.chip)]
    words = sum(step.words.size for step in steps if isinstance(step, Write))
    words += sum(1 for step in steps if isinstance(step, Modify))
    waits = sum(step.seconds for step in steps if isinstance(step, Wait))
    return FlashPlan(tuple(steps), words, waits, _wants_verify(program, verify))


def flash(
    board: Board,
    program: Program,
    *,
    verify: bool | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> LoadReceipt:
    """Put `program` on a board.

    Skipped when the board holds this very program already, unless `force`. When it is interrupted
    the board is left between boot and run: the next flash or run starts with a hard reset.

    Args:
        board: open board.
        program: made for the board's chip.
        verify: read back and compare; by default for programs that are not encrypted, because
            encrypted memories do not read back.
        force: write even if the board seems to hold the program.
        progress: called with (words written, words in all).

    Raises:
        WrongTarget: the program is for another chip.
        VerifyFailed: what was read back differs.
        LinkError, BoardFault: the board is left unloaded and remembered as such.
    """
    board.check_target(program)
    if not force and holds(board, program):
        board.adopt(program)
        return LoadReceipt(program.sha256, 0, 0.0, verified=False, skipped=True)
    receipt = board.load(program, verify=_wants_verify(program, verify), progress=progress)
    if board.info.answers:
        try:
            remember(board.info, Note(program.sha256, _loaded(board, program)))
        except StorageError as error:
            # the note only saves time later: the board itself is as it should be
            logger.warning("%s; the next flash cannot be skipped", error)
    return receipt


def holds(board: Board, program: Program) -> bool:
    """Tell whether a board holds `program` already.

    It must have been the last one loaded, and the version, the power state of every used bank and
    both ends of each bank must read back as loading left them: a power cycle or another tool
    since then shows in these. What an encrypted memory reads back means nothing, but it must still
    be the same.
    """
    note = recall(board.info)
    if not board.info.answers or note.program_sha256 != program.sha256:
        return False
    try:
        if board.read_version() != board.chip.map.version:
            return False
        return _powered(board, program) and note.fingerprint == _read_back(board, program)
    except (LinkError, BoardFault):
        board.boot(encryption=program.encryption)
        return False


def state_after(board: Board, error: BaseException) -> str:
    """Say in one sentence what a board holds after flashing ended with `error`."""
    refused = isinstance(error, UsageError | WrongTarget)
    if refused and board.state in (BoardState.OPEN, BoardState.LOADED):
        return "nothing was sent to the board"
    if board.state is BoardState.LOADED:
        return "the board holds the program, complete"
    return (
        "the board holds no usable program; flash it again or run something else: both start with "
        "a hard reset"
    )


def _wants_verify(program: Program, verify: bool | None) -> bool:
    return verify if verify is not None else program.encryption is None


def _powered(board: Board, program: Program) -> bool:
    image = program.load_image()
    names = [
        name for core in range(image.n_cores) for name in board.chip.conf_registers(image, core)
    ]
    reads: list[Step] = [Read(Space.APB, board.chip.map.address(name)) for name in names]
    found = board.execute(reads)
    return all(words is not None and int(words[0]) == Power.ON.value[-1] for words in found)


def _fingerprint(program: Program, read: Callable[[BankImage, int, int], Words]) -> str:
    """Hash both ends of every bank of `program`, the words as `read(bank, start, n)` gives them."""
    digest = hashlib.sha256()
    for bank in program.banks:
        n = min(PROBE_DWORDS, bank.words.size)
        for start in (0, bank.words.size - n):
            digest.update(read(bank, start, n).astype("<u4").tobytes())
    return digest.hexdigest()


def _read_back(board: Board, program: Program) -> str:
    return _fingerprint(
        program,
        lambda bank, start, n: board.read_memory(bank.core, bank.kind, bank.index, start, n),
    )


def _loaded(board: Board, program: Program) -> str:
    """Give the fingerprint of a board just loaded: what must stand there, or what does."""
    if program.encryption is not None:
        return _read_back(board, program)
    return _fingerprint(
        program, lambda bank, start, n: dwords_to_words(bank.words[start : start + n])
    )
