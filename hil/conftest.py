"""Fixtures of the conformance suite; `board` and `hw_runner` come from hostrt's pytest plug-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from hostrt.errors import WrongTarget
from hostrt.program import Program
from hostrt.runner.hw import HwRunner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hostrt.board.board import Board


class LoopbackMaker(Protocol):
    """Makes started runners of LOOPBACK."""

    def __call__(self, length: int, precision: int = 16, *, timeout_s: float = 2.0) -> HwRunner: ...


@pytest.fixture(autouse=True)
def _own_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's notes about what boards hold stay as they are, except that they grow old."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def answering(board: Board) -> Board:
    """A booted board whose answers mean something."""
    if not board.info.answers:
        pytest.skip(f"{board.info.url} answers with dummies")
    return board


@pytest.fixture
def loopback(answering: Board) -> Iterator[LoopbackMaker]:
    """Make runners of LOOPBACK, where the board executes the open instruction set."""
    runners = []

    def make(length: int, precision: int = 16, *, timeout_s: float = 2.0) -> HwRunner:
        program = Program.loopback(answering.chip.name, length=length, precision=precision)
        runner = HwRunner(program, board=answering, timeout_s=timeout_s)
        try:
            runner.reset()
        except WrongTarget as error:
            pytest.skip(f"no LOOPBACK here: {error.message}")
        runners.append(runner)
        return runner

    yield make
    for runner in runners:
        runner.finish()
