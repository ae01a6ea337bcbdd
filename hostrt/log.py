"""Logging: module loggers under `hostrt.`, a TRACE level for packets, lazy hexadecimal."""

from __future__ import annotations

import logging
import sys

TRACE = 5
"""Level below DEBUG at which every packet is logged."""

logging.addLevelName(TRACE, "TRACE")


class LazyHex:
    """Format bytes as hexadecimal only if the record is really emitted."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = data

    def __str__(self) -> str:
        return bytes(self._data).hex(" ", 4)


def configure(verbosity: int) -> None:
    """Send hostrt's log to standard error; for command-line programs only.

    Args:
        verbosity: -1 errors only, 0 warnings, 1 information, 2 debug, 3 every packet.
    """
    levels = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}
    logger = logging.getLogger("hostrt")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(levels.get(verbosity, TRACE))
