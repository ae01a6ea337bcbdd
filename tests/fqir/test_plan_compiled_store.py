"""Compiled code is kept from one process to the next, and nothing else is ever taken for it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from hostrt.errors import ProgramUnsupported
from hostrt.fqir.plan import vm_store

if TYPE_CHECKING:
    from pathlib import Path

CODE = b"code" * 100


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, and no other place to keep anything."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    return tmp_path / "cache" / "hostrt"


def test_code_is_kept(cache: Path) -> None:
    assert vm_store.load("x-a") is None

    vm_store.save("x-a", CODE)

    assert vm_store.load("x-a") == CODE
    assert vm_store.load("x-b") is None
    assert [path.name for path in cache.iterdir()] == ["x-a"]


def test_of_each_kind_only_the_newest_are_kept(cache: Path) -> None:
    cache.mkdir(mode=0o700, parents=True)
    for number in range(7):
        path = cache / f"machine-{number}"
        path.write_bytes(b"")
        os.utime(path, (number, number))
    (cache / "other-0").write_bytes(b"")

    vm_store.save("machine-new", CODE)

    names = sorted(path.name for path in cache.iterdir())
    assert names == ["machine-4", "machine-5", "machine-6", "machine-new", "other-0"]


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_damaged_code_is_not_taken(cache: Path, damage: str) -> None:
    vm_store.save("x-a", CODE)
    data = (cache / "x-a").read_bytes()
    wrong = {"cut": data[:-1], "changed": data[:-1] + b"x", "empty": b""}[damage]
    (cache / "x-a").write_bytes(wrong)

    assert vm_store.load("x-a") is None


def test_code_that_others_could_have_written_is_not_taken(cache: Path) -> None:
    vm_store.save("x-a", CODE)
    cache.chmod(0o777)
    try:
        assert vm_store.load("x-a") is None
        vm_store.save("x-b", CODE)
        assert not (cache / "x-b").exists()
    finally:
        cache.chmod(0o700)


def test_a_link_to_a_folder_is_not_taken(cache: Path, tmp_path: Path) -> None:
    vm_store.save("x-a", CODE)
    cache.rename(tmp_path / "elsewhere")
    cache.symlink_to(tmp_path / "elsewhere")

    assert vm_store.load("x-a") is None


def test_without_a_cache_code_is_kept_among_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    vm_store.save("x-a", CODE)

    assert vm_store.load("x-a") == CODE


def test_where_nothing_can_be_kept_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))

    vm_store.save("x-a", CODE)

    assert vm_store.load("x-a") is None


def test_a_system_without_folders_is_one_where_nothing_can_be_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_folder() -> str:
        raise FileNotFoundError(2, "no usable temporary directory")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", no_folder)

    vm_store.save("x-a", CODE)

    assert vm_store.load("x-a") is None


def test_a_relative_cache_folder_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    vm_store.save("x-a", CODE)

    assert (tmp_path / ".cache" / "hostrt" / "x-a").is_file()


RUN = """
import sys
import numpy as np
from hostrt.fqir.load import load_model
from hostrt.fqir.plan import vm_machine

build, built = vm_machine.build, []
vm_machine.build = lambda: built.append(1) or build()
from hostrt.fqir.plan.compiled_engine import CompiledEngine

engine = CompiledEngine(load_model(sys.argv[1]))
print(len(built), engine.run([np.ones((2, 24), np.int64)])[0].shape)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_the_machine_is_compiled_once_and_then_taken_from_the_cache(data: Path) -> None:
    pytest.importorskip("llvmlite", reason="the extra `compiled` is not installed")
    command = [sys.executable, "-c", RUN, str(data / "fqir" / "gru2" / "model.pt")]

    said = [
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout
        for _ in range(2)
    ]

    assert said == ["1 (2, 12)\n", "0 (2, 12)\n"]


def test_a_compiler_that_does_not_work_leaves_models_to_other_engines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vm_machine = pytest.importorskip(
        "hostrt.fqir.plan.vm_machine", reason="the extra `compiled` is not installed"
    )

    def no_target() -> None:
        raise RuntimeError("no target for this processor")

    monkeypatch.setattr(vm_machine, "_target", no_target)

    with pytest.raises(ProgramUnsupported, match="no target for this processor"):
        vm_machine.machine.__wrapped__()
