"""The document of the open instruction set says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import hostrt
from firmware_protocol.loopback import loopback_banks
from firmware_protocol.memory import MemoryKind
from firmware_protocol.open_isa import (
    ISA_VERSION,
    MARK,
    MAX_INSTRUCTIONS,
    OPS,
    STATUS_TEXT,
    THREAD_START_CYCLES,
    Op,
    Status,
)
from firmware_protocol.spu001 import SPU001

TEXT = (Path(hostrt.__file__).parent / "docs" / "open-isa.md").read_text(encoding="utf-8")


def test_every_operation_is_listed_with_its_code_fields_and_cycles() -> None:
    rows = re.findall(r"^\| (0x\w\w) \| ([A-Z]+) \| ([^|]+) \|.*\| ([^|]+) \|$", TEXT, re.MULTILINE)
    listed = {}
    for code, name, fields, cycles in rows:
        used = set() if fields.strip() == "-" else set(fields.strip().split(", "))
        fixed, _, per_word = cycles.strip().partition(" + ")
        listed[Op[name]] = (int(code, 16), used, int(fixed), int(per_word == "n"))
    expected = {
        op: (int(op), set(spec.uses), spec.fixed_cycles, spec.word_cycles)
        for op, spec in OPS.items()
    }
    assert listed == expected


def test_every_status_is_listed() -> None:
    rows = re.findall(r"^\| (0x\w\w) \| ([A-Z_]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert {int(code, 16): name for code, name, _ in rows} == {s: s.name for s in Status}
    assert set(STATUS_TEXT) == set(Status)


def test_mark_version_and_limits_are_those_of_the_code() -> None:
    assert f"version {ISA_VERSION} is 0x{MARK:X}" in TEXT
    assert f"{MAX_INSTRUCTIONS:,}".replace(",", " ") + " instructions" in TEXT
    assert f"costs {THREAD_START_CYCLES} cycles to start" in TEXT


def test_the_listing_of_loopback_is_the_program() -> None:
    (code,) = (b for b in loopback_banks(SPU001, 16).banks if b.kind is MemoryKind.IM)
    assert ", ".join(f"{word:016X}" for word in code.words.tolist()) in TEXT
