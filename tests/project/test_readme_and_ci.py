"""The README's commands and CI's script say what they must and cannot drift apart."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.docs.pages import ROOT
from tests.project.readme import FIRST_SCREEN_END, README, commands

CI = ROOT / ".ci" / "run"


def test_first_screen_is_a_screen_with_two_commands() -> None:
    screen = README.read_text(encoding="utf-8").split(FIRST_SCREEN_END)[0]
    assert len(screen.splitlines()) <= 30
    assert set(commands()) == {"run", "tests"}


def test_commands_are_one_line_each_and_complete() -> None:
    for command in commands().values():
        assert "\n" not in command
        assert " -m venv .venv && " in command
        assert ".venv/bin/python -m pip install" in command
        assert "://" not in command


def test_main_job_runs_from_the_readme(tmp_path: Path) -> None:
    words = commands()["run"].rpartition(" && ")[2]
    words = words.replace(".venv/bin/", f"{Path(sys.executable).parent}{os.sep}")
    words = words.replace("hostrt-runs", str(tmp_path))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOSTRT_")}
    done = subprocess.run(
        ["bash", "-c", words],
        cwd=ROOT,
        env=clean,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "hw: 125 frames" in done.stdout
    assert [item.name for item in tmp_path.rglob("output_output.wav")] == ["output_output.wav"]


def test_the_extra_that_the_test_command_installs_exists() -> None:
    named = re.search(r"'\.\[(\w+)\]'", commands()["tests"])
    tree = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert named is not None
    assert named[1] in tree["project"]["optional-dependencies"]


def test_printed_command_is_the_readmes() -> None:
    done = subprocess.run(
        [sys.executable, "tests/project/readme.py", "tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == commands()["tests"]
    assert done.stdout.strip() in README.read_text(encoding="utf-8")


def test_ci_runs_the_readmes_command_and_stops_at_failures() -> None:
    text = CI.read_text(encoding="utf-8")
    assert os.access(CI, os.X_OK)
    assert "set -euo pipefail" in text
    assert 'command="$("$python" tests/project/readme.py tests)"' in text
    assert '\nbash -c "$command"\n' in text
    assert "git diff --exit-code" in text.partition('bash -c "$command"')[2]
    assert "pytest tests" not in text


def test_ci_is_sound_shell() -> None:
    subprocess.run(["bash", "-n", str(CI)], check=True, timeout=30)
