"""The register that a link reads to find the common step is the one of the board's own chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.requests import Write
from hostrt.board.board import open_board
from hostrt.chip import get_chip
from hostrt.errors import UsageError
from hostrt.runner.hw import HwRunner
from hostrt.transport.evk2_link import Evk2Transport
from hostrt.transport.fakezynq import FakeZynqTransport
from hostrt.transport.record import RecordTransport
from hostrt.transport.url import parse_url

if TYPE_CHECKING:
    from pathlib import Path


def test_a_fence_reads_the_version_register_of_the_chip_in_use() -> None:
    with open_board("evk2+sim://spu150tc1") as board:
        assert isinstance(board.transport, Evk2Transport)
        question = board.transport.options.question

    assert question.address == get_chip("spu150tc1").map.address("VERSION")


def test_a_wrapped_link_is_told_too(tmp_path: Path) -> None:
    target = tmp_path / "all.yaml"
    with open_board(f"record+evk2+sim://spu150tc1?to={target}") as board:
        assert isinstance(board.transport, RecordTransport)
        inner = board.transport.inner
        assert isinstance(inner, Evk2Transport)
        assert inner.options.question.address == 0x2000_0000


def test_options_may_stand_right_behind_the_scheme(tmp_path: Path) -> None:
    url = parse_url(f"record+sim?to={tmp_path / 'a.yaml'}")

    assert (url.scheme, url.wrappers) == ("sim", ("record",))
    assert url.options == {"to": str(tmp_path / "a.yaml")}


def test_the_configured_window_reaches_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTRT_WINDOW", "5")

    with (
        open_board("evk2+sim://spu001") as configured,
        open_board("evk2+sim://spu001?window=3&serial=7") as told,
    ):
        assert isinstance(configured.transport, Evk2Transport)
        assert isinstance(told.transport, Evk2Transport)
        assert configured.transport.options.window == 5
        assert told.transport.options.window == 3


def test_a_yaml_recording_with_execution_times_can_be_replayed(tmp_path: Path) -> None:
    target = tmp_path / "session.yaml"
    frames = np.arange(64, dtype=np.int16).reshape(2, 32)
    with HwRunner(board=f"record+sim?to={target}") as runner:
        recorded = runner.run(frames)

    with HwRunner(board=f"replay://{target}", force=True) as runner:
        replayed = runner.run(frames)

    np.testing.assert_array_equal(replayed.outputs["output"], recorded.outputs["output"])


@pytest.mark.parametrize("address", ["sim://[", "zcu104://host:99999", "zcu104://host:seven"])
def test_an_address_that_is_none_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(UsageError, match="board address") as caught:
        parse_url(address)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"), [("zynq", {}), ("fpgazynq", {"pll": "no"}), ("zcu104", {})]
)
def test_the_reference_tools_names_open_the_same_board(name: str, options: object) -> None:
    url = parse_url(f"{name}://10.0.0.8")

    assert (url.scheme, url.host, url.options) == ("zcu104", "10.0.0.8", options)


def test_no_pll_is_programmed_where_there_is_none() -> None:
    with open_board("fakezynq") as board:
        board.boot()
        transport = board.transport
    assert isinstance(transport, FakeZynqTransport)
    registers = [request.register for request in transport.requests if isinstance(request, Write)]

    assert registers == ["SPI_CONF"] * 5
