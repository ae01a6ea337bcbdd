from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.errors import (
    LocalMisuseError,
    OutputLayoutError,
    OutputStatusError,
    RemoteViolationError,
)
from firmware_protocol.packing import words_to_dwords
from firmware_protocol.stream import (
    INPUT_HEADER,
    OUTPUT_HEADER,
    input_message,
    input_messages,
    output_message,
    split_output_frames,
    split_outputs,
)
from tests.wire.wire_models import VECTORS

if TYPE_CHECKING:
    from firmware_protocol.words import Words


class SendHeader(TypedDict):
    pc: int
    core: int
    word64: str


HEADERS = json.loads((VECTORS / "packing.json").read_text(encoding="utf-8"))["send_headers"]


@pytest.mark.parametrize("header", HEADERS, ids=lambda h: h["word64"])
def test_golden_send_headers(header: SendHeader) -> None:
    message = input_message(header["pc"], header["core"], np.array([7], np.uint64))
    assert f"{words_to_dwords(message)[0]:016x}" == header["word64"]
    assert message[2:].tolist() == [7, 0]
    spec = INPUT_HEADER.parse(message.tobytes())
    assert (spec.pc, spec.core) == (header["pc"], header["core"])


def test_output_header_is_as_declared() -> None:
    spec = OUTPUT_HEADER.parse(output_message(3, np.zeros(1, np.uint64)).tobytes())
    assert (spec.mailbox, spec.status) == (3, 0x1F)


def test_a_batch_of_frames_equals_its_messages() -> None:
    payloads = np.arange(12, dtype=np.uint64).reshape(4, 3)
    batch = input_messages(9, 1, payloads)
    assert batch.shape == (4, 8)
    assert np.array_equal(batch[2], input_message(9, 1, payloads[2]))


def test_a_header_field_above_32_bits_is_refused() -> None:
    with pytest.raises(LocalMisuseError, match="32 bits"):
        input_message(1 << 32, 0, np.zeros(1, np.uint64))


@given(
    lengths=st.dictionaries(st.integers(0, 2**32 - 1), st.integers(0, 6), max_size=5),
    data=st.data(),
)
@settings(max_examples=40, deadline=None)
def test_outputs_are_found_in_any_order(lengths: dict[int, int], data: st.DataObject) -> None:
    frames, wanted = [], []
    for _ in range(3):
        order = data.draw(st.permutations(sorted(lengths)))
        words = st.integers(0, 2**64 - 1)
        payloads = {
            m: np.array(data.draw(st.lists(words, min_size=n, max_size=n)), np.uint64)
            for m, n in lengths.items()
        }
        parts = [output_message(m, payloads[m]) for m in order]
        frame = np.concatenate([np.zeros(0, np.uint32), *parts])
        one = split_outputs(frame, lengths)
        assert {m: v.tolist() for m, v in one.items()} == {
            m: v.tolist() for m, v in payloads.items()
        }
        frames.append(frame)
        wanted.append(payloads)
    many = split_output_frames(np.stack(frames), lengths)
    for mailbox in lengths:
        assert many[mailbox].tolist() == [payloads[mailbox].tolist() for payloads in wanted]


def test_a_failed_status_names_mailbox_and_status() -> None:
    words = output_message(5, np.zeros(2, np.uint64), status=7)
    with pytest.raises(OutputStatusError) as caught:
        split_outputs(words, {5: 2})
    assert (caught.value.mailbox, caught.value.status) == (5, 7)
    assert isinstance(caught.value, RemoteViolationError)


def test_a_failed_status_in_a_later_frame_is_found() -> None:
    good = output_message(5, np.zeros(2, np.uint64))
    bad = output_message(5, np.zeros(2, np.uint64), status=0)
    with pytest.raises(OutputStatusError):
        split_output_frames(np.stack([good, good, bad]), {5: 2})


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (output_message(1, np.zeros(2, np.uint64)), "mailbox 1"),
        (output_message(0, np.zeros(1, np.uint64)), "1 payload words"),
        (output_message(0, np.full(3, 0x1F, np.uint64)), "twice"),
        (output_message(0, np.full(3, 0x9_0000_001F, np.uint64)), "mailbox 9"),
        (np.tile(output_message(0, np.zeros(2, np.uint64)), 2), "twice"),
        (output_message(0, np.zeros(2, np.uint64))[:-1], "even"),
        (np.zeros(0, np.uint32), "nothing"),
    ],
)
def test_a_wrong_layout_is_named(words: Words, fault: str) -> None:
    with pytest.raises(OutputLayoutError, match=fault):
        split_outputs(words, {0: 2})


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20))
@settings(max_examples=40, deadline=None)
def test_any_words_split_or_raise_the_documented_errors(words: list[int]) -> None:
    try:
        outputs = split_outputs(np.array(words, np.uint32), {0: 1, 0x1F: 0})
    except RemoteViolationError:
        return
    assert set(outputs) == {0, 0x1F}


def test_no_frames_give_empty_outputs() -> None:
    assert split_output_frames(np.zeros((0, 6), np.uint32), {0: 2})[0].shape == (0, 2)
