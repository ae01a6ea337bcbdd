"""Board servers, the listing of served boards, and `hostrt sim serve` as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.faults import FaultPlan
from firmware_protocol.loopback import loopback_banks
from firmware_protocol.requests import Read, Space, Write
from firmware_protocol.stream import split_outputs
from hostrt.chip import get_chip
from hostrt.chip.image import LoadImage
from hostrt.chip.platform import EVK2
from hostrt.errors import BoardUnavailable, LinkError, UsageError
from hostrt.sim import registry
from hostrt.sim.evk2 import VirtualEvk2
from hostrt.sim.port import Port, PortOptions
from hostrt.sim.serve import BoardServer, _Connection, parse_address
from hostrt.sim.serving import ServeOptions, evk2_server, zcu104_server
from hostrt.sim.sessions import Evk2Session, ZynqSession
from hostrt.sim.zcu104 import VirtualZcu104
from hostrt.transport.evk2_tcp import open_url as open_evk2
from hostrt.transport.url import parse_url
from hostrt.transport.zcu104_tcp import open_url as open_zcu104
from tests.sim.sim_sessions import echo_chip, exchanges

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = "127.0.0.1:0"


def talk(server: BoardServer, data: bytes, n_bytes: int) -> bytes:
    with socket.create_connection(server.address, timeout=5) as client:
        return ask(client, data, n_bytes)


def ask(client: socket.socket, data: bytes, n_bytes: int) -> bytes:
    client.sendall(data)
    got = bytearray()
    while len(got) < n_bytes:
        piece = client.recv(n_bytes - len(got))
        if not piece:
            break
        got += piece
    return bytes(got)


def evk2_echo(faults: str = "", speed: str = "unlimited") -> BoardServer:
    options = PortOptions(usb_speed=speed, faults=FaultPlan.parse(faults), is_stream=True)
    port = Port(VirtualEvk2(echo_chip("p001_b")), options)
    return BoardServer("127.0.0.1", 0, Evk2Session(port), "test")


def zynq_echo(faults: str = "") -> BoardServer:
    board = VirtualZcu104(echo_chip("p001_b", on_zynq=True))
    return BoardServer("127.0.0.1", 0, ZynqSession(board, FaultPlan.parse(faults)), "test")


def ack_request(address: int) -> bytes:
    return bytes([3, 0, 1, 0]) + address.to_bytes(4, "little") + bytes(56)


def test_a_whole_recorded_session_runs_over_tcp() -> None:
    pairs = exchanges("p001_b", "evk2_session.json")
    expected = b"".join(received for _, received in pairs)
    with evk2_echo() as server:
        assert talk(server, b"".join(sent for sent, _ in pairs), len(expected)) == expected


@pytest.mark.fault
@pytest.mark.parametrize("faults", ["", "split~1.0"])
def test_a_zcu104_session_runs_over_tcp_even_in_odd_segments(faults: str) -> None:
    pairs = exchanges("p001_b", "zynq_session.json")
    expected = b"".join(received for _, received in pairs)
    with zynq_echo(faults) as server:
        assert talk(server, b"".join(sent for sent, _ in pairs), len(expected)) == expected


@pytest.mark.fault
@pytest.mark.parametrize(("plan", "speed"), [("split@1", "unlimited"), ("", "full")])
def test_answers_that_are_not_due_at_once_arrive_whole(plan: str, speed: str) -> None:
    with evk2_echo(plan, speed) as server:
        answers = talk(server, ack_request(0x1C) * 20, 64 * 20)
    assert answers == bytes([0, 0, 0, 0, 0x1C]).ljust(64, b"\0") * 20


def test_a_second_client_waits_for_the_first_to_leave() -> None:
    with (
        evk2_echo() as server,
        socket.create_connection(server.address, timeout=5) as first,
        socket.create_connection(server.address, timeout=5) as second,
    ):
        assert len(ask(first, ack_request(4), 64)) == 64
        second.settimeout(0.05)
        with pytest.raises(TimeoutError):
            ask(second, ack_request(4), 64)
        first.close()
        second.settimeout(5)
        assert len(ask(second, b"", 64)) == 64


@pytest.mark.fault
def test_a_board_that_is_pulled_closes_the_connection_and_can_be_plugged_in_again() -> None:
    with evk2_echo("unplug@2") as server:
        assert len(talk(server, ack_request(4) * 2, 128)) < 128
        assert len(talk(server, ack_request(4), 64)) == 64


@pytest.mark.fault
@pytest.mark.parametrize(
    ("plan", "n_bytes"), [("lose@1", 8), ("double@1", 24), ("silence@2", 8), ("unplug@1", 0)]
)
def test_faults_of_a_zcu104_count_reply_units(plan: str, n_bytes: int) -> None:
    session = ZynqSession(VirtualZcu104(echo_chip("p001_b")), FaultPlan.parse(plan))
    session.received(bytes(16))
    assert sum(len(piece) for piece in session.ready()) == n_bytes
    assert session.gone == (plan == "unplug@1")


@pytest.mark.fault
def test_a_late_or_damaged_unit_of_a_zcu104_is_late_or_damaged() -> None:
    now = 10.0
    board = VirtualZcu104(echo_chip("p001_b"))
    session = ZynqSession(board, FaultPlan.parse("corrupt@1,late@3"), clock=lambda: now)
    session.received(bytes(8 * 4))
    good = bytes([0, 0, 0, 0x40, 0x13, 0, 0, 0])
    came = b"".join(session.ready())
    changed = int.from_bytes(came[:8], "little") ^ int.from_bytes(good, "little")
    assert changed.bit_count() == 1
    assert came[8:] == good
    due = session.next_due()
    assert due is not None
    assert due > now + 1.0
    now = due
    assert b"".join(session.ready()) == good * 2


@pytest.mark.fault
def test_a_zcu104_that_resets_forgets_and_answers_the_next_request() -> None:
    board = VirtualZcu104(echo_chip("p001_b"))
    board.spu.write(Space.APB, 0x1C, np.array([5], np.uint32))
    session = ZynqSession(board, FaultPlan.parse("reset@1"))
    session.received(bytes(8))
    assert session.ready() == []
    assert board.spu.read(Space.APB, 0x1C).tolist() == [0]
    session.received(bytes(8))
    assert len(session.ready()) == 1


def test_a_client_that_leaves_in_the_middle_of_a_report_does_no_harm() -> None:
    with evk2_echo() as server:
        talk(server, bytes(30), 0)
        assert len(talk(server, ack_request(4), 64)) == 64


def test_stopping_closes_clients_and_frees_the_port() -> None:
    server = evk2_echo()
    server.start()
    with socket.create_connection(server.address, timeout=5) as client:
        ask(client, ack_request(4), 64)
        server.stop()
        assert client.recv(1) == b""
    server.stop()
    BoardServer(*server.address, Evk2Session(Port(VirtualEvk2(echo_chip("p001_a")))), "x").stop()


def test_a_client_that_never_rests_does_not_hold_up_stopping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def always_more(connection: _Connection) -> bool:
        connection.receive()
        time.sleep(0.001)
        return True

    monkeypatch.setattr(_Connection, "hears_more", always_more)
    server = evk2_echo()
    server.start()
    with socket.create_connection(server.address, timeout=5) as client:
        assert len(ask(client, ack_request(4), 64)) == 64
        server.stop()
        assert client.recv(1) == b""


def test_a_taken_port_is_said_in_one_line() -> None:
    session = Evk2Session(Port(VirtualEvk2(echo_chip("p001_a"))))
    with (
        evk2_echo() as server,
        pytest.raises(BoardUnavailable, match=r"test cannot listen on 127.0.0.1:\d+: Address"),
    ):
        BoardServer(*server.address, session, "test")


@pytest.mark.slow
def test_a_client_far_ahead_of_its_answers_is_not_listened_to_and_loses_nothing() -> None:
    n = 300_000
    with (
        evk2_echo() as server,
        socket.create_connection(server.address, timeout=5) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            client.setsockopt(socket.SOL_SOCKET, option, 1 << 16)
        sending = pool.submit(client.sendall, ack_request(4) * n)
        time.sleep(0.1)
        assert not sending.done()
        assert len(ask(client, b"", 64 * n)) == 64 * n
        sending.result(5)


def test_loopback_runs_over_tcp_on_both_boards() -> None:
    evk2_url, evk2 = evk2_server(LOCAL, ServeOptions())
    zcu104_url, zcu104 = zcu104_server(LOCAL, ServeOptions())
    program = loopback_banks(get_chip("spu001").map, 64)
    vector = np.arange(program.n_dwords, dtype=np.uint64)
    with evk2, zcu104:
        for link in (open_evk2(parse_url(evk2_url)), open_zcu104(parse_url(zcu104_url))):
            with link:
                chip = get_chip("spu001")
                assert link.info.simulated
                link.execute([*chip.release(EVK2), *chip.load(LoadImage(program.banks, 1))])
                link.execute([chip.send(program.pc, 0, vector), *chip.wait_output(EVK2, 1.0)])
                (words,) = link.execute([chip.receive([program.n_dwords])])
                assert words is not None
                got = split_outputs(words, {0: program.n_dwords})[0]
                assert got.tolist() == vector.tolist()


@pytest.mark.fault
@pytest.mark.parametrize("plan", ["lose@2", "corrupt@2", "double@2", "unplug@2"])
def test_a_client_over_tcp_never_takes_a_faulty_answer_for_a_good_one(plan: str) -> None:
    url, server = evk2_server(LOCAL, ServeOptions(faults=plan))
    value = np.array([0x5A5A], np.uint32)
    with server, open_evk2(parse_url(f"{url}&timeout=0.1")) as link:
        try:
            link.execute([Write(Space.APB, 0x1C, value, idempotent=True)])
            (words,) = link.execute([Read(Space.APB, 0x1C)])
        except LinkError:
            return
        assert words is not None
        if plan != "corrupt@2":
            assert words.tolist() == [0x5A5A]


def test_only_spu001_is_served_as_zcu104() -> None:
    with pytest.raises(UsageError, match=r"SPU-150 TC1 cannot be simulated on a ZCU104"):
        zcu104_server(LOCAL, ServeOptions(chip="spu150tc1"))
    with pytest.raises(UsageError, match=r"has no evk2 board"):
        evk2_server(LOCAL, ServeOptions(chip="spu150"))


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:70000"])
def test_addresses_without_a_port_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected HOST:PORT"):
        parse_address(text)


def test_addresses_are_host_and_port() -> None:
    assert parse_address("[::1]:80") == ("::1", 80)
    assert parse_address("8080") == ("127.0.0.1", 8080)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "hostrt"


def test_served_boards_are_listed_while_they_are_served(runtime: Path) -> None:
    board = registry.ServedBoard(os.getpid(), ("sim://x",), "spu001", "7")
    assert registry.running() == []
    with registry.announced(board):
        assert registry.running() == [board]
    assert registry.running() == []
    assert list(runtime.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"pid": "1"}', '{"pid":4194304,"urls":["x"],"chip":"a","serial":""}',
     '{"pid":1,"urls":[3],"chip":"a","serial":""}'],
)  # fmt: skip
def test_state_files_of_dead_processes_and_broken_ones_are_ignored(
    runtime: Path, text: str
) -> None:
    runtime.mkdir(mode=0o700)
    (runtime / "sim-9.json").write_text(text)
    assert registry.running() == []


def test_a_folder_that_others_can_write_to_is_not_believed(runtime: Path) -> None:
    board = registry.ServedBoard(os.getpid(), ("sim://x",), "spu001")
    with registry.announced(board):
        runtime.chmod(0o777)
        assert registry.running() == []
        runtime.chmod(0o700)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_addresses_is_listed_and_ends_well_on_a_signal(
    runtime: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "hostrt.cli.main", "sim", "serve", "--json"]
    command += ["--evk2", LOCAL, "--zcu104", LOCAL, "--serial", "4711"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        tree = json.loads(process.stdout.readline())
        try:
            assert tree["serial"] == "4711"
            (board,) = registry.running()
            assert list(board.urls) == tree["urls"]
            with open_evk2(parse_url(board.urls[0])) as link:
                (words,) = link.execute([Read(Space.APB, 0)])
                assert words is not None
                assert words.tolist() == [0x13]
        finally:
            process.send_signal(number)
        assert process.wait(10) == 0
    assert list(runtime.iterdir()) == []
