from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import FormatError, LocalMisuseError
from firmware_protocol.records import (
    CLASSES,
    Transaction,
    format_record_name,
    format_records,
    format_text_transaction,
    format_transaction,
)
from firmware_protocol.records_read import parse_records, parse_records_tree

PROGRAMS = Path(__file__).parents[1] / "data" / "spu" / "programs"
FILES = sorted(PROGRAMS.glob("*/prog/setup*.yaml"))

words = st.integers(0, 2**32 - 1)
comments = (
    st.none() | st.sampled_from(["a (b, 0)", "5", "null", "a: b", "it's"]) | st.text(max_size=9)
)


@st.composite
def transactions(draw: st.DrawFn) -> Transaction:
    vals = draw(st.none() | st.lists(words, max_size=5))
    return Transaction(
        msgtype=draw(st.sampled_from(CLASSES)),
        direction=draw(st.sampled_from("wr")),
        comment=draw(comments),
        start_addr=draw(words),
        end_addr=draw(st.integers(0, 2**32)),
        length=draw(st.integers(0, 9)) if vals is None else len(vals),
        vals=None if vals is None else np.array(vals, np.uint32),
    )


recordings = st.dictionaries(
    st.text(min_size=1, max_size=6).filter(lambda name: name != "null"),
    st.lists(transactions(), max_size=3),
    max_size=3,
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_golden_recording_is_written_back_byte_for_byte(path: Path) -> None:
    data = path.read_bytes()
    records = parse_records(data, path.name)
    assert format_records(records, hexadecimal="hex" in path.name) == data
    assert parse_records_tree(yaml.safe_load(data)) == records


@settings(max_examples=60, deadline=None)
@given(recordings, st.booleans())
def test_any_recording_survives_both_readers(
    records: dict[str, list[Transaction]], hexadecimal: bool
) -> None:
    data = format_records(records, hexadecimal=hexadecimal)
    assert parse_records(data) == records
    assert parse_records_tree(yaml.safe_load(data)) == records


def test_streamed_pieces_make_the_same_file() -> None:
    one = Transaction("axis", "w", None, 0, 0, 2, np.array([1, 2], np.uint32))
    pieces = [
        format_record_name("init_spu", first=True),
        format_transaction(one),
        format_record_name("RHS", first=False),
        format_transaction(one),
    ]
    assert b"".join(pieces) == format_records({"init_spu": [one], "RHS": [one]})


def test_the_text_form_holds_the_words() -> None:
    one = Transaction("apb", "w", "why", 0x18, 0x20, 2, np.array([1, 0xFFFFFFFF], np.uint32))
    none = Transaction("host", "r", None, 0, 1, 1, None)
    text = b"".join(format_text_transaction(each) for each in (one, none))
    assert text.decode().splitlines() == [
        "msgtype apb",
        "direction w",
        "comment why",
        "start_addr 0x00000018",
        "end_addr 0x00000020",
        "length 2",
        "vals 0x00000001 0xffffffff",
        "msgtype host",
        "direction r",
        "comment null",
        "start_addr 0x00000000",
        "end_addr 0x00000001",
        "length 1",
        "vals null",
    ]


GOOD = (
    "r:\n- msgtype: apb\n  direction: w\n  comment: null\n  start_addr: 4\n  end_addr: 12\n"
    "  length: 2\n  vals:\n  - 1\n  - 2\n"
)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("msgtype: apb", "msgtype: usb", 2),
        ("direction: w", "direction: x", 2),
        ("comment: null", "comment: [1]", 2),
        ("  length: 2", "  length: 3", 9),
        ("  - 1\n", "  - 4294967296\n", 9),
        ("  - 1\n", "  - -1\n", 9),
        ("  - 1\n", "  - 1_0\n", 9),
        ("  - 1\n", "  -  1\n", 9),
        ("  - 1\n", "  - '0x00000001'\n", 9),
        ("  - 1\n", "  -\n", 9),
        ("  - 2\n", "  - 2", 9),
        ("vals:\n", "vals: null\n", 9),
        ("vals:\n", "vals: []\n", 9),
        ("vals:\n  - 1\n  - 2\n", "vals:\n", 9),
        ("end_addr: 12", "end_addr: 4294967297", 2),
        ("r:\n", "r\n", 1),
        ("r:\n", "", 1),
        ("r:\n", "r: []\n", 2),
        ("r:\n", "r:\n\nr:\n", 2),
    ],
)
def test_text_outside_the_dialect_names_its_line(old: str, new: str, line: int) -> None:
    assert parse_records(GOOD.encode())["r"][0].vals is not None
    with pytest.raises(FormatError) as caught:
        parse_records(GOOD.replace(old, new, 1).encode(), "rec.yaml")
    assert (caught.value.file, caught.value.offset) == ("rec.yaml", line)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"msgtype": "usb"}, "msgtype 'usb'"),
        ({"direction": None}, "direction None"),
        ({"vals": [1]}, "1 words at r\\[0\\], expected 2"),
        ({"vals": [1, 2**32]}, "4294967296"),
        ({"vals": [1, "two"]}, "an integer"),
        ({"vals": "12"}, "a list"),
        ({"start_addr": 1.5}, "an integer"),
        ({"extra": 1}, "keys"),
    ],
)
def test_a_bad_tree_names_the_transaction(change: dict[str, object], message: str) -> None:
    tree = yaml.safe_load(GOOD)
    tree["r"][0] |= change
    with pytest.raises(FormatError, match=message):
        parse_records_tree(tree)


def test_the_tree_reader_takes_hexadecimal_text_and_no_words() -> None:
    tree = yaml.safe_load(GOOD)
    tree["r"][0] |= {"start_addr": "0x00000004", "vals": ["0x1", 2]}
    assert parse_records_tree(tree) == parse_records(GOOD.encode())
    tree["r"][0]["vals"] = None
    assert parse_records_tree(tree)["r"][0].vals is None


def test_a_transaction_of_no_known_class_is_refused() -> None:
    with pytest.raises(LocalMisuseError, match="usb"):
        Transaction("usb", "w", None, 0, 0, 0, None)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=2))
def test_damaged_text_is_read_like_yaml_or_refused(position: int, noise: bytes) -> None:
    data = GOOD.encode()
    data = data[:position] + noise + data[position + 1 :]
    try:
        records = parse_records(data)
    except FormatError:
        return
    assert parse_records_tree(yaml.safe_load(data)) == records
