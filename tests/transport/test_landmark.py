"""The register that a link reads to find the common step is the one of the board's own chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.board.board import open_board
from hostrt.chip import get_chip
from hostrt.transport.evk2_link import Evk2Transport
from hostrt.transport.record import RecordTransport

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
