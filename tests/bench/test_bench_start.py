"""How long it takes to start. Nothing here fails for being slow: `compare_with_peer` judges."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench.ours import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    Timed = Callable[..., Any]


@pytest.mark.parametrize(
    "arguments", [("-c", "import hostrt"), ("-m", "hostrt.cli.main", "--help")], ids=" ".join
)
def test_starting(timed: Timed, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, *arguments]

    def start() -> int:
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, timeout=30, check=False
        ).returncode

    assert timed(start, rounds=3) == 0
