"""What is in a program, as a plain tree: the one source of `hostrt inspect`, text and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_protocol.memory import MemoryKind
from hostrt.chip import get_chip

if TYPE_CHECKING:
    from firmware_protocol.iospec import IOSpec, Vector
    from hostrt.program.model import Program


def describe_program(program: Program) -> dict[str, object]:
    """Give everything worth knowing about a program as plain types (JSON compatible)."""
    chip = get_chip(program.chip)
    identity = program.identity
    encryption = program.encryption
    return {
        "source": program.source.path,
        "format": program.source.format,
        "name": identity.name,
        "version": identity.version,
        "tool_version": identity.tool_version,
        "model_type": identity.model_type,
        "clock_mhz": identity.clock_mhz,
        "userdata_bytes": len(identity.userdata),
        "chip": program.chip,
        "chip_title": chip.map.title,
        "instruction_set": str(program.instruction_set),
        "encrypted": encryption is not None,
        "encryption_key_index": encryption.key_index if encryption else None,
        "encryption_salt": f"0x{encryption.salt:016x}" if encryption else None,
        "cores": program.n_cores,
        "words": program.n_words,
        "bytes": 4 * program.n_words,
        "memories": _memories(program),
        **_io(program.iospec),
        "sha256": program.sha256,
        "files": dict(program.source.sha256),
        "replayed_as_is": program.stream is not None,
        "notes": list(program.notes),
    }


def _memories(program: Program) -> list[dict[str, object]]:
    regions = get_chip(program.chip).map
    rows = []
    for bank in program.banks:
        room = regions.region(bank.core, bank.kind, bank.index).n_dwords
        used = int(bank.words.size)
        rows.append(
            {
                "core": bank.core,
                "bank": bank.name,
                "words": used,
                "of": room,
                "fill": round(used / room, 4),
            }
        )
    order = list(MemoryKind)
    return sorted(
        rows,
        key=lambda row: (row["core"], order.index(_kind_of(str(row["bank"]))), str(row["bank"])),
    )


def _kind_of(bank: str) -> MemoryKind:
    return MemoryKind(bank.rstrip("0123456789"))


def _io(spec: IOSpec | None) -> dict[str, object]:
    if spec is None:
        return {"inputs": None, "outputs": None, "sequences": None, "latched": None}
    return {
        "inputs": [_vector(key, vector) for key, vector in spec.inputs.items()],
        "outputs": [_vector(key, vector) for key, vector in spec.outputs.items()],
        "sequences": [
            {"name": item.key, "inputs": dict(item.inputs), "outputs": dict(item.outputs)}
            for item in spec.sequences
        ],
        "latched": list(spec.latched),
    }


def _vector(key: str, vector: Vector) -> dict[str, object]:
    tree: dict[str, object] = {
        "name": key,
        "length": vector.length,
        "padded_length": vector.padded_length,
        "precision": vector.precision,
        "words": vector.words,
    }
    if vector.mailbox_id is not None:
        tree["mailbox"] = vector.mailbox_id
    if vector.pc is not None:
        tree |= {"core": vector.core_id, "pc": vector.pc}
    if vector.quantization:
        tree["quantization"] = dict(vector.quantization)
    return tree
