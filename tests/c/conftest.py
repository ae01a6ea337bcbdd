"""The C library, compiled once per run of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.c.driver import SANITIZED, STRICT, Driver, compile_c, find_compiler

if TYPE_CHECKING:
    from pathlib import Path

VARIANTS = {
    "sanitized": ("-O1", *SANITIZED),
    "any-byte-order": ("-O1", *SANITIZED, "-DOISA_PORTABLE"),
}


@pytest.fixture(scope="session")
def compiler() -> str:
    """Find the system's C compiler."""
    found = find_compiler()
    if found is None:
        pytest.skip("no C compiler: none of cc, gcc, clang was found")
    return found


@pytest.fixture(scope="session", params=list(VARIANTS))
def driver(
    request: pytest.FixtureRequest, compiler: str, tmp_path_factory: pytest.TempPathFactory
) -> Driver:
    """Compile the library with sanitizers, for this machine and for any byte order."""
    name: str = request.param
    return _compile(compiler, tmp_path_factory.mktemp(name), *VARIANTS[name])


@pytest.fixture(scope="session")
def fast_driver(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """Compile the library as one that is to be fast."""
    return _compile(compiler, tmp_path_factory.mktemp("fast"), "-O3")


def _compile(compiler: str, folder: Path, *flags: str) -> Driver:
    """Every warning is an error."""
    path, said = compile_c(compiler, folder, *STRICT, *flags)
    if not path.exists() and ("asan" in said or "ubsan" in said):
        pytest.skip("the compiler's sanitizers are not installed")
    assert path.exists(), said
    assert not said
    return Driver(path)
