"""The board contract on every simulated board, in this process and over TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hostrt.board.board import Board, open_board
from hostrt.sim.serving import ServeOptions, evk2_server, zcu104_server
from hostrt.testing.board_contract import BoardContract

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestSimulatedSpu001(BoardContract):
    def open_board(self) -> Board:
        return open_board("sim://spu001")


class TestSimulatedSpu150Tc1(BoardContract):
    def open_board(self) -> Board:
        return open_board("sim", chip="spu150tc1")


class TestSimulatedSpu150(BoardContract):
    def open_board(self) -> Board:
        return open_board("sim://spu150")


class TestSpu001OnRtlHarness(BoardContract):
    """B16: no PLL is programmed where there is none."""

    def open_board(self) -> Board:
        return open_board("sim://spu001?platform=rtl")


class TestVirtualEvk2(BoardContract):
    def open_board(self) -> Board:
        return open_board("evk2+sim://spu001")


class TestVirtualEvk2WithTc1(BoardContract):
    def open_board(self) -> Board:
        return open_board("evk2+sim://spu150tc1")


class TestEvk2OverTcp(BoardContract):
    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        self.url, server = evk2_server("127.0.0.1:0", ServeOptions())
        with server:
            yield

    def open_board(self) -> Board:
        return open_board(self.url)


class TestZcu104OverTcp(BoardContract):
    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        self.url, server = zcu104_server("127.0.0.1:0", ServeOptions())
        with server:
            yield

    def open_board(self) -> Board:
        return open_board(self.url)
