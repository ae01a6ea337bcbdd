"""SD cards, from which a board's firmware loads `0PROG_A` / `0PROG_D` by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.errors import StorageError, UsageError
from hostrt.files import write_files
from hostrt.program.prog_file import prog_from_program

if TYPE_CHECKING:
    from pathlib import Path

    from hostrt.program.model import Program

MAX_SLOT = 9
"""The firmware names programs by one digit."""


def write_sd(program: Program, folder: Path, slot: int) -> tuple[Path, Path]:
    """Write `NPROG_A` and `NPROG_D` to the folder of an SD card, safely.

    Each file is written under a temporary name, synced, renamed and read back.

    Args:
        program: what the board shall load.
        folder: where the card is mounted.
        slot: model number 0..9, the digit in the names.

    Raises:
        UsageError: no such slot.
        StorageError: not a folder, not writable, full, or what was read back differs.
    """
    if not 0 <= slot <= MAX_SLOT:
        raise UsageError(f"slot {slot} is not in 0..{MAX_SLOT}: the firmware reads one digit")
    if not folder.is_dir():
        raise StorageError(
            f"{folder} is not a folder", hint="mount the SD card and give its mount point"
        )
    a, d = prog_from_program(program)
    files = {folder / f"{slot}PROG_A": a, folder / f"{slot}PROG_D": d}
    write_files(files, sync_folder=True)
    for path, data in files.items():
        _require_reads_back(path, data)
    return folder / f"{slot}PROG_A", folder / f"{slot}PROG_D"


def _require_reads_back(path: Path, data: bytearray) -> None:
    try:
        found = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read back: {error.strerror}",
            hint="the card was removed or is damaged: write it again",
            path=str(path),
        ) from error
    if found != data:
        raise StorageError(
            f"{path} reads back differently from what was written",
            hint="the card is worn out or was removed: use another one",
            path=str(path),
        )
