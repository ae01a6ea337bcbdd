"""The C library, compiled once per run of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hostrt.sim.isa_c_build import build
from tests.c.driver import SANITIZED, STRICT, UNDEFINED, Driver, compile_c, find_compiler

if TYPE_CHECKING:
    from pathlib import Path

VARIANTS = {
    "sanitized": ("-O1", *SANITIZED),
    "any-byte-order": ("-O1", *UNDEFINED, "-DOISA_PORTABLE"),
}
"""How the library is compiled for tests."""


@pytest.fixture(scope="session")
def compiler() -> str:
    """Find the system's C compiler."""
    found = find_compiler()
    if found is None:
        pytest.skip("no C compiler: none of cc, gcc, clang was found")
    return found


@pytest.fixture(scope="session")
def drivers(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Driver]:
    """Compile the library in every way that differs, each warning an error."""
    made = {}
    for name, flags in VARIANTS.items():
        path, said = compile_c(compiler, tmp_path_factory.mktemp(name), *STRICT, *flags)
        if not path.exists() and ("asan" in said or "ubsan" in said):
            pytest.skip("the compiler's sanitizers are not installed")
        assert path.exists(), said
        assert not said
        made[name] = Driver(path)
    return made


@pytest.fixture(scope="session")
def driver(drivers: dict[str, Driver]) -> Driver:
    """Give the library with sanitizers."""
    return drivers["sanitized"]


@pytest.fixture(scope="session", params=list(VARIANTS))
def library(request: pytest.FixtureRequest, drivers: dict[str, Driver]) -> Driver:
    """Give the library in every way."""
    name: str = request.param
    return drivers[name]


@pytest.fixture(scope="session")
def engine(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the shared library of the engine in C."""
    assert compiler
    return build(tmp_path_factory.mktemp("engine") / "hostrt")
