"""Reports of the simulator in both of their forms."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostrt.compiler.report import ReportFault, parse_report

KEYS = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1).filter(
    lambda text: text.strip() == text and not text.endswith(":") and text[0] not in "[{"
)
NUMBERS = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.from_regex(r"[A-Za-z][A-Za-z ]{0,20}[a-z]", fullmatch=True)
VALUES = NUMBERS | WORDS | st.lists(NUMBERS, max_size=4)
TREES = st.recursive(
    st.dictionaries(KEYS, VALUES, min_size=1, max_size=4),
    lambda inner: st.dictionaries(KEYS, VALUES | inner, min_size=1, max_size=3),
    max_leaves=6,
)


def _indented(tree: dict[str, object], depth: int = 0) -> str:
    """Write a report as earlier versions of the service did."""
    text = ""
    for key, value in tree.items():
        text += "\t" * depth + f"{key}:"
        if isinstance(value, dict):
            text += "\n" + _indented(value, depth + 1)
        elif isinstance(value, list):
            text += f" ({', '.join(map(str, value))}{',' if len(value) == 1 else ''})\n"
        else:
            text += f" {value}\n"
    return text


@given(TREES)
def test_indented_text_gives_what_was_written(tree: dict[str, object]) -> None:
    assert parse_report(_indented(tree)) == tree


@given(TREES)
def test_json_gives_what_was_written(tree: dict[str, object]) -> None:
    assert parse_report(json.dumps(tree, indent=2)) == tree


def test_numbers_that_are_none_become_none() -> None:
    text = '{"a": NaN, "b": [Infinity, -Infinity, 1e999], "c": 1.5}'
    assert parse_report(text) == {"a": None, "b": [None, None, None], "c": 1.5}


def test_nothing_is_an_empty_report() -> None:
    assert parse_report(" \n") == {}


@given(st.text(max_size=60))
def test_any_text_is_a_report_or_the_one_fault(text: str) -> None:
    with contextlib.suppress(ReportFault):
        assert isinstance(parse_report(text), dict)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * (5 << 20), "5242880 characters"),
        ("a: 1\n\tb: 2", "line 2 indented by 1 tabs"),
        ("a:\n\t\tb: 2", "line 2 indented by 2 tabs"),
        ("a", "line 1 without a key"),
        (": 1", "line 1 without a key"),
        ("[1]", "a JSON list"),
        ("{'a': 1}", "text that is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "text that is not JSON"),
    ],
)
def test_what_is_no_report_is_told(text: str, words: str) -> None:
    with pytest.raises(ReportFault, match=words):
        parse_report(text)
