"""Fixtures of the runner tests."""

from __future__ import annotations

from tests.board.quick import own_folders, short_waits

__all__ = ["own_folders", "short_waits"]
