"""The command line, in this process or in one of its own, far from the user's settings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hostrt.cli.main import main

DATA = Path(__file__).parents[1] / "data"
PROGRAMS = DATA / "spu" / "programs"


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder, with an empty home and no settings."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("CONFIG_HOME", "STATE_HOME", "DATA_HOME", "CACHE_HOME", "RUNTIME_DIR"):
        monkeypatch.setenv(f"XDG_{name}", str(tmp_path / "xdg" / name.lower()))
    for name in [key for key in os.environ if key.startswith("HOSTRT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    handler = signal.getsignal(signal.SIGTERM)
    yield work
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def hostrt(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process."""

    def call(*words: object) -> Done:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        shown = capsys.readouterr()
        return Done(code, shown.out, shown.err)

    return call


def command_line(*words: object) -> list[str]:
    return [sys.executable, "-m", "hostrt.cli.main", *(str(word) for word in words)]


@pytest.fixture
def cli() -> Command:
    """Run a command in a process of its own, as users do."""

    def call(*words: object) -> Done:
        done = subprocess.run(
            command_line(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def p001_a() -> Path:
    return PROGRAMS / "p001_a" / "p001_a.femto"


def echo(name: str, kind: str = "sim") -> tuple[Path, str]:
    """Give a golden program and the address of a stand-in that answers as its board did."""
    path = PROGRAMS / name / f"{name}.femto"
    chip = {"p001": "spu001", "ptc1": "spu150tc1"}[name.partition("_")[0]]
    return path, f"{kind}://{chip}?answer=echo&program={path}"
