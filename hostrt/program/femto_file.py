"""Programs from and to `.femto` files."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from firmware_protocol.femto import parse_femto
from firmware_protocol.femto_build import FemtoIdentity, build_femto
from firmware_protocol.femto_iospec import femto_io_of, iospec_of_femto
from firmware_protocol.femto_layout import ModelType, Part
from firmware_protocol.iospec import IOSpec
from hostrt.chip import CHIP_NAMES, get_chip
from hostrt.chip.image import NOT_ENCRYPTED, Encryption
from hostrt.errors import ProgramUnsupported, WrongTarget
from hostrt.program.intake import format_faults
from hostrt.program.model import Identity, Program, ProgramSource
from hostrt.program.sidecar import choose_iospec, choose_salt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from firmware_protocol.femto import FemtoFile
    from hostrt.program.load import LoadOptions

DEFAULT_NAME = "generic_model"
DEFAULT_VERSION = "1.0.0"
_CHIPS_OF_PART: Mapping[int, tuple[str, ...]] = {
    Part.SPU001: ("spu001",),
    Part.SPU150: ("spu150tc1", "spu150"),
    Part.SPU150_TC1: ("spu150tc1",),
    Part.SPU150_MP: ("spu150",),
}
"""Chips that a part number stands for, the usual one first."""


def program_from_femto(data: bytes, path: Path, options: LoadOptions) -> Program:
    """Read a `.femto` file."""
    with format_faults(str(path)):
        file = parse_femto(data, name=str(path))
        banks = tuple(file.banks())
    own = iospec_of_femto(file) if file.model.vectors else None
    iospec, notes = choose_iospec(path, own, options)
    encryption = None
    if file.spu.encrypted:
        salt, origin = choose_salt(path, options)
        encryption = Encryption(file.spu.key_index, salt)
        notes = (*notes, *origin)
    chip = _choose_chip(file, path, options.chip)
    return Program(
        chip=chip,
        banks=banks,
        n_cores=_n_cores(file),
        encryption=encryption,
        iospec=iospec,
        identity=_identity_of(file),
        source=ProgramSource(str(path), "femto"),
        femto=file,
        notes=(*notes, *file.problems),
    )


def _identity_of(file: FemtoFile) -> Identity:
    header, model = file.header, file.model
    return Identity(
        header.name,
        header.model_version,
        header.tool_version,
        model.type,
        file.spu.mhz,
        model.userdata,
    )


def _describes(file: FemtoFile, program: Program) -> bool:
    """Tell whether the file still says what a program says that was made from it."""
    key = program.encryption.key_index if program.encryption else NOT_ENCRYPTED
    same_key = (file.spu.key_index if file.spu.encrypted else NOT_ENCRYPTED) == key
    same_banks = tuple(file.banks()) == program.banks
    return same_key and same_banks and _identity_of(file) == program.identity


def femto_from_program(program: Program) -> Sequence[bytearray | memoryview]:
    """Write a `.femto` file in pieces; one that was read comes back byte for byte."""
    identity = program.identity
    if program.femto is not None and _describes(program.femto, program):
        return program.femto.to_pieces()
    io = femto_io_of(program.iospec or IOSpec({}, {}))
    encryption = program.encryption
    known_type = identity.model_type in [int(kind) for kind in ModelType]
    made = FemtoIdentity(
        part=Part(get_chip(program.chip).map.part),
        key_index=encryption.key_index if encryption else None,
        mhz=identity.clock_mhz,
        model_type=ModelType(identity.model_type) if known_type else ModelType.CUSTOM,
        name=identity.name or DEFAULT_NAME,
        model_version=identity.version or DEFAULT_VERSION,
        tool_version=identity.tool_version or _own_version(),
        vectors=io.vectors,
        sequences=io.sequences,
        userdata=identity.userdata,
    )
    return build_femto(made, program.banks).to_pieces()


def _choose_chip(file: FemtoFile, path: Path, named: str | None) -> str:
    """Take the chip that the part number names, or without one, the only chip with its banks."""
    wanted = get_chip(named).name if named else None
    fitting = _CHIPS_OF_PART.get(file.spu.part) or tuple(
        name
        for name in CHIP_NAMES
        if all(get_chip(name).map.has_bank(b.core, b.kind, b.index) for b in file.banks())
    )
    if wanted is not None and wanted not in fitting:
        raise WrongTarget(f"{path} was made for {' or '.join(fitting)}, not for {wanted}")
    if wanted is None and file.spu.part not in _CHIPS_OF_PART and len(fitting) != 1:
        raise ProgramUnsupported(
            f"{path}: part number {file.spu.part} names no chip, it may be {' or '.join(fitting)}",
            hint="say which with --chip",
        )
    return wanted or fitting[0]


@cache
def _own_version() -> str:
    from importlib.metadata import version

    return f"hostrt {version('hostrt')}"


def _n_cores(file: FemtoFile) -> int:
    on = [core.id + 1 for core in file.spu.cores if core.status == 1]
    return max([*on, *(bank.core + 1 for bank in file.banks()), 1])


def femto_losses(program: Program) -> list[str]:
    """Say what a `.femto` file cannot hold of `program`."""
    lost = []
    if program.encryption is not None and program.encryption.salt:
        lost.append(f"encryption salt 0x{program.encryption.salt:016x}")
    spec = program.iospec
    if spec is None:
        return lost
    names = [key for key in (*spec.inputs, *spec.outputs) if not key.isdigit()]
    if names:
        lost.append(f"variable names ({', '.join(names)}): they become numbers")
    scaled = [
        key
        for key, vector in (*spec.inputs.items(), *spec.outputs.items())
        if any(value is not None for value in (vector.quantization or {}).values())
    ]
    if scaled:
        lost.append(f"quantization of {', '.join(scaled)}")
    if spec.complex_sequences:
        lost.append(f"complex sequences ({', '.join(spec.complex_sequences)})")
    unnamed = femto_io_of(spec).lost
    if unnamed:
        lost.append(f"vectors of no simple sequence ({', '.join(unnamed)})")
    if program.stream is not None:
        lost.append("register writes of the PROG files that are not part of a plain load")
    return lost
