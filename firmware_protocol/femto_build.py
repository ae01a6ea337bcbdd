"""Making a new `.femto` file, byte-compatible with the vendor's writer (`.femto` reference 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_protocol.bank_geometry import (
    LISTED_KINDS,
    SPU001_GEOMETRY,
    SPU150_GEOMETRY,
    BankGeometry,
)
from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.femto import UID_BASES, FemtoFile
from firmware_protocol.femto_layout import (
    CORE_TABLE_OFFSET,
    FILL,
    HEADER_BYTES,
    MODEL_VERSION_BYTES,
    NAME_BYTES,
    NOT_ENCRYPTED,
    PAGE_BYTES,
    TOOL_VERSION_BYTES,
    BankState,
    ModelType,
    Part,
)
from firmware_protocol.femto_model import (
    BankEntry,
    CoreConfig,
    FemtoHeader,
    FemtoSequence,
    FemtoVector,
    SpuConfig,
)
from firmware_protocol.femto_pages import count_pages, make_pages, regions_of
from firmware_protocol.femto_write import (
    aligned,
    core_record_size,
    fitted,
    place_cores_offset,
    place_model,
    section_sizes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_protocol.memory import BankImage

_DEFAULT_MHZ = {Part.SPU150_MP: 250}
_MHZ = 150


@dataclass(frozen=True, slots=True)
class FemtoIdentity:
    """Everything in a `.femto` file that is not memory contents.

    Attributes:
        part: chip.
        key_index: encryption key 0..31; None when not encrypted.
        mhz: recommended clock; None takes the chip's limit.
        model_type: kind of model.
        name: model name, kept to 32 bytes of UTF-8.
        model_version: kept to 16 bytes.
        tool_version: kept to 16 bytes.
        vectors: inputs, outputs and parameters.
        sequences: which vectors belong together.
        userdata: free bytes.
    """

    part: Part
    key_index: int | None = None
    mhz: int | None = None
    model_type: ModelType = ModelType.CUSTOM
    name: str = "generic_model"
    model_version: str = "1.0.0"
    tool_version: str = "unknown"
    vectors: tuple[FemtoVector, ...] = ()
    sequences: tuple[FemtoSequence, ...] = ()
    userdata: bytes = b""


def build_femto(identity: FemtoIdentity, banks: Sequence[BankImage]) -> FemtoFile:
    """Make a file from scratch.

    Args:
        identity: chip, model and vectors.
        banks: memory contents in any order; empty banks are left out.

    Raises:
        LocalMisuseError: a bank does not exist on the chip, or something does not fit its field.
    """
    geometry = SPU001_GEOMETRY if identity.part is Part.SPU001 else SPU150_GEOMETRY
    for bank in banks:
        geometry.check(bank)
    _check_once(banks)
    regions = regions_of(banks, geometry)
    n_pages = count_pages(regions)
    model, model_size = place_model(
        identity.model_type, identity.vectors, identity.sequences, identity.userdata, n_pages
    )
    spu, spu_size = _place_spu(identity, banks, geometry)
    model_size, spu_size = section_sizes(model_size, spu_size, PAGE_BYTES)
    data_offset = HEADER_BYTES + model_size + spu_size
    data_size = PAGE_BYTES * n_pages
    header = FemtoHeader(
        tool_version_field=fitted(identity.tool_version, TOOL_VERSION_BYTES),
        name_field=fitted(identity.name, NAME_BYTES),
        model_version_field=fitted(identity.model_version, MODEL_VERSION_BYTES),
        model_size=model_size,
        model_offset=HEADER_BYTES,
        spu_size=spu_size,
        spu_offset=HEADER_BYTES + model_size,
        data_size=data_size,
        data_offset=data_offset,
        reference_size=0,
        reference_offset=data_offset + data_size,
    )
    whole = bytearray((FILL,)) * (data_offset + data_size)
    pages = make_pages(regions, whole, data_offset)
    return FemtoFile(header, model, spu, pages, b"", memoryview(whole).toreadonly())


def _check_once(banks: Sequence[BankImage]) -> None:
    seen: set[tuple[int, str]] = set()
    for bank in banks:
        if (bank.core, bank.name) in seen:
            raise LocalMisuseError(f"core {bank.core} {bank.name} is given twice, expected once")
        seen.add((bank.core, bank.name))


def _place_spu(
    identity: FemtoIdentity, banks: Sequence[BankImage], geometry: BankGeometry
) -> tuple[SpuConfig, int]:
    key = NOT_ENCRYPTED if identity.key_index is None else identity.key_index
    mhz = _DEFAULT_MHZ.get(identity.part, _MHZ) if identity.mhz is None else identity.mhz
    if not 0 <= key <= NOT_ENCRYPTED:
        raise LocalMisuseError(f"encryption key index {key}, expected 0 to 31 or None")
    if not 0 <= mhz <= 0xFFFF:
        raise LocalMisuseError(f"clock {mhz} MHz, expected 0 to 65535")
    used = {(bank.core, bank.kind, bank.index) for bank in banks if bank.words.size}
    powered = {core for core, _, _ in used}
    places = [(kind, index) for kind in LISTED_KINDS for index in range(geometry.n_banks(kind))]
    size = core_record_size(len(places))
    first = place_cores_offset(geometry.n_cores)
    cores = []
    for core in range(geometry.n_cores):
        entries = tuple(
            BankEntry(
                UID_BASES[kind] + 4 * index,
                BankState.FSM if (core, kind, index) in used else BankState.OFF,
            )
            for kind, index in places
        )
        cores.append(CoreConfig(core, int(core in powered), entries, size, first + core * size))
    area = aligned(first + geometry.n_cores * size)
    spu = SpuConfig(int(identity.part), key, mhz, tuple(cores))
    return spu, aligned(CORE_TABLE_OFFSET + area)
