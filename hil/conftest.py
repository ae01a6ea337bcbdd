"""Fixtures of the conformance suite; `board` and `hw_runner` come from hostrt's pytest plug-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from hostrt.errors import WrongTarget
from hostrt.program import Program
from hostrt.runner.hw import HwRunner
from hostrt.runner.target import check_instruction_set
from hostrt.transport.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hostrt.board.board import Board


class LoopbackMaker(Protocol):
    """Makes started runners of LOOPBACK."""

    def __call__(self, length: int, precision: int = 16, *, timeout_s: float = 2.0) -> HwRunner: ...


def why_no_loopback(board: Board) -> str:
    """Tell why a board cannot run LOOPBACK; "" when it can."""
    if parse_url(board.info.url).options.get("answer", "execute") != "execute":
        return f"{board.info.url} answers without executing"
    try:
        check_instruction_set(board, Program.loopback(board.chip.name), force=False)
    except WrongTarget as error:
        return error.message
    return ""


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
    if reason := why_no_loopback(answering):
        pytest.skip(reason)
    runners = []

    def make(length: int, precision: int = 16, *, timeout_s: float = 2.0) -> HwRunner:
        program = Program.loopback(answering.chip.name, length=length, precision=precision)
        runner = HwRunner(program, board=answering, timeout_s=timeout_s)
        runner.reset()
        runners.append(runner)
        return runner

    yield make
    for runner in runners:
        runner.finish()
