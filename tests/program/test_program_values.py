"""Programs as values: immutable, hashed, compared, described, and cheap to load."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from firmware_protocol.memory import BankImage, MemoryKind
from hostrt.program import Program
from hostrt.program.describe import describe_program
from hostrt.program.difference import compare_programs

if TYPE_CHECKING:
    from pathlib import Path

Golden = Any


def test_programs_do_not_change_and_compare_by_what_they_are(p001_a: Golden) -> None:
    program = Program.load(p001_a.femto)
    with pytest.raises(FrozenInstanceError):
        program.chip = "spu150"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        program.banks[0].words[0] = 1
    same = Program.load(p001_a.femto)
    assert same == program
    assert hash(same) == hash(program)
    assert len({same, program, Program.loopback()}) == 2
    assert program != Program.loopback()
    assert program != "p001_a"
    assert program != replace(program, n_cores=2)
    assert "p001_a" in repr(program)


def test_one_flipped_word_changes_the_hash_and_is_found_by_the_comparison(
    golden: Golden,
) -> None:
    program = Program.load(golden.femto)
    bank = program.banks[0]
    words = bank.words.copy()
    words[2] ^= np.uint64(1)
    other = replace(program, banks=(replace(bank, words=words), *program.banks[1:]))
    assert other.sha256 != program.sha256
    (found,) = compare_programs(program, other).banks
    assert (found.core, found.bank, found.first, found.n_words) == (0, "DM0", 2, 1)
    assert found.values == (int(bank.words[2]), int(words[2]))
    shorter = replace(program, banks=(replace(bank, words=bank.words[:3]), *program.banks[1:]))
    (found,) = compare_programs(program, shorter).banks
    assert (found.first, found.sizes) == (3, (bank.words.size, 3))
    assert found.values[1] is None


def test_formats_that_cannot_say_a_name_do_not_differ_by_it(golden: Golden) -> None:
    femto, pair = Program.load(golden.femto), Program.load(golden.prog[0])
    assert set(compare_programs(femto, pair).fields) <= {"register writes"}
    other = replace(femto, identity=replace(femto.identity, name="other"))
    assert set(compare_programs(femto, other).fields) == {"name"}


def test_the_description_is_plain_and_tells_memories_and_vectors(golden: Golden) -> None:
    tree: Any = json.loads(json.dumps(describe_program(Program.load(golden.femto))))
    assert {(row["core"], row["bank"]): row["words"] for row in tree["memories"]} == {
        place: len(words) for place, words in golden.memories.items()
    }
    assert [item["name"] for item in tree["inputs"]] == [
        item["name"] for item in golden.facts["spec"]["inputs"]
    ]
    assert tree["encrypted"] == golden.facts["spec"]["encrypted"]


def test_loading_a_large_program_takes_little_memory(tmp_path: Path) -> None:
    words = np.random.default_rng(1).integers(0, 2**63, (8, 8192), np.uint64)
    banks = [BankImage(0, MemoryKind.DM, i, words[i]) for i in range(8)]
    im = BankImage(0, MemoryKind.IM, 0, words[0, :4096])
    program = replace(Program.loopback(), banks=(*banks, im), n_cores=1)
    for name in ("big.femto", "big.zip", "0PROG_A"):
        program.save(tmp_path / name)
        size = sum(path.stat().st_size for path in tmp_path.glob(name.replace("_A", "_[AD]")))
        size = max(size, 4 * program.n_words)
        tracemalloc.start()
        try:
            loaded = Program.load(tmp_path / name)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert loaded.n_words == program.n_words
        assert peak < 10 * size, name


def test_every_file_that_was_read_is_named_with_its_hash(tmp_path: Path, p001_a: Golden) -> None:
    program = Program.load(p001_a.femto)
    program.save(tmp_path / "images", form="folder")
    program.save(tmp_path / "0PROG_A")

    folder = Program.load(tmp_path / "images").source.sha256
    pair = Program.load(tmp_path / "0PROG_A").source.sha256

    assert set(folder) == {path.name for path in (tmp_path / "images").iterdir()}
    assert set(pair) == {"0PROG_A", "0PROG_D"}
    written = (tmp_path / "0PROG_D").read_bytes()
    assert pair["0PROG_D"] == hashlib.sha256(written).hexdigest()
