"""Values out of a JSON file that anybody may have written: checked for type and place."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hostrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 64 << 20
"""Largest JSON file that is read."""

_SHOWN = 40


def read_tree(path: Path, what: str) -> object:
    """Read a JSON file.

    Args:
        path: the file.
        what: what it should be part of, for messages.

    Raises:
        UsageError: it cannot be read, is too large or no JSON.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_BYTES}")
        tree: object = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}, expected {what}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON: {str(error).splitlines()[0]}") from error
    return tree


def section(path: Path, value: object) -> dict[str, object]:
    """Insist on an object."""
    if not isinstance(value, dict):
        raise UsageError(f"{path}: found {value!r:.{_SHOWN}}, expected an object")
    return cast("dict[str, object]", value)


def texts(path: Path, value: object) -> tuple[str, ...]:
    """Insist on a list; its items become text."""
    if not isinstance(value, list):
        raise UsageError(f"{path}: found {value!r:.{_SHOWN}}, expected a list")
    return tuple(str(item) for item in value)


def whole(path: Path, value: object, what: str) -> int:
    """Insist on a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{path}: {what} {value!r:.{_SHOWN}}, expected a number")
    return value


def optional_whole(path: Path, value: object, what: str) -> int | None:
    """Insist on a whole number or null."""
    return None if value is None else whole(path, value, what)


def seconds(path: Path, value: object, what: str) -> float:
    """Insist on a positive, finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{path}: {what} {value!r:.{_SHOWN}}, expected seconds")
    if not (0 < value < math.inf):
        raise UsageError(f"{path}: {what} {value!r:.{_SHOWN}}, expected seconds, more than 0")
    return float(value)


def optional_seconds(path: Path, value: object, what: str) -> float | None:
    """Insist on a number that is not negative, or null."""
    if value is None or value == 0:
        return None if value is None else 0.0
    return seconds(path, value, what)


def text_in(path: Path, tree: Mapping[str, object], key: str) -> str:
    """Give a text, "" where there is none."""
    value = tree.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{path}: {key} {value!r:.{_SHOWN}}, expected text")
    return value


def flag_in(path: Path, tree: Mapping[str, object], key: str) -> bool:
    """Give a truth value, false where there is none."""
    value = tree.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{path}: {key} {value!r:.{_SHOWN}}, expected true or false")
    return value


def inside(path: Path, name: str) -> str:
    """Insist on the name of something below the folder that `path` lies in."""
    if not name or Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise UsageError(f"{path}: file {name!r} lies outside the folder")
    return name


def stored_path(folder: Path, name: str) -> Path:
    """Give a file of a folder, links followed.

    Raises:
        UsageError: it is no file, or leads out of the folder.
    """
    place = folder / inside(folder, name)
    if not place.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{place}: a link that leads out of the folder")
    if not place.is_file():
        raise UsageError(f"{place}: no such file")
    return place
