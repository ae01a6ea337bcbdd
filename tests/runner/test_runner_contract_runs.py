"""The runner contract: board and dummy, over every kind of inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hostrt.board.board import Board
from hostrt.chip import get_chip
from hostrt.program import Program
from hostrt.runner.dummy import DummyRunner
from hostrt.runner.factory import Runner
from hostrt.runner.hw import HwRunner
from hostrt.testing.runner_contract import RunnerContract
from tests.runner import programs

if TYPE_CHECKING:
    from pathlib import Path

    from hostrt.runner.base import BaseRunner


class TestLoopback(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return Runner("hw", board="sim")


class TestLoopbackOfBytes(RunnerContract):
    """B1: 8-bit models run, their words counted from the precision."""

    @pytest.fixture(params=[7, 64], autouse=True)
    def _length(self, request: pytest.FixtureRequest) -> None:
        self.length: int = request.param

    def make_runner(self) -> BaseRunner:
        return HwRunner(Program.loopback(length=self.length, precision=8), board="sim")


class TestLoopbackOnVirtualEvk2(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return HwRunner(Program.loopback("spu150tc1", length=30), board="evk2+sim://spu150tc1")


class TestModelWithAState(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return HwRunner(programs.delay("spu150"), board="sim://spu150")


class TestLatchedInput(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return HwRunner(programs.latched(), board="sim")


class TestTwoSequences(RunnerContract):
    def make_runner(self) -> BaseRunner:
        return HwRunner(programs.two_sequences(), board="sim")


class TestTwoInputsTwoOutputs(RunnerContract):
    """B8: several outputs, whatever their mailboxes."""

    def make_runner(self) -> BaseRunner:
        return HwRunner(programs.two_inputs(), board="evk2+sim://spu001")


class TestRateChange(RunnerContract):
    def make_runner(self) -> BaseRunner:
        chip = get_chip("spu001")
        board = Board(programs.counting_transport(chip), chip)
        return HwRunner(programs.every_third(), board=board)


class TestEchoOfTwoCores(RunnerContract):
    """B3, B8: an unencrypted program of several inputs and outputs on a stand-in."""

    @pytest.fixture(autouse=True)
    def _folder(self, spu_data: Path) -> None:
        self.file = spu_data / "programs" / "p001_b" / "p001_b.femto"

    def make_runner(self) -> BaseRunner:
        return HwRunner(self.file, board=f"sim://spu001?answer=echo&program={self.file}")


class TestEchoOfTc1(TestEchoOfTwoCores):
    """B2: the chip of a `.femto` is taken from the file."""

    @pytest.fixture(autouse=True)
    def _folder(self, spu_data: Path) -> None:
        self.file = spu_data / "programs" / "ptc1_b" / "ptc1_b.femto"

    def make_runner(self) -> BaseRunner:
        return HwRunner(self.file, board=f"evk2+sim://spu150tc1?answer=echo&program={self.file}")


class TestDummy(RunnerContract):
    """B10: the dummy runner can be made and answers zeros."""

    computes = False

    def make_runner(self) -> BaseRunner:
        return DummyRunner()


class TestDummyWithRateChange(RunnerContract):
    computes = False

    def make_runner(self) -> BaseRunner:
        return DummyRunner(programs.every_third())


class TestDummyWithLatchedInput(RunnerContract):
    computes = False

    def make_runner(self) -> BaseRunner:
        return DummyRunner(programs.latched())
