"""How the benchmarks time, and the files that they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hostrt.program import Program
from tests.bench.material import femto_file, full_banks, large_banks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.fixture
def timed(benchmark: BenchmarkFixture) -> Callable[..., Any]:
    """Time a call a fixed number of `rounds` and give what it returns.

    Fixed, so that an ordinary test run that comes by is held up for a moment only.
    """

    def call(function: Callable[..., object], *arguments: object, rounds: int = 5) -> object:
        result: object = benchmark.pedantic(function, arguments, rounds=rounds)  # type: ignore[no-untyped-call]
        return result

    return call


@pytest.fixture(scope="session")
def large_femto(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 0.8 MB image as a `.femto` file."""
    path = tmp_path_factory.mktemp("large") / "large.femto"
    path.write_bytes(femto_file(large_banks()))
    return path


@pytest.fixture(scope="session")
def large_prog(large_femto: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a PROG pair; its address file."""
    path = tmp_path_factory.mktemp("prog") / "large_A"
    Program.load(large_femto).save(path)
    return path


@pytest.fixture(scope="session")
def full_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full SPU-001 as an archive of memory images."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "full.femto").write_bytes(femto_file(full_banks()))
    Program.load(folder / "full.femto").save(folder / "full.zip")
    return folder / "full.zip"
