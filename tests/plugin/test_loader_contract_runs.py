"""The loader contract over every program file format."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hostrt.program import Program
from hostrt.testing.loader_contract import LoaderContract


class _FromData(LoaderContract):
    name = "p001_b"

    @pytest.fixture(autouse=True)
    def _folder(self, spu_data: Path) -> None:
        self.source = spu_data / "programs" / self.name


class TestFemto(_FromData):
    def golden(self, folder: Path) -> Path:
        return Path(shutil.copy(self.source / f"{self.name}.femto", folder))


class TestFemtoOfTc1(TestFemto):
    name = "ptc1_a"


class TestZipOfImages(_FromData):
    def golden(self, folder: Path) -> Path:
        return Path(shutil.copy(self.source / "images.zip", folder))


class TestFolderOfImages(_FromData):
    """B7: the folder that is written can be read back."""

    # one memory is one text file without count or end mark
    notices_every_cut = False

    def golden(self, folder: Path) -> Path:
        target = folder / "images"
        Program.loopback(length=8).save(target, form="folder")
        return target


class TestProgPair(_FromData):
    chip = "spu001"

    def golden(self, folder: Path) -> Path:
        target = folder / "pair"
        target.mkdir()
        for side in "AD":
            shutil.copy(self.source / "prog" / f"program_network_{side}", target / f"0PROG_{side}")
        return target

    def load(self, path: Path) -> Program:
        return Program.load(path / "0PROG_A", chip=self.chip)
