from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.packing import (
    dwords_to_words,
    elements_per_word,
    pack_elements,
    pad_elements,
    unpack_elements,
    words_for,
    words_to_dwords,
)
from tests.wire.wire_models import VECTORS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Vector(TypedDict):
    precision: int
    elements: list[int]
    words64: list[str]
    words32: list[str]


class Refused(TypedDict):
    what: str
    precision: int
    n: int


GOLDEN = json.loads((VECTORS / "packing.json").read_text(encoding="utf-8"))
FASTEST = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=lambda v: f"int{v['precision']}")
@pytest.mark.parametrize("dtype", ["native", "int32", "int64"])
def test_golden_elements_pack_and_unpack(vector: Vector, dtype: str) -> None:
    precision = vector["precision"]
    elements = np.array(vector["elements"], f"int{precision}" if dtype == "native" else dtype)
    dwords = pack_elements(elements, precision)
    assert [f"{word:016x}" for word in dwords] == vector["words64"]
    words = dwords_to_words(dwords)
    assert [f"{word:08x}" for word in words] == vector["words32"]
    back = unpack_elements(words_to_dwords(words), precision, elements.size)
    assert back.dtype == (np.int8 if precision == 8 else np.int16)
    assert back.tolist() == vector["elements"]


@pytest.mark.parametrize("error", GOLDEN["errors"], ids=lambda e: e["what"])
def test_what_the_vendor_refuses_to_pack_is_misuse(error: Refused) -> None:
    elements = np.full(error["n"], 300 if error["what"] == "out of range" else 1)
    with pytest.raises(LocalMisuseError):
        pack_elements(elements, error["precision"])


def test_the_example_of_the_register_reference() -> None:
    dwords = pack_elements([-1, -2, -32768, 32767], 16)
    assert dwords.tolist() == [0x7FFF_8000_FFFE_FFFF]
    assert dwords_to_words(dwords).tolist() == [0xFFFE_FFFF, 0x7FFF_8000]


@given(data=st.data(), precision=st.sampled_from([8, 16]))
@FASTEST
def test_a_batch_packs_as_its_frames_do(data: st.DataObject, precision: int) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=3, max_side=20))
    limit = 1 << (precision - 1)
    frames = data.draw(
        hnp.arrays(np.int64, shape, elements=st.integers(-limit, limit - 1), fill=st.nothing())
    )
    padded = pad_elements(frames, precision)
    dwords = pack_elements(padded, precision)
    assert dwords.shape == (*shape[:-1], words_for(shape[-1], precision))
    assert np.array_equal(dwords[0], pack_elements(padded[0], precision))
    assert np.array_equal(unpack_elements(dwords, precision, shape[-1]), frames)
    assert np.array_equal(words_to_dwords(dwords_to_words(dwords)), dwords)


def test_a_view_that_is_not_contiguous_packs_like_its_copy() -> None:
    frames = np.arange(64, dtype=np.int16).reshape(8, 8)[:, ::2]
    assert np.array_equal(pack_elements(frames, 16), pack_elements(frames.copy(), 16))


def test_padding_adds_zeros_and_keeps_whole_words_as_they_are() -> None:
    assert pad_elements(np.array([1, 2, 3], np.int16), 16).tolist() == [1, 2, 3, 0]
    whole = np.arange(8, dtype=np.int8)
    assert pad_elements(whole, 8) is whole


@pytest.mark.parametrize(
    ("elements", "precision", "fault"),
    [
        (np.zeros(8), 8, "quantize"),
        (np.zeros(8, bool), 8, "quantize"),
        (np.zeros(8, np.int8), 4, "precision 4"),
        (np.int64(3), 16, "axis"),
        (np.full(4, 40000, np.uint16), 16, "40000"),
        (np.array([0, 0, 0, -32769]), 16, "-32769"),
    ],
)
def test_what_cannot_be_packed_is_named(elements: ArrayLike, precision: int, fault: str) -> None:
    with pytest.raises(LocalMisuseError, match=fault):
        pack_elements(elements, precision)


def test_more_elements_than_the_words_hold_are_refused() -> None:
    with pytest.raises(LocalMisuseError, match="hold 4"):
        unpack_elements(np.zeros(1, np.uint64), 16, 5)
    with pytest.raises(LocalMisuseError, match="pair"):
        words_to_dwords(np.zeros(3, np.uint32))


def test_elements_per_word() -> None:
    assert (elements_per_word(8), elements_per_word(16)) == (8, 4)
