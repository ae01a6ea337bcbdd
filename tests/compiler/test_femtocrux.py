"""Compiling on a service that keeps the vendor's contract, and on those that break it."""

from __future__ import annotations

import logging
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
    ProgramUnsupported,
    UsageError,
    WrongTarget,
)
from hostrt.fqir.iospec import infer_iospec
from hostrt.program import Program
from hostrt.program.model import InstructionSet
from tests.compiler.conftest import compile_on, golden
from tests.compiler.images import SALT, words_of
from tests.compiler.service import TRACEBACK, Faults, Service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hostrt.compiler.base import CompiledModel

QUICK = TimeLimits(ready_s=2.0, short_s=0.3, work_s=0.3)


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


def test_a_model_that_leaves_the_machine_is_noted(service: Callable[..., Service]) -> None:
    with FemtocruxCompiler(address=f"0.0.0.0:{service().port}") as compiler:
        made = compiler.compile(golden("gru2"), CompileOptions())
    assert made.notes[1] == "the model travelled unencrypted to another machine"


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
