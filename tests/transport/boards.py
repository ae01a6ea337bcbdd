"""The smallest boards that keep the rules of their links: a memory, a loop-back stream, no chip."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Protocol

import numpy as np

from firmware_protocol.evk2 import READ_COMMANDS, Command, ack, data_reply, parse_report
from firmware_protocol.zynq import (
    MESSAGE_END,
    Code,
    apb_replies,
    axis_reply,
    decode_units,
    top_replies,
)
from hostrt.closing import Closing

EXEC_TIME_US = 1234
_WORDS = 1 << 22


class TinyBoard(Protocol):
    unit_bytes: int

    def answer(self, data: bytes) -> bytes: ...


class _Memory:
    def __init__(self) -> None:
        self.apb = np.zeros(_WORDS, np.uint32)
        self.top: dict[int, int] = {}
        self.queue: list[int] = []
        self.message: list[int] = []
        self.resets = 0

    def reset(self) -> None:
        self.apb[:] = 0
        self.top.clear()
        self.queue.clear()
        self.message.clear()
        self.resets += 1

    def take(self, n: int) -> list[int]:
        words, self.queue = self.queue[:n], self.queue[n:]
        return words


class TinyEvk2(_Memory):
    """Answers reports; 64 bytes in, one or two reports out."""

    unit_bytes = 64

    def answer(self, data: bytes) -> bytes:
        return b"".join(self._one(data[i : i + 64]) for i in range(0, len(data), 64))

    def _one(self, raw: bytes) -> bytes:
        report = parse_report(raw)
        at, n = report.address, report.n
        if report.command in READ_COMMANDS:
            return ack(at) + data_reply(report.command, at, self._read(report.command, at, n))
        match report.command:
            case Command.RESET:
                self.reset()
            case Command.APB_WRITE:
                self.apb[at // 4 : at // 4 + n] = report.words
            case Command.REGISTER_WRITE:
                for i, word in enumerate(report.words):
                    self.top[at + 4 * i] = int(word)
            case Command.AXIS_WRITE | Command.AXIS_WRITE_END:
                self.message += report.words.tolist()
                if report.command == Command.AXIS_WRITE_END:
                    self.queue += self.message
                    self.message = []
            case _:
                return data_reply(Command.ERROR, at, [])
        return ack(at)

    def _read(self, command: int, at: int, n: int) -> list[int]:
        match command:
            case Command.APB_READ:
                return [int(word) for word in self.apb[at // 4 : at // 4 + n]]
            case Command.REGISTER_READ:
                return [self.top.get(at + 4 * i, 0) for i in range(n)]
            case Command.EXEC_TIME_READ:
                return [EXEC_TIME_US]
            case _:
                return self.take(n)


class TinyZynq(_Memory):
    """Answers units."""

    unit_bytes = 8

    def answer(self, data: bytes) -> bytes:
        units = decode_units(data)
        out = bytearray()
        if (units.code == Code.APB_WRITE).all():
            self.apb[units.address // 4] = units.data
            return b""
        for code, address, word in zip(
            units.code.tolist(), units.address.tolist(), units.data.tolist(), strict=True
        ):
            out += self._one(code, address, word)
        return bytes(out)

    def _one(self, code: int, address: int, word: int) -> bytes:
        match code:
            case Code.APB_WRITE:
                self.apb[address // 4] = word
            case Code.TOP_WRITE:
                self.top[address] = word
            case Code.HOST_WRITE:
                self.reset()
            case Code.AXIS_WRITE:
                self.message.append(word)
                if address == MESSAGE_END:
                    self.queue += self.message
                    self.message = []
            case Code.APB_READ:
                return apb_replies(address, int(self.apb[address // 4]))
            case Code.TOP_READ:
                return top_replies(address, self.top.get(address, 0))
            case Code.AXIS_READ:
                return axis_reply(np.array(self.take(2 * address), np.uint32))
        return b""


class TcpServer(Closing):
    """Serves a board on a port of the loop-back interface, one client after the other."""

    def __init__(self, board: TinyBoard, *, mute: bool = False) -> None:
        self.board = board
        self.mute = mute
        self.chunk = 1 << 16
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self._client: socket.socket | None = None
        self._stop = False
        self._thread = threading.Thread(target=self._serve, name="tiny board")
        self._thread.start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def hang_up(self) -> None:
        client = self._client
        if client is not None:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._stop = True
        self.hang_up()
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname(), timeout=1).close()
        self._thread.join(5)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while not self._stop:
            try:
                self._client, _ = self._listener.accept()
            except TimeoutError:
                return
            with self._client, contextlib.suppress(OSError):
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._talk(self._client)

    def _talk(self, client: socket.socket) -> None:
        rest = b""
        while not self._stop and (data := client.recv(1 << 16)):
            data = rest + data
            whole = len(data) - len(data) % self.board.unit_bytes
            rest = data[whole:]
            answer = b"" if self.mute else self.board.answer(data[:whole])
            for start in range(0, len(answer), self.chunk):
                client.sendall(answer[start : start + self.chunk])
