"""Compiling on a service that keeps the vendor's contract, and on those that break it."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from firmware_protocol.iospec import iospec_from_tree
from firmware_protocol.memory import MemoryKind
from hostrt.compiler import connection
from hostrt.compiler.base import CompileOptions
from hostrt.compiler.connection import MESSAGE_LIMIT, TimeLimits
from hostrt.compiler.femtocrux import FemtocruxCompiler
from hostrt.compiler.model_bytes import pickle_of
from hostrt.errors import (
    CompilerError,
    CompilerTimeout,
    CompilerUnavailable,
    ProgramCorrupt,
    ProgramUnsupported,
    UsageError,
    WrongTarget,
)
from hostrt.fqir.iospec import infer_iospec
from hostrt.program import Program
from hostrt.program.model import InstructionSet
from tests.compiler.conftest import golden
from tests.compiler.images import SALT, words_of
from tests.compiler.service import TRACEBACK, Faults, Service
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hostrt.compiler.base import CompiledModel

QUICK = TimeLimits(ready_s=2.0, short_s=0.3, work_s=0.3)


def compile_on(
    service: Service, name: str = "gru2", options: CompileOptions | None = None, **more: Any
) -> CompiledModel:
    """Compile a golden model."""
    with FemtocruxCompiler(address=service.address, **more) as compiler:
        return compiler.compile(golden(name), options or CompileOptions())


# -- what comes back --------------------------------------------------------------------------


def test_images_and_places_become_a_program(service: Callable[..., Service]) -> None:
    made = compile_on(service())

    program, sent = made.program, pickle_of(golden("gru2"))
    assert program.chip == "spu001"
    assert {bank.kind for bank in program.banks} == {MemoryKind.DM, MemoryKind.TM, MemoryKind.IM}
    for bank in program.banks:
        assert np.array_equal(bank.words, words_of(sent, bank.kind))
    assert program.encryption is not None
    assert (program.encryption.key_index, program.encryption.salt) == (0, SALT)
    assert program.iospec is not None
    assert program.iospec.inputs["x"].pc == 3
    assert program.iospec.outputs["output.0"].mailbox_id == 0
    assert program.instruction_set is InstructionSet.VENDOR
    assert program.identity.name == "model"
    assert dict(program.source.sha256) == {"model.pt": golden("gru2").sha256}
    assert made.compiler == "femtocrux 3.11.6"
    assert made.notes == (f"compiled by femtocrux 3.11.6 at {program_address(made)}",)


def program_address(made: CompiledModel) -> str:
    return made.notes[0].rpartition(" ")[2]


def test_the_program_can_be_saved_and_read_again(
    service: Callable[..., Service], tmp_path: Path
) -> None:
    program = compile_on(service(), "latched_gain", CompileOptions(latched=("ctl",))).program
    femto, images = tmp_path / "model.femto", tmp_path / "model.zip"
    program.save(femto)
    program.save(images)
    for again in (Program.load(femto, salt=SALT), Program.load(images)):
        assert again.banks == program.banks
        assert again.encryption == program.encryption
    assert Program.load(images).iospec == program.iospec
    assert program.iospec is not None
    assert program.iospec.latched == ("ctl",)


@pytest.mark.parametrize("chip", ["spu150tc1", "spu150"])
def test_wide_instructions_arrive_whole(service: Callable[..., Service], chip: str) -> None:
    made = compile_on(service(chip=chip), options=CompileOptions(chip))
    kinds = {bank.kind for bank in made.program.banks}
    assert {MemoryKind.IM, MemoryKind.IM_MSB} <= kinds
    assert made.program.chip == chip
    assert any("look alike" in note for note in made.notes)


def test_reserved_memory_is_reported(service: Callable[..., Service]) -> None:
    def reply(method: str, message: Any) -> Any:
        if method == "compile":
            message.memory_reservations.update({"core0": {"DM": 12}})
        return message

    assert compile_on(service(faults=Faults(reply=reply))).reservations == {"core0": {"DM": 12.0}}


def test_another_version_is_noted(service: Callable[..., Service]) -> None:
    made = compile_on(service(version="3.12.0"))
    assert made.program.identity.tool_version == "femtocrux 3.12.0"
    assert made.notes[1] == "hostrt was written for version 3.11.6 of the service"


# -- what is sent -----------------------------------------------------------------------------


def test_the_service_gets_model_places_profile_and_settings(
    service: Callable[..., Service],
) -> None:
    served = service()
    settings = {"a": 1, "b": [True, None], "c": {"d": "x"}}
    options = CompileOptions(latched=("ctl",), profile="fast", settings=settings)
    compile_on(served, "latched_gain", options)

    (request,) = served.seen("compile")
    assert request.fqir.model == pickle_of(golden("latched_gain"))
    assert (request.fqir.batch_dim, request.fqir.sequence_dim) == (0, 1)
    assert request.fqir.HasField("batch_dim")
    assert request.opt_profile == "fast"
    assert dict(request.user_configuration)["a"] == 1.0
    assert iospec_from_tree(yaml.safe_load(request.iospec)) == infer_iospec(
        golden("latched_gain"), ("ctl",)
    )


def test_what_is_not_said_is_not_sent(service: Callable[..., Service]) -> None:
    served = service()
    compile_on(served)
    (request,) = served.seen("compile")
    names = {field.name for field, _ in request.ListFields()}
    assert names == {"fqir", "iospec"}


def test_a_given_specification_is_used(service: Callable[..., Service]) -> None:
    spec = infer_iospec(golden("gru2"))
    commented = replace(spec, inputs={"x": replace(spec.inputs["x"], comments={"ours": 1})})
    made = compile_on(service(), options=CompileOptions(iospec=commented))
    assert made.program.iospec is not None
    assert made.program.iospec.inputs["x"].comments == {"ours": 1}


@pytest.mark.parametrize("settings", [{"a": 1 << 53}, {"a": object()}])
def test_settings_that_cannot_be_sent_are_refused(settings: dict[str, object]) -> None:
    with (
        FemtocruxCompiler(address="127.0.0.1:1") as compiler,
        pytest.raises(UsageError, match="compiler setting"),
    ):
        compiler.compile(golden("gru2"), CompileOptions(settings=settings))


def test_a_model_that_is_too_large_is_refused_before_it_is_sent(
    service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = service()
    monkeypatch.setattr(connection, "MESSAGE_LIMIT", 10_000)
    with pytest.raises(ProgramUnsupported, match=r"model\.pt: .* expected at most 10000"):
        compile_on(served)
    assert served.seen("compile") == []
    assert MESSAGE_LIMIT == 33_554_432


# -- refusals ---------------------------------------------------------------------------------


def test_a_refusal_has_the_last_line_and_the_log_has_all(
    service: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "hostrt")
    with pytest.raises(ProgramUnsupported) as caught:
        compile_on(service(faults=Faults(refuse=TRACEBACK)))
    assert caught.value.message == (
        "model.pt: the compile service refused it: ValueError: cannot place 3 tables in 2 banks"
    )
    assert "Traceback (most recent call last)" in caplog.text


@pytest.mark.parametrize(("text", "shown"), [("\n \n", "no reason given"), ("a\x1b[2Jb", "a [2Jb")])
def test_a_refusal_is_one_printable_line(
    service: Callable[..., Service], text: str, shown: str
) -> None:
    with pytest.raises(ProgramUnsupported, match="refused it") as caught:
        compile_on(service(faults=Faults(refuse=text)))
    assert caught.value.message.endswith(f": {shown}")


def test_images_for_another_chip_are_refused(service: Callable[..., Service]) -> None:
    with pytest.raises(WrongTarget, match="was made for spu001, not for spu150") as caught:
        compile_on(service(), options=CompileOptions("spu150"))
    assert "FS_HW_CFG=spu2p1v1.dat" in caught.value.hint


def test_a_chip_that_the_service_does_not_know_is_refused() -> None:
    with (
        FemtocruxCompiler(address="127.0.0.1:1") as compiler,
        pytest.raises(UsageError, match="knows no chip 'spu9'"),
    ):
        compiler.compile(golden("gru2"), CompileOptions("spu9"))


def test_a_chip_against_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FS_HW_CFG", "spu2p1v1.dat")
    with (
        FemtocruxCompiler(address="127.0.0.1:1") as compiler,
        pytest.raises(UsageError, match=r"FS_HW_CFG='spu2p1v1\.dat' is not for the chip spu001"),
    ):
        compiler.compile(golden("gru2"), CompileOptions())


# -- services that break the contract ---------------------------------------------------------


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
    with pytest.raises(CompilerTimeout, match=f"did not answer {what} within 0.3 s"):
        compile_on(service(faults=Faults(hang_in=method)), limits=QUICK)


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


# -- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":50051", "host:0", "host:65536", "a b:1", "dns:///x:1", "::1:5"]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected HOST:PORT"):
        connection.Address.parse(text)


@pytest.mark.parametrize("text", ["localhost:1", "127.0.0.1:50051", "[::1]:50051", "lab-3:5"])
def test_addresses_are_spelt_as_they_were_read(text: str) -> None:
    parsed = connection.Address.parse(text)
    assert str(parsed) == text
    assert parsed.is_loopback == (text != "lab-3:5")


def test_an_address_and_an_image_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="expected one"):
        FemtocruxCompiler(address="localhost:1", image="x")
