"""`hostrt run --compare`: which pairs there are, and what the exit code says."""

from __future__ import annotations

import json
import os
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pytest

from hostrt.cli.main import main
from hostrt.runner import factory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _three_runners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register one more runner, as an installed package would; work without settings."""
    more = EntryPoint("zeros", "hostrt.runner.dummy:DummyRunner", factory.GROUP)
    monkeypatch.setattr(factory, "entry_points", lambda group: [*entry_points(group=group), more])
    for name in [name for name in os.environ if name.startswith("HOSTRT_")]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)


def run(*words: str, code: int) -> None:
    assert main(["run", "LOOPBACK", "--board", "sim", *words]) == code


def verdicts(capsys: pytest.CaptureFixture[str]) -> dict[str, bool]:
    tree: Any = json.loads(capsys.readouterr().out)
    assert tree["equal"] is all(pair["equal"] for pair in tree["comparisons"].values())
    return {name: pair["equal"] for name, pair in tree["comparisons"].items()}


def test_every_runner_is_compared_with_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    run("--runners", "dummy,hw,zeros", "--json", code=1)
    assert verdicts(capsys) == {"dummy,hw": False, "dummy,zeros": True}
    run("--runners", "dummy,zeros", "--json", code=0)
    assert verdicts(capsys) == {"dummy,zeros": True}


def test_pairwise_every_runner_is_compared_with_every_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--runners", "hw,dummy,zeros", "--compare", "pairwise")
    run(*words, "--json", code=1)
    assert verdicts(capsys) == {"hw,dummy": False, "hw,zeros": False, "dummy,zeros": True}
    run(*words, code=1)
    shown = capsys.readouterr().out
    assert "\nhw,zeros: DIFFERENT in 1 of 1 outputs\n" in shown
    assert shown.endswith("\ndummy,zeros: equal\n")


def test_one_runner_alone_is_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    run("--runners", "hw", "--compare", "pairwise", code=0)
    assert "equal" not in capsys.readouterr().out
