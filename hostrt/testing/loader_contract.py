"""What every reader of program files must do, as tests to inherit.

A format's tests subclass `LoaderContract`, fill in `golden` and run with pytest. Example:

    class TestMyFormat(LoaderContract):
        def golden(self, folder: Path) -> Path:
            return write_example(folder / "example.myf")
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.errors import ProgramError, ProgramNotFound
from hostrt.program import Program

if TYPE_CHECKING:
    from pathlib import Path

MOST_CUTS = 120
"""Lengths to which files are cut: all of them in small files, spread evenly in big ones."""

N_FLIPS = 120
"""Damaged copies, one random bit each."""


class LoaderContract:
    """Tests of one program file format.

    Attributes:
        chip: what to say about the chip where the file leaves it open.
        notices_every_cut: a shortened file is never taken for a whole one; false for formats that
            have no length, count or end mark.
    """

    chip: str | None = None
    notices_every_cut = True

    def golden(self, folder: Path) -> Path:
        """Give a sound file, or a folder of files; it may be written into `folder`."""
        raise NotImplementedError

    def parts(self, path: Path) -> list[Path]:
        """Give the files that `path` consists of."""
        return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())

    def load(self, path: Path) -> Program:
        """Load as a user would."""
        return Program.load(path, chip=self.chip)

    @pytest.fixture
    def copy(self, tmp_path: Path) -> Path:
        """Give a copy of the golden file, or folder, to be damaged."""
        original = self.golden(tmp_path)
        target = tmp_path / "copy" / original.name
        if original.is_dir():
            shutil.copytree(original, target)
        else:
            # what lies beside it may belong to it
            shutil.copytree(original.parent, target.parent, ignore=_folders)
        return target

    def test_a_sound_file_is_a_program(self, copy: Path) -> None:
        """With memories and a chip, and it says where it came from."""
        program = self.load(copy)
        assert program.banks
        assert program.chip
        assert program.n_words > 0
        assert copy.name in str(program.source)

    def test_loading_twice_gives_equal_programs(self, copy: Path) -> None:
        """Nothing depends on when or where."""
        assert self.load(copy) == self.load(copy)
        assert self.load(copy).sha256 == self.load(copy).sha256

    def test_a_file_that_is_not_there_is_not_found(self, copy: Path) -> None:
        """Its name is in the message."""
        shutil.rmtree(copy) if copy.is_dir() else copy.unlink()
        with pytest.raises(ProgramNotFound) as caught:
            self.load(copy)
        assert copy.name in str(caught.value)

    def test_a_file_cut_anywhere_is_refused(self, copy: Path) -> None:
        """With a `ProgramError`, and nothing else, that names the file in one line."""
        whole = self.load(copy)
        parts = self.parts(copy)
        for part in parts:
            data = part.read_bytes()
            for length in _cuts(len(data), max(MOST_CUTS // len(parts), 4)):
                part.write_bytes(data[:length])
                self._require_refused(copy, f"{part.name} cut to {length}", whole)
            part.write_bytes(data)
        assert self.load(copy) == whole

    def test_a_file_with_a_wrong_bit_loads_or_is_refused(self, copy: Path) -> None:
        """Whatever the bit does, nothing but a program or a `ProgramError` comes out."""
        random = np.random.default_rng(0)
        parts = self.parts(copy)
        for part in parts:
            data = part.read_bytes()
            n_flips = max(N_FLIPS // len(parts), 4) if data else 0
            for bit in random.integers(0, 8 * len(data), n_flips).tolist():
                damaged = bytearray(data)
                damaged[bit // 8] ^= 1 << bit % 8
                part.write_bytes(damaged)
                self._load_or_refuse(copy, f"{part.name} with bit {bit} flipped")
            part.write_bytes(data)

    def test_an_empty_file_is_refused(self, copy: Path) -> None:
        """Like any other file that is no program."""
        for part in self.parts(copy):
            part.write_bytes(b"")
        with pytest.raises(ProgramError):
            self.load(copy)

    def _require_refused(self, path: Path, what: str, whole: Program) -> None:
        program = self._load_or_refuse(path, what)
        if program is not None and self.notices_every_cut:
            # a cut that takes away nothing that counts, such as a last line feed, is none
            assert program == whole, f"{what}: loaded as another program"

    def _load_or_refuse(self, path: Path, what: str) -> Program | None:
        try:
            return self.load(path)
        except ProgramError as refusal:
            message = str(refusal)
        assert message, what
        assert "\n" not in message, what
        return None


def _cuts(size: int, most: int) -> list[int]:
    step = max(1, -(-size // most))
    return [*range(0, size, step), size - 1] if size else []


def _folders(folder: str, names: list[str]) -> list[str]:
    from pathlib import Path

    return [name for name in names if (Path(folder) / name).is_dir()]
