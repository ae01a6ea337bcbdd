"""What a compile service answers: memory images and a completed I/O specification.

The images are no program: their words follow from the model's bytes, so that a test can tell whose
they are. Everything around them is as the vendor's compiler writes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.bank_geometry import SPU001_GEOMETRY, SPU150_GEOMETRY
from firmware_protocol.images import BankSizes, write_images
from firmware_protocol.memory import BankImage, MemoryKind
from firmware_protocol.metadata import Metadata, MetaVector, format_metadata
from hostrt.program.archive import write_zip

if TYPE_CHECKING:
    from firmware_protocol.iospec import IOSpec, Vector
    from firmware_protocol.words import DWords

N_WORDS = 24
SALT = 0x0123456789ABCDEF
_FIRST_PC = 3


def words_of(data: bytes, kind: MemoryKind) -> DWords:
    """Give the words of one memory for a model's bytes."""
    digest = hashlib.sha256(data + str(kind).encode()).digest()
    seed = np.frombuffer(digest, "<u8")
    words: DWords = np.tile(seed, N_WORDS // seed.size)
    words += np.arange(N_WORDS, dtype=np.uint64)
    return words & np.uint64(0xFFFF) if kind is MemoryKind.TM else words


def images_of(data: bytes, iospec: IOSpec, chip: str) -> bytes:
    """Give the zip for a model's bytes, without anything that only hostrt writes."""
    geometry = SPU001_GEOMETRY if chip == "spu001" else SPU150_GEOMETRY
    kinds = [MemoryKind.DM, MemoryKind.TM, MemoryKind.IM]
    banks = [BankImage(0, kind, 0, words_of(data, kind)) for kind in kinds]
    if geometry.has_im_msb:
        upper = words_of(data, MemoryKind.IM_MSB) & np.uint64(0x7F)
        banks.append(BankImage(0, MemoryKind.IM_MSB, 0, upper))
    sizes = BankSizes(
        {0: {i: N_WORDS * (i == 0) for i in range(geometry.n_dm)}},
        {0: {i: N_WORDS * (i == 0) for i in range(geometry.n_tm)}},
        {0: N_WORDS},
    )
    inputs = {item.varname: _meta(item, item.pc or 0) for item in iospec.inputs.values()}
    outputs = {item.varname: _meta(item, item.mailbox_id or 0) for item in iospec.outputs.values()}
    metadata = format_metadata(Metadata(sizes, inputs, outputs, SALT)).encode()
    return write_zip(write_images(banks, geometry, n_cores=1, metadata=metadata))


def complete(iospec: IOSpec) -> IOSpec:
    """Give every vector its place and its size on the wire."""
    inputs = {
        key: _placed(item, pc=_FIRST_PC + 2 * i, core_id=0)
        for i, (key, item) in enumerate(iospec.inputs.items())
    }
    outputs = {
        key: _placed(item, mailbox_id=i) for i, (key, item) in enumerate(iospec.outputs.items())
    }
    return replace(iospec, inputs=inputs, outputs=outputs)


def _placed(vector: Vector, **place: int) -> Vector:
    lanes = 64 // vector.precision
    words = -(-vector.length // lanes)
    places: dict[str, int] = {"padded_length": words * lanes, "length_64b_words": words, **place}
    return replace(vector, **places)  # type: ignore[arg-type]


def _meta(vector: Vector, place: int) -> MetaVector:
    return MetaVector(0, place, vector.words, vector.precision, f"V{vector.precision}")
