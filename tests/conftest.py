"""Fixtures shared by every test."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parent / "data"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """The command line sets up logging: not for the tests that follow."""
    logger = logging.getLogger("hostrt")
    before = logger.level, logger.propagate, logger.handlers[:]
    yield
    logger.level, logger.propagate, logger.handlers[:] = before


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
