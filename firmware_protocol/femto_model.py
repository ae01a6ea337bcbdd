"""The parts of a `.femto` file as values."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_protocol.femto_layout import (
    BANKS_OFFSET,
    CORE_TABLE_OFFSET,
    FORMAT_VERSION,
    LITTLE_ENDIAN,
    NOT_ENCRYPTED,
    PAGE_BYTES,
    VECTORS_OFFSET,
)


@dataclass(frozen=True, slots=True)
class FemtoHeader:
    """The first 256 bytes; sizes and offsets in bytes. The `*_field` are kept undecoded."""

    tool_version_field: bytes
    name_field: bytes
    model_version_field: bytes
    model_size: int
    model_offset: int
    spu_size: int
    spu_offset: int
    data_size: int
    data_offset: int
    reference_size: int
    reference_offset: int
    endian: int = LITTLE_ENDIAN
    chunk: int = PAGE_BYTES
    format_version: int = FORMAT_VERSION
    checksum: int = 0

    @property
    def byte_order(self) -> str:
        """`<` or `>`, as in `struct` formats."""
        return "<" if self.endian == LITTLE_ENDIAN else ">"

    @property
    def name(self) -> str:
        """Model name; bytes that are not UTF-8 show as U+FFFD."""
        return _text(self.name_field)

    @property
    def model_version(self) -> str:
        """Version of the model."""
        return _text(self.model_version_field)

    @property
    def tool_version(self) -> str:
        """Version of the tool that made the file."""
        return _text(self.tool_version_field)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class FemtoVector:
    """One input, output or parameter.

    Attributes:
        id: number that sequences refer to.
        type: a `VectorType`, or another number as found.
        core: target core of an input.
        precision: bits per element, 8 or 16.
        size: elements of the model's vector.
        padded: elements on the wire.
        parameter: program counter of an input, mailbox of an output; all 32 bits of it.
    """

    id: int
    type: int
    core: int
    precision: int
    size: int
    padded: int
    parameter: int


@dataclass(frozen=True, slots=True)
class FemtoSequence:
    """Vectors that belong to one inference.

    Attributes:
        id: sequence number.
        inputs: vector ids.
        outputs: vector ids.
        size: bytes of the record according to the table.
        offset: where the record starts, from the start of the sequence section.
        inputs_offset: where the input ids start in the record.
        outputs_offset: where the output ids start in the record.
    """

    id: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    size: int = 0
    offset: int = 0
    inputs_offset: int = 0
    outputs_offset: int = 0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The model configuration; offsets from its start."""

    type: int
    page_count: int
    vectors: tuple[FemtoVector, ...]
    sequences: tuple[FemtoSequence, ...]
    userdata: bytes
    sequences_offset: int
    userdata_offset: int
    vectors_offset: int = VECTORS_OFFSET


@dataclass(frozen=True, slots=True)
class BankEntry:
    """One bank in the core table: `uid` = type + 4 x index, `state` a `BankState`."""

    uid: int
    state: int


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """One core: `status` 0 off, 1 on, 2 sleeping; `size` and `offset` from the core table."""

    id: int
    status: int
    banks: tuple[BankEntry, ...]
    size: int
    offset: int
    banks_offset: int = BANKS_OFFSET


@dataclass(frozen=True, slots=True)
class SpuConfig:
    """The SPU configuration: `part` a `Part`, `mhz` the recommended clock."""

    part: int
    key_index: int
    mhz: int
    cores: tuple[CoreConfig, ...]
    core_table_offset: int = CORE_TABLE_OFFSET

    @property
    def encrypted(self) -> bool:
        """Whether the program is encrypted with the key `key_index`."""
        return self.key_index != NOT_ENCRYPTED
