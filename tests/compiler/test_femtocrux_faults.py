"""Services that break the contract."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from hostrt.compiler.base import CompileOptions
from hostrt.compiler.connection import MESSAGE_LIMIT, TimeLimits
from hostrt.compiler.femtocrux import FemtocruxCompiler
from hostrt.errors import (
    CompilerError,
    CompilerTimeout,
    CompilerUnavailable,
    ProgramCorrupt,
)
from tests.compiler.conftest import compile_on, golden
from tests.compiler.service import Faults, Service
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable


QUICK = TimeLimits(ready_s=2.0, short_s=0.3, work_s=0.3)


def _changed(**fields: Any) -> Callable[[str, Any], Any]:
    def reply(method: str, message: Any) -> Any:
        if method == "compile":
            for name, value in fields.items():
                setattr(message, name, value)
        return message

    return reply


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"bitfile": b"PK\x03\x04 nothing"}, ProgramCorrupt, r"compiled model\.pt"),
        ({"bitfile": b""}, ProgramCorrupt, r"compiled model\.pt"),
        ({"iospec": "inputs: ["}, ProgramCorrupt, r"iospec\.yaml"),
        ({"iospec": "speed: 3"}, ProgramCorrupt, "section 'speed'"),
        ({"iospec": ""}, CompilerError, "without an I/O specification"),
    ],
)
def test_an_answer_that_cannot_be_read_is_refused(
    service: Callable[..., Service], fields: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        compile_on(service(faults=Faults(reply=_changed(**fields))))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("length: 24", "length: 23"), r"inputs x \(23 x 16 bits\), expected x \(24 x 16 bits\)"),
        (("mailbox_id: 0", ""), "without mailbox_id and length_64b_words of 'output.0'"),
    ],
)
def test_an_answer_about_other_vectors_is_refused(
    service: Callable[..., Service], change: tuple[str, str], words: str
) -> None:
    def reply(method: str, message: Any) -> Any:
        if method == "compile":
            assert change[0] in message.iospec
            message.iospec = message.iospec.replace(*change)
        return message

    with pytest.raises(CompilerError, match=words):
        compile_on(service(faults=Faults(reply=reply)))


@pytest.mark.parametrize(
    ("method", "what"),
    [("ping", "a ping"), ("version", "its version"), ("compile", "the compilation of model.pt")],
)
def test_a_service_that_does_not_answer_is_given_up(
    service: Callable[..., Service], method: str, what: str
) -> None:
    served = service(faults=Faults(hang_in=method))
    started = time.monotonic()
    with pytest.raises(CompilerTimeout, match=f"did not answer {what} within 0.3 s"):
        compile_on(served, limits=QUICK)
    assert time.monotonic() - started < 2.0


def test_a_call_that_fails_is_told(service: Callable[..., Service]) -> None:
    words = "failed at the compilation of model.pt: unknown: over itself"
    with pytest.raises(CompilerError, match=words):
        compile_on(service(faults=Faults(abort_in="compile")))


class Garbage:
    """A message that is none."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - the library's name
        return b"\xff\xff\xff"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (lambda _: Garbage(), "internal: "),
        (lambda message: _with_bitfile(message, MESSAGE_LIMIT + 1), "resource exhausted: "),
    ],
    ids=["garbage", "too large"],
)
def test_an_answer_that_is_no_message_is_told(
    service: Callable[..., Service], reply: Callable[[Any], Any], words: str
) -> None:
    faults = Faults(
        reply=lambda method, message: reply(message) if method == "compile" else message
    )
    with pytest.raises(CompilerError, match=f"at the compilation of model.pt: {words}"):
        compile_on(service(faults=faults))


def _with_bitfile(message: Any, size: int) -> Any:
    message.bitfile = bytes(size)
    return message


def test_a_wrong_echo_is_no_service(service: Callable[..., Service]) -> None:
    def reply(method: str, message: Any) -> Any:
        if method == "ping":
            message.data = b"43210"
        return message

    with pytest.raises(CompilerError, match="answered a ping with b'43210'"):
        compile_on(service(faults=Faults(reply=reply)))


def test_a_wanted_version_must_be_there(service: Callable[..., Service]) -> None:
    assert compile_on(service(), version="3.11.6").compiler == "femtocrux 3.11.6"
    with pytest.raises(CompilerError, match=r"is version 3\.11\.6, expected 3\.10\.0"):
        compile_on(service(), version="3.10.0")


def test_nobody_at_the_address() -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        with (
            FemtocruxCompiler(address=address) as compiler,
            pytest.raises(CompilerUnavailable, match=f"at {address} cannot be reached"),
        ):
            compiler.compile(golden("gru2"), CompileOptions())


def test_another_grpc_service_at_the_address() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with (
        FemtocruxCompiler(address=address) as compiler,
        pytest.raises(CompilerError, match="does not know a ping, expected the vendor's compile"),
    ):
        compiler.compile(golden("gru2"), CompileOptions())
    server.stop(0).wait(5.0)


def test_something_else_at_the_address() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        answering = threading.Thread(target=_answer_http, args=(server,))
        answering.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with (
            FemtocruxCompiler(address=address, limits=QUICK) as compiler,
            pytest.raises(CompilerError),
        ):
            compiler.compile(golden("gru2"), CompileOptions())
        server.shutdown(socket.SHUT_RDWR)
        answering.join()


def _answer_http(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with closing(client):
            client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


SERVER = """
import sys
from tests.compiler.service import Faults, serve
with serve(faults=Faults(hang_in="compile")) as service:
    print(service.address, flush=True)
    sys.stdin.read()
"""


def test_a_service_that_dies_meanwhile_is_told() -> None:
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        killer = threading.Timer(0.3, process.kill)
        killer.start()
        with (
            FemtocruxCompiler(address=address, timeout_s=20.0) as compiler,
            pytest.raises(CompilerError, match=r"failed at the compilation of model\.pt") as caught,
        ):
            compiler.compile(golden("gru2"), CompileOptions())
        killer.join()
    assert type(caught.value) is CompilerError
