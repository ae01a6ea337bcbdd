"""`hostrt config`, settings that reach `hostrt run`, and the public Python API."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from hostrt import HostrtError, Program, Runner, RunResult, compare
from hostrt.cli.main import main
from hostrt.config import OPTIONS
from hostrt.errors import CheckFailed


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder without settings."""
    for name in [name for name in os.environ if name.startswith("HOSTRT_")]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)


def _settings(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, dict[str, object]]:
    assert main(["config", "--json", *more]) == 0
    tree: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)["settings"]
    return tree


def test_config_shows_every_setting_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    found = _settings(capsys)
    assert list(found) == [one.name for one in OPTIONS]
    assert found["input_period"] == {"value": 0.016, "unit": "s", "origin": "default"}
    assert found["board"] == {"value": None, "unit": "", "origin": "default"}


def test_config_names_file_section_and_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("hostrt.toml").write_text('tolerance = 2\n[board."A1"]\ntimeout = 7\n')
    monkeypatch.setenv("HOSTRT_WARM_UP", "3")
    found = _settings(capsys, "--serial", "A1")
    assert (found["tolerance"]["value"], found["timeout"]["value"]) == (2, 7.0)
    assert str(found["timeout"]["origin"]).endswith('hostrt.toml [board."A1"]')
    assert found["warm_up"] == {"value": 3, "unit": "", "origin": "HOSTRT_WARM_UP"}


def test_config_table_has_origins_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    assert "default " not in capsys.readouterr().out.splitlines()[1]
    assert main(["config", "show", "--origin"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[3] == "origin"


def test_config_refuses_a_damaged_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("hostrt.toml").write_text("tolerance = ")
    assert main(["config"]) == 2
    assert "not TOML" in capsys.readouterr().err


def test_run_takes_what_flags_leave_open_from_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("hostrt.toml").write_text(
        'board = "sim://spu150tc1"\nn_frames = 5\ninput_style = "random"\ninput_seed = 3\n'
        'output_dir = "kept"\n'
    )
    assert main(["run", "LOOPBACK", "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert (tree["n_frames"], tree["chip"]) == (5, "spu150tc1")
    assert Path("kept").is_dir()
    assert main(["run", "LOOPBACK", "--json", "--n-frames", "1", "--board", "sim"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert (tree["n_frames"], tree["chip"]) == (1, "spu001")


def test_run_obeys_the_section_of_the_board_it_uses(capsys: pytest.CaptureFixture[str]) -> None:
    Path("hostrt.toml").write_text('n_frames = 2\n[board."spu001"]\nn_frames = 4\n')
    assert main(["run", "LOOPBACK", "--json", "--board", "sim://spu001"]) == 0
    assert json.loads(capsys.readouterr().out)["n_frames"] == 4


def test_misspelt_variable_stops_a_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTRT_TOLERENCE", "1")
    assert main(["run", "LOOPBACK", "--board", "sim"]) == 2
    assert "did you mean HOSTRT_TOLERANCE?" in capsys.readouterr().err


def _run(frames: np.ndarray[tuple[int, int], np.dtype[np.int16]]) -> RunResult:
    with Runner("hw", Program.load("LOOPBACK"), board="sim") as hw:
        return hw.run(frames)


def test_results_of_the_same_frames_compare_equal() -> None:
    frames = np.arange(64, dtype=np.int16).reshape(2, 32)
    compare(_run(frames), _run(frames)).raise_if_different()


def test_comparison_names_the_first_difference_and_knows_tolerance() -> None:
    frames = np.arange(64, dtype=np.int16).reshape(2, 32)
    changed = frames.copy()
    changed[1, 5] += 3
    first, second = _run(frames), _run(changed)
    assert compare(first, second, tolerance=3).equal
    with pytest.raises(CheckFailed, match="frame 1, element 5: 37 against 40") as failure:
        compare(first, second, tolerance=2).raise_if_different()
    assert isinstance(failure.value, HostrtError)
