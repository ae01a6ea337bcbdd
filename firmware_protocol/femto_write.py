"""Writing the sections of a `.femto` file over a template, and laying out a new file.

The template gives every byte that no field covers: the file as it was read, or fill for a new
one. So a file that was read comes back byte for byte, odd padding included.
"""

from __future__ import annotations

import struct

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.femto_layout import (
    BANK_FORMAT,
    BANKS_OFFSET,
    CORE_ENTRY_FORMAT,
    CORE_FORMAT,
    HEADER_FORMAT,
    MAGIC,
    MODEL_FORMAT,
    SEQUENCE_ENTRY_FORMAT,
    SEQUENCE_FORMAT,
    SPU_FORMAT,
    VECTOR_FORMAT,
    VECTORS_OFFSET,
)
from firmware_protocol.femto_model import (
    FemtoHeader,
    FemtoSequence,
    FemtoVector,
    ModelConfig,
    SpuConfig,
)

_SEQUENCE_HEAD = struct.calcsize("<" + SEQUENCE_FORMAT)
_SEQUENCE_ENTRY = struct.calcsize("<" + SEQUENCE_ENTRY_FORMAT)
_VECTOR = struct.calcsize("<" + VECTOR_FORMAT)
_U16_MAX = 0xFFFF
_U8_MAX = 0xFF
# Padded to whole chunks, it must leave a 16-bit offset for the configuration behind it.
_MODEL_MAX = 0xFE00


def put_header(out: bytearray, header: FemtoHeader) -> None:
    """Write the header's fields at the start of `out`."""
    struct.pack_into(
        header.byte_order + HEADER_FORMAT,
        out,
        0,
        MAGIC,
        header.endian,
        header.chunk,
        header.format_version,
        header.tool_version_field,
        header.name_field,
        header.model_version_field,
        header.checksum,
        header.model_size,
        header.model_offset,
        header.spu_size,
        header.spu_offset,
        header.data_size,
        header.data_offset,
        header.reference_size,
        header.reference_offset,
    )


def put_model(out: bytearray, start: int, model: ModelConfig, order: str) -> None:
    """Write the model configuration at `start`."""
    struct.pack_into(
        order + MODEL_FORMAT,
        out,
        start,
        model.type,
        model.page_count,
        len(model.vectors),
        model.vectors_offset,
        len(model.sequences),
        model.sequences_offset,
        len(model.userdata),
        model.userdata_offset,
    )
    for number, vector in enumerate(model.vectors):
        head = (vector.id, vector.type, vector.core, vector.precision)
        fields = (*head, vector.size, vector.padded, vector.parameter)
        at = start + model.vectors_offset + number * _VECTOR
        struct.pack_into(order + VECTOR_FORMAT, out, at, *fields)
    for number, sequence in enumerate(model.sequences):
        _put_sequence(out, start + model.sequences_offset, number, sequence, order)
    if model.userdata:
        at = start + model.userdata_offset
        out[at : at + len(model.userdata)] = model.userdata


def _put_sequence(
    out: bytearray, start: int, number: int, sequence: FemtoSequence, order: str
) -> None:
    entry = start + number * _SEQUENCE_ENTRY
    struct.pack_into(order + SEQUENCE_ENTRY_FORMAT, out, entry, sequence.size, sequence.offset)
    at = start + sequence.offset
    n_in, n_out = len(sequence.inputs), len(sequence.outputs)
    head = (sequence.id, n_in, sequence.inputs_offset, n_out, sequence.outputs_offset)
    struct.pack_into(order + SEQUENCE_FORMAT, out, at, *head)
    out[at + sequence.inputs_offset : at + sequence.inputs_offset + n_in] = bytes(sequence.inputs)
    first = at + sequence.outputs_offset
    out[first : first + n_out] = bytes(sequence.outputs)


def put_spu(out: bytearray, start: int, spu: SpuConfig, order: str) -> None:
    """Write the SPU configuration at `start`."""
    head = (spu.part, spu.key_index, spu.mhz, len(spu.cores), spu.core_table_offset)
    struct.pack_into(order + SPU_FORMAT, out, start, *head)
    table = start + spu.core_table_offset
    for number, core in enumerate(spu.cores):
        entry = table + number * struct.calcsize(order + CORE_ENTRY_FORMAT)
        struct.pack_into(order + CORE_ENTRY_FORMAT, out, entry, core.size, core.offset)
        at = table + core.offset
        fields = (core.id, core.status, len(core.banks), core.banks_offset)
        struct.pack_into(order + CORE_FORMAT, out, at, *fields)
        banks = b"".join(struct.pack(order + BANK_FORMAT, b.uid, b.state) for b in core.banks)
        out[at + core.banks_offset : at + core.banks_offset + len(banks)] = banks


def fitted(text: str, size: int) -> bytes:
    """Encode `text` into a zero padded field, cut between characters, never inside one."""
    whole = text.encode("utf-8")[:size].decode("utf-8", "ignore").encode("utf-8")
    return whole.ljust(size, b"\0")


def aligned(size: int, step: int = 4) -> int:
    """Round `size` up to a multiple of `step`."""
    return -(-size // step) * step


def section_sizes(model_size: int, spu_size: int, chunk: int) -> tuple[int, int]:
    """Pad both configurations: to one chunk together if they fit, else to chunks each."""
    if model_size + spu_size <= chunk:
        return model_size, chunk - model_size
    return aligned(model_size, chunk), aligned(spu_size, chunk)


def place_sequences(sequences: tuple[FemtoSequence, ...]) -> tuple[tuple[FemtoSequence, ...], int]:
    """Lay sequence records behind their table; gives them and the size of the section."""
    at = _SEQUENCE_ENTRY * len(sequences)
    placed: list[FemtoSequence] = []
    for sequence in sequences:
        inputs, outputs = sequence.inputs, sequence.outputs
        out_at = _SEQUENCE_HEAD + len(inputs)
        size = out_at + len(outputs)
        _limit(f"inputs of sequence {sequence.id}", len(inputs), _U8_MAX - _SEQUENCE_HEAD)
        _limit(f"outputs of sequence {sequence.id}", len(outputs), _U8_MAX)
        _limit("bytes of sequences", at + size, _U16_MAX)
        placed.append(FemtoSequence(sequence.id, inputs, outputs, size, at, _SEQUENCE_HEAD, out_at))
        at += size
    return tuple(placed), aligned(at)


def place_model(
    kind: int,
    vectors: tuple[FemtoVector, ...],
    sequences: tuple[FemtoSequence, ...],
    userdata: bytes,
    page_count: int,
) -> tuple[ModelConfig, int]:
    """Lay out a model configuration; gives it and its 4-aligned size.

    Raises:
        LocalMisuseError: something does not fit its field.
    """
    _limit("vectors", len(vectors), _U8_MAX + 1)
    _limit("sequences", len(sequences), _U8_MAX + 1)
    _limit("pages", page_count, _U16_MAX)
    for vector in vectors:
        _check_vector(vector)
    known = {vector.id for vector in vectors}
    for sequence in sequences:
        _limit("sequence id", sequence.id, _U8_MAX)
        unknown = sorted({*sequence.inputs, *sequence.outputs} - known)
        if unknown:
            raise LocalMisuseError(f"sequence {sequence.id} names vector {unknown[0]}: no such id")
    sequences_at = VECTORS_OFFSET + _VECTOR * len(vectors)
    placed, size = place_sequences(sequences)
    user_at = sequences_at + size
    total = aligned(user_at + len(userdata))
    _limit("bytes of model configuration (user data included)", total, _MODEL_MAX)
    model = ModelConfig(kind, page_count, vectors, placed, userdata, sequences_at, user_at)
    return model, total


def _check_vector(vector: FemtoVector) -> None:
    name = f"vector {vector.id}"
    for what in ("id", "type", "core", "precision"):
        _limit(f"{name}: {what}", getattr(vector, what), _U8_MAX)
    _limit(f"{name}: size", vector.size, _U16_MAX)
    _limit(f"{name}: padded size", vector.padded, _U16_MAX)
    _limit(f"{name}: parameter", vector.parameter, 0xFFFF_FFFF)


def _limit(what: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise LocalMisuseError(f"{what}: {value}, the .femto format holds 0 to {most}")


def place_cores_offset(n_cores: int) -> int:
    """Give where the first core record starts, from the start of the core table."""
    return n_cores * struct.calcsize("<" + CORE_ENTRY_FORMAT)


def core_record_size(n_banks: int) -> int:
    """Give the bytes of one core record."""
    return BANKS_OFFSET + n_banks * struct.calcsize("<" + BANK_FORMAT)
