"""Programs from and to memory images as text: the compiler's `.zip`, and folders of the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from firmware_protocol.bank_geometry import SPU001_GEOMETRY, SPU150_GEOMETRY
from firmware_protocol.images import (
    METADATA_MEMBER,
    BankSizes,
    read_images,
    used_banks,
    write_images,
)
from firmware_protocol.iospec import format_iospec, iospec_from_metadata, iospec_from_tree
from firmware_protocol.memory import MemoryKind
from firmware_protocol.metadata import (
    Metadata,
    MetaVector,
    Padding,
    format_metadata,
    metadata_from_tree,
)
from hostrt.chip import get_chip
from hostrt.chip.image import NOT_ENCRYPTED, Encryption
from hostrt.errors import ProgramUnsupported
from hostrt.program.archive import read_zip, write_zip
from hostrt.program.intake import Budgets, format_faults, read_source
from hostrt.program.model import Identity, InstructionSet, Program, ProgramSource
from hostrt.program.sidecar import choose_iospec
from hostrt.program.yamldoc import load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from firmware_protocol.bank_geometry import BankGeometry
    from firmware_protocol.images import ImageSet
    from firmware_protocol.iospec import IOSpec, Vector
    from hostrt.program.load import LoadOptions

IOSPEC_MEMBER = "iospec.yaml"
_KEY = "encryption_key_index"
_ENCRYPTED = "encrypted"
_CHIP = "chip"
_IDENTITY = "hostrt_identity"
_IDENTITY_KEYS = ("name", "version", "tool_version", "model_type", "clock_mhz")


def program_from_zip(data: bytes, path: Path, options: LoadOptions) -> Program:
    """Read a `.zip` of memory images."""
    return _program(dict(read_zip(data, name=str(path))), path, "zip", options)


def program_from_folder(path: Path, options: LoadOptions) -> Program:
    """Read a folder of memory images, in the compiler's names or the folder's."""
    members = {
        item.name: read_source(item, Budgets())[0]
        for item in sorted(path.iterdir())
        if item.is_file()
    }
    return _program(members, path, "folder", options)


def zip_from_program(program: Program) -> bytes:
    """Write a `.zip` of memory images."""
    return write_zip(members_of(program))


def members_of(program: Program) -> dict[str, bytes]:
    """Give the text members of `program`; one that was read from members gives the same."""
    if program.members is not None:
        return dict(program.members)
    geometry = _geometry(program.chip)
    metadata = format_metadata(_metadata_of(program, geometry)).encode()
    members = write_images(program.banks, geometry, n_cores=program.n_cores, metadata=metadata)
    if program.iospec is not None:
        members[IOSPEC_MEMBER] = format_iospec(program.iospec).encode()
    return members


def images_losses(program: Program) -> list[str]:
    """Say what memory images cannot hold of `program`."""
    lost = []
    if program.members is None and program.identity.userdata:
        lost.append(f"user data ({len(program.identity.userdata)} bytes)")
    if program.stream is not None:
        lost.append("register writes of the PROG files that are not part of a plain load")
    return lost


def _program(members: Mapping[str, bytes], path: Path, form: str, options: LoadOptions) -> Program:
    with format_faults(str(path)):
        images = read_images(members)
        metadata = _read_metadata(images, path, options)
        chip = options.chip or str(metadata.extra.get(_CHIP, "")) or _chip_of(images)
        banks = tuple(
            bank for bank in used_banks(images, metadata.sizes, _geometry(chip)) if bank.words.size
        )
        own = _iospec(members, metadata, path)
    iospec, notes = (own, ()) if IOSPEC_MEMBER in members else choose_iospec(path, None, options)
    program = Program(
        chip=get_chip(chip).name,
        banks=banks,
        n_cores=len(metadata.sizes.instructions),
        encryption=None,
        iospec=iospec or own,
        identity=_identity(metadata),
        source=ProgramSource(str(path), form),
        members=dict(members),
        notes=notes,
    )
    encryption, more = _encryption(metadata, program, options)
    return replace(program, encryption=encryption, notes=(*notes, *more))


def _read_metadata(images: ImageSet, path: Path, options: LoadOptions) -> Metadata:
    if options.metadata is not None:
        from hostrt.program.load import read_metadata

        return read_metadata(options.metadata)
    if images.metadata is None:
        raise ProgramUnsupported(
            f"{path} has no {METADATA_MEMBER}: bank sizes and inputs are unknown",
            hint="give it with --metadata FILE",
        )
    return metadata_from_tree(load_yaml(images.metadata, METADATA_MEMBER), name=METADATA_MEMBER)


def _iospec(members: Mapping[str, bytes], metadata: Metadata, path: Path) -> IOSpec:
    if IOSPEC_MEMBER in members:
        tree = load_yaml(members[IOSPEC_MEMBER], f"{path}:{IOSPEC_MEMBER}")
        return iospec_from_tree(tree, name=IOSPEC_MEMBER)
    return iospec_from_metadata(metadata)


def _encryption(
    metadata: Metadata, program: Program, options: LoadOptions
) -> tuple[Encryption | None, tuple[str, ...]]:
    salt = options.salt if options.salt is not None else metadata.salt
    if options.key_index is not None:
        key = options.key_index
    elif _KEY in metadata.extra:
        key = int(str(metadata.extra[_KEY]))
    elif metadata.extra.get(_ENCRYPTED) is False or (
        program.instruction_set is InstructionSet.OPEN
    ):
        key = NOT_ENCRYPTED
    else:
        note = "memory images do not store the encryption key index: 0 is assumed"
        return Encryption(0, salt), (note,)
    return (None if key == NOT_ENCRYPTED else Encryption(key, salt)), ()


def _chip_of(images: ImageSet) -> str:
    has_upper_bits = any(kind is MemoryKind.IM_MSB for _, kind in images.memories)
    return "spu150tc1" if has_upper_bits else "spu001"


def _geometry(chip: str) -> BankGeometry:
    return SPU001_GEOMETRY if get_chip(chip).name == "spu001" else SPU150_GEOMETRY


def _identity(metadata: Metadata) -> Identity:
    tree = metadata.extra.get(_IDENTITY)
    if not isinstance(tree, dict):
        return Identity()
    known = {key: tree[key] for key in _IDENTITY_KEYS if key in tree}
    return Identity(
        name=str(known.get("name", "")),
        version=str(known.get("version", "")),
        tool_version=str(known.get("tool_version", "")),
        model_type=int(known.get("model_type", 10)),
        clock_mhz=known["clock_mhz"] if isinstance(known.get("clock_mhz"), int) else None,
    )


def _metadata_of(program: Program, geometry: BankGeometry) -> Metadata:
    cores = range(program.n_cores)

    def sizes(kind: MemoryKind) -> dict[int, dict[int, int]]:
        table = {core: dict.fromkeys(range(geometry.n_banks(kind)), 0) for core in cores}
        for bank in program.banks:
            if bank.kind is kind:
                table[bank.core][bank.index] = int(bank.words.size)
        return table

    counts = dict.fromkeys(cores, 0)
    for bank in program.banks:
        if bank.kind in (MemoryKind.IM, MemoryKind.IM_MSB):
            counts[bank.core] = max(counts[bank.core], int(bank.words.size))
    spec = program.iospec
    inputs = {vector.varname: vector for vector in spec.inputs.values()} if spec else {}
    outputs = {vector.varname: vector for vector in spec.outputs.values()} if spec else {}
    encryption = program.encryption
    extra: dict[str, object] = {
        _ENCRYPTED: encryption is not None,
        _KEY: encryption.key_index if encryption else NOT_ENCRYPTED,
        _CHIP: program.chip,
    }
    if program.identity != Identity():
        extra[_IDENTITY] = {key: getattr(program.identity, key) for key in _IDENTITY_KEYS}
    return Metadata(
        BankSizes(sizes(MemoryKind.DM), sizes(MemoryKind.TM), counts),
        {name: _meta_vector(vector, vector.pc) for name, vector in inputs.items()},
        {name: _meta_vector(vector, vector.mailbox_id) for name, vector in outputs.items()},
        encryption.salt if encryption else 0,
        {name: _padding(vector) for name, vector in inputs.items()} or None,
        {name: _padding(vector) for name, vector in outputs.items()} or None,
        extra,
    )


def _meta_vector(vector: Vector, place: int | None) -> MetaVector:
    core = vector.core_id or 0
    return MetaVector(core, place or 0, vector.words, vector.precision, f"V{vector.precision}")


def _padding(vector: Vector) -> Padding:
    padded = vector.padded_length if vector.padded_length is not None else vector.length
    return Padding(vector.length, padded)
