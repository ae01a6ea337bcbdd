from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import usb.core

from firmware_protocol.evk2 import ack
from firmware_protocol.requests import ExecTime, Read, Space, Write
from hostrt.errors import (
    BoardAccessDenied,
    BoardAmbiguous,
    BoardBusy,
    BoardNotFound,
    ExtraMissing,
    LinkLost,
    LinkOutOfStep,
)
from hostrt.testing.transport_contract import TransportContract
from hostrt.transport import evk2_usb, owner
from hostrt.transport.url import parse_url
from tests.transport.boards import TinyEvk2
from tests.transport.usb_backend import FakeBackend, FakeUsbBoard

if TYPE_CHECKING:
    from pathlib import Path

    from hostrt.transport.evk2_link import Evk2Transport

WORDS = np.arange(5000, dtype=np.uint32)


def open_fake(board: FakeUsbBoard, options: str = "") -> Evk2Transport:
    url = parse_url(f"evk2://{board.strings[3]}?{options}")
    return evk2_usb.open_usb(url, FakeBackend(board), lock=False)


class TestEvk2OverUsb(TransportContract):
    echoes_frames = True

    def open_transport(self) -> Evk2Transport:
        return open_fake(FakeUsbBoard())

    def open_mute(self) -> Evk2Transport:
        board = FakeUsbBoard()
        transport = open_fake(board, "timeout=0.1")
        board.mute = True
        return transport


class TestEvk2OverUsbPipelined(TestEvk2OverUsb):
    def open_transport(self) -> Evk2Transport:
        return open_fake(FakeUsbBoard(), "window=8")


def test_a_real_board_gets_one_report_at_a_time_unless_more_is_asked_for() -> None:
    write = Write(Space.APB, 0x10_0000, WORDS, idempotent=True)
    for options, window, unread in (("", 1, 1), ("window=8", 8, 9)):
        board = FakeUsbBoard()
        with open_fake(board, options) as transport:
            transport.execute([write])
            assert transport.window == window
        assert board.most_unread <= unread
        assert isinstance(board.board, TinyEvk2)
        np.testing.assert_array_equal(board.board.apb[0x4_0000:][:5000], WORDS)


def test_identity_comes_from_the_strings() -> None:
    board = FakeUsbBoard(serial="77")
    board.strings[1] = " femtoai "
    with open_fake(board) as transport:
        info = transport.info
        assert (info.serial, info.product, info.chip) == ("77", "SPU001", "spu001")
        assert info.reads_exec_time
        assert transport.execute([ExecTime()])[0] is not None
    board.strings.update({1: "Teensyduino", 2: "spu150"})
    with open_fake(board) as transport:
        assert not transport.info.reads_exec_time
        assert transport.info.chip == "spu150tc1"


def test_the_kernel_driver_is_taken_off_and_put_back() -> None:
    board = FakeUsbBoard()
    with open_fake(board):
        assert board.claimed
        assert not board.driver
    assert not board.claimed
    assert board.driver


def test_replies_of_a_dead_owner_are_thrown_away() -> None:
    board = FakeUsbBoard()
    board.put(ack(0x55) * 4)
    with open_fake(board) as transport:
        assert transport.stats.drained == 4
        assert transport.execute([Read(Space.APB, 0)])[0] is not None
        assert transport.stats.fences == 0


def test_a_board_that_never_stops_talking_is_refused_in_bounded_time() -> None:
    board = FakeUsbBoard()
    board.put(ack(0x55) * 10_000)
    with pytest.raises(LinkOutOfStep, match="unasked"):
        open_fake(board, "timeout=0.01")
    assert board.driver


def test_pulling_the_board_is_link_lost_and_close_still_works() -> None:
    board = FakeUsbBoard()
    with open_fake(board) as transport:
        board.gone = True
        with pytest.raises(LinkLost, match="unplugged"):
            transport.execute([Read(Space.APB, 0)])


def test_pulling_the_board_during_a_pipelined_load_is_link_lost() -> None:
    board = FakeUsbBoard()
    with open_fake(board, "window=8") as transport:
        transport.execute([Write(Space.APB, 0x10_0000, WORDS, idempotent=True)])
        board.mute = True
        board.gone = True
        with pytest.raises(LinkLost):
            transport.execute([Write(Space.APB, 0x10_0000, WORDS, idempotent=True)])


def test_no_board_lists_what_is_connected() -> None:
    backend = FakeBackend(FakeUsbBoard(serial="1"), FakeUsbBoard(serial="2"))
    with pytest.raises(BoardNotFound, match=r"3.*1 \(SPU001.*2 \(SPU001"):
        evk2_usb.find_board("3", backend=backend)
    with pytest.raises(BoardNotFound, match="none"):
        evk2_usb.find_board(backend=FakeBackend())


def test_several_boards_must_be_told_apart() -> None:
    backend = FakeBackend(FakeUsbBoard(serial="1"), FakeUsbBoard(serial="2"))
    with pytest.raises(BoardAmbiguous) as caught:
        evk2_usb.find_board(backend=backend)
    assert "evk2://1" in caught.value.hint
    assert evk2_usb.find_board("2", backend=backend).serial == "2"
    backend.boards[0].strings[2] = "SPU150"
    assert evk2_usb.find_board(product="spu150", backend=backend).serial == "1"


def test_a_forbidden_board_names_the_rule_that_helps() -> None:
    board = FakeUsbBoard()
    board.forbidden = True
    with pytest.raises(BoardAccessDenied) as caught:
        open_fake(board)
    assert "60-hostrt.rules" in caught.value.hint
    assert "hostrt udev" in caught.value.hint


def test_a_board_claimed_by_another_program_is_busy() -> None:
    board = FakeUsbBoard()
    board.busy = True
    with pytest.raises(BoardBusy):
        open_fake(board)
    assert board.driver


def test_another_device_with_the_same_ids_is_refused() -> None:
    board = FakeUsbBoard()
    board.packet_bytes = 32
    with pytest.raises(BoardNotFound, match="interface 0"):
        open_fake(board)


def test_the_lock_file_of_the_reference_tool_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evk2_usb, "evk2_lock_path", lambda serial: tmp_path / f"evk2_{serial}.lock")
    board = FakeUsbBoard(serial="9")
    url = parse_url("evk2://9")
    with evk2_usb.open_usb(url, FakeBackend(board)):
        assert (tmp_path / "evk2_9.lock").exists()
        with pytest.raises(BoardBusy):
            evk2_usb.open_usb(url, FakeBackend(FakeUsbBoard(serial="9")))
    assert owner.lock_board("9", tmp_path / "evk2_9.lock").held


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(**_arguments: object) -> None:
        raise usb.core.NoBackendError("No backend available")

    monkeypatch.setattr(usb.core, "find", nothing)
    with pytest.raises(ExtraMissing) as caught:
        evk2_usb.list_boards(FakeBackend())
    assert "hostrt[usb]" in caught.value.hint
