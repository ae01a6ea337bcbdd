"""Reading the sections of a `.femto` file; every offset is checked before it is used."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from firmware_protocol.errors import FormatError
from firmware_protocol.femto_layout import (
    BANK_FORMAT,
    CORE_ENTRY_FORMAT,
    CORE_FORMAT,
    HEADER_BYTES,
    HEADER_FORMAT,
    LITTLE_ENDIAN,
    MAGIC,
    MODEL_FORMAT,
    PAGE_BYTES,
    SEQUENCE_ENTRY_FORMAT,
    SEQUENCE_FORMAT,
    SPU_FORMAT,
    VECTOR_FORMAT,
)
from firmware_protocol.femto_model import (
    BankEntry,
    CoreConfig,
    FemtoHeader,
    FemtoSequence,
    FemtoVector,
    ModelConfig,
    SpuConfig,
)

Fields: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A window of a file.

    Attributes:
        data: the whole file.
        name: file name for messages.
        order: byte order, `<` or `>`.
        start: first byte of the window.
        end: first byte behind it.
    """

    data: bytes
    name: str
    order: str
    start: int
    end: int

    def take(self, offset: int, size: int, what: str) -> bytes:
        """Give `size` bytes at `offset` from the window's start, or raise `FormatError`."""
        first = self.start + offset
        if first + size > self.end:
            found = f"{what} of {size} bytes ending at 0x{first + size:x}"
            raise FormatError(self.name, first, found, f"an end at or before 0x{self.end:x}")
        return self.data[first : first + size]

    def unpack(self, layout: str, offset: int, what: str) -> Fields:
        """Decode one record of integers."""
        packed = struct.Struct(self.order + layout)
        fields: Fields = packed.unpack(self.take(offset, packed.size, what))
        return fields

    def table(self, layout: str, offset: int, count: int, what: str) -> list[Fields]:
        """Decode `count` records that follow each other."""
        packed = struct.Struct(self.order + layout)
        return list(packed.iter_unpack(self.take(offset, packed.size * count, what)))


def read_header(data: bytes, name: str) -> FemtoHeader:
    """Read the file header."""
    if len(data) < HEADER_BYTES:
        raise FormatError(name, 0, f"{len(data)} bytes", f"a header of {HEADER_BYTES} bytes")
    if not data.startswith(MAGIC):
        raise FormatError(name, 0, repr(data[: len(MAGIC)]), f"the magic {MAGIC!r}")
    order = "<" if data[len(MAGIC)] == LITTLE_ENDIAN else ">"
    fields = struct.unpack_from(order + HEADER_FORMAT, data)
    _, endian, chunk, version, tool, model, model_version, checksum = fields[:8]
    if chunk != PAGE_BYTES:
        raise FormatError(name, 6, f"chunk size {chunk}", str(PAGE_BYTES))
    return FemtoHeader(
        tool_version_field=tool,
        name_field=model,
        model_version_field=model_version,
        model_size=fields[8],
        model_offset=fields[9],
        spu_size=fields[10],
        spu_offset=fields[11],
        data_size=fields[12],
        data_offset=fields[13],
        reference_size=fields[14],
        reference_offset=fields[15],
        endian=endian,
        chunk=chunk,
        format_version=version,
        checksum=checksum,
    )


def read_model(section: Section) -> ModelConfig:
    """Read the model configuration."""
    fields = section.unpack(MODEL_FORMAT, 0, "model configuration")
    kind, pages, n_vectors, vectors_at, n_sequences, sequences_at, user_size, user_at = fields
    vectors = section.table(VECTOR_FORMAT, vectors_at, n_vectors, f"{n_vectors} vectors")
    return ModelConfig(
        type=kind,
        page_count=pages,
        vectors=tuple(FemtoVector(*vector) for vector in vectors),
        sequences=_read_sequences(section, n_sequences, sequences_at),
        userdata=section.take(user_at, user_size, "user data") if user_size else b"",
        sequences_offset=sequences_at,
        userdata_offset=user_at,
        vectors_offset=vectors_at,
    )


def _read_sequences(section: Section, count: int, at: int) -> tuple[FemtoSequence, ...]:
    table = section.table(SEQUENCE_ENTRY_FORMAT, at, count, f"table of {count} sequences")
    return tuple(_read_sequence(section, size, offset, at) for size, offset in table)


def _read_sequence(section: Section, size: int, offset: int, at: int) -> FemtoSequence:
    start = at + offset
    head = section.unpack(SEQUENCE_FORMAT, start, "sequence")
    number, n_in, in_at, n_out, out_at = head
    return FemtoSequence(
        id=number,
        inputs=tuple(section.take(start + in_at, n_in, "sequence inputs")),
        outputs=tuple(section.take(start + out_at, n_out, "sequence outputs")),
        size=size,
        offset=offset,
        inputs_offset=in_at,
        outputs_offset=out_at,
    )


def read_spu(section: Section) -> SpuConfig:
    """Read the SPU configuration."""
    part, key, mhz, count, at = section.unpack(SPU_FORMAT, 0, "SPU configuration")
    table = section.table(CORE_ENTRY_FORMAT, at, count, f"table of {count} cores")
    cores = tuple(_read_core(section, size, offset, at) for size, offset in table)
    return SpuConfig(part, key, mhz, cores, at)


def _read_core(section: Section, size: int, offset: int, at: int) -> CoreConfig:
    start = at + offset
    number, status, n_banks, banks_at = section.unpack(CORE_FORMAT, start, "core")
    banks = section.table(BANK_FORMAT, start + banks_at, n_banks, f"{n_banks} bank entries")
    entries = tuple(BankEntry(uid, state) for uid, state in banks)
    return CoreConfig(number, status, entries, size, offset, banks_at)
