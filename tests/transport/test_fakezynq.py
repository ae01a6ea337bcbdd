from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.requests import (
    ExecTime,
    FrameIn,
    FrameOut,
    HostAction,
    Read,
    Request,
    Space,
    Write,
)
from hostrt.errors import UsageError
from hostrt.testing.transport_contract import TransportContract
from hostrt.transport import fakezynq
from hostrt.transport.fakezynq import FakeZynqTransport
from hostrt.transport.url import parse_url

if TYPE_CHECKING:
    from hostrt.transport.base import Transport

VECTORS = Path(__file__).parents[1] / "data" / "spu" / "zynq_streams.json"
CASES = {case["name"]: case for case in json.loads(VECTORS.read_text())["cases"]}


class TestFakeZynq(TransportContract):
    answers = False

    def open_transport(self) -> Transport:
        return FakeZynqTransport()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("fake_")])
def test_dummies_are_those_of_the_reference(name: str) -> None:
    expected = [int(word, 16) for word in CASES[name]["result"]["ok"]]
    values = np.arange(1, 7) if "vals" in name else None
    n_words = len(expected)
    request = FrameIn(n_words) if "axis" in name else Read(Space.APB, 0, n_words)
    (words,) = FakeZynqTransport(values).execute([request])
    assert words is not None
    assert words.tolist() == expected


def test_what_a_board_would_have_been_sent_is_kept_and_reads_are_not() -> None:
    fake = FakeZynqTransport()
    steps: list[Request] = [
        HostAction(),
        Write(Space.APB, 0x10_0000, np.arange(3, dtype=np.uint32)),
        Read(Space.APB, 0x10_0000, 3),
        FrameOut(np.arange(4, dtype=np.uint32)),
    ]
    fake.execute(steps)
    assert fake.requests == steps
    assert len(fake.traffic) == 8 * (1 + 3 + 4)
    assert fake.traffic[:8] == bytes.fromhex("000000a000000000")


def test_values_with_two_axes_give_each_frame_its_row(tmp_path: Path) -> None:
    file = tmp_path / "values.npy"
    np.save(file, np.array([[1, 2, 3, 4], [5, 6, 7, -1]], np.int32))
    fake = fakezynq.open_url(parse_url(f"fakezynq://?values={file}"))
    frames = [fake.execute([FrameIn(6)])[0] for _ in range(3)]
    assert [f.tolist() for f in frames if f is not None] == [
        [0x1F, 0, 1, 2, 3, 4],
        [0x1F, 0, 5, 6, 7, 0xFFFF_FFFF],
        [0x1F, 0, 1, 2, 3, 4],
    ]


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((1, 1, 1), int), np.zeros(0, int)])
def test_dummies_that_are_no_words_are_refused(values: np.ndarray) -> None:
    with pytest.raises(UsageError, match="dummy outputs"):
        FakeZynqTransport(values)


def test_a_file_that_is_no_array_is_refused_by_name(tmp_path: Path) -> None:
    for content in (b"", b"nonsense", b"\x93NUMPY"):
        file = tmp_path / "values.npy"
        file.write_bytes(content)
        with pytest.raises(UsageError, match=r"values\.npy"):
            fakezynq.open_url(parse_url(f"fakezynq://?values={file}"))


def test_requests_that_a_zcu104_cannot_carry_are_refused_like_there() -> None:
    fake = FakeZynqTransport()
    for request in (ExecTime(), Read(Space.APB, 0x2000_0000)):
        with pytest.raises(UsageError):
            fake.execute([request])
    assert not fake.requests
