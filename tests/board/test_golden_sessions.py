"""Whole sessions against the reference's: every byte to the board, in order, nothing more.

A board is booted, loaded and given frames over a link that insists on the recorded bytes and
answers with the recorded answers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hostrt.board.board import Board
from hostrt.chip import get_chip
from hostrt.program import Program
from hostrt.runner.hw import HwRunner
from hostrt.transport.base import TransportInfo
from hostrt.transport.evk2_link import Evk2Transport
from hostrt.transport.zcu104_tcp import Zcu104Transport

if TYPE_CHECKING:
    from hostrt.chip.step import Wait

PROGRAMS = Path(__file__).parents[1] / "data" / "spu" / "programs"
EVK2 = ("p001_a", "p001_b", "ptc1_a", "ptc1_b")
ZYNQ = ("p001_a", "p001_b")


class GoldenLink:
    """Accepts exactly the recorded bytes, in whatever pieces they are sent."""

    def __init__(self, events: list[dict[str, str]]) -> None:
        self._events = [(kind, bytes.fromhex(data)) for e in events for kind, data in e.items()]
        self._at = 0
        self._drained = False

    def write(self, packets: bytes | memoryview, n_answers: int) -> None:
        data = bytes(packets)
        while data:
            kind, expected = self._events[self._at]
            assert kind == "tx", f"event {self._at}: sent {data[:8].hex()} where an answer is due"
            assert data.startswith(expected[: len(data)]), f"event {self._at}: {data.hex()}"
            assert len(data) >= len(expected), f"event {self._at}: sent less than recorded"
            data = data[len(expected) :]
            self._at += 1

    def read(self, timeout_s: float) -> bytes:
        if not self._drained and self._at == 0:  # what a link reads before it says anything
            self._drained = True
            return b""
        kind, data = self._events[self._at]
        assert kind == "rx", f"event {self._at}: an answer is awaited where none is due"
        self._at += 1
        return data

    def close(self) -> None:
        """Nothing to release."""

    @property
    def left(self) -> int:
        return len(self._events) - self._at


class PromptEvk2(Evk2Transport):
    """Does not sleep: the recorded board needs no time."""

    def _wait(self, wait: Wait) -> None:
        del wait


class PromptZcu104(Zcu104Transport):
    """Does not sleep either."""

    def _wait(self, wait: Wait) -> None:
        del wait


def session(name: str, kind: str) -> Any:
    return json.loads((PROGRAMS / name / f"{kind}_session.json").read_text())


def run_frames(name: str, board: Board) -> None:
    frames = json.loads((PROGRAMS / name / "frames.json").read_text())
    with HwRunner(Program.load(PROGRAMS / name / f"{name}.femto"), board=board, force=True) as hw:
        result = hw.run({key: np.array(values) for key, values in frames["inputs"].items()})
    for key, expected in frames["outputs"].items():
        np.testing.assert_array_equal(result.outputs[key], expected)


@pytest.mark.parametrize("name", EVK2)
def test_an_evk2_session_is_the_reference_session_byte_for_byte(name: str) -> None:
    golden = session(name, "evk2")
    link = GoldenLink(golden["events"])
    chip = get_chip("spu001" if name.startswith("p001") else "spu150tc1")
    info = TransportInfo("golden", "evk2", simulated=True, reads_exec_time=True, chip=chip.name)

    with Board(PromptEvk2(link, info), chip) as board:
        run_frames(name, board)

    assert link.left == 0


@pytest.mark.parametrize("name", ZYNQ)
def test_a_zcu104_session_is_the_reference_session_byte_for_byte(name: str) -> None:
    golden = session(name, "zynq")
    link = GoldenLink(golden["events"])
    info = TransportInfo(
        "golden", "zcu104", simulated=True, has_pll=golden["program_pll"], chip="spu001"
    )

    with Board(PromptZcu104(link, info), get_chip("spu001")) as board:
        run_frames(name, board)

    assert link.left == 0
