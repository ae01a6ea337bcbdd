"""Programs from and to PROG_A / PROG_D pairs: the APB writes that load a chip."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.femto_layout import ModelType
from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.packing import words_to_dwords
from firmware_protocol.prog import (
    ProgStream,
    bursts,
    flatten,
    format_prog,
    holds_exactly,
    parse_prog,
)
from hostrt.chip import CHIP_NAMES, get_chip
from hostrt.chip.base import Power
from hostrt.chip.image import Encryption
from hostrt.chip.platform import EVK2, RTL
from hostrt.chip.step import Modify, Space, Write
from hostrt.errors import ProgramUnsupported, WrongTarget
from hostrt.program.intake import format_faults
from hostrt.program.model import Identity, Program, ProgramSource
from hostrt.program.sidecar import choose_iospec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from firmware_protocol.registers import ChipMap, Region
    from firmware_protocol.words import Words
    from hostrt.chip.base import Chip
    from hostrt.chip.step import Step
    from hostrt.program.load import LoadOptions


def program_from_prog(
    pair: tuple[bytes, bytes], paths: tuple[Path, Path], options: LoadOptions
) -> Program:
    """Read a pair of files: addresses, then data."""
    path = paths[0]
    with format_faults(str(path)):
        stream = parse_prog(*pair, names=(str(path), str(paths[1])))
    runs = bursts(stream)
    chip = _choose_chip(runs, path, options.chip)
    found = _sort(runs, chip.map)
    iospec, notes = choose_iospec(path, None, options)
    encryption = None
    if found.key_index is not None:
        salt = sum(value << (16 * i) for i, value in found.salt.items())
        encryption = Encryption(found.key_index, salt)
    program = Program(
        chip=chip.name,
        banks=tuple(found.banks()),
        n_cores=max(found.cores, default=0) + 1,
        encryption=encryption,
        iospec=iospec,
        identity=Identity(),
        source=ProgramSource(str(path), "prog"),
        notes=notes,
    )
    if holds_exactly(stream, _plain_writes(program)):
        return program
    note = "the writes are not those of a plain load: they are replayed as they stand"
    return replace(program, stream=stream, notes=(*notes, note))


def prog_from_program(program: Program) -> tuple[bytearray, bytearray]:
    """Write a pair of files, the contents of `..._A` and `..._D`."""
    return format_prog(stream_of(program))


def init_from_program(program: Program) -> tuple[bytearray, bytearray]:
    """Write the pair that holds only the boot's register writes (`init_spu_A`, `init_spu_D`)."""
    return format_prog(flatten(apb_writes(_boot_steps(program))))


def stream_of(program: Program) -> ProgStream:
    """Give every APB write of booting and loading `program`, in order."""
    if program.stream is not None:
        return program.stream
    return flatten(_plain_writes(program))


def _plain_writes(program: Program) -> list[tuple[int, Words]]:
    load_steps = program.load_steps(get_chip(program.chip))
    return apb_writes([*_boot_steps(program), *load_steps])


def apb_writes(steps: Iterable[Step]) -> list[tuple[int, Words]]:
    """Pick the APB writes out of steps; registers that are modified start at 0 after reset."""
    values: dict[int, int] = {}
    writes: list[tuple[int, Words]] = []
    for step in steps:
        if isinstance(step, Modify) and step.space is Space.APB:
            value = (values.get(step.address, 0) & step.keep) | step.set_bits
            values[step.address] = value
            writes.append((step.address, np.array([value], np.uint32)))
        elif isinstance(step, Write) and step.space is Space.APB:
            writes.append((step.address, step.words))
            if step.words.size == 1:
                values[step.address] = int(step.words[0])
    return writes


def prog_losses(program: Program) -> list[str]:
    """Say what PROG files cannot hold of `program`."""
    lost = []
    if program.iospec is not None:
        lost.append("the I/O specification: it lies beside the pair in a file of its own")
    identity = program.identity
    if identity.name or identity.version:
        lost.append(f"model name and version ({identity.name} {identity.version})")
    if identity.model_type != ModelType.CUSTOM:
        lost.append(f"model type ({identity.model_type})")
    if identity.userdata:
        lost.append(f"user data ({len(identity.userdata)} bytes)")
    if identity.clock_mhz is not None:
        lost.append(f"recommended clock ({identity.clock_mhz} MHz)")
    return lost


def _boot_steps(program: Program) -> list[Step]:
    chip = get_chip(program.chip)
    platform = RTL if program.chip == "spu150" else EVK2
    return chip.boot(platform, pll=False, encryption=program.encryption)


def _choose_chip(runs: list[tuple[int, Words]], path: Path, named: str | None) -> Chip:
    """Take the chip on which every write lands and every power-up hits a CONF register.

    Raises:
        WrongTarget: the chip that was named is none of those.
        ProgramUnsupported: no chip fits.
    """
    wanted = get_chip(named) if named else None
    fitting = [name for name in CHIP_NAMES if _explains(get_chip(name), runs)]
    if not fitting:
        raise ProgramUnsupported(
            f"{path}: its writes load a program into none of {', '.join(CHIP_NAMES)}",
            hint="check that this is a whole PROG_A file and belongs to the _D file",
        )
    if wanted is None:
        return get_chip(fitting[0])
    if wanted.name not in fitting:
        raise WrongTarget(f"{path} was made for {' or '.join(fitting)}, not for {wanted.name}")
    return wanted


def _explains(chip: Chip, runs: list[tuple[int, Words]]) -> bool:
    conf = {item.address for name, item in chip.map.registers.items() if "_CONF" in name}
    registers = {item.address for item in chip.map.of_space(Space.APB)}
    powered = False
    for address, words in runs:
        region = chip.map.find_region(address)
        if region is not None:
            continue
        if address not in registers and address - 4 not in registers:
            return False
        powered |= address in conf and int(words[-1]) == Power.ON.value[-1]
    return powered


@dataclass
class _Sorted:
    """Writes of a stream, sorted by what they mean."""

    chip_map: ChipMap
    key_index: int | None = None
    salt: dict[int, int] = field(default_factory=dict)
    cores: set[int] = field(default_factory=set)
    pieces: dict[tuple[int, MemoryKind, int], list[tuple[int, Words]]] = field(default_factory=dict)

    def add(self, address: int, words: Words) -> None:
        """Take one burst; a burst may run over the end of a region into what follows."""
        region = self.chip_map.find_region(address)
        if region is None:
            for i, word in enumerate(words.tolist()):
                self._register(address + 4 * i, word)
            return
        room = (region.end - address) // 4
        place = (region.core, region.kind, region.index)
        self.pieces.setdefault(place, []).append((address - region.base, words[:room]))
        self.cores.add(region.core)
        if words.size > room:
            self.add(region.end, words[room:])

    def _register(self, address: int, word: int) -> None:
        name = self.chip_map.describe(Space.APB, address)
        if name == "SPI_ENCRYPTION_KEY_IDX":
            self.key_index = word
        elif name.startswith("SPI_ENCRYPTION_SALT_"):
            self.salt[int(name[-1])] = word
        elif name.startswith("C") and "_CONF" in name:
            self.cores.add(int(name[1]))

    def banks(self) -> list[BankImage]:
        """Give the memories, later writes on top of earlier ones."""
        return [
            BankImage(*place, _assemble(pieces, self.chip_map.region(*place)))
            for place, pieces in self.pieces.items()
        ]


def _assemble(
    pieces: list[tuple[int, Words]], region: Region
) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    end = max(offset // 4 + words.size for offset, words in pieces)
    whole = np.zeros(min(end + end % 2, 2 * region.n_dwords), np.uint32)
    for offset, words in pieces:
        whole[offset // 4 : offset // 4 + words.size] = words
    whole.flags.writeable = False
    return words_to_dwords(whole)


def _sort(runs: list[tuple[int, Words]], chip_map: ChipMap) -> _Sorted:
    found = _Sorted(chip_map)
    for address, words in runs:
        found.add(address, words)
    return found
