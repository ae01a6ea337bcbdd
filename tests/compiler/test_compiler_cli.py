"""The command line: `hostrt compile --compiler femtocrux` and `hostrt docker`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hostrt.cli.main import main
from hostrt.compiler.docker_engine import LABEL
from hostrt.program import Program
from hostrt.program.model import InstructionSet
from tests.compiler.conftest import GOLDEN
from tests.compiler.service import TRACEBACK, Faults, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.compiler.fake_docker import FakeDocker

MODEL = str(GOLDEN / "gru2" / "model.pt")
IMAGE = "ghcr.io/femtosense/femtocrux:3.11.6"
FEMTOCRUX = ("--compiler", "femtocrux")


def test_a_service_compiles_into_every_program_file(
    service: Callable[..., Service], capsys: pytest.CaptureFixture[str]
) -> None:
    served = service()
    words = ["compile", MODEL, *FEMTOCRUX, "--compiler-address", served.address, "--json"]
    assert main([*words, "-o", "made", "--opt-profile", "fast"]) == 0

    tree = json.loads(capsys.readouterr().out)
    assert "cores" not in tree
    assert tree["notes"][0] == f"compiled by femtocrux 3.11.6 at {served.address}"
    files = {Path(name).suffix: name for name in tree["files"]}
    assert ".fasm" not in files
    for suffix in (".zip", ".femto"):
        program = Program.load(files[suffix])
        assert program.instruction_set is InstructionSet.VENDOR
        assert program.sha256 == tree["sha256"]
    assert served.seen("compile")[0].opt_profile == "fast"


def test_settings_name_the_service_and_the_longest_wait(
    service: Callable[..., Service],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = service(faults=Faults(hang_in="compile")).address
    Path("hostrt.toml").write_text("compiler_timeout = 0.2\n")
    monkeypatch.setenv("HOSTRT_COMPILER_ADDRESS", address)
    assert main(["compile", MODEL, *FEMTOCRUX]) == 9
    text = capsys.readouterr().err
    assert f"the compile service at {address} did not answer" in text
    assert "within 0.2 s" in text


def test_settings_of_the_compiler_are_json_or_text(service: Callable[..., Service]) -> None:
    served = service()
    words = [word for text in ("a=3", 'b={"c": [1]}', "d=fast=yes") for word in (
        "--compiler-setting", text)]  # fmt: skip
    words = ["compile", MODEL, *FEMTOCRUX, "--compiler-address", served.address, *words]
    assert main([*words, "-q"]) == 0
    (request,) = served.seen("compile")
    found = request.user_configuration
    assert (found["a"], found["d"]) == (3.0, "fast=yes")
    assert list(found["b"]["c"]) == [1.0]


def test_a_refused_model_is_one_line_and_nothing_is_written(
    service: Callable[..., Service], capsys: pytest.CaptureFixture[str]
) -> None:
    address = service(faults=Faults(refuse=TRACEBACK)).address
    words = ["compile", MODEL, *FEMTOCRUX, "--compiler-address", address, "-o", "made"]
    assert main(words) == 3
    error = capsys.readouterr().err.splitlines()
    assert error[1] == (
        "hostrt: error: model.pt: the compile service refused it: "
        "ValueError: cannot place 3 tables in 2 banks"
    )
    assert not Path("made").exists()


def test_a_container_compiles_when_no_address_is_named(
    engine: FakeDocker, service: Callable[..., Service]
) -> None:
    engine.images.add(IMAGE)
    engine.service_port = service().port
    assert main(["compile", MODEL, *FEMTOCRUX, "-q"]) == 0
    assert engine.containers == {}


def test_an_image_beats_an_address_in_the_settings(
    engine: FakeDocker, service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.images.add("ours:1")
    engine.service_port = service().port
    monkeypatch.setenv("HOSTRT_COMPILER_ADDRESS", "127.0.0.1:1")
    assert main(["compile", MODEL, *FEMTOCRUX, "-q", "--compiler-image", "ours:1"]) == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--compiler-address", "h:1"], "--compiler-address is for compile services"),
        (["--compiler-timeout", "3"], "--compiler-timeout is for compile services"),
        (["--compiler-setting", "a=1"], "the open compiler has no setting 'a'"),
        (["--compiler-setting", "a"], "--compiler-setting 'a', expected KEY=VALUE"),
        (["--opt-profile", "fast"], "the open compiler has no profile 'fast'"),
        (["--compiler", "gcc"], "no compiler named 'gcc'"),
        ([*FEMTOCRUX, "--cores", "2"], "--cores is for the open compiler only"),
        ([*FEMTOCRUX, "--compiler-address", "x"], "compiler address 'x', expected HOST:PORT"),
        ([*FEMTOCRUX, "--compiler-timeout", "0"], "expected a number above 0 in s"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], text: str
) -> None:
    assert main(["compile", MODEL, *words]) == 2
    assert text in capsys.readouterr().err


# -- hostrt docker ----------------------------------------------------------------------------


def test_cleanup_says_what_it_stopped(
    engine: FakeDocker, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = engine.add("database", "postgres:16")
    mine = engine.add("femtocrux_server_0", IMAGE, (LABEL,))
    assert main(["docker", "cleanup", "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert "femtocrux_server_0" in shown.out
    assert "nothing was stopped" in shown.err
    assert main(["docker", "cleanup", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "stopped": True,
        "containers": [{"name": "femtocrux_server_0", "image": IMAGE, "identity": mine}],
    }
    assert engine.containers[stranger].state == "running"
    assert main(["docker", "cleanup"]) == 0
    assert "no container of the compile service is running" in capsys.readouterr().err


def test_logs_are_shown_by_name(engine: FakeDocker, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docker", "logs"]) == 0
    assert "no container" in capsys.readouterr().err
    engine.add("femtocrux_server_0", IMAGE, (LABEL,))
    engine.log = "one\ntwo\x1b[2J\n"
    assert main(["docker", "logs"]) == 0
    assert capsys.readouterr().out == "femtocrux_server_0:\none\ntwo\\x1b[2J\n"
    assert main(["docker", "logs", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["containers"]) == ["femtocrux_server_0"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_without_docker_the_verb_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    import gc

    assert main(["docker", "cleanup"]) == 9
    error = capsys.readouterr().err
    assert error.startswith("hostrt: error: connecting to Docker: Docker is not running\nhint: ")
    gc.collect()
