"""Memories hold what is written to them, to their last word, awake and asleep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.packing import dwords_to_words, words_to_dwords
from hostrt.chip.base import Power
from hostrt.chip.image import LoadImage
from hostrt.chip.selftest import PATTERNS, expected_words
from hostrt.chip.step import Space, Write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firmware_protocol.registers import Region
    from firmware_protocol.words import DWords
    from hostrt.board.board import Board


def regions(board: Board, *kinds: MemoryKind) -> list[Region]:
    return [region for region in board.chip.map.regions if region.kind in kinds]


def power(board: Board, wanted: Iterable[Region], state: Power) -> None:
    banks = tuple(
        BankImage(r.core, r.kind, r.index, np.zeros(r.n_dwords, np.uint64)) for r in wanted
    )
    image = LoadImage(banks, 1 + max(bank.core for bank in banks))
    for core in range(image.n_cores):
        for register in board.chip.conf_registers(image, core):
            board.execute(board.chip.set_power(register, state))


def write(board: Board, region: Region, start: int, words: DWords) -> None:
    place = region.base + 8 * start
    board.execute([Write(Space.APB, place, dwords_to_words(words), idempotent=True)])


def read(board: Board, region: Region, start: int, n: int) -> DWords:
    return words_to_dwords(board.read_memory(region.core, region.kind, region.index, start, n))


def test_first_and_last_word_of_every_bank_are_its_own(answering: Board) -> None:
    """Every bank of every core gets two values of its own before any is read back."""
    banks = regions(answering, MemoryKind.DM, MemoryKind.TM)
    power(answering, banks, Power.ON)
    for number, region in enumerate(banks):
        for start in (0, region.n_dwords - 1):
            write(answering, region, start, np.array([_mark(region, number, start)], np.uint64))
    for number, region in enumerate(banks):
        for start in (0, region.n_dwords - 1):
            found = int(read(answering, region, start, 1)[0]) & _mask(region)
            assert found == _mark(region, number, start), f"{region.name} word {start}"


@pytest.mark.parametrize("kind", [MemoryKind.DM, MemoryKind.TM])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_whole_bank_holds_each_pattern(answering: Board, kind: MemoryKind, pattern: str) -> None:
    region = regions(answering, kind)[-1]
    words = expected_words(region, pattern)
    power(answering, [region], Power.ON)
    write(answering, region, 0, words)
    found = read(answering, region, 0, region.n_dwords) & np.uint64(_mask(region))
    np.testing.assert_array_equal(found, words)


def test_a_write_in_the_middle_changes_nothing_around_it(answering: Board) -> None:
    region = regions(answering, MemoryKind.DM)[0]
    power(answering, [region], Power.ON)
    write(answering, region, 0, np.arange(64, dtype=np.uint64))
    write(answering, region, 31, np.array([0xFFFF_FFFF], np.uint64))
    expected = np.arange(64, dtype=np.uint64)
    expected[31] = 0xFFFF_FFFF
    np.testing.assert_array_equal(read(answering, region, 0, 64), expected)


def test_a_sleeping_bank_keeps_its_words(answering: Board) -> None:
    region = regions(answering, MemoryKind.DM)[0]
    power(answering, [region], Power.ON)
    words = np.random.default_rng(0).integers(0, 1 << 63, 64, np.uint64)
    write(answering, region, 0, words)
    for _ in range(2):
        power(answering, [region], Power.SLEEP)
        power(answering, [region], Power.WAKE)
        np.testing.assert_array_equal(read(answering, region, 0, 64), words)


def test_a_bank_can_be_used_again_after_it_was_off(answering: Board) -> None:
    region = regions(answering, MemoryKind.DM)[0]
    words = np.random.default_rng(1).integers(0, 1 << 63, 64, np.uint64)
    for state in (Power.ON, Power.OFF, Power.ON):
        power(answering, [region], state)
    write(answering, region, 0, words)
    np.testing.assert_array_equal(read(answering, region, 0, 64), words)


def _mask(region: Region) -> int:
    return (1 << region.width_bits) - 1


def _mark(region: Region, number: int, start: int) -> int:
    return (0x9E37_79B9_7F4A_7C15 * (2 * number + 1 + bool(start))) & _mask(region)
