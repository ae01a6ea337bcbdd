"""Every recorded session, replayed into the virtual boards, gives the recorded answers."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_protocol.evk2_plan import build_reports
from firmware_protocol.requests import Space, Write
from hostrt.sim.evk2 import Identity, VirtualEvk2
from hostrt.sim.zcu104 import VirtualZcu104
from tests.sim.sim_sessions import echo_chip, exchanges


@pytest.mark.parametrize("name", ["p001_a", "p001_b", "ptc1_a", "ptc1_b"])
def test_a_virtual_evk2_answers_a_recorded_session_byte_for_byte(name: str) -> None:
    board = VirtualEvk2(echo_chip(name))
    pairs = exchanges(name, "evk2_session.json")
    assert len(pairs) > 30
    for i, (sent, received) in enumerate(pairs):
        answers, counts = board.exchange(sent)
        assert answers.tobytes() == received, f"exchange {i}"
        assert counts.tolist() == [len(received) // 64]


@pytest.mark.parametrize("name", ["p001_a", "p001_b", "ptc1_a", "ptc1_b"])
def test_a_session_sent_as_one_batch_is_answered_as_one_by_one(name: str) -> None:
    pairs = exchanges(name, "evk2_session.json")
    answers, counts = VirtualEvk2(echo_chip(name)).exchange(b"".join(sent for sent, _ in pairs))
    assert answers.tobytes() == b"".join(received for _, received in pairs)
    assert counts.tolist() == [len(received) // 64 for _, received in pairs]


@pytest.mark.parametrize("name", ["p001_a", "p001_b"])
def test_a_virtual_zcu104_answers_a_recorded_session_byte_for_byte(name: str) -> None:
    board = VirtualZcu104(echo_chip(name, on_zynq=True))
    pairs = exchanges(name, "zynq_session.json")
    for i, (sent, received) in enumerate(pairs):
        assert board.feed(sent) == received, f"exchange {i}"


@pytest.mark.parametrize("piece", [1, 3, 7, 511])
def test_a_virtual_zcu104_takes_bytes_in_any_pieces(piece: int) -> None:
    board = VirtualZcu104(echo_chip("p001_b", on_zynq=True))
    pairs = exchanges("p001_b", "zynq_session.json")
    sent = b"".join(sent for sent, _ in pairs)
    pieces = [sent[i : i + piece] for i in range(0, len(sent), piece)]
    assert b"".join(map(board.feed, pieces)) == b"".join(received for _, received in pairs)


def test_old_firmware_restarts_on_a_command_it_does_not_know() -> None:
    board = VirtualEvk2(echo_chip("p001_a"), Identity(manufacturer="Teensyduino"))
    board.exchange(bytes([9, 0, 1, 0, 4, 0, 0, 0, 0x48, 0x0C]) + bytes(54))
    answers, counts = board.exchange(bytes([13, 0, 1, 0]) + bytes(60))
    assert answers.size == 0
    assert counts.tolist() == [0]
    assert board.restarts == 1
    answers, _ = board.exchange(bytes([10, 0, 1, 0, 4, 0, 0, 0]) + bytes(56))
    assert answers[1, 8:12].tolist() == [0, 0, 0, 0]


def test_new_firmware_answers_an_unknown_command_with_an_error() -> None:
    answers, counts = VirtualEvk2(echo_chip("p001_a")).exchange(bytes([77]) + bytes(63))
    assert counts.tolist() == [1]
    assert answers[0, 0] == 11


def test_a_large_burst_arrives_whole() -> None:
    chip = echo_chip("p001_a")
    for bank in chip.memories.banks:
        bank.powered = True
    words = np.arange(100_000, dtype=np.uint32)
    VirtualEvk2(chip).exchange(build_reports([Write(Space.APB, 0x10_0000, words)]).reports)
    assert np.array_equal(chip.read(Space.APB, 0x10_0000, words.size), words)
