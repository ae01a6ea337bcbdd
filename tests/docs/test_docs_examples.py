"""Every command and every Python example of the guide does what the page says."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hostrt.cli.main import _parse, main
from tests.docs.pages import Block, blocks, is_as_expected, is_plain, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

PAGES = [page for page in pages() if blocks(page)]
_LOCAL = re.compile(r"127\.0\.0\.1:(\d{4,5})")
_SECONDS = 60


class Workshop:
    """A folder in which one page is worked through, from top to bottom."""

    def __init__(self, page: Path, capsys: pytest.CaptureFixture[str], stack: ExitStack) -> None:
        self.namespace: dict[str, object] = {"__name__": "__example__"}
        self.ports: dict[str, str] = {}
        self.page, self.capsys, self.stack = page, capsys, stack

    def work(self, block: Block) -> None:
        """Do what a block says."""
        text = self._with_free_ports(block.text)
        name = block.value("file")
        if name is not None:
            Path(name).write_text(text, encoding="utf-8")
        elif "hardware" in block.words:
            for command, _ in block.commands():
                _check_spelling(command)
        elif block.language == "python":
            exec(compile(text, f"{block.page}:{block.line}", "exec"), self.namespace)
            self.capsys.readouterr()
        elif block.language == "console":
            for command, expected in block.commands():
                self._command(block, self._with_free_ports(command), expected)

    def _command(self, block: Block, command: str, expected: str) -> None:
        if "server" in block.words:
            self._serve(command)
            return
        code, output, talk = self._call(command)
        place = f"{block.page.name}:{block.line}: $ {command}"
        assert code == int(block.value("exit") or 0), f"{place}\nexit code {code}\n{output}{talk}"
        expected = self._with_free_ports(expected)
        if expected.strip() and not is_as_expected(output, expected):
            # a page shows standard output, or everything that stands on the terminal
            assert is_as_expected(output + talk, expected), (
                f"{place}\nexpected\n{expected}\nfound\n{output}{talk}"
            )

    def _call(self, command: str) -> tuple[int, str, str]:
        if is_plain(command):
            try:
                code = main(shlex.split(command)[1:])
            except SystemExit as leaving:
                code = int(leaving.code or 0)
            shown = self.capsys.readouterr()
            return code, shown.out, shown.err
        done = subprocess.run(
            ["bash", "-c", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def _serve(self, command: str) -> None:
        """Start a program that serves until the page ends; it is ready with its first line."""
        server = subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, text=True)
        self.stack.callback(server.wait, _SECONDS)
        self.stack.callback(server.terminate)
        assert server.stdout is not None
        self.stack.callback(server.stdout.close)
        assert server.stdout.readline(), f"{command} ended without a line"

    def _with_free_ports(self, text: str) -> str:
        return _LOCAL.sub(lambda found: f"127.0.0.1:{self._free_port(found[1])}", text)

    def _free_port(self, port: str) -> str:
        if port not in self.ports:
            with closing(socket.socket()) as probe:
                probe.bind(("127.0.0.1", 0))
                self.ports[port] = str(probe.getsockname()[1])
        return self.ports[port]


def _check_spelling(command: str) -> None:
    """Parse a command that cannot be run here; argparse leaves with an error if it is misspelt."""
    words = shlex.split(command, comments=True)
    if "hostrt" in words:
        assert not isinstance(_parse(words[words.index("hostrt") + 1 :]), int), command


@pytest.fixture
def workshop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[Path], Workshop]]:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("HOSTRT_", "PYTEST_"))]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        folder = tmp_path.parent / name
        folder.mkdir(exist_ok=True, mode=0o700)
        monkeypatch.setenv(name, str(folder))
    scripts = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{scripts}{os.pathsep}{os.environ['PATH']}")
    with ExitStack() as stack:
        yield lambda page: Workshop(page, capsys, stack)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_examples_of_the_page_work(page: Path, workshop: Callable[[Path], Workshop]) -> None:
    place = workshop(page)
    for block in blocks(page):
        place.work(block)


def test_expectations_can_fail() -> None:
    expected = "wrote ... bytes\nread back"
    assert is_as_expected("wrote 12 bytes\n  read   back\n", expected)
    assert not is_as_expected("wrote 12 bytes\nread forward\n", expected)
    assert not is_as_expected("wrote 12 bytes\nread back and more\n", expected)
    assert not is_as_expected("I wrote 12 bytes\nread back", expected)


def test_every_page_of_the_guide_is_worked_through() -> None:
    assert {page.name for page in PAGES} >= {"README.md", "getting-started.md", "boards.md"}
