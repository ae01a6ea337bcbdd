"""The wheel holds what users need and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import DOCS, ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the project's own build system."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """Names of the wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_both_packages_are_in_the_wheel_and_typed(names: set[str]) -> None:
    expected = {
        f"{package}/{file}"
        for package in ("hostrt", "firmware_protocol")
        for file in ("__init__.py", "py.typed")
    }
    assert expected <= names


def test_the_whole_guide_is_in_the_wheel(names: set[str]) -> None:
    files = [path for path in DOCS.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".md", ".wav", ".pt", ".png"}
    assert {f"hostrt/docs/{path.relative_to(DOCS).as_posix()}" for path in files} <= names


def test_udev_rules_are_in_the_wheel_as_they_are(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("hostrt/udev/60-hostrt.rules")
    assert packed == (ROOT / "udev" / "60-hostrt.rules").read_bytes()


def test_the_library_for_firmware_is_in_the_wheel(names: set[str]) -> None:
    files = {path.name for path in (ROOT / "firmware_protocol" / "c").iterdir()}
    assert {"README.md", "open_isa.h", "open_isa.c"} <= files
    assert {f"firmware_protocol/c/{file}" for file in files} <= names


def test_nothing_else_is_in_the_wheel(names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "hostrt",
        "firmware_protocol",
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_entry_points_lead_to_callables() -> None:
    from importlib import import_module

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = project["entry-points"]
    for group in ("hostrt.transports", "hostrt.runners", "hostrt.compilers"):
        for name, target in groups[group].items():
            module, _, attribute = target.partition(":")
            assert callable(getattr(import_module(module), attribute)), name


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    from hostrt.cli.main import main

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hostrt {project['version']}\n"
