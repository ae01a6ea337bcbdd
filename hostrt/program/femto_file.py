"""Programs from and to `.femto` files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.femto import parse_femto
from firmware_protocol.femto_build import FemtoIdentity, build_femto
from firmware_protocol.femto_layout import ModelType, Part, VectorType
from firmware_protocol.femto_model import FemtoSequence, FemtoVector
from firmware_protocol.iospec import IoSequence, IOSpec, Vector
from firmware_protocol.memory import MemoryKind
from hostrt.chip import chip_for_part, get_chip
from hostrt.chip.image import Encryption
from hostrt.errors import ProgramUnsupported, UsageError
from hostrt.program.intake import format_faults
from hostrt.program.model import Identity, Program, ProgramSource
from hostrt.program.sidecar import choose_iospec

if TYPE_CHECKING:
    from pathlib import Path

    from firmware_protocol.femto import FemtoFile
    from hostrt.program.load import LoadOptions

DEFAULT_NAME = "generic_model"
DEFAULT_VERSION = "1.0.0"


def program_from_femto(data: bytes, path: Path, options: LoadOptions) -> Program:
    """Read a `.femto` file."""
    with format_faults(str(path)):
        file = parse_femto(data, name=str(path))
        banks = tuple(file.banks())
    own = _iospec_of(file)
    iospec, notes = choose_iospec(path, own, options)
    encryption = None
    if file.spu.encrypted:
        encryption = Encryption(file.spu.key_index, options.salt or 0)
        if options.salt is None:
            notes = (*notes, "the file does not store the encryption salt: 0 is assumed")
    try:
        chip = options.chip or chip_for_part(file.spu.part).name
    except UsageError as error:
        raise ProgramUnsupported(f"{path}: {error}", hint="say which with --chip") from error
    header = file.header
    return Program(
        chip=get_chip(chip).name,
        banks=banks,
        n_cores=_n_cores(file),
        encryption=encryption,
        iospec=iospec,
        identity=Identity(
            header.name,
            header.model_version,
            header.tool_version,
            file.model.type,
            file.spu.mhz,
            file.model.userdata,
        ),
        source=ProgramSource(str(path), "femto"),
        femto=file,
        notes=(*notes, *file.problems),
    )


def femto_from_program(program: Program) -> bytes:
    """Write a `.femto` file; one that was read as `.femto` comes back byte for byte."""
    if program.femto is not None:
        return program.femto.to_bytes()
    identity = program.identity
    vectors, sequences = _vectors_of(program.iospec)
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
        vectors=vectors,
        sequences=sequences,
        userdata=identity.userdata,
    )
    return build_femto(made, program.banks).to_bytes()


def _own_version() -> str:
    from importlib.metadata import version

    return f"hostrt {version('hostrt')}"


def _n_cores(file: FemtoFile) -> int:
    on = [core.id + 1 for core in file.spu.cores if core.status == 1]
    return max([*on, *(bank.core + 1 for bank in file.banks()), 1])


def _iospec_of(file: FemtoFile) -> IOSpec | None:
    if not file.model.vectors:
        return None
    inputs: dict[str, Vector] = {}
    outputs: dict[str, Vector] = {}
    for item in file.model.vectors:
        key = str(item.id)
        is_output = item.type == VectorType.OUTPUT
        latch = item.type == VectorType.PARAMETER
        vector = Vector(
            key=key,
            varname=key,
            length=item.size,
            precision=item.precision,
            padded_length=item.padded,
            quantization={"scale": None, "zero_pt": None},
            comments={"latch": True} if latch else {},
            length_64b_words=-(-item.padded * item.precision // 64),
            pc=None if is_output else item.parameter,
            core_id=None if is_output else item.core,
            mailbox_id=item.parameter if is_output else None,
        )
        (outputs if is_output else inputs)[key] = vector
    sequences = {
        f"sequence_{sequence.id}": IoSequence(
            f"sequence_{sequence.id}",
            {str(number): 1 for number in sequence.inputs},
            {str(number): 1 for number in sequence.outputs},
            {},
        )
        for sequence in file.model.sequences
    }
    return IOSpec(inputs, outputs, sequences)


def _vectors_of(
    spec: IOSpec | None,
) -> tuple[tuple[FemtoVector, ...], tuple[FemtoSequence, ...]]:
    if spec is None:
        return (), ()
    vectors: list[FemtoVector] = []
    sequences: list[FemtoSequence] = []
    latched = set(spec.latched)
    for number, sequence in enumerate(spec.simple_sequences.values()):
        ids: list[list[int]] = [[], []]
        for side, keys in enumerate((sequence.inputs, sequence.outputs)):
            for key in keys:
                ids[side].append(len(vectors))
                vectors.append(_femto_vector(len(vectors), spec, key, side, key in latched))
        sequences.append(FemtoSequence(number, tuple(ids[0]), tuple(ids[1])))
    return tuple(vectors), tuple(sequences)


def _femto_vector(number: int, spec: IOSpec, key: str, side: int, latched: bool) -> FemtoVector:
    vector = spec.outputs[key] if side else spec.inputs[key]
    kind = VectorType.OUTPUT if side else VectorType.INPUT
    padded = vector.padded_length if vector.padded_length is not None else vector.length
    place = vector.mailbox_id if side else vector.pc
    return FemtoVector(
        id=number,
        type=VectorType.PARAMETER if latched and not side else kind,
        core=0 if side else vector.core_id or 0,
        precision=vector.precision,
        size=vector.length,
        padded=padded,
        parameter=place or 0,
    )


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
    if program.stream is not None:
        lost.append("register writes of the PROG files that are not part of a plain load")
    wide = [bank.name for bank in program.banks if bank.kind is MemoryKind.IM_MSB]
    if wide and program.chip == "spu001":
        lost.append("upper instruction bits")
    return lost
