"""The doors for JSON and YAML text."""

from __future__ import annotations

import json
import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import ProgramCorrupt, ProgramUnsafe
from hostrt.program.intake import Budgets
from hostrt.program.jsondoc import load_json
from hostrt.program.yamldoc import dump_yaml, load_yaml

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(PLAIN)
def test_json_text_comes_back_as_it_was_written(tree: object) -> None:
    assert load_json(json.dumps(tree).encode(), "x") == tree
    assert load_json(json.dumps(tree, ensure_ascii=False).encode(), "x") == tree


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1, "a": 2}', b'{"x": [{"a": 1, "\\u0061": 2}]}', b"[NaN]", b"[Infinity]",
        b"[-Infinity]", b"[1e999]", b"", b"{", b"[1,]", b"\xff", b"\xef\xbb\xbf{}", b"[1] x",
        b"9" * 5000, b'["\\ud800"]', b'"' + b'\\"' * 10,
    ],
)  # fmt: skip
def test_json_that_readers_disagree_about_is_refused(text: bytes) -> None:
    with pytest.raises(ProgramCorrupt) as caught:
        load_json(text, "x.json")
    assert str(caught.value).startswith("x.json")
    assert "\n" not in str(caught.value)


def test_brackets_in_json_strings_do_not_count_as_nesting() -> None:
    text = json.dumps(["[{" * 500 + '\\"[[[[', {"[": "\\"}]).encode()
    assert load_json(text, "x", Budgets(json_depth=2)) == json.loads(text)


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'["]",'])
@pytest.mark.parametrize("depth", [65, 2000, 1_000_000])
def test_deep_json_is_refused_without_exhausting_the_stack(unit: bytes, depth: int) -> None:
    with pytest.raises(ProgramUnsafe, match="nested"):
        load_json(unit * depth, "x")


def test_json_as_deep_as_allowed_is_read_and_a_generous_budget_cannot_crash() -> None:
    assert load_json(b"[" * 64 + b"]" * 64, "x") == json.loads("[" * 64 + "]" * 64)
    with pytest.raises(ProgramUnsafe):
        load_json(b"[" * 200_000 + b"]" * 200_000, "x", Budgets(json_depth=10**6))


def test_large_json_is_refused_unread_and_quotes_cost_linear_time() -> None:
    with pytest.raises(ProgramUnsafe, match="at most 10 bytes"):
        load_json(b" " * 11, "x", Budgets(json_bytes=10))
    # Whoever looks back for every quote is still at it when the test run's time limit comes.
    with pytest.raises(ProgramCorrupt):
        load_json(b'"' + b'\\"' * 1_000_000, "x")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200) | st.text('{}[]",:\\u0d8n1e+', max_size=60).map(str.encode))
def test_any_bytes_are_json_or_one_documented_error(data: bytes) -> None:
    try:
        load_json(data, "x")
    except (ProgramCorrupt, ProgramUnsafe):
        return
    json.loads(data)


@settings(max_examples=60, deadline=None)
@given(PLAIN)
def test_yaml_text_comes_back_as_it_was_written(tree: object) -> None:
    assert load_yaml(dump_yaml(tree), "x") == tree


def test_yaml_keeps_order_and_letters_and_repeats_instead_of_referring() -> None:
    shared = [1, 2]
    assert dump_yaml({"z": shared, "größe": shared, "a": None}) == (
        "z:\n- 1\n- 2\ngröße:\n- 1\n- 2\na: null\n"
    )


@pytest.mark.parametrize("value", [object(), {1j}, type("F", (float,), {})(1.0)])
def test_yaml_of_other_than_plain_types_is_not_written(value: object) -> None:
    with pytest.raises(TypeError, match="plain"):
        dump_yaml({"metric": value})


def test_python_objects_in_yaml_are_refused_with_an_explanation() -> None:
    text = "a: 1\nb: !!python/object/apply:os.system ['true']\n"
    with pytest.raises(ProgramCorrupt, match=r"x\.yaml, line 2: found Python object tag") as caught:
        load_yaml(text, "x.yaml")
    assert "vendor" in caught.value.hint
    with pytest.raises(ProgramCorrupt, match="Python object tag 'tuple'"):
        load_yaml(yaml.dump({"a": (1, 2)}), "x.yaml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", 3), ("1: a\n1.0: b\n", 2), ("? [a]\n: 1\n", 1), ("a: [1\n", 2),
        ("a: 1\n---\nb: 2\n", 2), ("a: !!int ''\n", 1), ("a: !!timestamp x\n", 1), ("a: !x y\n", 1),
        ("a: 2024-13-45\n", 0), ("a: \x01\n", 0), (b"a: \xff\n", 0), ("{a: {b: 1, b: 2}}", 1),
    ],
)  # fmt: skip
def test_faulty_yaml_is_refused_with_its_line(text: str | bytes, line: int) -> None:
    with pytest.raises(ProgramCorrupt) as caught:
        load_yaml(text, "x.yaml")
    assert caught.value.context["line"] == line
    assert "\n" not in str(caught.value)


def test_yaml_aliases_nesting_and_size_have_budgets() -> None:
    laughs = "a: &a [1, 1]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
    )
    for limit in (0, 20):
        with pytest.raises(ProgramUnsafe, match="aliases"):
            load_yaml(laughs, "x", max_aliases=limit)
    assert load_yaml("a: &n [1]\nb: *n\n", "x", max_aliases=1) == {"a": [1], "b": [1]}
    with pytest.raises(ProgramUnsafe, match="values written out by aliases"):
        load_yaml(laughs, "x")
    for endless in ("&a [*a]", "a: &a {b: *a}", "a: *b"):
        with pytest.raises(ProgramCorrupt, match="to nothing or to itself"):
            load_yaml(endless, "x")
    for deep in ("[" * 65 + "]" * 65, "[" * 500_000, "- " * 3000):
        with pytest.raises(ProgramUnsafe, match="nesting"):
            load_yaml(deep, "x")
    with pytest.raises(ProgramUnsafe, match="at most 10 bytes"):
        load_yaml(" " * 11, "x", max_bytes=10)


def test_an_empty_yaml_document_is_none_and_infinity_is_a_number() -> None:
    assert load_yaml("", "x") is None
    assert load_yaml(".inf", "x") == math.inf


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=100) | st.text("{}[]:,-&*!<>|?\n ab1.'\"%@=", max_size=60))
def test_any_text_is_yaml_or_one_documented_error(data: bytes | str) -> None:
    message = ""
    try:
        load_yaml(data, "x")
    except (ProgramCorrupt, ProgramUnsafe) as error:
        message = str(error)
    assert "\n" not in message
