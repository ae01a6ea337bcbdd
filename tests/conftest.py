"""Fixtures shared by every test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of golden files."""
    return DATA


@pytest.fixture(scope="session")
def spu_data() -> Path:
    """Golden files of the SPU family."""
    return DATA / "spu"


def read_json(path: Path) -> dict[str, object]:
    """Read one golden JSON file."""
    tree: dict[str, object] = json.loads(path.read_text())
    return tree
