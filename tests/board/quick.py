"""Fixtures of all tests that open boards: nothing waits long, nothing is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.board.waits import shorten_waits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that hardware needs are cut short."""
    shorten_waits(monkeypatch)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What boards were loaded with is remembered in the test's own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
