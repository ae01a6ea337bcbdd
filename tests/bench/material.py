"""What the benchmarks work on: programs of a known size filled with random words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.bank_geometry import SPU001_GEOMETRY
from firmware_protocol.femto_build import FemtoIdentity, build_femto
from firmware_protocol.femto_layout import ModelType, Part, VectorType
from firmware_protocol.femto_model import FemtoSequence, FemtoVector
from firmware_protocol.memory import BankImage, MemoryKind

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 0x5EED
FRAME_ELEMENTS = 80
"""int16 elements in and out: 20 64-bit words of payload, as the largest shipped example's input."""

OUTPUT_ELEMENTS = 64

LARGE_SIZES = {MemoryKind.DM: 4728, MemoryKind.TM: 2048, MemoryKind.IM: 4096}
"""Used 64-bit words per bank of the 0.8 MB image; every bank of both cores holds data."""


def large_banks() -> list[BankImage]:
    """Give the banks of the 0.8 MB image: 200 512 32-bit words on two cores of SPU-001."""
    return list(_banks(LARGE_SIZES))


def full_banks() -> list[BankImage]:
    """Give the banks of an SPU-001 that is completely full."""
    kinds = (MemoryKind.DM, MemoryKind.TM, MemoryKind.IM)
    return list(_banks({kind: SPU001_GEOMETRY.bank_words(kind) for kind in kinds}))


def _banks(sizes: dict[MemoryKind, int]) -> Iterator[BankImage]:
    random = np.random.default_rng(SEED)
    for core in range(2):
        for kind, size in sizes.items():
            for index in range(SPU001_GEOMETRY.n_banks(kind)):
                words = random.integers(0, 1 << 64, size, dtype=np.uint64)
                yield BankImage(core, kind, index, words)
        for kind in (MemoryKind.SB, MemoryKind.PB):
            words = random.integers(0, 1 << 64, 64, dtype=np.uint64)
            yield BankImage(core, kind, 0, words)


def femto_file(banks: list[BankImage]) -> bytes:
    """Give a `.femto` file of one input and one output, encrypted with key 0."""
    vectors = (
        FemtoVector(0, VectorType.INPUT, 0, 16, FRAME_ELEMENTS, FRAME_ELEMENTS, 0),
        FemtoVector(1, VectorType.OUTPUT, 0, 16, OUTPUT_ELEMENTS, OUTPUT_ELEMENTS, 0),
    )
    identity = FemtoIdentity(
        part=Part.SPU001,
        key_index=0,
        model_type=ModelType.CUSTOM,
        name="bench",
        tool_version="2.6.0",
        vectors=vectors,
        sequences=(FemtoSequence(0, (0,), (1,)),),
    )
    return build_femto(identity, banks).to_bytes()


def metadata(banks: list[BankImage]) -> bytes:
    """Give the `metadata.yaml` that goes with memory images."""
    lines = ["data_bank_sizes:", *_sizes(banks, MemoryKind.DM)]
    lines += ["table_bank_sizes:", *_sizes(banks, MemoryKind.TM), "inst_counts:"]
    lines += [f"  {b.core}: {b.words.size}" for b in banks if b.kind is MemoryKind.IM]
    lines += ["inputs:", f"  x: {{core: 0, pc_val: 0, {_vector(FRAME_ELEMENTS)}}}"]
    lines += ["outputs:", f"  y: {{core: 0, mailbox_id: 0, {_vector(OUTPUT_ELEMENTS)}}}"]
    return ("\n".join([*lines, "encryption_key_salt: 0"]) + "\n").encode()


def iospec() -> str:
    """Give the `iospec.yaml` that goes with memory images."""
    return (
        "complex_sequences: {}\n"
        "simple_sequences:\n"
        "  sequence_0: {type: simple_sequence, inputs: [x], outputs: [y], comments: {}}\n"
        "inputs:\n"
        f"  x: {{type: input, varname: x, {_lengths(FRAME_ELEMENTS)}, pc: 0, core_id: 0}}\n"
        "outputs:\n"
        f"  y: {{type: output, varname: y, {_lengths(OUTPUT_ELEMENTS)}, mailbox_id: 0}}\n"
    )


def _lengths(elements: int) -> str:
    return (
        f"length: {elements}, precision: 16, padded_length: {elements}, "
        f"length_64b_words: {elements // 4}, quantization: {{}}, comments: {{}}"
    )


def _vector(elements: int) -> str:
    return f"len_64b_words: {elements // 4}, precision: 16, dtype: V16"


def _sizes(banks: list[BankImage], kind: MemoryKind) -> list[str]:
    lines = []
    for core in range(2):
        lines.append(f"  {core}:")
        own = [bank for bank in banks if (bank.core, bank.kind) == (core, kind)]
        lines += [f"    {bank.index}: {bank.words.size}" for bank in own]
    return lines
