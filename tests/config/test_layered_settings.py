"""Settings in layers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.config import OPTIONS, check_environment, config_files, option, resolve, resolve_all
from hostrt.errors import UsageError

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _a_clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("HOSTRT_"):
            monkeypatch.delenv(name)
    (tmp_path / "project" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "deep")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))


@pytest.fixture
def project(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "project" / "hostrt.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def user(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "xdg" / "hostrt" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_each_layer_beats_the_one_below(
    project: Write, user: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now(**more: float) -> tuple[object, str]:
        setting = resolve("timeout", **more)  # type: ignore[arg-type]
        return setting.value, setting.origin

    assert now() == (3.0, "default")
    user_path = user("timeout = 4")
    assert now() == (4.0, str(user_path))
    project_path = project("timeout = 5.5")
    assert now() == (5.5, str(project_path))
    monkeypatch.setenv("HOSTRT_TIMEOUT", "6")
    assert now() == (6.0, "HOSTRT_TIMEOUT")
    assert now(flag=7) == (7.0, "flag")
    assert now(flag=7, keyword=8) == (8.0, "keyword")


def test_a_boards_section_beats_the_top_of_its_file_but_not_a_nearer_file(
    project: Write, user: Write
) -> None:
    user('timeout = 1\n[board."A1"]\ntimeout = 2\nwindow = 3\n')
    assert resolve("timeout", serial="A1").value == 2.0
    assert resolve("timeout", serial="A1").origin.endswith('config.toml [board."A1"]')
    assert resolve("timeout", serial="B2").value == 1.0
    project("timeout = 9")
    assert resolve("timeout", serial="A1").value == 9.0
    assert resolve("window", serial="A1").value == 3


def test_the_default_board_may_stand_beside_the_sections_of_boards(project: Write) -> None:
    project('board = "evk2"')
    assert resolve("board").value == "evk2"
    project('[board]\naddress = "zcu104://10.0.0.8"\n[board."A1"]\nwindow = 2\n')
    assert resolve("board").value == "zcu104://10.0.0.8"
    assert resolve("window", serial="A1").value == 2


def test_the_nearest_project_file_counts_alone(project: Write) -> None:
    project("window = 2")
    Path("hostrt.toml").write_text("timeout = 1")
    assert resolve("window").origin == "default"
    assert [path.parent.name for path in config_files()] == ["deep"]


def test_settings_are_read_when_they_are_asked_for(project: Write) -> None:
    project("window = 2")
    assert resolve("window").value == 2
    project("window = 4")
    assert resolve("window").value == 4


def test_a_path_in_a_file_is_meant_from_where_the_file_lies(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project('output_dir = "out"')
    assert resolve("output_dir").value == path.parent / "out"
    monkeypatch.setenv("HOSTRT_OUTPUT_DIR", "here")
    assert resolve("output_dir").value == Path("here")


def test_numbers_in_variables_may_have_any_base_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTRT_INPUT_SEED", "0x1dd")
    assert resolve("input_seed").value == 477


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timeuot = 1", "unknown key timeuot, did you mean timeout"),
        ('[board."A1"]\nwindwo = 1', r'unknown key \[board."A1"\] windwo, did you mean window'),
        ('[board."A1"]\nboard = "evk2"', "unknown key"),
        ("[board]\nadress = 'evk2'", "did you mean address"),
        ("window = 0", "window = 0 .* expected a whole number of at least 1"),
        ("window = true", "expected a whole number"),
        ("window = 1.5", "expected a whole number"),
        ("window = '3'", "expected a whole number"),
        ("timeout = 0", "expected a number above 0 in s"),
        ("timeout = nan", "expected a number above 0"),
        ("input_period = inf", "expected a number"),
        ("chip = 5", "expected text"),
        ("output_dir = 5", "expected a path"),
        ("input_style = 'square'", "expected one of sawtooth, random, sine"),
        ("window = = 2", "not TOML"),
    ],
)
def test_mistakes_in_a_file_are_named_with_the_file(
    project: Write, text: str, message: str
) -> None:
    project(text)
    with pytest.raises(UsageError, match=message) as caught:
        resolve_all(serial="A1")
    assert "hostrt.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_is_refused(project: Write) -> None:
    project("").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not TOML"):
        resolve("window")


def test_mistakes_in_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTRT_WINDOW", "many")
    with pytest.raises(UsageError, match=r"window = 'many' \(HOSTRT_WINDOW\)"):
        resolve("window")
    monkeypatch.setenv("HOSTRT_WINDOW", "")
    assert resolve("window").origin == "default"
    monkeypatch.setenv("HOSTRT_BAORD", "evk2")
    with pytest.raises(UsageError, match="HOSTRT_BAORD, did you mean HOSTRT_BOARD"):
        check_environment()
    check_environment(("HOSTRT_BAORD",))


def test_an_unknown_option_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="'sample-rate', did you mean sample_rate"):
        option("sample-rate")
    with pytest.raises(UsageError, match="'zzz', expected one of board, chip"):
        option("zzz")


def test_the_table_is_sound() -> None:
    names = [one.name for one in OPTIONS]
    assert len(set(names)) == len(names)
    for one in OPTIONS:
        assert one.help
        assert one.default is None or isinstance(one.default, one.kind)
    assert [setting.name for setting in resolve_all()] == names
    assert {setting.origin for setting in resolve_all()} == {"default"}


def test_a_relative_config_home_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".config" / "hostrt").mkdir(parents=True)
    (tmp_path / ".config" / "hostrt" / "config.toml").write_text("window = 5")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert resolve("window").value == 5


def test_the_home_of_nobody_is_no_path() -> None:
    with pytest.raises(
        UsageError, match=r"output_dir = '~nobody-at-all/x' \(.*\), expected a path"
    ):
        resolve("output_dir", flag="~nobody-at-all/x")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([one.name for one in OPTIONS]), st.text(max_size=8))
def test_any_text_as_a_flag_is_converted_or_refused(name: str, text: str) -> None:
    wanted = option(name)
    try:
        value = resolve(name, flag=text).value
    except UsageError:
        return
    assert isinstance(value, wanted.kind)
    if wanted.minimum is not None:
        assert isinstance(value, int | float)
        assert value >= wanted.minimum
