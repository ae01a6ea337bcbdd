"""The vendor's readers take what hostrt writes, and hostrt takes what they write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from firmware_protocol.memory import BankImage, MemoryKind
from hostrt.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from firmware_protocol.words import DWords

pytestmark = pytest.mark.peer

GOLDEN = [("p001_a", "spu001"), ("p001_b", "spu001"), ("ptc1_a", "spu150tc1"), ("pmp_a", "spu150")]
IN_PEER = {MemoryKind.IM_MSB: ("IM", 1)}
"""Memory and group of bits under which the vendor keeps a bank; its own name and 0 otherwise."""


def peer_bank(memories: dict[str, Any], bank: BankImage, capacity: int) -> DWords:
    """Cut one bank out of the memories that the vendor's reader gives."""
    kind, group = IN_PEER.get(bank.kind, (str(bank.kind), 0))
    whole = np.array(memories[str(bank.core)][kind][group], np.uint64)
    first = bank.index * capacity
    return whole[first : first + bank.words.size]


def assert_same_memories(program: Program, answer: dict[str, Any], capacities: Any) -> None:
    """Compare every bank; the vendor's reader of `.femto` files drops ready queues."""
    banks = [bank for bank in program.banks if bank.kind is not MemoryKind.RQ]
    assert banks
    for bank in banks:
        found = peer_bank(answer["memories"], bank, capacities(bank.kind))
        np.testing.assert_array_equal(found, bank.words, err_msg=f"core {bank.core} {bank.name}")


def capacities_of(chip: str) -> Callable[[MemoryKind], int]:
    """Give 64-bit words per bank of a memory."""
    from firmware_protocol.bank_geometry import SPU001_GEOMETRY, SPU150_GEOMETRY

    return (SPU001_GEOMETRY if chip == "spu001" else SPU150_GEOMETRY).bank_words


@pytest.mark.parametrize(("name", "chip"), GOLDEN)
def test_the_vendor_reads_a_femto_file_that_was_made_from_images(
    name: str, chip: str, spu_data: Path, tmp_path: Path, peer: Callable[..., dict[str, Any]]
) -> None:
    folder = spu_data / "programs" / name
    original = Program.load(folder / f"{name}.femto")
    images = Program.load(
        folder / "images.zip",
        chip=chip,
        iospec=folder / "iospec.yaml",
        key_index=original.encryption.key_index if original.encryption else None,
    )
    images.save(tmp_path / "made.femto")

    answer = peer({"do": "read", "program": str(tmp_path / "made.femto")}, chip=chip)

    assert_same_memories(images, answer, capacities_of(chip))
    assert images.iospec is not None
    meta = answer["metadata"]
    assert meta["encrypted"] is (images.encryption is not None)
    assert [entry["pc_val"] for entry in meta["inputs"].values()] == [
        vector.pc for vector in images.iospec.inputs.values()
    ]
    assert [entry["mailbox_id"] for entry in meta["outputs"].values()] == [
        vector.mailbox_id for vector in images.iospec.outputs.values()
    ]


@pytest.mark.parametrize(("name", "chip"), GOLDEN)
def test_the_vendor_reads_an_archive_that_was_made_from_a_femto_file(
    name: str, chip: str, spu_data: Path, tmp_path: Path, peer: Callable[..., dict[str, Any]]
) -> None:
    program = Program.load(spu_data / "programs" / name / f"{name}.femto")
    program.save(tmp_path / "made.zip")

    answer = peer({"do": "read", "program": str(tmp_path / "made.zip")}, chip=chip)

    assert_same_memories(program, answer, capacities_of(chip))
    assert len(answer["metadata"]["inst_counts"]) == program.n_cores


@pytest.mark.parametrize(("name", "chip"), [GOLDEN[0], GOLDEN[2]])
def test_hostrt_reads_what_the_vendor_writes_from_our_archive(
    name: str, chip: str, spu_data: Path, tmp_path: Path, peer: Callable[..., dict[str, Any]]
) -> None:
    folder = spu_data / "programs" / name
    program = Program.load(folder / "images.zip", chip=chip, iospec=folder / "iospec.yaml")
    program.save(tmp_path / "made.zip")
    job = {
        "do": "write",
        "program": str(tmp_path / "made.zip"),
        "iospec": str(folder / "iospec.yaml"),
        "identity": {"femtodriver_version": "2.6.0", "model_name": name},
    }

    answer = peer(job, chip=chip)
    back = Program.load(answer["path"])

    assert back.banks == program.banks
    assert back.identity.name == name


def test_the_vendor_accepts_the_iospec_written_beside_a_converted_program(
    spu_data: Path, tmp_path: Path, peer: Callable[..., dict[str, Any]]
) -> None:
    from firmware_protocol.iospec import format_iospec

    alone = tmp_path / "alone.femto"
    alone.write_bytes((spu_data / "programs" / "p001_a" / "p001_a.femto").read_bytes())
    program = Program.load(alone)
    assert program.iospec is not None
    assert "0" in program.iospec.inputs
    program.save(tmp_path / "made.zip")
    (tmp_path / "made.yaml").write_text(format_iospec(program.iospec))
    job = {
        "do": "write",
        "program": str(tmp_path / "made.zip"),
        "iospec": str(tmp_path / "made.yaml"),
        "identity": {"femtodriver_version": "2.6.0"},
        "key_index": 3,
    }

    answer = peer(job)

    assert Program.load(answer["path"]).banks == program.banks
