"""Memory images of an assembly, as a Program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.open_isa import MARK
from hostrt.fasmir.layout import geometry_of
from hostrt.program.model import Identity, Program, ProgramSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_protocol.bank_geometry import BankGeometry
    from firmware_protocol.iospec import IOSpec
    from firmware_protocol.words import DWords
    from hostrt.fasmir.assembly import Assembly, Core

_POWERED_DWORDS = 8192
"""Words of DM that are powered together, on all chips (register reference 2)."""


def program_of(
    assembly: Assembly, iospec: IOSpec | None = None, *, source: ProgramSource | None = None
) -> Program:
    """Give the program of an assembly.

    Args:
        assembly: complete and consistent.
        iospec: its I/O specification.
        source: what it was made from.

    Raises:
        LocalMisuseError: something lies outside the chip's memories.
    """
    chip = geometry_of(assembly.chip)
    banks = [bank for core in assembly.cores for bank in _banks(core, chip)]
    for bank in banks:
        chip.check(bank)
    return Program(
        chip=assembly.chip,
        banks=tuple(banks),
        n_cores=max(core.number for core in assembly.cores) + 1,
        encryption=None,
        iospec=iospec,
        identity=Identity(name=assembly.name),
        source=source or ProgramSource(assembly.name, "compiled"),
    )


def _banks(core: Core, chip: BankGeometry) -> Iterator[BankImage]:
    yield from _split(core.number, MemoryKind.DM, data_words(core), _filled(core), chip)
    tables = np.zeros(max((one.address + one.n_words for one in core.tables), default=0), np.uint64)
    for table in core.tables:
        tables[table.address : table.address + table.n_words] = table.words()
    yield from _split(core.number, MemoryKind.TM, tables, tables.size, chip)
    if core.threads:
        size = max(thread.number for thread in core.threads) + 1
        entries, scores = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
        for thread in core.threads:
            entries[thread.number] = core.labels[thread.label]
            scores[thread.number] = thread.score
        yield BankImage(core.number, MemoryKind.SB, 0, scores)
        yield BankImage(core.number, MemoryKind.PB, 0, entries)
    code = [MARK, *(word for line in core.lines for word in line.instruction.words())]
    yield BankImage(core.number, MemoryKind.IM, 0, np.array(code, np.uint64))


def data_words(core: Core) -> DWords:
    """Give the initial content of a core's DM, uint64 (n,).

    It reaches into the last bank that is used, even where that holds temporaries only: a bank
    without an image is not powered.
    """
    used = max((one.end for one in core.symbols), default=0)
    last_bank = (used - 1) // _POWERED_DWORDS * _POWERED_DWORDS if used else -1
    words = np.zeros(max(_filled(core), last_bank + 1), np.uint64)
    for symbol in core.symbols:
        if symbol.initial is not None:
            words[symbol.address : symbol.end] = symbol.words()
    return words


def _filled(core: Core) -> int:
    """Give the words of DM that have a content of their own."""
    return max((one.end for one in core.symbols if one.initial is not None), default=0)


def _split(
    core: int, kind: MemoryKind, words: DWords, filled: int, chip: BankGeometry
) -> Iterator[BankImage]:
    """Cut a memory into banks; beyond what is filled, a word is enough for the power of a bank."""
    size = chip.bank_words(kind)
    for index, start in enumerate(range(0, words.size, size)):
        stop = min(max(filled, start + 1), start + size) if size <= _POWERED_DWORDS else words.size
        yield BankImage(core, kind, index, words[start:stop])
