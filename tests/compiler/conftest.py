"""Fixtures of compiler tests: services, engines, golden models, an environment without settings."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hostrt.compiler.base import CompileOptions
from hostrt.compiler.femtocrux import FemtocruxCompiler
from hostrt.fqir.load import load_model
from tests.compiler.fake_docker import FakeDocker, serve_docker
from tests.compiler.service import serve
from tests.peer.calls import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostrt.compiler.base import CompiledModel
    from hostrt.fqir.graph import Model
    from tests.compiler.service import Service

GITHUB = "ghcr.io/femtosense/femtocrux"
AMAZON = "123456789012.dkr.ecr.us-west-2.amazonaws.com/femtocrux"
OURS = "registry.lab:5000/femtocrux:ours"
"""Images: the vendor's in either of its registries, and one of a lab's own."""

PEER_PYTHON = os.environ.get(VARIABLE, "")
"""Interpreter with the vendor's packages; the variable is not left to the tests."""

GOLDEN = Path(__file__).parents[1] / "data" / "fqir"
_SETTINGS = ("HOSTRT_", "FEMTOCRUX_", "FS_", "DOCKER_", "GH_PACKAGE_KEY")


@cache
def golden(name: str, file: str = "model.pt") -> Model:
    """Read a golden model, once per process."""
    return load_model(GOLDEN / name / file)


def compile_on(
    service: Service, name: str = "gru2", options: CompileOptions | None = None, **more: Any
) -> CompiledModel:
    """Compile a golden model."""
    with FemtocruxCompiler(address=service.address, **more) as compiler:
        return compiler.compile(golden(name), options or CompileOptions())


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder without settings, and without the machine's own Docker."""
    for name in [name for name in os.environ if name.startswith(_SETTINGS)]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-docker.sock")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def service() -> Iterator[Callable[..., Service]]:
    """Start services; arguments as in `tests.compiler.service.serve`."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(serve(**options))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDocker]:
    """A Docker engine without images, which the environment names."""
    with serve_docker(FakeDocker()) as made:
        monkeypatch.setenv("DOCKER_HOST", made.url)
        yield made


@pytest.fixture
def ready(engine: FakeDocker, service: Callable[..., Service]) -> FakeDocker:
    """An engine with the vendor's image, whose containers lead to a service."""
    engine.images.add(f"{GITHUB}:3.11.6")
    engine.service_port = service().port
    return engine
