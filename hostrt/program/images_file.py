"""Programs from and to memory images as text: the compiler's `.zip`, and folders of the same."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.bank_geometry import SPU001_GEOMETRY, SPU150_GEOMETRY
from firmware_protocol.errors import FormatError
from firmware_protocol.femto_layout import ModelType
from firmware_protocol.images import (
    METADATA_MEMBER,
    BankSizes,
    place_of_member,
    read_images,
    used_banks,
    write_images,
)
from firmware_protocol.iospec import (
    PACKED_PRECISIONS,
    format_iospec,
    iospec_from_metadata,
    iospec_from_tree,
)
from firmware_protocol.memory import MemoryKind
from firmware_protocol.metadata import (
    Metadata,
    MetaVector,
    Padding,
    format_metadata,
    metadata_from_tree,
)
from firmware_protocol.trees import as_int, as_named, as_text
from hostrt.chip import CHIP_NAMES, get_chip
from hostrt.chip.image import NOT_ENCRYPTED, Encryption
from hostrt.errors import ProgramUnsupported, WrongTarget
from hostrt.program.archive import write_zip, zip_members
from hostrt.program.digests import Digests
from hostrt.program.intake import Budgets, format_faults, read_source
from hostrt.program.model import Identity, InstructionSet, Program, ProgramSource
from hostrt.program.sidecar import choose_iospec
from hostrt.program.yamldoc import load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firmware_protocol.bank_geometry import BankGeometry
    from firmware_protocol.images import ImageSet
    from firmware_protocol.iospec import IOSpec, Vector
    from hostrt.program.load import LoadOptions

IOSPEC_MEMBER = "iospec.yaml"
_KEY = "encryption_key_index"
_ENCRYPTED = "encrypted"
_CHIP = "chip"
_IDENTITY = "hostrt_identity"
_READ = (".txt", ".yaml")
"""Suffixes of the files of a folder that are read; others lie there for other reasons."""


def program_from_zip(data: bytes, path: Path, options: LoadOptions) -> Program:
    """Read a `.zip` of memory images."""
    return program_from_members(zip_members(data, str(path)), path, "zip", options)


def program_from_folder(path: Path, options: LoadOptions) -> Program:
    """Read a folder of memory images, in the compiler's names or the folder's."""
    members = {
        item.name: read_source(item, Budgets())[0]
        for item in sorted(path.iterdir())
        if item.is_file() and item.name.endswith(_READ)
    }
    program = program_from_members(members, path, "folder", options)
    return replace(program, source=replace(program.source, sha256=Digests(members)))


def zip_from_program(program: Program) -> bytes:
    """Write a `.zip` of memory images."""
    return write_zip(members_of(program))


def members_of(program: Program) -> dict[str, bytes]:
    """Give the text members of `program`; one that was read from members gives the same."""
    if program.members is not None and _describe(program.members, program):
        return dict(program.members)
    geometry = _geometry(program.chip)
    metadata = format_metadata(_metadata_of(program, geometry)).encode()
    members = write_images(program.banks, geometry, n_cores=program.n_cores, metadata=metadata)
    if program.iospec is not None:
        members[IOSPEC_MEMBER] = format_iospec(program.iospec).encode()
    return members


def _describe(members: Mapping[str, bytes], program: Program) -> bool:
    """Tell whether members still say what a program says that was made from them."""
    images = read_images(members)
    path = Path(program.source.path)
    if images.metadata is None:
        return False
    metadata = _read_metadata(images, path, None)
    banks = used_banks(images, metadata.sizes, _geometry(program.chip))
    encryption, _ = _encryption(metadata, _stored_key(metadata), program, None)
    same_banks = tuple(bank for bank in banks if bank.words.size) == program.banks
    return same_banks and encryption == program.encryption


def images_losses(program: Program) -> list[str]:
    """Say what memory images cannot hold of `program`."""
    if program.stream is None:
        return []
    return ["register writes of the PROG files that are not part of a plain load"]


def image_names(folder: Path) -> list[str]:
    """Name the memory images that lie in a folder."""
    return sorted(item.name for item in folder.iterdir() if place_of_member(item.name) is not None)


def program_from_members(
    members: Mapping[str, bytes], path: Path, form: str, options: LoadOptions
) -> Program:
    """Read the members of an archive or folder of memory images.

    Args:
        members: file name -> contents.
        path: what they came from, for messages; files beside it may say more.
        form: "zip" or "folder".
        options: what the caller knows.
    """
    with format_faults(str(path)):
        images = read_images(members)
        metadata = _read_metadata(images, path, options.metadata)
        chip = _choose_chip(images, metadata, path, options.chip)
        banks = tuple(
            bank for bank in used_banks(images, metadata.sizes, _geometry(chip)) if bank.words.size
        )
        own = _iospec(members, metadata, path)
        identity = _identity(metadata)
        stored_key = _stored_key(metadata)
    iospec, notes = _choose_iospec(members, own, path, options)
    program = Program(
        chip=chip,
        banks=banks,
        n_cores=len(metadata.sizes.instructions),
        encryption=None,
        iospec=iospec,
        identity=identity,
        source=ProgramSource(str(path), form),
        notes=notes,
    )
    encryption, more = _encryption(metadata, stored_key, program, options)
    program = replace(program, encryption=encryption, notes=(*notes, *more))
    kept = _members_to_keep(members, metadata, program, said=_said(options) or iospec is not own)
    return replace(program, members=kept)


def _said(options: LoadOptions) -> bool:
    told = (options.chip, options.metadata, options.key_index, options.salt)
    return any(item is not None for item in told)


def _members_to_keep(
    members: Mapping[str, bytes], metadata: Metadata, program: Program, *, said: bool
) -> dict[str, bytes]:
    """Give the members as they stand, or with what was said beside them written into them."""
    if not said:
        return dict(members)
    made = _metadata_of(program, _geometry(program.chip))
    identity = {_IDENTITY: metadata.extra[_IDENTITY]} if _IDENTITY in metadata.extra else {}
    full = replace(metadata, salt=made.salt, extra={**metadata.extra, **made.extra, **identity})
    kept = {**members, METADATA_MEMBER: format_metadata(full).encode()}
    if program.iospec is not None:
        kept[IOSPEC_MEMBER] = format_iospec(program.iospec).encode()
    return kept


def _choose_iospec(
    members: Mapping[str, bytes], own: IOSpec, path: Path, options: LoadOptions
) -> tuple[IOSpec, tuple[str, ...]]:
    """Take a named IOSpec, the archive's own, one beside it, or what the metadata tell."""
    if IOSPEC_MEMBER in members and options.iospec is None:
        return own, ()
    chosen, notes = choose_iospec(path, own, options, knows_lengths=False)
    return chosen or own, notes


def _read_metadata(images: ImageSet, path: Path, named: str | Path | None) -> Metadata:
    if named is not None:
        from hostrt.program.load import read_metadata

        return read_metadata(named)
    if images.metadata is None:
        raise ProgramUnsupported(
            f"{path} has no {METADATA_MEMBER}: bank sizes and inputs are unknown",
            hint="give it with --metadata FILE",
        )
    return metadata_from_tree(load_yaml(images.metadata, METADATA_MEMBER), name=METADATA_MEMBER)


def _iospec(members: Mapping[str, bytes], metadata: Metadata, path: Path) -> IOSpec:
    if IOSPEC_MEMBER in members:
        tree = load_yaml(members[IOSPEC_MEMBER], f"{path}:{IOSPEC_MEMBER}")
        return iospec_from_tree(tree, name=IOSPEC_MEMBER, precisions=PACKED_PRECISIONS)
    return iospec_from_metadata(metadata)


def _stored_key(metadata: Metadata) -> int | None:
    if _KEY not in metadata.extra:
        return NOT_ENCRYPTED if metadata.extra.get(_ENCRYPTED) is False else None
    return as_int(metadata.extra[_KEY], _KEY, METADATA_MEMBER, most=NOT_ENCRYPTED)


def _encryption(
    metadata: Metadata, stored_key: int | None, program: Program, options: LoadOptions | None
) -> tuple[Encryption | None, tuple[str, ...]]:
    said = (options.key_index, options.salt) if options else (None, None)
    key = stored_key if said[0] is None else said[0]
    salt = metadata.salt if said[1] is None else said[1]
    if key is None and program.instruction_set is InstructionSet.OPEN:
        key = NOT_ENCRYPTED
    if key is None:
        note = "memory images do not store the encryption key index: 0 is assumed"
        return Encryption(0, salt), (note,)
    return (None if key == NOT_ENCRYPTED else Encryption(key, salt)), ()


def _choose_chip(images: ImageSet, metadata: Metadata, path: Path, named: str | None) -> str:
    """Take the chip that hostrt stored, else one of the family that the images are made for.

    Raises:
        WrongTarget: the chip that was named is another.
        FormatError: the metadata name no chip that exists.
    """
    stored = metadata.extra.get(_CHIP)
    if stored is not None and stored not in CHIP_NAMES:
        raise FormatError(METADATA_MEMBER, None, f"chip {stored!r}", f"one of {CHIP_NAMES}")
    has_upper_bits = any(kind is MemoryKind.IM_MSB for _, kind in images.memories)
    family = ("spu150tc1", "spu150") if has_upper_bits else ("spu001",)
    fitting = family if stored is None else (str(stored),)
    wanted = get_chip(named).name if named else fitting[0]
    if wanted not in fitting:
        raise WrongTarget(f"{path} was made for {' or '.join(fitting)}, not for {wanted}")
    return wanted


def _geometry(chip: str) -> BankGeometry:
    return SPU001_GEOMETRY if get_chip(chip).name == "spu001" else SPU150_GEOMETRY


def _identity(metadata: Metadata) -> Identity:
    tree = as_named(metadata.extra.get(_IDENTITY), _IDENTITY, METADATA_MEMBER)

    def text(key: str) -> str:
        return as_text(tree.get(key, ""), f"{_IDENTITY}.{key}", METADATA_MEMBER)

    def number(key: str, default: int) -> int:
        value = tree.get(key, default)
        return as_int(value, f"{_IDENTITY}.{key}", METADATA_MEMBER, most=0xFFFF)

    try:
        userdata = bytes.fromhex(text("userdata"))
    except ValueError as error:
        raise FormatError(METADATA_MEMBER, None, "user data", "hexadecimal digits") from error
    return Identity(
        text("name"),
        text("version"),
        text("tool_version"),
        number("model_type", int(ModelType.CUSTOM)),
        number("clock_mhz", 0) if tree.get("clock_mhz") is not None else None,
        userdata,
    )


def _identity_tree(identity: Identity) -> dict[str, object]:
    return {**asdict(identity), "userdata": identity.userdata.hex()}


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
        extra[_IDENTITY] = _identity_tree(program.identity)
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
