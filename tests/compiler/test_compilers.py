"""Compilers by name, the open one among them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from hostrt.compiler import base
from hostrt.compiler.base import CompileOptions, compiler_names, get_compiler
from hostrt.compiler.messages import message_types
from hostrt.errors import ExtraMissing, ProgramError, UsageError
from hostrt.fasmir.compile import compile_model
from hostrt.program.model import InstructionSet
from tests.compiler.conftest import golden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.compiler.service import Service


@pytest.fixture(autouse=True)
def _types() -> Iterator[None]:
    """Forget message types, which some tests keep from being made."""
    yield
    message_types.cache_clear()


def test_both_compilers_are_registered() -> None:
    assert {"femtocrux", "open"} <= set(compiler_names())


def test_an_unknown_compiler_is_refused() -> None:
    with pytest.raises(UsageError, match="no compiler named 'gcc'") as caught:
        get_compiler("gcc")
    assert "femtocrux, open" in caught.value.hint


def test_an_option_that_a_compiler_does_not_take_is_refused() -> None:
    with pytest.raises(UsageError, match="compiler 'open': "):
        get_compiler("open", address="localhost:1")


def test_a_compiler_of_another_package_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "tests.compiler.test_compilers:make_mine", base.GROUP)
    monkeypatch.setattr(base, "entry_points", lambda group: [point])
    assert compiler_names() == ["mine"]
    assert vars(get_compiler("mine", speed=3)) == {"speed": 3}


def make_mine(**options: int) -> Any:
    """Stand for a compiler of another package."""
    return SimpleNamespace(**options)


def test_a_compiler_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "no.such.module:thing", base.GROUP)
    monkeypatch.setattr(base, "entry_points", lambda group: [point])
    with pytest.raises(ExtraMissing, match="compiler 'mine' cannot be used: No module named 'no'"):
        get_compiler("mine")


def test_without_its_messages_the_client_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message_types.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    with pytest.raises(ExtraMissing, match=r"needs the package google\.protobuf") as caught:
        get_compiler("femtocrux", address="localhost:1")
    assert caught.value.hint == "pip install 'hostrt[femtocrux]'"


@pytest.mark.parametrize(("package", "options"), [("grpc", {"address": "h:1"}), ("docker", {})])
def test_a_missing_package_is_named_when_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, package: str, options: dict[str, str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with (
        get_compiler("femtocrux", **options) as compiler,
        pytest.raises(ExtraMissing, match=f"needs the package {package}, which is not installed"),
    ):
        compiler.compile(golden("identity32"), CompileOptions())


def test_importing_the_client_imports_no_package_of_its_extra() -> None:
    code = (
        "import sys, hostrt.compiler.femtocrux\n"
        "print({'grpc', 'docker', 'requests', 'google.protobuf'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "set()"


# -- the open compiler ------------------------------------------------------------------------


@pytest.mark.parametrize("chip", ["spu001", "spu150"])
def test_the_open_compiler_gives_what_compile_model_gives(chip: str) -> None:
    model = golden("mlp_int4")
    with get_compiler("open") as compiler:
        made = compiler.compile(model, CompileOptions(chip))
    direct = compile_model(model, chip=chip)
    assert made.program == direct.program
    assert made.assembly == direct.assembly
    assert (made.compiler, made.usage) == ("open", direct.usage())
    assert made.program.instruction_set is compiler.instruction_set is InstructionSet.OPEN


def test_cores_and_watched_tensors_are_settings_of_the_open_compiler() -> None:
    model = golden("gru2")
    name = model.arith.outputs[0].name
    settings: dict[str, object] = {"cores": 2, "watch": [name]}
    with get_compiler("open") as compiler:
        made = compiler.compile(model, CompileOptions(settings=settings))
    assert made.program == compile_model(model, cores=2, watch=[name]).program


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (CompileOptions(profile="fast"), "has no profile 'fast'"),
        (CompileOptions(settings={"speed": 1}), "has no setting 'speed'"),
        (CompileOptions(settings={"cores": "2"}), "cores = '2', expected a number"),
        (CompileOptions(settings={"watch": "x"}), "watch = 'x', expected a list of names"),
        (CompileOptions(latched=("nope",)), "nope"),
    ],
)
def test_options_that_the_open_compiler_does_not_have_are_refused(
    options: CompileOptions, words: str
) -> None:
    with get_compiler("open") as compiler, pytest.raises(UsageError, match=words):
        compiler.compile(golden("identity32"), options)


def test_programs_of_the_two_compilers_know_whose_they_are(
    service: Callable[..., Service],
) -> None:
    with get_compiler("femtocrux", address=service().address) as compiler:
        made = compiler.compile(golden("identity32"), CompileOptions())
    assert made.program.instruction_set is compiler.instruction_set is InstructionSet.VENDOR
    from hostrt.fasmir.disassemble import disassemble

    with pytest.raises(ProgramError):
        disassemble(made.program)
