"""Messages between a board's client and its process: what goes in comes out, nonsense is named."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostrt.chip.step import (
    ExecTime,
    Expect,
    FrameIn,
    FrameOut,
    HostAction,
    Modify,
    Poll,
    Read,
    Space,
    Wait,
    Write,
)
from hostrt.errors import (
    BadStatus,
    BoardFault,
    HostrtError,
    LinkCorrupt,
    LinkTimeout,
    OutputNeverCame,
    UsageError,
)
from hostrt.transport import apart_wire
from hostrt.transport.apart_child import serve
from hostrt.transport.apart_wire import (
    Channel,
    Kind,
    Message,
    decode_error,
    decode_results,
    decode_steps,
    encode_error,
    encode_results,
    encode_steps,
    from_json,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_protocol.words import Words
    from hostrt.chip.step import Step

NUMBERS = st.integers(0, 2**32 - 1)
TEXTS = st.text(max_size=20)
COMMENTS = st.none() | TEXTS
SECONDS = st.floats(0, 1e6)
SPACES = st.sampled_from(Space)
ERRORS = st.sampled_from([OutputNeverCame, BadStatus, BoardFault])
WORDS = st.lists(NUMBERS, min_size=1, max_size=40).map(lambda n: np.array(n, np.uint32))
WAITS = st.builds(Wait, NUMBERS, SECONDS)
STEPS = st.one_of(
    st.builds(Write, SPACES, NUMBERS, WORDS, NUMBERS, st.booleans(), COMMENTS, TEXTS),
    st.builds(Read, SPACES, NUMBERS, NUMBERS, NUMBERS, COMMENTS, TEXTS),
    st.builds(HostAction, NUMBERS, NUMBERS, COMMENTS),
    st.builds(FrameOut, WORDS, COMMENTS),
    st.builds(FrameIn, NUMBERS, COMMENTS),
    st.builds(ExecTime, COMMENTS),
    WAITS,
    st.builds(Modify, SPACES, NUMBERS, NUMBERS, NUMBERS, TEXTS, COMMENTS),
    st.builds(Poll, SPACES, NUMBERS, NUMBERS, WAITS, SECONDS, TEXTS, ERRORS, TEXTS, TEXTS),
    st.builds(Expect, SPACES, NUMBERS, NUMBERS, NUMBERS, TEXTS, ERRORS, TEXTS, TEXTS),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def message(text: bytes, words: bytes = b"") -> Message:
    return Message(Kind.EXECUTE, text, np.frombuffer(bytearray(words), np.uint32))


@given(st.lists(STEPS, max_size=8))
def test_steps_arrive_as_they_were_sent(steps: list[Step]) -> None:
    found = decode_steps(message(*encode_steps(steps)))

    assert [repr(step) for step in found] == [repr(step) for step in steps]


@given(st.lists(st.none() | st.lists(NUMBERS, max_size=9), max_size=9))
def test_results_arrive_as_they_were_sent(lists: list[list[int] | None]) -> None:
    results = [None if one is None else np.array(one, np.uint32) for one in lists]

    found = decode_results(np.frombuffer(encode_results(results), np.uint32), len(results))

    assert [None if words is None else words.tolist() for words in found] == lists


@given(st.lists(NUMBERS, max_size=9), st.integers(0, 9))
def test_any_words_are_results_or_corrupt(words: list[int], n_steps: int) -> None:
    with contextlib.suppress(LinkCorrupt):
        assert len(decode_results(np.array(words, np.uint32), n_steps)) == n_steps


@given(st.binary(max_size=60) | JSON.map(to_json), st.binary(max_size=16))
def test_any_text_is_steps_or_corrupt(text: bytes, words: bytes) -> None:
    with contextlib.suppress(LinkCorrupt):
        decode_steps(message(text, words[: len(words) // 4 * 4]))


@given(st.sampled_from(["Write", "FrameOut", "Read", "Poll"]), st.lists(JSON, max_size=9))
def test_any_values_of_a_step_are_a_step_or_corrupt(name: str, values: list[object]) -> None:
    with contextlib.suppress(LinkCorrupt):
        decode_steps(message(to_json([name, *values])))


@pytest.mark.parametrize("n_words", [0, 1, 3])
def test_words_that_do_not_suit_the_steps_are_corrupt(n_words: int) -> None:
    text, _ = encode_steps([FrameOut(np.arange(2, dtype=np.uint32))])
    with pytest.raises(LinkCorrupt, match=r"words for (a step|steps) of 2"):
        decode_steps(message(text, bytes(4 * n_words)))


class TheirFault(OutputNeverCame):
    """A type that a plug-in might have, with arguments of its own."""

    def __init__(self, board: str) -> None:
        super().__init__(f"{board} is tired", hint="let it rest", board=board)


def test_errors_arrive_as_what_they_are() -> None:
    numbers = {"frame": np.int64(7), "words": np.arange(2), "file": Path("a")}
    for error, extra in (
        (
            LinkTimeout("late", hint="wait", board="b", **numbers),
            {"frame": 7, "words": [0, 1], "file": "a"},
        ),
        (TheirFault("b"), {}),
    ):
        found = decode_error(from_json(to_json(encode_error(error))))

        assert type(found) is type(error)
        assert (found.message, found.hint) == (error.message, error.hint)
        assert found.context == {"board": "b", **extra}


def test_an_error_of_a_type_nobody_knows_here_is_the_nearest_known() -> None:
    tree = encode_error(TheirFault("b"))
    names = tree["error"]
    assert isinstance(names, list)
    tree["error"] = ["nowhere.plugin:TheirFault", *names[1:]]

    assert type(decode_error(tree)) is OutputNeverCame


@given(JSON)
def test_any_tree_is_an_error_or_corrupt(tree: object) -> None:
    with contextlib.suppress(LinkCorrupt):
        assert isinstance(
            decode_error(from_json(to_json({"error": tree, "context": {}}))), HostrtError
        )
    with contextlib.suppress(LinkCorrupt):
        decode_error(from_json(to_json(tree)))


@pytest.mark.parametrize("names", [["os:system"], ["hostrt.errors:ClassVar"], [1], []])
def test_only_errors_are_made_of_a_failure(names: list[object]) -> None:
    assert type(decode_error({"error": names, "context": {}})) is HostrtError


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(10)
        yield Channel(one), other


def test_messages_arrive_whole_in_whatever_pieces(ends: tuple[Channel, socket.socket]) -> None:
    channel, other = ends
    other.settimeout(10)
    sent: list[tuple[bytes, Words]] = [
        (b"x" * size, np.arange(size, dtype=np.uint32)) for size in (0, 1, 16_000, 400_000)
    ]

    def trickle() -> None:
        reader = Channel(other)
        for _ in sent:
            got = reader.receive()
            one, another = socket.socketpair()
            with one, another:
                threading.Thread(
                    target=Channel(one).send, args=(got.kind, got.text, got.words.tobytes())
                ).start()
                left = apart_wire._HEAD.size + len(got.text) + got.words.nbytes
                while left:
                    part = another.recv(min(left, 7 if left < 20 else 30_011))
                    left -= len(part)
                    other.sendall(part)

    worker = threading.Thread(target=trickle)
    worker.start()
    for text, words in sent:
        channel.send(Kind.EXECUTE, text, words.tobytes())
        got = channel.receive()
        assert (got.kind, got.text) == (Kind.EXECUTE, text)
        np.testing.assert_array_equal(got.words, words)
    worker.join(10)


@pytest.mark.parametrize(
    "head",
    [
        (99, 0, 0, b""),
        (2, 0, 3, b"abc"),
        (2, 0, 1 << 40, b""),
        (2, 1 << 31, 0, b""),
        (2, 0, 0, b"more"),
    ],
)
def test_what_is_no_message_is_corrupt(
    ends: tuple[Channel, socket.socket], head: tuple[int, int, int, bytes]
) -> None:
    channel, other = ends
    *numbers, rest = head
    other.sendall(apart_wire._HEAD.pack(*numbers) + rest)
    with pytest.raises(LinkCorrupt):
        channel.receive()


def test_a_message_cut_short_is_a_lost_connection(ends: tuple[Channel, socket.socket]) -> None:
    channel, other = ends
    other.sendall(apart_wire._HEAD.pack(Kind.DONE, 5, 0) + b"ab")
    other.close()
    with pytest.raises(ConnectionError):
        channel.receive()


@pytest.fixture
def served(ends: tuple[Channel, socket.socket]) -> Iterator[Channel]:
    """Give a client of the child's loop, which runs in this process."""
    channel, other = ends
    worker = threading.Thread(target=serve, args=(Channel(other),))
    worker.start()
    yield channel
    channel.link.shutdown(socket.SHUT_RDWR)
    worker.join(10)
    assert not worker.is_alive()


def ask(channel: Channel, kind: Kind, text: bytes = b"", words: bytes = b"") -> Message:
    channel.send(kind, text, words)
    return channel.receive()


NEVER = Poll(Space.TOP, 0, 1 << 31, Wait(1, 1e-3), 0.01, "the bit", OutputNeverCame)
OPEN = to_json({"url": "sim://spu001", "prefix": "apart+", "level": logging.WARNING})


def test_the_child_opens_executes_and_goes_on_after_a_failure(served: Channel) -> None:
    opened = ask(served, Kind.OPEN, OPEN)
    failed = ask(served, Kind.EXECUTE, *encode_steps([NEVER]))
    done = ask(served, Kind.EXECUTE, *encode_steps([ExecTime(), Wait(1, 0.0)]))

    assert b'"url": "apart+sim://spu001"' in opened.text
    assert isinstance(decode_error(from_json(failed.text)), HostrtError)
    assert [words is None for words in decode_results(done.words, 2)] == [False, True]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.EXECUTE, OPEN),
        (Kind.OPEN, to_json({"url": "sim"})),
        (Kind.OPEN, b"[]"),
        (Kind.OPEN, b"\xff"),
    ],
)
def test_a_child_that_is_not_told_what_to_open_says_so(
    served: Channel, kind: Kind, text: bytes
) -> None:
    failed = ask(served, kind, text)

    assert failed.kind is Kind.FAILED
    assert isinstance(decode_error(from_json(failed.text)), LinkCorrupt)


def test_a_child_can_be_told_another_address_after_a_wrong_one(served: Channel) -> None:
    wrong = ask(served, Kind.OPEN, to_json({"url": "simm", "prefix": "", "level": 30}))

    assert isinstance(decode_error(from_json(wrong.text)), UsageError)
    assert ask(served, Kind.OPEN, OPEN).kind is Kind.DONE


@pytest.mark.parametrize(
    ("kind", "text"), [(Kind.LANDMARK, b""), (Kind.DONE, b""), (Kind.OPEN, OPEN)]
)
def test_a_child_refuses_what_it_cannot_be_asked(served: Channel, kind: Kind, text: bytes) -> None:
    ask(served, Kind.OPEN, OPEN)

    failed = ask(served, kind, text)

    assert isinstance(decode_error(from_json(failed.text)), LinkCorrupt)
