from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import FormatError
from firmware_protocol.requests import (
    ExecTime,
    FrameIn,
    FrameOut,
    HostAction,
    Read,
    Request,
    Space,
    Write,
    expects_words,
)
from hostrt.chip.step import Poll, Wait
from hostrt.errors import (
    LinkLost,
    LinkOutOfStep,
    LinkTimeout,
    OutputNeverCame,
    ProgramCorrupt,
    StorageError,
    UsageError,
)
from hostrt.testing.transport_contract import TransportContract
from hostrt.transport import record
from hostrt.transport.fakezynq import FakeZynqTransport
from hostrt.transport.record import FORMS, RecordingFile, RecordTransport
from hostrt.transport.recording import (
    Entry,
    decode_compact,
    encode_entry,
    encode_header,
    from_transaction,
    to_transaction,
)
from hostrt.transport.replay import read_recording, replay_to
from hostrt.transport.url import open_transport, parse_url
from tests.transport.boards import TcpServer, TinyEvk2, TinyZynq
from tests.transport.test_tcp_links import open_evk2, open_zynq

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostrt.transport.base import Transport

SUFFIXES = ("trace.yaml", "trace_hex.yaml", "trace.hrec")
WORDS = np.arange(3000, dtype=np.uint32)
SESSION: list[Request] = [
    HostAction(),
    Write(Space.TOP, 0x10, WORDS[:2], comment="pad: 'odd' #1"),
    Write(Space.APB, 0x10_0000, WORDS, idempotent=True),
    Read(Space.APB, 0x10_0000, 2500),
    FrameOut(WORDS[:8]),
    FrameIn(8),
]

words = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20).map(
    lambda values: np.array(values, np.uint32)
)
comments = st.none() | st.text(max_size=12)
spaces = st.sampled_from([Space.APB, Space.TOP])
addresses = st.integers(0, 2**31)
strides = st.sampled_from([1, 4])
requests = st.one_of(
    st.builds(Write, spaces, addresses, words, strides, st.booleans(), comments),
    st.builds(Read, spaces, addresses, st.integers(1, 30), strides, comments),
    st.builds(HostAction, st.integers(0, 9), st.integers(0, 99), comments),
    st.builds(FrameOut, words, comments),
    st.builds(FrameIn, st.integers(1, 30), comments),
    st.builds(ExecTime, comments),
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    request = draw(requests)
    n_words = expects_words(request)
    answer = np.arange(n_words, dtype=np.uint32) * 77 if n_words else None
    return Entry(request, answer)


def assert_same_entry(found: Entry, expected: Entry) -> None:
    expected_request = expected.request
    if isinstance(expected_request, Read):
        expected_request = replace(expected_request, register="")
    assert replace(found.request, comment=None) == replace(expected_request, comment=None)
    assert (found.request.comment or None) == (expected.request.comment or None)
    np.testing.assert_array_equal(
        np.zeros(0) if found.answer is None else found.answer,
        np.zeros(0) if expected.answer is None else expected.answer,
    )
    assert found.answered == expected.answered


@given(st.lists(entries(), max_size=6))
@settings(max_examples=60, deadline=None)
def test_the_compact_form_holds_everything(items: list[Entry]) -> None:
    info = FakeZynqTransport().info
    data = encode_header(info) + b"".join(map(encode_entry, items))
    recording = decode_compact(data, "x")
    assert recording.complete
    assert recording.info["platform"] == "zcu104"
    for found, expected in zip(recording.entries, items, strict=True):
        assert_same_entry(found, expected)
        if isinstance(expected.request, Write):
            assert isinstance(found.request, Write)
            assert found.request.idempotent == expected.request.idempotent


@given(st.lists(entries(), min_size=1, max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_a_compact_recording_cut_anywhere_keeps_its_whole_entries(
    items: list[Entry], data: st.DataObject
) -> None:
    header = encode_header(FakeZynqTransport().info)
    encoded = [encode_entry(item) for item in items]
    whole = header + b"".join(encoded)
    cut = data.draw(st.integers(len(header), len(whole) - 1))
    recording = decode_compact(whole[:cut], "x")
    ends = np.cumsum([len(header), *map(len, encoded)])
    assert len(recording.entries) == int(np.searchsorted(ends, cut, side="right")) - 1
    assert recording.complete == (cut in ends)


@given(st.lists(entries(), min_size=1, max_size=3), st.data())
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_is_noticed_or_ends_the_recording(
    items: list[Entry], data: st.DataObject
) -> None:
    whole = bytearray(encode_header(FakeZynqTransport().info) + b"".join(map(encode_entry, items)))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    try:
        recording = decode_compact(bytes(whole), "x")
    except FormatError:
        return
    assert not recording.complete


@given(entries())
@settings(max_examples=60, deadline=None)
def test_transactions_of_the_reference_give_back_the_request(item: Entry) -> None:
    assert_same_entry(from_transaction(to_transaction(item)), item)


@contextmanager
def recorded_evk2(file: Path, options: str = "") -> Iterator[Transport]:
    with TcpServer(TinyEvk2()) as server:
        url = f"record+evk2+tcp://{server.place}?simulated=yes&to={file}&{options}"
        with open_transport(url) as board:
            yield board


@pytest.mark.parametrize("name", SUFFIXES)
def test_what_a_board_was_asked_can_be_loaded(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    with recorded_evk2(file) as transport:
        answers = transport.execute(SESSION)
        assert transport.info.url.startswith("record+evk2+tcp://")
    loaded = [(one.request, one.answer) for one in read_recording(file).entries]
    # 3000 words are written as three transactions, as the reference does.
    assert [request for request, _ in loaded[:2]] == SESSION[:2]
    assert len(loaded) == len(SESSION) + 2
    parts = [r.words for r, _ in loaded[2:5] if isinstance(r, Write)]
    np.testing.assert_array_equal(np.concatenate(parts), WORDS)
    for found, expected in zip([answer for _, answer in loaded[5:]], answers[3:], strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", SUFFIXES)
def test_a_recording_survives_a_process_that_never_closes_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    transport = record.open_wrapped(parse_url(f"fakezynq://?to={file}"))
    transport.execute(SESSION[:3])
    assert len(read_recording(file).entries) == 5
    transport.execute(SESSION[4:])
    assert len(read_recording(file).entries) == 7
    transport.close()


@pytest.mark.parametrize("name", SUFFIXES)
def test_a_replay_answers_like_the_board_it_was_made_from(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    with recorded_evk2(file) as board:
        answers = board.execute(SESSION)
    with open_transport(f"replay://{file}") as replay:
        assert replay.info.platform == "evk2"
        assert replay.info.simulated
        again = replay.execute(SESSION)
        with pytest.raises(LinkOutOfStep, match="ends"):
            replay.execute(SESSION[:1])
    for one, two in zip(answers, again, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_first_difference_is_named(tmp_path: Path) -> None:
    file = tmp_path / "trace.hrec"
    with record.open_wrapped(parse_url(f"fakezynq://?to={file}")) as transport:
        transport.execute(SESSION)
    with open_transport(f"replay://{file}") as replay:
        assert replay.info.platform == "zcu104"
        replay.execute(SESSION[:1])
        changed = WORDS[:2].copy()
        changed[1] = 0xAB
        with pytest.raises(LinkOutOfStep, match=r"request 2.*word 1 0x00000001, found 0x000000ab"):
            replay.execute([Write(Space.TOP, 0x10, changed)])
        with pytest.raises(LinkOutOfStep, match=r"request 2 is hard reset, recorded is write"):
            replay.execute([HostAction()])


def test_a_failure_of_the_link_is_recorded_and_replayed(tmp_path: Path) -> None:
    file = tmp_path / "trace.hrec"
    with TcpServer(TinyEvk2(), mute=True) as server:
        url = f"record+evk2+tcp://{server.place}?simulated=yes&timeout=0.05&to={file}"
        with open_transport(url) as transport, pytest.raises(LinkTimeout):
            transport.execute([Read(Space.APB, 4)])
    assert [e.answered for e in read_recording(file).entries] == [False]
    with open_transport(f"replay://{file}") as replay, pytest.raises(LinkTimeout):
        replay.execute([Read(Space.APB, 4)])


def test_polls_are_replayed_without_waiting(tmp_path: Path) -> None:
    file = tmp_path / "trace.yaml"
    poll = Poll(Space.APB, 0x1C, 1, Wait(1, 0.01), 0.05, "the bit", OutputNeverCame)
    # The time of a simulated chip passes with the waits alone: the number of looks is known.
    with (
        open_transport(f"record+sim://spu001?to={file}") as board,
        pytest.raises(OutputNeverCame),
    ):
        board.execute([poll])
    assert len(read_recording(file).entries) in (6, 7)
    # Who really waited between two looks would be here for hours.
    slow = replace(poll, interval=Wait(1, 3600.0), timeout_s=1e6)
    ends = pytest.raises((OutputNeverCame, LinkOutOfStep))
    with open_transport(f"replay://{file}") as replay, ends:
        replay.execute([slow])


def test_a_recording_pushed_to_a_board_names_what_it_answers_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "trace.hrec"
    with recorded_evk2(file) as board:
        board.execute(SESSION)
    recording = read_recording(file)
    with TcpServer(TinyEvk2()) as server, open_evk2(server) as board:
        assert replay_to(recording, board) == []
    with TcpServer(TinyZynq()) as server, open_zynq(server) as zynq:
        assert replay_to(recording, zynq) == []
    differences = replay_to(recording, FakeZynqTransport())
    assert [type(d.request) for d in differences] == [Read, FrameIn]
    assert "recorded 0x00000000" in str(differences[0])


def test_a_polled_register_may_take_another_number_of_reads() -> None:
    from hostrt.transport.recording import Recording

    read = Read(Space.APB, 0x40)
    values = [np.array([v], np.uint32) for v in (0, 0, 0, 1)]
    recording = Recording([Entry(read, value) for value in values])

    class Ready(FakeZynqTransport):
        n_reads = 0

        def _dummy(self, request: Request) -> np.ndarray:
            self.n_reads += 1
            return np.array([int(self.n_reads == 2)], np.uint32)

    board = Ready()
    assert replay_to(recording, board) == []
    assert board.n_reads == 2


@pytest.mark.parametrize(
    "content", [b"\x89HREC\r\n\x1a", b"- 1", b"a:\n- msgtype: apb\n", b"\xff\xfe", b"{a: b}"]
)
def test_what_is_no_recording_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "trace.yaml"
    file.write_bytes(content)
    with pytest.raises(ProgramCorrupt, match="trace"):
        read_recording(file)


def test_a_missing_recording_and_a_missing_file_name_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        open_transport(f"replay://{tmp_path}/nothing.yaml")
    with pytest.raises(UsageError, match="no file"):
        record.open_wrapped(parse_url("fakezynq"))


def test_a_recording_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        record.open_wrapped(parse_url(f"fakezynq://?to={tmp_path}/nowhere/trace.yaml"))


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@needs_full
@pytest.mark.fault
def test_a_full_disk_is_a_storage_error_and_everything_is_closed() -> None:
    with pytest.raises(StorageError, match="No space left"):
        record.open_wrapped(parse_url("fakezynq://?to=/dev/full&form=compact"))
    with record.open_wrapped(parse_url("fakezynq://?to=/dev/full&form=yaml")) as transport:
        with pytest.raises(StorageError, match="No space left"):
            transport.execute(SESSION[:2])
        transport.close()


class ClosedMeanwhile(FakeZynqTransport):
    """Has its recorder closed by somebody else in the middle of an exchange."""

    recorder: RecordTransport
    answers_first = True

    def _exchange(self, requests: Sequence[Request]) -> list[np.ndarray | None]:
        answers = super()._exchange(requests)
        self.recorder.close()
        if not self.answers_first:
            raise LinkLost("the link is closed")
        return answers


def recorded(inner: FakeZynqTransport, file: Path, form: str) -> RecordTransport:
    return RecordTransport(inner, RecordingFile(file, form, inner.info), "record+fakezynq")


@pytest.mark.fault
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answers_first", [True, False])
def test_closing_during_an_exchange_ends_the_link_and_is_no_fault_of_the_file(
    tmp_path: Path, form: str, *, answers_first: bool
) -> None:
    inner = ClosedMeanwhile()
    inner.answers_first = answers_first
    inner.recorder = recorded(inner, tmp_path / "trace", form)
    if answers_first:
        assert inner.recorder.execute(SESSION[:2]) == [None, None]
    else:
        with pytest.raises(LinkLost):
            inner.recorder.execute(SESSION[:2])
    with pytest.raises(LinkLost, match="closed"):
        inner.recorder.execute(SESSION[:2])


@needs_full
@pytest.mark.fault
def test_a_lost_link_is_told_even_when_it_cannot_be_written_down() -> None:
    class Lost(FakeZynqTransport):
        def _exchange(self, requests: Sequence[Request]) -> list[np.ndarray | None]:
            raise LinkLost("the board is gone")

    with (
        recorded(Lost(), Path("/dev/full"), "yaml") as transport,
        pytest.raises(LinkLost, match="gone"),
    ):
        transport.execute(SESSION[:2])


def test_records_have_names_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "trace.yaml"
    with record.open_wrapped(parse_url(f"fakezynq://?to={file}&record=init_spu")) as transport:
        transport.execute(SESSION[:2])
        transport.begin("program_network")
        transport.execute(SESSION[2:3])
    text = file.read_text()
    assert text.startswith("init_spu:\n- msgtype: host\n")
    assert "\n\nprogram_network:\n" in text
    assert len(read_recording(file).entries) == 5


class TestRecordedEvk2(TransportContract):
    echoes_frames = True

    @pytest.fixture(autouse=True)
    def _serve(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path
        with TcpServer(TinyEvk2()) as self.server:
            yield

    def open_transport(self) -> Transport:
        inner = open_evk2(self.server)
        return RecordTransport(inner, RecordingFile(self.folder / "t", "compact", inner.info))
