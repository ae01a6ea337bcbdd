from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import numpy as np
import pytest

from firmware_protocol.requests import ExecTime, Read, Space, Write
from hostrt.errors import BoardNotFound, LinkLost, UsageError
from hostrt.testing.transport_contract import TransportContract
from hostrt.transport import evk2_tcp, zcu104_tcp
from hostrt.transport.url import open_transport, parse_url
from tests.transport.boards import EXEC_TIME_US, TcpServer, TinyEvk2, TinyZynq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.transport.base import Transport
    from hostrt.transport.evk2_link import Evk2Transport
    from hostrt.transport.zcu104_tcp import Zcu104Transport


def open_evk2(server: TcpServer, options: str = "") -> Evk2Transport:
    url = f"evk2+tcp://{server.place}?simulated=yes&{options}"
    return evk2_tcp.open_url(parse_url(url))


def open_zynq(server: TcpServer, options: str = "") -> Zcu104Transport:
    return zcu104_tcp.open_url(parse_url(f"zcu104://{server.place}?simulated=yes&{options}"))


class TestEvk2OverTcp(TransportContract):
    echoes_frames = True

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with TcpServer(TinyEvk2()) as self.server, TcpServer(TinyEvk2(), mute=True) as self.mute:
            yield

    def open_transport(self) -> Transport:
        return open_evk2(self.server)

    def open_mute(self) -> Transport:
        return open_evk2(self.mute, "timeout=0.1")


class TestEvk2OverTcpOneReportAtATime(TestEvk2OverTcp):
    def open_transport(self) -> Transport:
        return open_evk2(self.server, "window=1&pack=across&chip=spu001")


class TestZcu104(TransportContract):
    echoes_frames = True

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with TcpServer(TinyZynq()) as self.server, TcpServer(TinyZynq(), mute=True) as self.mute:
            yield

    def open_transport(self) -> Transport:
        return open_zynq(self.server)

    def open_mute(self) -> Transport:
        return open_zynq(self.mute, "timeout=0.1")


class TestZcu104WithRepliesSplitAnywhere(TestZcu104):
    def open_transport(self) -> Transport:
        self.server.chunk = 13
        return open_zynq(self.server, "reads=8")


def test_a_window_opens_on_the_first_long_load_and_halves_nothing_else() -> None:
    board = TinyEvk2()
    words = np.arange(2000, dtype=np.uint32)
    with TcpServer(board) as server, open_evk2(server) as transport:
        transport.execute([Write(Space.APB, 0x34, words[:1]), Read(Space.APB, 0x34)])
        assert transport.window == 1
        transport.execute([Write(Space.APB, 0x10_0000, words, idempotent=True)])
        assert transport.window == 16
        assert transport.stats.retried == transport.stats.stale == transport.stats.fences == 0
    np.testing.assert_array_equal(board.apb[0x4_0000 : 0x4_0000 + 2000], words)


def test_control_registers_are_no_ground_for_a_trial() -> None:
    words = np.arange(2000, dtype=np.uint32)
    with TcpServer(TinyEvk2()) as server, open_evk2(server) as transport:
        transport.execute([Write(Space.APB, 0x10_0000, words)])
        assert transport.window == 1


def test_execution_time_is_read() -> None:
    with TcpServer(TinyEvk2()) as server, open_evk2(server, "exec_time=yes") as transport:
        (time_us,) = transport.execute([ExecTime()])
        assert transport.info.reads_exec_time
        assert time_us is not None
        assert time_us.tolist() == [EXEC_TIME_US]


def test_the_zcu104_says_that_it_cannot_tell_execution_times() -> None:
    with TcpServer(TinyZynq()) as server, open_zynq(server) as transport:
        assert not transport.info.reads_exec_time
        with pytest.raises(UsageError, match="cannot ask"):
            transport.execute([ExecTime()])


def test_an_address_of_the_spu150_is_refused_before_anything_is_sent() -> None:
    board = TinyZynq()
    with TcpServer(board) as server, open_zynq(server) as transport:
        with pytest.raises(UsageError, match="28 bits"):
            transport.execute(
                [Write(Space.APB, 0, np.ones(1, np.uint32)), Read(Space.APB, 0x2000_0000)]
            )
        assert transport.execute([Read(Space.APB, 0)])[0] is not None
    assert board.apb[0] == 0


@pytest.mark.parametrize("scheme", ["evk2+tcp", "zcu104"])
def test_a_board_that_hangs_up_is_lost(scheme: str) -> None:
    board = TinyEvk2() if scheme == "evk2+tcp" else TinyZynq()
    with TcpServer(board) as server:
        opened = open_evk2(server) if scheme == "evk2+tcp" else open_zynq(server)
        with opened as transport:
            transport.execute([Read(Space.APB, 0)])
            server.hang_up()
            with pytest.raises(LinkLost, match="closed the connection"):
                transport.execute([Read(Space.APB, 0)])


@pytest.mark.parametrize("scheme", ["evk2+tcp", "zcu104"])
def test_nobody_listening_is_board_not_found_with_the_address(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    module = evk2_tcp if scheme == "evk2+tcp" else zcu104_tcp
    with pytest.raises(BoardNotFound, match=str(port)):
        module.open_url(parse_url(f"{scheme}://127.0.0.1:{port}?simulated=yes"))


@pytest.mark.parametrize(
    "options", ["window=0", "window=63", "window=x", "timeout=-1", "timeout=x", "pack=no"]
)
def test_options_that_make_no_sense_are_refused(options: str) -> None:
    with pytest.raises(UsageError, match=options.split("=", maxsplit=1)[0]):
        evk2_tcp.open_url(parse_url(f"evk2+tcp://127.0.0.1:1?{options}"))


def test_an_address_without_a_port_is_refused() -> None:
    with pytest.raises(UsageError, match="port"):
        evk2_tcp.open_url(parse_url("evk2+tcp://127.0.0.1"))


@pytest.mark.parametrize("scheme", ["evk2+tcp", "zcu104"])
def test_small_requests_are_not_held_back_for_acknowledgements(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[socket.socket] = []
    connect = socket.create_connection

    def watched(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(connect(address, timeout=timeout))
        return connected[-1]

    server = TcpServer(TinyEvk2() if scheme == "evk2+tcp" else TinyZynq())
    with server, monkeypatch.context() as patch:
        patch.setattr(socket, "create_connection", watched)
        with open_transport(f"{scheme}://{server.place}?simulated=yes"):
            patch.undo()
            (sock,) = connected
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    "address",
    ["evk2://?windw=8", "zcu104://h?timeuot=1", "fakezynq://?value=x", "replay:///x?chp=y"],
)
def test_a_misspelt_option_is_refused_with_the_right_spelling(address: str) -> None:
    with pytest.raises(UsageError, match="no option") as caught:
        open_transport(address)
    assert "did you mean" in caught.value.hint
