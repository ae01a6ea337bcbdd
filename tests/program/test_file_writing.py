"""Files appear whole or not at all."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from hostrt.errors import StorageError
from hostrt.files import make_folder, write_file, write_files

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    write_file(target, b"old")
    write_files({target: b"new", tmp_path / "b.bin": b""})
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin", "b.bin"]


def test_others_may_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.fault
def test_a_failure_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        write_file(tmp_path / "taken", b"x")
    with pytest.raises(StorageError, match="cannot write"):
        write_file(tmp_path / "absent" / "a", b"x")
    assert names(tmp_path) == ["taken"]
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make folder"):
        make_folder(tmp_path / "file" / "below")


@pytest.mark.fault
def test_an_interruption_leaves_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "a", b"x")
    assert names(tmp_path) == []
