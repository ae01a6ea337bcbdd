"""pytest plug-in: hardware tests as ordinary tests.

    pytest hil --board evk2

Tests that use the fixtures `board`, `hw_runner` or `board_url`, or carry the marker `hil`, run on
the board named by `--board` and are skipped with a reason when none is named. They never fall back
to a stand-in; naming a simulated board explicitly is how they run without hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.board.board import Board
    from hostrt.runner.hw import HwRunner

_NO_BOARD = "needs a board: name one with --board URL (for example --board evk2)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--board` and what belongs to it."""
    group = parser.getgroup("hostrt", "hardware in the loop")
    group.addoption(
        "--board",
        action="store",
        default=None,
        metavar="URL",
        help="board that hardware tests run on: evk2, evk2://SERIAL, zcu104://host:port, sim, ...",
    )
    group.addoption(
        "--chip",
        action="store",
        default=None,
        metavar="NAME",
        help="chip on that board, when the board cannot tell: spu001, spu150tc1, spu150",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "hil: runs on the board named by --board, skipped without")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test that uses a board, and skip them all when none is named."""
    for item in items:
        # every fixture here needs the address; somebody else's fixture called `board` does not
        if "board_url" in getattr(item, "fixturenames", ()):
            item.add_marker("hil")
    if config.getoption("--board") is None:
        skip = pytest.mark.skip(reason=_NO_BOARD)
        for item in items:
            if item.get_closest_marker("hil"):
                item.add_marker(skip)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which board the tests run on."""
    url = config.getoption("--board")
    return f"hostrt board: {url}" if url else None


@pytest.fixture(scope="session")
def board_url(request: pytest.FixtureRequest) -> str:
    """The address given with `--board`."""
    url = request.config.getoption("--board")
    if url is None:
        pytest.skip(_NO_BOARD)
    return str(url)


@pytest.fixture
def board(board_url: str, request: pytest.FixtureRequest) -> Iterator[Board]:
    """The board named by `--board`, open and booted; closed after the test."""
    from hostrt.board.board import open_board

    with open_board(board_url, chip=request.config.getoption("--chip")) as opened:
        opened.boot()
        yield opened


@pytest.fixture
def hw_runner(board_url: str, request: pytest.FixtureRequest) -> Iterator[HwRunner]:
    """A runner on the board named by `--board`, loaded with LOOPBACK unless told otherwise.

    Parametrise indirectly with a program path to run another one:
    `@pytest.mark.parametrize("hw_runner", ["kws.femto"], indirect=True)`.
    """
    from hostrt.runner.hw import HwRunner

    program = getattr(request, "param", "LOOPBACK")
    chip = request.config.getoption("--chip")
    with HwRunner(program, board=board_url, chip=chip) as runner:
        yield runner
