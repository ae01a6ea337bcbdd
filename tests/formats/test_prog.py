from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import FormatError, LocalMisuseError
from firmware_protocol.hextext import (
    format_hex_lines,
    format_whole_hex_lines,
    parse_hex_lines,
    parse_whole_hex_lines,
)
from firmware_protocol.prog import (
    ProgStream,
    bursts,
    flatten,
    format_prog,
    holds_exactly,
    parse_prog,
)

if TYPE_CHECKING:
    from firmware_protocol.words import Words

PROGRAMS = Path(__file__).parents[1] / "data" / "spu" / "programs"
PAIRS = sorted(path.with_name(path.name[:-2]) for path in PROGRAMS.glob("*/prog/*_A"))

words = st.integers(0, 2**32 - 1)
streams = st.lists(st.tuples(st.integers(0, 2**30 - 1), words), max_size=40).map(
    lambda rows: ProgStream(
        np.array([4 * row[0] for row in rows], np.uint32),
        np.array([row[1] for row in rows], np.uint32),
    )
)


def pair(stem: Path) -> tuple[bytes, bytes]:
    return (
        stem.with_name(f"{stem.name}_A").read_bytes(),
        stem.with_name(f"{stem.name}_D").read_bytes(),
    )


@pytest.mark.parametrize("stem", PAIRS, ids=lambda stem: f"{stem.parts[-3]}-{stem.name}")
def test_a_golden_pair_is_written_back_byte_for_byte(stem: Path) -> None:
    a, d = pair(stem)
    stream = parse_prog(a, d)
    assert len(stream) == len(a) // 9
    assert stream.addresses.tolist() == [int(line, 16) for line in a.split()]
    assert stream.data.tolist() == [int(line, 16) for line in d.split()]
    assert [bytes(text) for text in format_prog(stream)] == [a, d]
    assert flatten(bursts(stream)) == stream


@settings(max_examples=60, deadline=None)
@given(streams)
def test_any_stream_survives_the_files_and_the_bursts(stream: ProgStream) -> None:
    a, d = format_prog(stream)
    assert parse_prog(bytes(a), bytes(d)) == stream
    joined = bursts(stream)
    assert flatten(joined) == stream
    for (start, data), (following, _) in pairwise(joined):
        assert start + 4 * data.size != following


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.rstrip(b"\n"),
        lambda text: text.replace(b"\n", b"\r\n").rstrip(),
        bytes.upper,
        lambda text: b"".join(b"0x" + line for line in text.splitlines(keepends=True)),
        lambda text: b"0X" + text,
        lambda text: text + b"\n\n",
    ],
    ids=["crlf", "no-final-newline", "both", "upper", "0x", "one-prefix", "empty-lines-at-end"],
)
def test_tolerated_spellings_read_the_same(spoil: object) -> None:
    a, d = pair(PAIRS[0])
    assert callable(spoil)
    assert parse_prog(spoil(a), spoil(d)) == parse_prog(a, d)


@pytest.mark.parametrize(
    ("line", "spoiled"),
    [
        (2, b"0000000g"),
        (1, b"1234567"),
        (3, b"123456789"),
        (2, b" 1234567"),
        (2, b"1234_567"),
        (2, b"-1234567"),
        (2, b""),
        (3, b"0x0x1234"),
    ],
)
@pytest.mark.fault
def test_a_bad_line_is_named(line: int, spoiled: bytes) -> None:
    lines = [b"00000004", b"00000008", b"0000000c", b"00000010"]
    good = b"\n".join(lines) + b"\n"
    lines[line - 1] = spoiled
    with pytest.raises(
        FormatError, match=f"data.txt, line {line}: .*8 hexadecimal digits"
    ) as caught:
        parse_prog(good, b"\n".join(lines), names=("address.txt", "data.txt"))
    assert (caught.value.file, caught.value.offset) == ("data.txt", line)


@pytest.mark.fault
def test_unequal_counts_name_the_first_line_without_partner() -> None:
    with pytest.raises(FormatError, match="A, line 2: found 1 lines beside 2 lines in D"):
        parse_prog(b"00000000\n", b"00000000\n00000001\n", names=("A", "D"))


@pytest.mark.fault
def test_an_address_between_words_is_refused() -> None:
    with pytest.raises(FormatError, match="PROG_A, line 2: found address 0x00000006"):
        parse_prog(b"00000004\n00000006\n", b"00000000\n00000001\n")


def test_bursts_join_only_rising_addresses_and_never_reorder() -> None:
    stream = ProgStream(
        np.array([0x34, 0x34, 0x100000, 0x100004, 0x100008, 0x100004], np.uint32),
        np.arange(6, dtype=np.uint32),
    )
    assert [(start, data.tolist()) for start, data in bursts(stream)] == [
        (0x34, [0]),
        (0x34, [1]),
        (0x100000, [2, 3, 4]),
        (0x100004, [5]),
    ]
    assert bursts(flatten([])) == []


def test_a_long_burst_stays_whole() -> None:
    data = np.arange(5000, dtype=np.uint32)
    ((start, joined),) = bursts(flatten([(0x100000, data)]))
    assert start == 0x100000
    assert np.array_equal(joined, data)


def test_the_last_word_of_the_address_space_does_not_wrap() -> None:
    stream = flatten([(0xFFFF_FFFC, np.array([1], np.uint32)), (0, np.array([2], np.uint32))])
    assert len(bursts(stream)) == 2
    with pytest.raises(LocalMisuseError, match="leaves 32 bits"):
        flatten([(0xFFFF_FFFC, np.array([1, 2], np.uint32))])


def test_a_stream_needs_as_many_words_as_addresses() -> None:
    with pytest.raises(LocalMisuseError, match="2 addresses for 1 words"):
        ProgStream(np.zeros(2, np.uint32), np.zeros(1, np.uint32))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.sampled_from([3, 4, 16]))
def test_hexadecimal_lines_equal_pythons_formatting(values: list[int], digits: int) -> None:
    array = np.array(values, dtype=np.uint64)
    text = format_hex_lines(array, digits)
    assert text == "".join(f"{value:0{digits}x}\n" for value in values).encode()
    assert np.array_equal(parse_hex_lines(text, name="t"), array)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_crash_the_reader(text: bytes) -> None:
    try:
        values = parse_hex_lines(text, name="t")
    except FormatError:
        return
    assert values.size <= text.count(b"\n") + 1


@pytest.mark.parametrize("n", [0, 1, 8191, 8192, 8193, 20000])
def test_whole_lines_come_back_whatever_their_number(n: int) -> None:
    words = np.random.default_rng(n).integers(0, 1 << 32, n, dtype=np.uint64).astype(np.uint32)
    text = bytes(format_whole_hex_lines(words))
    back = parse_whole_hex_lines(text, 8)
    assert text == "".join(f"{word:08x}\n" for word in words.tolist()).encode()
    assert (back is None) == (n == 0)
    assert back is None or np.array_equal(back, words)


@settings(max_examples=100, deadline=None)
@given(st.text("0aF \n\tx", max_size=40), st.sampled_from([8, 16]))
def test_only_whole_lines_are_read_as_such(text: str, digits: int) -> None:
    is_whole = bool(re.fullmatch(f"([0-9a-fA-F]{{{digits}}}\\n)+", text))
    values = parse_whole_hex_lines(text.encode(), digits)
    assert (values is not None) == is_whole
    if values is not None:
        assert values.tolist() == [int(line, 16) for line in text.split()]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=6),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=6),
)
def test_a_stream_holds_exactly_the_writes_it_was_made_of(
    left: list[tuple[int, int]], right: list[tuple[int, int]]
) -> None:
    def writes(items: list[tuple[int, int]]) -> list[tuple[int, Words]]:
        return [(4 * start, np.arange(size, dtype=np.uint32)) for start, size in items]

    stream = flatten(writes(left))
    assert holds_exactly(stream, writes(left))
    assert holds_exactly(stream, writes(right)) == (stream == flatten(writes(right)))
