"""Telling whether a board is in use without touching its lock."""

from __future__ import annotations

from pathlib import Path

_LOCK_TABLE = Path("/proc/locks")


def holder_of(path: Path) -> tuple[bool | None, int | None]:
    """Tell whether somebody holds the lock on `path`, and who.

    The kernel's table of locks is read (proc(5): type, class, mode, process, device and inode);
    the lock itself is never tried, so two people who list boards do not disturb each other.

    Returns:
        (in use, process number); None where it cannot be told.
    """
    try:
        inode = path.stat().st_ino
    except FileNotFoundError:
        return False, None
    except OSError:
        return None, None
    try:
        table = _LOCK_TABLE.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None, None
    for line in table.splitlines():
        fields = line.split()
        # a line that starts a wait has "->" as second field: that process does not hold it
        if len(fields) >= 6 and fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
            return True, int(fields[4]) if fields[4].isdigit() and fields[4] != "0" else None
    return False, None
