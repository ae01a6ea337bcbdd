"""Golden programs, and copies of them with nothing lying beside."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).parents[1] / "data" / "spu" / "programs"
NAMES = ("p001_a", "p001_b", "pmp_a", "ptc1_a", "ptc1_b")
CHIPS = {"p001": "spu001", "ptc1": "spu150tc1", "pmp": "spu150"}


@dataclass(frozen=True)
class Golden:
    """One golden program and what is true about it."""

    name: str

    @property
    def folder(self) -> Path:
        return PROGRAMS / self.name

    @property
    def femto(self) -> Path:
        return self.folder / f"{self.name}.femto"

    @property
    def zip(self) -> Path:
        return self.folder / "images.zip"

    @property
    def prog(self) -> tuple[Path, Path]:
        prog = self.folder / "prog"
        return prog / "program_network_A", prog / "program_network_D"

    @property
    def chip(self) -> str:
        return CHIPS[self.name.partition("_")[0]]

    @property
    def facts(self) -> dict[str, Any]:
        tree: dict[str, Any] = json.loads((self.folder / "program.json").read_text())
        return tree

    @property
    def key(self) -> int:
        """Key index as files spell it: 32 when not encrypted."""
        spec = self.facts["spec"]
        return int(spec["key"]) if spec["encrypted"] else 32

    @property
    def salt(self) -> int:
        return int(self.facts["spec"]["salt"])

    @property
    def memories(self) -> dict[tuple[int, str], list[int]]:
        return {
            (int(core), bank): [int(word, 16) for word in words]
            for core, banks in self.facts["memories"].items()
            for bank, words in banks.items()
            if words
        }


@pytest.fixture(params=NAMES)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


@pytest.fixture
def p001_a() -> Golden:
    return Golden("p001_a")


@pytest.fixture
def alone(tmp_path: Path) -> Any:
    """Copy files into a folder of their own, so that nothing lies beside them."""

    def copy(*files: Path, to: str = "alone") -> Path:
        folder = tmp_path / to
        folder.mkdir(exist_ok=True)
        for file in files:
            shutil.copy(file, folder / file.name)
        return folder / files[0].name

    return copy
