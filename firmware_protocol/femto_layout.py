"""Declaration of the `.femto` container, the specification of its byte layout.

`FEMTO` describes a whole little-endian file. The codec in `femto_read` and `femto_write` works
with the `struct` formats below and with whole arrays of pages; a test proves that both agree.
Source: `.femto` reference 1. Everything is unaligned.
"""

from __future__ import annotations

from enum import IntEnum

import construct as c

MAGIC = b"f3mt0"
PAGE_BYTES = 256
HEADER_BYTES = 256
FORMAT_VERSION = 0x0100
LITTLE_ENDIAN = 1
VECTORS_OFFSET = 16
CORE_TABLE_OFFSET = 6
BANKS_OFFSET = 4
MAX_PAGE_WORDS = 62
NOT_ENCRYPTED = 32
FILL = 0xFF

TOOL_VERSION_BYTES = 16
NAME_BYTES = 32
MODEL_VERSION_BYTES = 16

HEADER_FORMAT = "5sBHH16s32s16sIHHHHIIII"
MODEL_FORMAT = "HHHHHHHH"
VECTOR_FORMAT = "BBBBHHI"
SEQUENCE_ENTRY_FORMAT = "HH"
SEQUENCE_FORMAT = "BBBBB"
SPU_FORMAT = "BBHBB"
CORE_ENTRY_FORMAT = "HH"
CORE_FORMAT = "BBBB"
BANK_FORMAT = "BB"


class ModelType(IntEnum):
    """What the model is for; unknown values count as custom."""

    NONE = 0
    KWS = 1
    SLU = 2
    CLARA = 3
    CUSTOM = 10
    INVALID = 0xFFFF


class VectorType(IntEnum):
    """Role of a vector; a parameter is a latched input."""

    INPUT = 0
    OUTPUT = 1
    PARAMETER = 2


class Part(IntEnum):
    """Chip a file is made for; 2 is what femtodriver 1.8.6 wrote for the SPU-150."""

    SPU001 = 1
    SPU150 = 2
    SPU150_TC1 = 3
    SPU150_MP = 4
    UNKNOWN = 255


class BankState(IntEnum):
    """Power state of a bank; FSM means that it holds data."""

    OFF = 0
    DISABLED = 1
    SLEEPING = 2
    TRANSITIONING = 3
    ON = 4
    FSM = 5
    INVALID = 255


_TYPE_NAMES = {
    ModelType.KWS: ("KWS", "WWD", "GSC"),
    ModelType.SLU: ("SLU",),
    ModelType.CLARA: ("CLARA", "AINR"),
}


def model_type_of(name: str) -> ModelType:
    """Give the type written for a model type name, in any case; unknown names are custom."""
    hits = (kind for kind, names in _TYPE_NAMES.items() if name.upper() in names)
    return next(hits, ModelType.CUSTOM)


HEADER = c.Struct(
    "magic" / c.Const(MAGIC),
    "endian" / c.Int8ul,
    "chunk" / c.Int16ul,
    "format_version" / c.Int16ul,
    "tool_version" / c.Bytes(TOOL_VERSION_BYTES),
    "name" / c.Bytes(NAME_BYTES),
    "model_version" / c.Bytes(MODEL_VERSION_BYTES),
    "checksum" / c.Int32ul,
    "model_size" / c.Int16ul,
    "model_offset" / c.Int16ul,
    "spu_size" / c.Int16ul,
    "spu_offset" / c.Int16ul,
    "data_size" / c.Int32ul,
    "data_offset" / c.Int32ul,
    "reference_size" / c.Int32ul,
    "reference_offset" / c.Int32ul,
    "fill" / c.Bytes(154),
)

VECTOR = c.Struct(
    "id" / c.Int8ul,
    "type" / c.Int8ul,
    "core" / c.Int8ul,
    "precision" / c.Int8ul,
    "size" / c.Int16ul,
    "padded" / c.Int16ul,
    "parameter" / c.Int32ul,
)

SEQUENCE = c.Struct(
    "id" / c.Int8ul,
    "n_inputs" / c.Int8ul,
    "inputs_offset" / c.Int8ul,
    "n_outputs" / c.Int8ul,
    "outputs_offset" / c.Int8ul,
    "inputs" / c.Bytes(c.this.n_inputs),
    "outputs" / c.Bytes(c.this.n_outputs),
)

MODEL = c.Struct(
    "start" / c.Tell,
    "type" / c.Int16ul,
    "n_pages" / c.Int16ul,
    "n_vectors" / c.Int16ul,
    "vectors_offset" / c.Int16ul,
    "n_sequences" / c.Int16ul,
    "sequences_offset" / c.Int16ul,
    "userdata_size" / c.Int16ul,
    "userdata_offset" / c.Int16ul,
    "vectors" / c.Pointer(c.this.start + c.this.vectors_offset, VECTOR[c.this.n_vectors]),
    "sequence_table"
    / c.Pointer(
        c.this.start + c.this.sequences_offset,
        c.Struct("size" / c.Int16ul, "offset" / c.Int16ul)[c.this.n_sequences],
    ),
    "sequences"
    / c.Array(
        c.this.n_sequences,
        c.Pointer(
            lambda ctx: ctx.start + ctx.sequences_offset + ctx.sequence_table[ctx._index].offset,
            SEQUENCE,
        ),
    ),
    "userdata" / c.Pointer(c.this.start + c.this.userdata_offset, c.Bytes(c.this.userdata_size)),
)

BANK = c.Struct("uid" / c.Int8ul, "state" / c.Int8ul)

CORE = c.Struct(
    "id" / c.Int8ul,
    "status" / c.Int8ul,
    "n_banks" / c.Int8ul,
    "banks_offset" / c.Int8ul,
    "banks" / BANK[c.this.n_banks],
)

SPU = c.Struct(
    "start" / c.Tell,
    "part" / c.Int8ul,
    "key_index" / c.Int8ul,
    "mhz" / c.Int16ul,
    "n_cores" / c.Int8ul,
    "core_table_offset" / c.Int8ul,
    "core_table"
    / c.Pointer(
        c.this.start + c.this.core_table_offset,
        c.Struct("size" / c.Int16ul, "offset" / c.Int16ul)[c.this.n_cores],
    ),
    "cores"
    / c.Array(
        c.this.n_cores,
        c.Pointer(
            lambda ctx: ctx.start + ctx.core_table_offset + ctx.core_table[ctx._index].offset,
            CORE,
        ),
    ),
)

PAGE = c.Struct(
    "id" / c.Int16ul,
    "length" / c.Int16ul,
    "address" / c.Int32ul,
    "words" / c.Int32ul[c.this.length],
    "fill" / c.Bytes(4 * (MAX_PAGE_WORDS - c.this.length)),
)

FEMTO = c.Struct(
    "header" / HEADER,
    "model" / c.Pointer(c.this.header.model_offset, MODEL),
    "spu" / c.Pointer(c.this.header.spu_offset, SPU),
    "pages" / c.Pointer(c.this.header.data_offset, PAGE[c.this.model.n_pages]),
    "reference" / c.Pointer(c.this.header.reference_offset, c.Bytes(c.this.header.reference_size)),
)
