"""The pytest plug-in, used as somebody else's test suite uses it."""

from __future__ import annotations

import shutil
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

# imported here so that the inner runs find them and need not import them again
import hostrt.board.flash
import hostrt.runner.hw
import hostrt.sim.transport
import hostrt.transport.zcu104_tcp  # noqa: F401
from hostrt.sim.serving import ServeOptions, evk2_server

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

FRAMES = """
    import numpy as np
    import pytest

    def test_frames(hw_runner):
        spec = hw_runner.plan.input_specs[0]
        frames = np.arange(3 * spec.length).reshape(3, spec.length)
        result = hw_runner.run(frames)
        assert (result.outputs["output"] == frames).all()
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    # the plug-ins that happen to be installed here would only be slow
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Suite(pytester)


class Suite:
    """One test file, run in this process with and without a board."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester

    def run(self, source: str, *arguments: str) -> pytest.RunResult:
        self.pytester.makepyfile(source)
        return self.pytester.runpytest_inprocess(
            "-p", "hostrt.testing.plugin", "-p", "no:cacheprovider", "-rs", *arguments
        )


def test_the_plug_in_is_there_as_soon_as_hostrt_is_installed() -> None:
    (point,) = entry_points(group="pytest11", name="hostrt")
    assert point.load().pytest_addoption


def test_without_a_board_every_hardware_test_is_skipped_and_says_why(suite: Suite) -> None:
    source = (
        FRAMES
        + """
    def test_boots(board):
        board.boot()

    def test_address(board_url):
        raise AssertionError

    @pytest.mark.hil
    def test_marked():
        raise AssertionError

    def test_without_hardware():
        pass
    """
    )
    result = suite.run(source)
    result.assert_outcomes(passed=1, skipped=4)
    result.stdout.fnmatch_lines(["*needs a board: name one with --board URL*"])


def test_with_a_simulated_board_they_run(suite: Suite) -> None:
    source = (
        FRAMES
        + """
    def test_boots(board):
        assert str(board.state) == "booted"
        assert board.info.simulated

    @pytest.mark.hil
    def test_marked(board_url):
        assert board_url == "sim"
    """
    )
    result = suite.run(source, "--board", "sim")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["hostrt board: sim"])


@pytest.mark.parametrize(
    ("url", "chip"),
    [("sim://spu150tc1", None), ("sim://spu150tc1", "spu150tc1"), ("sim", "spu150")],
)
def test_the_chip_comes_from_the_board_or_from_the_option(
    suite: Suite, url: str, chip: str | None
) -> None:
    arguments = ["--board", url, *(["--chip", chip] if chip else [])]
    suite.run(FRAMES, *arguments).assert_outcomes(passed=1)


def test_hardware_tests_are_marked_so_that_they_can_be_chosen(suite: Suite) -> None:
    source = (
        FRAMES
        + """
    def test_without_hardware():
        pass
    """
    )
    suite.run(source, "--board", "sim", "-m", "hil").assert_outcomes(passed=1, deselected=1)
    suite.run(source, "-m", "not hil").assert_outcomes(passed=1, deselected=1)


def test_somebody_elses_fixture_called_board_is_left_alone(suite: Suite) -> None:
    source = """
    import pytest

    @pytest.fixture
    def board():
        return "of wood"

    def test_board(board):
        assert board == "of wood"
    """
    suite.run(source).assert_outcomes(passed=1)


def test_a_runner_is_parametrised_with_programs(suite: Suite, spu_data: Path) -> None:
    file = spu_data / "programs" / "p001_a" / "images.zip"
    source = f"""
    import pytest

    @pytest.mark.parametrize("hw_runner", ["LOOPBACK:5", "LOOPBACK:9"], indirect=True)
    def test_program(hw_runner, request):
        assert hw_runner.plan.input_specs[0].length in (5, 9)
        assert str(hw_runner.board.state) == "loaded"

    @pytest.mark.parametrize("hw_runner", ["{file}x"], indirect=True)
    def test_missing(hw_runner):
        pass
    """
    result = suite.run(source, "--board", "sim")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*program-not-found: *images.zipx*"])


def test_the_program_option_names_what_is_run(suite: Suite) -> None:
    source = """
    def test_program(hw_runner):
        assert hw_runner.plan.input_specs[0].length == 77
    """
    suite.run(source, "--board", "sim", "--program", "LOOPBACK:77").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense://x", "usage: *nonsense*no board type*"),
        ("sim://spu999", "usage: *spu999*"),
        ("zcu104://127.0.0.1:1", "board-not-found: *127.0.0.1*"),
        ("sim://spu001?pll=never", "clock-not-locked: *PLL lock*"),
    ],
)
def test_a_board_that_cannot_be_used_is_one_clear_error_and_no_skip(
    suite: Suite, url: str, words: str
) -> None:
    result = suite.run(FRAMES, "--board", url)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([words])
    assert "Traceback" not in result.stdout.str()
    assert "evk2_usb.py" not in result.stdout.str()


def test_a_board_that_carries_another_chip_is_refused(suite: Suite) -> None:
    result = suite.run(FRAMES, "--board", "sim://spu001", "--chip", "spu150tc1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["wrong-target: *SPU-001*", "hint: *"])


def test_a_chip_that_cannot_run_loopback_skips_unless_a_program_was_named(
    suite: Suite, spu_data: Path
) -> None:
    original = spu_data / "programs" / "p001_b" / "p001_b.femto"
    file = shutil.copy(original, suite.pytester.path)
    source = """
    import numpy as np

    def test_any_program(hw_runner):
        frames = {s.name: np.zeros((2, s.length), int) for s in hw_runner.plan.input_specs}
        assert hw_runner.run(frames).metrics.n_frames == 2
    """
    echo = f"sim://spu001?answer=echo&program={file}"
    suite.run(source, "--board", echo, "--program", str(file)).assert_outcomes(passed=1)
    refused = suite.run(source, "--board", "sim", "--program", str(file))
    refused.assert_outcomes(errors=1)
    refused.stdout.fnmatch_lines(["wrong-target: *instruction set*"])


def test_loopback_on_a_real_chip_is_a_skip_with_a_reason(suite: Suite) -> None:
    url, server = evk2_server("127.0.0.1:0", ServeOptions())
    with server:
        # without its options nothing tells that this board is a simulated one
        result = suite.run(FRAMES, "--board", url.partition("?")[0])
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*real chips do not execute; name one with --program FILE"])


def test_a_failing_test_still_gives_the_board_back(suite: Suite) -> None:
    source = """
    boards = []

    def test_fails(hw_runner):
        boards.append(hw_runner.board)
        assert not boards

    def test_was_closed():
        assert str(boards[0].state) == "closed"
    """
    suite.run(source, "--board", "sim").assert_outcomes(passed=1, failed=1)
