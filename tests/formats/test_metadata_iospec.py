from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import FormatError, LocalMisuseError
from firmware_protocol.iospec import (
    IOSpec,
    format_iospec,
    iospec_from_metadata,
    iospec_from_tree,
    iospec_to_tree,
)
from firmware_protocol.metadata import format_metadata, metadata_from_tree, metadata_to_tree
from firmware_protocol.sequences import SequenceRuleError, SequenceTracker
from firmware_protocol.yamltext import format_text, format_tree, parse_text

SPU = Path(__file__).parents[1] / "data" / "spu"
PROGRAMS = SPU / "programs"
NAMES = sorted(path.name for path in PROGRAMS.iterdir())
CASES = json.loads((SPU / "runner_rules.json").read_text())["iospec"]


def iospec_tree(name: str = "p001_b") -> Any:
    return yaml.safe_load((PROGRAMS / name / "iospec.yaml").read_text())


def metadata_tree(name: str = "p001_b") -> Any:
    return yaml.safe_load((PROGRAMS / name / "metadata.yaml").read_text())


def vector(name: str, kind: str = "input", length: int = 4) -> dict[str, object]:
    sizes: dict[str, object] = {"length": length, "precision": 16, "padded_length": length}
    return {"type": kind, "varname": name, **sizes}


def complex_spec(inputs: dict[str, int], outputs: dict[str, int]) -> IOSpec:
    return iospec_from_tree(
        {
            "inputs": {name: vector(name) for name in inputs},
            "outputs": {name: vector(name, "output") for name in outputs},
            "complex_sequences": {
                "c": {"type": "complex_sequence", "inputs": inputs, "outputs": outputs}
            },
        }
    )


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_are_written_back_byte_for_byte(name: str) -> None:
    folder = PROGRAMS / name
    metadata = metadata_from_tree(metadata_tree(name))
    assert format_metadata(metadata) == (folder / "metadata.yaml").read_text()
    spec = iospec_from_tree(iospec_tree(name))
    assert format_iospec(spec) == (folder / "iospec.yaml").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_metadata_gives_the_vectors_of_the_iospec(name: str) -> None:
    spec = iospec_from_tree(iospec_tree(name))
    made = iospec_from_metadata(metadata_from_tree(metadata_tree(name)))
    assert [*made.inputs] == [*spec.inputs]
    assert [*made.outputs] == [*spec.outputs]
    for key, vector in spec.inputs.items():
        same = made.inputs[key]
        assert (same.pc, same.core_id, same.words) == (vector.pc, vector.core_id, vector.words)
    for key, vector in spec.outputs.items():
        assert made.outputs[key].mailbox_id == vector.mailbox_id
        assert made.outputs[key].padded_length == vector.padded_length
    assert made.is_simple


def test_old_spellings_and_unknown_keys_of_metadata_survive() -> None:
    tree = metadata_tree()
    tree["inputs"]["x"] |= {"precision": "DBL", "dtype": "V_D", "colour": "red"}
    tree["outputs"]["y"] |= {"precision": "STD", "dtype": "V_S"}
    tree |= {"encrypted": True, "fqir_input_padding": {"x": {"fqir": 3, "fasmir": 4}}}
    metadata = metadata_from_tree(tree)
    assert (metadata.inputs["x"].precision, metadata.inputs["x"].dtype) == (16, "V16")
    assert (metadata.outputs["y"].precision, metadata.outputs["y"].dtype) == (8, "V8")
    assert metadata.inputs["x"].extra == {"colour": "red"}
    assert metadata.extra == {"encrypted": True}
    again = metadata_from_tree(yaml.safe_load(format_metadata(metadata)))
    assert again == metadata
    assert metadata_to_tree(again) == metadata_to_tree(metadata)
    assert iospec_from_metadata(metadata).inputs["x"].length == 3


@pytest.mark.fault
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("inst_counts",), None, r"cores \[\]|no key"),
        (("inst_counts",), {1: 3}, r"cores \[1\]"),
        (("inst_counts", 0), -1, "-1 at inst_counts.0"),
        (("data_bank_sizes", 0), [1], "a mapping"),
        (("inputs", "x", "precision"), 12, "precision 12 at inputs.x"),
        (("inputs", "x", "precision"), [8], "precision"),
        (("inputs", "x", "dtype"), "V32", "dtype 'V32'"),
        (("inputs", "x", "pc_val"), "5", "an integer"),
        (("inputs", "x", "pc_val"), True, "an integer"),
        (("encryption_key_salt",), 2**64, "encryption_key_salt"),
    ],
)
def test_bad_metadata_names_the_place(
    path: tuple[object, ...], value: object, message: str
) -> None:
    tree = metadata_tree()
    node = tree
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    if value is None:
        metadata_from_tree(tree)  # an empty mapping: no core in use
        del node[path[-1]]
    with pytest.raises(FormatError, match=message):
        metadata_from_tree(tree)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_the_runner_rules_hold(case: dict[str, Any]) -> None:
    expected = case["result"].get("ok")
    received: list[list[str]] = []

    def run() -> IOSpec:
        spec = iospec_from_tree(case["spec"])
        tracker = SequenceTracker(spec)
        for step in case["steps"]:
            if step[0] == "send":
                tracker.send(step[1])
            else:
                received.append(tracker.receive())
        return spec

    if expected is None:
        with pytest.raises((FormatError, SequenceRuleError)):
            run()
        return
    spec = run()
    # An input of a complex sequence is not latched, whatever the recorded vendor says.
    latched = [] if "complex_sequences" in case["spec"] else expected["latched"]
    assert received == expected["received"]
    assert spec.is_simple == expected["is_simple"]
    assert list(spec.latched) == latched


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 4), min_size=1),
    st.dictionaries(st.sampled_from("xyz"), st.integers(1, 3), min_size=1),
    st.randoms(use_true_random=False),
)
def test_a_rate_change_answers_after_exactly_its_counts(
    inputs: dict[str, int], outputs: dict[str, int], random: Any
) -> None:
    spec = complex_spec(inputs, outputs)
    tracker = SequenceTracker(spec)
    todo = [name for name, count in inputs.items() for _ in range(count)]
    expected = [name for name, count in outputs.items() for _ in range(count)]
    assert spec.latched == ()
    for _ in range(2):
        random.shuffle(todo)
        for name in todo:
            assert tracker.receive() == []
            tracker.send([name])
        with pytest.raises(SequenceRuleError, match="collect its outputs first"):
            tracker.send([todo[0]])
        assert list(tracker.due) == expected
        assert tracker.receive() == expected


def test_a_refused_send_changes_nothing() -> None:
    tracker = SequenceTracker(complex_spec({"a": 1, "b": 1}, {"y": 1}))
    with pytest.raises(SequenceRuleError, match="send b first"):
        tracker.send(["a", "a"])
    with pytest.raises(SequenceRuleError, match="'q': unknown"):
        tracker.send(["a", "q"])
    tracker.send(["a", "b"])
    assert tracker.receive() == ["y"]
    tracker.send(["a"])
    tracker.reset()
    tracker.send(["a"])


@pytest.mark.fault
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("inputs", "x", "type"), "output", "type 'output' at inputs.x"),
        (("inputs", "x", "precision"), 12, "precision 12"),
        (("inputs", "x", "precision"), "16", "an integer"),
        (("inputs", "x", "length"), 0, "0 at inputs.x.length"),
        (("inputs", "x", "length"), 4.0, "an integer"),
        (("inputs", "x", "padded_length"), 3, "padded_length 3"),
        (("inputs", "x", "length_64b_words"), 0, "room for 4 elements"),
        (("inputs", "x", "varname"), 3, "text"),
        (("simple_sequences", "sequence_0", "inputs"), ["q"], "vector 'q' in sequence"),
        (("simple_sequences", "sequence_0", "inputs"), ["x", "x"], "a name twice"),
        (("simple_sequences", "sequence_0", "inputs"), "x", "a list"),
        (("simple_sequences", "sequence_0", "type"), "complex_sequence", "type"),
        (("more",), {}, "section 'more'"),
        (("inputs",), [], "a mapping"),
    ],
)
def test_a_bad_iospec_names_the_place(path: tuple[str, ...], value: object, message: str) -> None:
    tree = iospec_tree()
    node = tree
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    with pytest.raises(FormatError, match=message):
        iospec_from_tree(tree)


def test_sequences_in_a_circle_are_refused() -> None:
    names = ("a", "b")
    tree: dict[str, dict[str, object]] = {
        "inputs": {name: vector(name) for name in names},
        "outputs": {name: vector(name, "output") for name in names},
        "simple_sequences": {
            "s": {"type": "simple_sequence", "inputs": ["a"], "outputs": ["b"]},
            "t": {"type": "simple_sequence", "inputs": ["b"], "outputs": ["a"]},
        },
    }
    with pytest.raises(FormatError, match="circle"):
        iospec_from_tree(tree)
    del tree["simple_sequences"]["t"]
    assert iospec_from_tree(tree).is_simple


def test_reading_leaves_the_tree_alone_and_keeps_unknown_keys() -> None:
    tree = iospec_tree()
    tree["inputs"]["x"]["colour"] = ["red", {"deep": 1.5}]
    before = copy.deepcopy(tree)
    spec = iospec_from_tree(tree)
    assert tree == before
    assert iospec_to_tree(spec) == tree
    assert yaml.safe_load(format_iospec(spec)) == tree


def test_words_follow_from_the_precision_before_compilation() -> None:
    tree = {"inputs": {"x": vector("x", length=9) | {"precision": 8}}}
    assert iospec_from_tree(tree).inputs["x"].words == 2


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.sampled_from(["null", "No", "1e5", "0x1", "1:30", "2024-01-01", "a: b", "a #b", "~", "="])
)
keys = st.text(min_size=1, max_size=6)
trees = st.dictionaries(
    keys | st.integers(),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_written_yaml_reads_back_the_same(tree: dict[str, object]) -> None:
    assert yaml.safe_load(format_tree(tree)) == tree
    assert yaml.safe_load(format_tree(tree, blank_lines=True)) == tree


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_a_scalar_of_text_survives(text: str) -> None:
    assert parse_text(format_text(text)) == text
    assert yaml.safe_load(format_text(text)) == text


@pytest.mark.parametrize("scalar", ["12", "[a]", '"\\q"', "a: b", "- a", "'it's'"])
def test_a_scalar_of_another_dialect_is_refused(scalar: str) -> None:
    with pytest.raises(ValueError, match="dialect"):
        parse_text(scalar)


def test_what_yaml_cannot_hold_is_refused() -> None:
    with pytest.raises(LocalMisuseError, match="1000 characters"):
        format_tree({"a" * 1001: 1})
    with pytest.raises(LocalMisuseError, match="plain types"):
        format_tree({"a": object()})
