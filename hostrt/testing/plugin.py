"""pytest plug-in: hardware tests as ordinary tests.

    pytest hil --board evk2

Tests that use the fixtures `board`, `hw_runner` or `board_url`, or carry the marker `hil`, run on
the board named by `--board` and are skipped with a reason when none is named. They never fall back
to a stand-in; naming a simulated board explicitly is how they run without hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from hostrt.errors import HostrtError, WrongTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostrt.board.board import Board
    from hostrt.runner.hw import HwRunner

LOOPBACK = "LOOPBACK"
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
    group.addoption(
        "--program",
        action="store",
        default=None,
        metavar="FILE",
        help="program that `hw_runner` runs where a test names none; LOOPBACK without it, which "
        "only boards with the open instruction set execute",
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
    with _open(board_url, request) as opened:
        try:
            opened.boot()
        except HostrtError as error:
            _fail(error)
        yield opened


@pytest.fixture
def hw_runner(board_url: str, request: pytest.FixtureRequest) -> Iterator[HwRunner]:
    """A runner on the board named by `--board`, loaded and ready.

    It runs the program of `--program`, else LOOPBACK, with which tests on a chip that does not
    execute the open instruction set are skipped. Parametrise indirectly with a program path to
    run another one: `@pytest.mark.parametrize("hw_runner", ["kws.femto"], indirect=True)`.
    """
    from hostrt.runner.hw import HwRunner

    named = getattr(request, "param", None) or request.config.getoption("--program")
    with _open(board_url, request) as opened:
        try:
            runner = HwRunner(named or LOOPBACK, board=opened)
            runner.reset()
        except WrongTarget as error:
            if named is None:
                pytest.skip(f"{error.message}; name one with --program FILE")
            _fail(error)
        except HostrtError as error:
            _fail(error)
        yield runner
        runner.finish()


def _open(url: str, request: pytest.FixtureRequest) -> Board:
    from hostrt.board.board import open_board

    try:
        return open_board(url, chip=request.config.getoption("--chip"))
    except HostrtError as error:
        _fail(error)


def _fail(error: HostrtError) -> NoReturn:
    """End the test with what a user can act upon, instead of a traceback through hostrt."""
    hint = f"\nhint: {error.hint}" if error.hint else ""
    pytest.fail(f"{error.code}: {error.message}{hint}", pytrace=False)
