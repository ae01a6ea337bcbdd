from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.femto import parse_femto
from firmware_protocol.femto_build import FemtoIdentity, build_femto
from firmware_protocol.femto_iospec import femto_io_of, iospec_of_femto
from firmware_protocol.femto_layout import ModelType, Part, VectorType, model_type_of
from firmware_protocol.femto_model import FemtoSequence, FemtoVector
from firmware_protocol.iospec import IOSpec, iospec_from_tree
from firmware_protocol.memory import BankImage, MemoryKind

PROGRAMS = Path(__file__).parents[1] / "data" / "spu" / "programs"
NAMES = sorted(path.name for path in PROGRAMS.iterdir())
PARTS = {"SPU001": Part.SPU001, "SPU150_TC1": Part.SPU150_TC1, "SPU150_MP": Part.SPU150_MP}
DM0 = BankImage(0, MemoryKind.DM, 0, np.ones(1, np.uint64))


def golden(name: str) -> bytes:
    return (PROGRAMS / name / f"{name}.femto").read_bytes()


def spec_of(name: str) -> IOSpec:
    return iospec_from_tree(yaml.safe_load((PROGRAMS / name / "iospec.yaml").read_text()))


def program(name: str) -> Any:
    return json.loads((PROGRAMS / name / "program.json").read_text())


def banks_of(name: str) -> list[BankImage]:
    banks = []
    for core, memories in program(name)["memories"].items():
        for bank, words in memories.items():
            kind = bank.rstrip("0123456789")
            values = np.array([int(word, 16) for word in words], np.uint64)
            index = int(bank[len(kind) :] or 0)
            banks.append(BankImage(int(core), MemoryKind(kind), index, values))
    return banks


def vector(number: int = 0, **changes: int) -> FemtoVector:
    return replace(FemtoVector(number, 0, 0, 16, 4, 4, 0), **changes)


@pytest.mark.parametrize("name", NAMES)
def test_a_new_file_equals_the_vendors(name: str) -> None:
    told = program(name)["spec"]
    io = femto_io_of(spec_of(name))
    identity = FemtoIdentity(
        part=PARTS[told["chip"]],
        key_index=told["key"] if told["encrypted"] else None,
        model_type=model_type_of(told["model"]["type"]),
        name=told["model"]["name"],
        model_version=told["model"]["version"],
        tool_version="2.6.0",
        vectors=io.vectors,
        sequences=io.sequences,
        userdata=bytes.fromhex(told["model"]["userdata"]),
    )
    assert build_femto(identity, banks_of(name)[::-1]).to_bytes() == golden(name)


@pytest.mark.parametrize("name", NAMES)
def test_an_iospec_comes_back_from_the_file_under_its_names(name: str) -> None:
    spec, io = spec_of(name), femto_io_of(spec_of(name))
    back = iospec_of_femto(parse_femto(golden(name)), io.names)
    assert list(back.inputs) == list(spec.inputs)
    for key, before in spec.inputs.items():
        after = back.inputs[key]
        assert (after.length, after.words, after.pc, after.core_id) == (
            before.length,
            before.words,
            before.pc,
            before.core_id,
        )
    for key, before in spec.outputs.items():
        assert back.outputs[key].mailbox_id == before.mailbox_id
    assert "0" in iospec_of_femto(parse_femto(golden(name))).inputs


def test_a_latched_input_becomes_a_parameter_and_stays_latched() -> None:
    tree: dict[str, Any] = yaml.safe_load((PROGRAMS / "p001_b" / "iospec.yaml").read_text())
    sequence = tree["simple_sequences"]["sequence_0"]
    sequence["inputs"] = ["x"]
    tree["simple_sequences"]["latch"] = {"type": "simple_sequence", "inputs": ["z"], "outputs": []}
    io = femto_io_of(iospec_from_tree(tree))
    kinds = [v.type for v in io.vectors]
    assert kinds == [VectorType.INPUT, VectorType.OUTPUT, VectorType.OUTPUT, VectorType.PARAMETER]
    file = build_femto(FemtoIdentity(Part.SPU001, vectors=io.vectors, sequences=io.sequences), [])
    back = iospec_of_femto(parse_femto(file.to_bytes()), io.names)
    assert back.latched == ("z",)
    assert io.lost == ()


def test_an_input_of_two_sequences_is_stored_twice_and_read_once() -> None:
    tree: dict[str, Any] = yaml.safe_load((PROGRAMS / "p001_b" / "iospec.yaml").read_text())
    names = {"type": "simple_sequence", "inputs": ["x"]}
    tree["simple_sequences"] = {"a": names | {"outputs": ["y"]}, "b": names | {"outputs": ["w"]}}
    io = femto_io_of(iospec_from_tree(tree))
    assert [v.id for v in io.vectors] == [0, 1, 2, 3]
    assert io.lost == ("z",)
    file = build_femto(FemtoIdentity(Part.SPU001, vectors=io.vectors, sequences=io.sequences), [])
    back = iospec_of_femto(parse_femto(file.to_bytes()), io.names)
    assert [list(seq.inputs) for seq in back.sequences] == [["x"], ["x"]]


def test_words_of_an_8_bit_vector_follow_its_precision() -> None:
    io = (vector(0, precision=8, size=15, padded=16),)
    file = build_femto(FemtoIdentity(Part.SPU001, vectors=io), [])
    assert iospec_of_femto(file).inputs["0"].words == 2


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("a" * 40, b"a" * 32),
        ("a" * 31 + "é", b"a" * 31 + b"\0"),
        ("ü" * 20, "ü".encode() * 16),
        ("😀" * 9, "😀".encode() * 8),
        ("", b"\0" * 32),
    ],
)
def test_a_name_is_cut_between_characters(name: str, field: bytes) -> None:
    file = build_femto(FemtoIdentity(Part.SPU001, name=name), [DM0])
    assert file.header.name_field == field
    again = parse_femto(file.to_bytes())
    assert again.header.name == field.rstrip(b"\0").decode()
    assert again.banks() == [DM0]


def test_reading_then_writing_twice_never_grows_a_file() -> None:
    file = build_femto(FemtoIdentity(Part.SPU001), [DM0])
    once = file.to_bytes()
    assert parse_femto(parse_femto(once).to_bytes()).to_bytes() == once == file.to_bytes()


def test_user_data_is_relative_to_the_model_configuration() -> None:
    file = build_femto(FemtoIdentity(Part.SPU001, userdata=b"mark" * 100), [DM0])
    data = file.to_bytes()
    assert parse_femto(data).model.userdata == b"mark" * 100
    assert data.index(b"markmark") == 256 + file.model.userdata_offset
    assert file.header.model_size == file.header.spu_size * 2 == 512


def sequence(n_in: int, n_out: int = 0) -> FemtoSequence:
    return FemtoSequence(0, (0,) * n_in, (0,) * n_out)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors": tuple(vector(n % 256) for n in range(257))}, "vectors: 257"),
        ({"vectors": (vector(256),)}, "vector 256: id: 256"),
        ({"vectors": (vector(size=65536),)}, "size: 65536"),
        ({"vectors": (vector(parameter=2**32),)}, "parameter: 4294967296"),
        ({"vectors": (vector(parameter=-1),)}, "parameter: -1"),
        ({"vectors": (vector(),), "sequences": (sequence(251),)}, "inputs of sequence 0: 251"),
        ({"vectors": (vector(),), "sequences": (sequence(1, 256),)}, "outputs of sequence 0: 256"),
        ({"sequences": (sequence(1),)}, "names vector 0"),
        ({"userdata": bytes(65536)}, "user data included"),
        ({"key_index": 33}, "key index 33"),
        ({"mhz": 70000}, "clock 70000"),
    ],
)
def test_what_does_not_fit_is_refused_before_writing(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LocalMisuseError, match=message):
        build_femto(replace(FemtoIdentity(Part.SPU001), **changes), [])


@pytest.mark.fault
@pytest.mark.parametrize(
    ("banks", "message"),
    [
        ([replace(DM0, core=2)], "core 2 DM0: no such bank"),
        ([replace(DM0, index=8)], "DM8: no such bank"),
        ([replace(DM0, kind=MemoryKind.IM_MSB)], "IM_MSB: no such bank"),
        ([replace(DM0, words=np.zeros(8193, np.uint64))], "8193 words"),
        ([DM0, DM0], "given twice"),
    ],
)
def test_banks_that_the_chip_lacks_are_refused(banks: list[BankImage], message: str) -> None:
    with pytest.raises(LocalMisuseError, match=message):
        build_femto(FemtoIdentity(Part.SPU001), banks)


def test_the_largest_user_data_still_makes_a_readable_file() -> None:
    room = 0xFE00 - 16
    file = build_femto(FemtoIdentity(Part.SPU001, userdata=b"u" * room), [DM0])
    assert len(parse_femto(file.to_bytes()).model.userdata) == room


@pytest.mark.parametrize(
    ("name", "kind"),
    [("kws", ModelType.KWS), ("Gsc", ModelType.KWS), ("SLU", ModelType.SLU), ("x", 10)],
)
def test_model_type_names_are_understood_in_any_case(name: str, kind: int) -> None:
    assert model_type_of(name) == kind


def test_a_full_chip_of_images_becomes_a_file_and_back() -> None:
    rng = np.random.default_rng(7)
    banks = [
        BankImage(core, MemoryKind.DM, index, rng.integers(0, 2**64, 8192, dtype=np.uint64))
        for core in range(2)
        for index in range(8)
    ]
    file = parse_femto(build_femto(FemtoIdentity(Part.SPU001), banks).to_bytes())
    assert file.banks() == banks
