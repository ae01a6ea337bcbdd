"""The public contract suites, unchanged, on the board named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hil.conftest import why_no_loopback
from hostrt.board.board import open_board
from hostrt.errors import WrongTarget
from hostrt.runner.hw import HwRunner
from hostrt.testing.board_contract import BoardContract
from hostrt.testing.runner_contract import RunnerContract

if TYPE_CHECKING:
    from hostrt.board.board import Board
    from hostrt.program import Program
    from hostrt.runner.base import BaseRunner


class _OnTheBoard:
    @pytest.fixture(autouse=True)
    def _named(self, board_url: str, request: pytest.FixtureRequest) -> None:
        self.url = board_url
        self.chip: str | None = request.config.getoption("--chip")
        self.named: str = request.config.getoption("--program") or "LOOPBACK"

    def open_board(self) -> Board:
        return open_board(self.url, chip=self.chip)


class TestBoard(_OnTheBoard, BoardContract):
    """Reading back needs a board that answers."""

    @pytest.fixture(autouse=True)
    def _abilities(self, _named: None) -> None:
        with self.open_board() as board:
            if not board.info.answers:
                pytest.skip(f"{board.info.url} answers with dummies")
            self.executes = not why_no_loopback(board)


class TestRunner(_OnTheBoard, RunnerContract):
    """LOOPBACK, or the program named with --program."""

    program: Program

    @pytest.fixture(autouse=True)
    def _abilities(self, _named: None) -> None:
        with self.open_board() as board:
            if not board.info.answers:
                pytest.skip(f"{board.info.url} answers with dummies")
            runner = HwRunner(self.named, board=board)
            try:
                runner.reset()
            except WrongTarget as error:
                if self.named != "LOOPBACK":
                    pytest.fail(error.message, pytrace=False)
                pytest.skip(f"{error.message}; name a program with --program FILE")
            self.program = runner.program

    def make_runner(self) -> BaseRunner:
        return HwRunner(self.program, board=self.url)
