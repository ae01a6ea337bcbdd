"""Reading memories back: program verification and the memory self-test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.packing import words_to_dwords
from hostrt.board.board import BoardState
from hostrt.chip.base import Power
from hostrt.chip.selftest import PATTERNS, expected_words
from hostrt.chip.step import Read, Space
from hostrt.errors import UsageError, VerifyFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firmware_protocol.words import DWords
    from hostrt.board.board import Board
    from hostrt.program.model import Program

CHUNK_DWORDS = 4096
"""64-bit words read back at once, so that memory stays bounded and a cable fault shows early."""


def verify_program(board: Board, program: Program) -> None:
    """Compare every bank of `program` with the chip's memories.

    Raises:
        VerifyFailed: names core, bank, word, found and expected of the first difference.
    """
    if not board.info.answers:
        return
    n_bad = 0
    first = ""
    for bank in program.banks:
        mask = _mask(board, bank.core, bank.kind, bank.index)
        found = _read_bank(board, bank.core, bank.kind, bank.index, bank.words.size)
        bad = np.flatnonzero((found ^ bank.words) & mask)
        if bad.size and not first:
            at = int(bad[0])
            first = (
                f"core {bank.core} {bank.name} word {at}: read back 0x{int(found[at]):016x}, "
                f"expected 0x{int(bank.words[at]):016x}"
            )
        n_bad += bad.size
    if n_bad:
        raise VerifyFailed(
            f"{first} ({n_bad} words differ in all) on {board.info.url}",
            hint="flash again; if it happens again, check the cable and the board's supply, and "
            "that the program is not encrypted (encrypted memories cannot be read back)",
            n_differ=int(n_bad),
        )


def memory_test(
    board: Board,
    *,
    cores: Iterable[int] | None = None,
    patterns: Iterable[str] = tuple(PATTERNS),
) -> list[str]:
    """Write test patterns into every DM and TM bank and read them back.

    What was loaded is lost; a board that is not just booted is booted first.

    Args:
        board: an open board, if booted then without encryption.
        cores: cores to test, by default all of the chip.
        patterns: names from `hostrt.chip.selftest.PATTERNS`.

    Returns:
        Names of the banks that were tested.

    Raises:
        UsageError: no such core or pattern.
        VerifyFailed: names bank, pattern, word, found and expected.
    """
    chosen = list(cores) if cores is not None else list(range(board.chip.map.n_cores))
    names = list(patterns)
    _check_choice("pattern", names, list(PATTERNS))
    _check_choice("core", chosen, list(range(board.chip.map.n_cores)))
    if board.state is not BoardState.BOOTED:
        board.boot()
    tested = []
    for core in chosen:
        regions = [
            region
            for region in board.chip.map.regions
            if region.core == core and region.kind in (MemoryKind.DM, MemoryKind.TM)
        ]
        for region in regions:
            _power_bank(board, core, region.kind, region.index, region.n_dwords)
            for pattern in names:
                words = expected_words(region, pattern)
                bank = BankImage(core, region.kind, region.index, words)
                board.execute([board.chip.fill_bank(bank)])
                mask = _mask(board, core, region.kind, region.index)
                found = _read_bank(board, core, region.kind, region.index, words.size) & mask
                _require_equal(f"{region.name} pattern {pattern}", found, words, board)
            tested.append(region.name)
    return tested


def _check_choice(what: str, chosen: Sequence[object], known: Sequence[object]) -> None:
    for item in chosen:
        if item not in known:
            listed = ", ".join(map(str, known))
            raise UsageError(f"memory test: no {what} {item!r}, expected one of {listed}")


def _power_bank(board: Board, core: int, kind: MemoryKind, index: int, n_dwords: int) -> None:
    from hostrt.chip.image import LoadImage

    image = LoadImage((BankImage(core, kind, index, np.zeros(n_dwords, np.uint64)),), core + 1)
    for register in board.chip.conf_registers(image, core):
        board.execute(board.chip.set_power(register, Power.ON))


def _read_bank(board: Board, core: int, kind: MemoryKind, index: int, n_dwords: int) -> DWords:
    base = board.chip.map.region(core, kind, index).base
    parts = []
    for start in range(0, n_dwords, CHUNK_DWORDS):
        n = min(CHUNK_DWORDS, n_dwords - start)
        (words,) = board.execute([Read(Space.APB, base + 8 * start, 2 * n)])
        if words is not None:
            parts.append(words_to_dwords(words))
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _mask(board: Board, core: int, kind: MemoryKind, index: int) -> np.uint64:
    """Give the bits that a bank really has."""
    return np.uint64((1 << board.chip.map.region(core, kind, index).width_bits) - 1)


def _require_equal(what: str, found: DWords, expected: DWords, board: Board) -> None:
    bad = np.flatnonzero(found != expected)
    if bad.size:
        at = int(bad[0])
        failed = VerifyFailed(
            f"{what} word {at}: read back 0x{int(found[at]):016x}, expected "
            f"0x{int(expected[at]):016x} ({bad.size} words differ) on {board.info.url}",
            hint="the memory or the link is faulty: try another cable, then another board",
        )
        board.mark_broken(failed)
        raise failed
