"""One owner per board, between processes and together with the reference tool.

A board is held by an advisory exclusive lock on a file. For an EVK2 that is the file the
reference tool locks, `/tmp/evk2_<serial>.lock`, created readable and writable for everybody and
left in place (evk2-usb 7); other boards have files of our own. Our process number is in the file,
so that somebody who finds the board in use is told by whom. Nothing but the wanted board's lock
is ever tried, so looking at boards disturbs nobody.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

from hostrt.errors import BoardBusy

LOCK_TIMEOUT_S = 0.1
_RETRY_S = 0.02
_PID_BYTES = 20


class BoardLock:
    """A lock held by this process until `release`, or until the process ends."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        """Take over a locked descriptor; None stands for a board that cannot be locked."""
        self.path = path
        self._descriptor = descriptor
        self._guard = threading.Lock()

    @property
    def held(self) -> bool:
        """False once released, or when the lock file could not even be opened."""
        return self._descriptor is not None

    def release(self) -> None:
        """Let others have the board. Idempotent; the file stays where it is."""
        with self._guard:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            os.close(descriptor)


def evk2_lock_path(serial: str) -> Path:
    """Give the lock file of an EVK2, the one the reference tool uses."""
    folder = Path(tempfile.gettempdir()) if sys.platform == "win32" else Path("/tmp")
    return folder / f"evk2_{_safe(serial)}.lock"


def lock_board(name: str, path: Path | None = None) -> BoardLock:
    """Take a board for this process.

    Args:
        name: the board in messages; also names the lock file when `path` is None.
        path: lock file.

    Returns:
        The lock. When the file cannot be opened (a read-only system, a file of somebody else) it
        is not `held`: the board counts as available, as it does for the reference tool.

    Raises:
        BoardBusy: another process (or this one) holds it.
    """
    file = path or Path(tempfile.gettempdir()) / f"hostrt_{_safe(name)}.lock"
    try:
        descriptor = _open(file)
    except OSError:
        return BoardLock(file, None)
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while not _try_lock(descriptor):
        if time.monotonic() >= deadline:
            holder = _holder(descriptor)
            os.close(descriptor)
            who = f"process {holder}" if holder else "another process"
            raise BoardBusy(
                f"{name}: in use by {who} (lock {file})",
                hint=f"end it{f' (kill {holder})' if holder else ''}, or choose another board",
                board=name,
                holder=holder,
            )
        time.sleep(_RETRY_S)
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
    return BoardLock(file, descriptor)


def _open(file: Path) -> int:
    flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        # Without O_CREAT first: a sticky folder may forbid it for an existing file of another user.
        return os.open(file, flags)
    except FileNotFoundError:
        descriptor = os.open(file, flags | os.O_CREAT, 0o666)
    if hasattr(os, "fchmod"):
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o666)  # the umask must not shut other accounts out
    return descriptor


def _holder(descriptor: int) -> int | None:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = os.read(descriptor, _PID_BYTES)
    except OSError:
        return None
    return int(text) if re.fullmatch(rb"[0-9]{1,10}", text) else None


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 1 << 20

    def _try_lock(descriptor: int) -> bool:
        # A byte far behind the content: Windows locks keep others from reading what they cover.
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
