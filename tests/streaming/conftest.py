"""Fixtures of the streaming tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.board.waits import shorten_waits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_waits(monkeypatch)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What boards were loaded with is remembered in the test's own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
