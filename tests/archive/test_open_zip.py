"""Zips that are read member by member: none is missed quietly."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hostrt.errors import FrameError
from hostrt.frames.sources import read_npz
from hostrt.program.archive import open_zip

if TYPE_CHECKING:
    from pathlib import Path

_COMMENT_LENGTH = 32
"""Where a directory entry says how long its comment is."""


def hide_all_but_first(path: Path) -> None:
    """Make the other entries of the directory the comment of the first one."""
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 1)
    length = data.index(b"PK\x05\x06") - second
    at = first + _COMMENT_LENGTH
    data[at : at + 2] = length.to_bytes(2, "little")
    path.write_bytes(data)


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    path = tmp_path / "in.npz"
    np.savez(path, x=np.arange(4), p=np.array([7]), q=np.array([8]))
    return path


def test_hidden_members_are_missed(npz: Path) -> None:
    hide_all_but_first(npz)
    with zipfile.ZipFile(npz) as archive:
        assert archive.namelist() == ["x.npy"]  # what zipfile makes of it

    with pytest.raises(zipfile.BadZipFile, match="1 members where its end record says 3"):
        open_zip(npz)


def test_inputs_are_not_read_from_half_a_directory(npz: Path) -> None:
    assert sorted(read_npz(npz)) == ["p", "q", "x"]
    hide_all_but_first(npz)
    with pytest.raises(FrameError, match=r"in.npz: not a usable .npz file: 1 members"):
        read_npz(npz)


def test_a_comment_of_the_whole_archive_is_no_fault(npz: Path) -> None:
    with zipfile.ZipFile(npz, "a") as archive:
        archive.comment = b"made by hand"
    with open_zip(npz) as archive:
        assert len(archive.namelist()) == 3
