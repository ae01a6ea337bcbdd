"""I/O specifications inferred from graphs equal the reference's; 24 bits stay out of programs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocol.errors import FormatError, LocalMisuseError
from firmware_protocol.iospec import (
    PACKED_PRECISIONS,
    IOSpec,
    Vector,
    format_iospec,
    iospec_from_tree,
)
from hostrt.errors import ProgramCorrupt, ProgramUnsupported, UsageError
from hostrt.fqir.iospec import infer_iospec
from hostrt.program import Program
from hostrt.runner.plan import make_plan
from tests.fqir.inspected import NAMES, VECTORS, golden, meta_of, model, tensor

if TYPE_CHECKING:
    from pathlib import Path

    from hostrt.fqir.graph import Model


@pytest.mark.parametrize("name", NAMES)
def test_the_specification_of_a_golden_model_equals_the_references(name: str) -> None:
    meta = meta_of(name)
    expected = (VECTORS / name / "iospec.yaml").read_text()

    for file in meta["files"]:
        spec = infer_iospec(golden(name, file), meta["latched"])
        text = format_iospec(spec)
        assert yaml.safe_load(text) == yaml.safe_load(expected)
        if "&id001" not in expected:
            assert text == expected
        assert spec.latched == tuple(meta["latched"])
        assert iospec_from_tree(yaml.safe_load(text)) == spec


def some(*inputs: Any, outputs: Any = ()) -> Model:
    return model(inputs=inputs, outputs=outputs)


def test_latched_inputs_get_sequences_of_their_own_in_the_callers_order() -> None:
    found = some(*(tensor(name, 2) for name in "abcd"), outputs=[tensor("y", 3)])

    spec = infer_iospec(found, ["d", "b"])

    assert [(list(one.inputs), list(one.outputs)) for one in spec.sequences] == [
        (["a", "c"], ["y"]),
        (["d"], []),
        (["b"], []),
    ]
    assert list(spec.simple_sequences) == ["sequence_0", "sequence_1", "sequence_2"]
    assert spec.latched == ("b", "d")
    assert [vector.comments for vector in spec.inputs.values()] == [
        {"latch": name in "bd"} for name in "abcd"
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["nope"], '"nope" is not an input of the model'),
        (["y"], '"y" is not an input of the model'),
        (["a", "a"], '"a" is named twice'),
        ("ab", "latched is the text 'ab'"),
    ],
)
def test_latched_names_that_cannot_be_are_refused(names: Any, message: str) -> None:
    found = some(tensor("a", 2), tensor("b", 2), outputs=[tensor("y", 3)])

    with pytest.raises(UsageError, match=message):
        infer_iospec(found, names)


@pytest.mark.parametrize(
    ("quanta", "scale"), [(0, 1), (3, 8), (70, 2**70), (-3, 0.125), (-1000, 2.0**-1000)]
)
def test_scales_are_whole_numbers_where_they_can_be(quanta: int, scale: float) -> None:
    spec = infer_iospec(some(tensor("x", 2, quanta=quanta)))

    quantization = spec.inputs["x"].quantization
    assert quantization == {"scale": scale, "zero_pt": 0}
    assert isinstance(quantization["scale"], int) == (quanta >= 0)


def test_a_vector_of_unknown_scale_has_no_quantization() -> None:
    spec = infer_iospec(some(tensor("x", 2, quanta=None)))

    assert spec.inputs["x"].quantization == {}


@pytest.mark.parametrize(("dtype", "bits"), [("int8", 8), ("fqint16", 16), ("fqint24", 24)])
def test_precision_comes_from_the_type(dtype: str, bits: int) -> None:
    spec = infer_iospec(some(tensor("x", 2, 9, dtype=dtype)))

    assert (spec.inputs["x"].precision, spec.inputs["x"].length) == (bits, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "int4"}, '"x" has elements of type "int4", expected int8, int16 or int24'),
        ({"dtype": "fqint16_fp"}, '"x" has elements of type "fqint16_fp"'),
        ({"dtype": "fqfqint8"}, '"x" has elements of type "fqfqint8"'),
        ({"dtype": "float"}, '"x" has elements of type "float"'),
        ({"dtype": "\x1b[2J"}, r'"x" has elements of type "\\x1b\[2J"'),
        ({"quanta": 1024}, '"x" has a scale beyond'),
        ({"quanta": -1075}, '"x" has a scale beyond'),
    ],
)
def test_what_no_specification_can_say_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(ProgramUnsupported, match=f"input {message}"):
        infer_iospec(some(tensor("x", 2, **changes)))
    with pytest.raises(ProgramUnsupported, match=f"output {message}"):
        infer_iospec(some(outputs=[tensor("x", 2, **changes)]))


@pytest.mark.parametrize("shape", [(), (0,), (-1, 4)])
def test_vectors_without_elements_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ProgramUnsupported, match='input "x" has the shape'):
        infer_iospec(some(tensor("x", *shape)))


def test_two_outputs_of_one_name_are_refused() -> None:
    with pytest.raises(ProgramUnsupported, match='two outputs are called "y"'):
        infer_iospec(some(outputs=[tensor("y", 2), tensor("y", 2)]))


_NAMES = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6, unique=True)


@given(_NAMES, st.data())
def test_any_specification_reads_back_as_it_was_written(names: list[str], data: Any) -> None:
    split = data.draw(st.integers(0, len(names)))
    kinds = st.sampled_from(["int8", "fqint16", "int24"])
    made = [
        tensor(name, data.draw(st.integers(1, 99)), dtype=data.draw(kinds), quanta=-split)
        for name in names
    ]
    latched = data.draw(st.lists(st.sampled_from(names[:split]), unique=True)) if split else []

    spec = infer_iospec(some(*made[:split], outputs=made[split:]), latched)

    assert iospec_from_tree(yaml.safe_load(format_iospec(spec))) == spec


def wide() -> IOSpec:
    """Give a specification with a vector of 24-bit elements."""
    return infer_iospec(some(tensor("x", 8), outputs=[tensor("y", 8, dtype="int24")]))


def test_24_bits_are_read_unless_the_reader_wants_packed_vectors() -> None:
    tree = yaml.safe_load(format_iospec(wide()))

    assert iospec_from_tree(tree) == wide()
    with pytest.raises(FormatError, match=r"precision 24 at outputs\.y.*8 or 16"):
        iospec_from_tree(tree, precisions=PACKED_PRECISIONS)
    tree["outputs"]["y"]["precision"] = 32
    with pytest.raises(FormatError, match=r"precision 32 at outputs\.y.*8 or 16 or 24"):
        iospec_from_tree(tree)


def test_24_bits_take_no_whole_number_of_words() -> None:
    with pytest.raises(LocalMisuseError, match="'y' has elements of 24 bits, expected 8 or 16"):
        _ = wide().outputs["y"].words
    assert replace(wide().outputs["y"], length_64b_words=3).words == 3


def with_wide_output() -> Program:
    """Give a program whose output is said to have 24-bit elements."""
    program = Program.loopback()
    assert program.iospec is not None
    outputs: dict[str, Vector] = {
        key: replace(vector, precision=24) for key, vector in program.iospec.outputs.items()
    }
    return replace(program, iospec=replace(program.iospec, outputs=outputs))


def test_a_program_with_24_bits_is_not_run() -> None:
    with pytest.raises(ProgramUnsupported, match="has elements of 24 bits, expected 8 or 16"):
        make_plan(with_wide_output())


@pytest.mark.parametrize("name", ["x.femto", "x.zip", "x_A", "folder"])
def test_a_program_with_24_bits_is_not_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(ProgramUnsupported, match="precision 24: the chip packs elements of 8 or"):
        with_wide_output().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_program_is_not_given_a_specification_with_24_bits(tmp_path: Path) -> None:
    Program.loopback().save(tmp_path / "0PROG_A")
    (tmp_path / "wide.yaml").write_text(format_iospec(wide()))

    with pytest.raises(ProgramCorrupt, match=r"wide\.yaml: .*precision 24 at outputs\.y"):
        Program.load(tmp_path / "0PROG_A", iospec=tmp_path / "wide.yaml")


@pytest.mark.parametrize(("name", "file"), [("gru2", "model.pt"), ("mlp_int4", "model_legacy.pt")])
def test_a_model_that_is_loaded_as_a_program_is_named_as_what_it_is(name: str, file: str) -> None:
    with pytest.raises(ProgramUnsupported, match=f"{file} is an FQIR model, expected a") as caught:
        Program.load(VECTORS / name / file)

    assert "--runners fqir" in caught.value.hint
    assert "\n" not in caught.value.message
