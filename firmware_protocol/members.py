"""Names of archive members: which of them may be believed, and what they are called afterwards.

The rules are those of sima-bundle 7 and hold for tar and zip alike. Nothing here touches a disk.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from firmware_protocol.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAME_CHARACTERS = 1024
"""Longer names serve no program; they only flood messages."""

MAX_FOLDERS = 32
"""Deeper paths serve no program; they only cost time."""

LOOK_ALIKES = {
    "\uff0f": "slash",
    "\u2215": "slash",
    "\uff3c": "backslash",
    "\uff0e": "dot",
    "\u2024": "dot",
    "\ufe52": "dot",
}
"""Characters that look like a separator or a dot, and some systems turn into one."""

_DRIVE = re.compile(r"[A-Za-z]:")
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})


class MemberKind(StrEnum):
    """What a member of an archive is."""

    FILE = "file"
    FOLDER = "folder"
    HARD_LINK = "hard link"
    SYMLINK = "symbolic link"
    DEVICE = "device"
    FIFO = "fifo"
    SPARSE = "sparse file"
    OTHER = "member of unknown type"


@dataclass(frozen=True, slots=True)
class RefusedMember:
    """A member that must not be used.

    Attributes:
        name: its name, printable (undecodable bytes and control characters escaped).
        reason: why, in words.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


class ArchiveLimitError(FormatError):
    """A sound archive that holds more than the caller allows."""


class ArchiveUnsupportedError(FormatError):
    """A sound archive that uses something not read here (encryption, ZIP64, ...)."""


def printable_name(name: str) -> str:
    """Give `name` without undecodable bytes and control characters, at most 80 characters."""
    safe = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in name[:80]
    )
    return safe if len(name) <= len(safe) <= 80 else safe[:77] + "..."


def name_fault(name: str) -> str | None:
    """Say what is wrong with a member name, or None when it may be used.

    Args:
        name: as stored, undecodable bytes as surrogate escapes.
    """
    if not name:
        return "no name"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"name longer than {MAX_NAME_CHARACTERS} characters"
    return _character_fault(name) or _path_fault(name)


def member_path(name: str) -> str:
    """Give the name without "./" and doubled slashes: what the member is called from here on."""
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def refused_members(members: Iterable[tuple[str, MemberKind]]) -> tuple[RefusedMember, ...]:
    """List the members that must not be used, in archive order, each with its first reason.

    Args:
        members: (name as stored, kind) of all members; the check for duplicates needs all.
    """
    refused: list[RefusedMember] = []
    kinds: dict[str, MemberKind] = {}
    for name, kind in members:
        reason = _kind_fault(name, kind) or name_fault(name) or _clash(name, kind, kinds)
        if reason:
            refused.append(RefusedMember(printable_name(name), reason))
    return tuple(refused)


def _character_fault(name: str) -> str | None:
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "name is not UTF-8"
    if any(unicodedata.category(character) in _INVISIBLE for character in name):
        return "control character in the name"
    for character, looks_like in LOOK_ALIKES.items():
        if character in name:
            return f"U+{ord(character):04X} looks like a {looks_like}"
    return None


def _path_fault(name: str) -> str | None:
    if "\\" in name:
        return "backslash in the name"
    if name.startswith("/"):
        return "absolute path"
    if _DRIVE.match(name):
        return "drive letter"
    if ".." in name.split("/"):
        return "'..' in the path"
    if name.count("/") > MAX_FOLDERS:
        return f"more than {MAX_FOLDERS} folders deep"
    return None


def _kind_fault(name: str, kind: MemberKind) -> str | None:
    if kind not in {MemberKind.FILE, MemberKind.FOLDER}:
        return str(kind)
    if kind is MemberKind.FILE and name and not member_path(name.rpartition("/")[2]):
        return "a file named like a folder"
    return None


def _clash(name: str, kind: MemberKind, kinds: dict[str, MemberKind]) -> str | None:
    """Enter the name into `kinds` (normalised name to kind) or say which name it repeats."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    key = member_path(folded)
    if key in kinds:
        inside = kinds[key] is MemberKind.OTHER
        if not (inside and kind is MemberKind.FOLDER):
            return "is also a folder of other members" if inside else "name occurs twice"
    kinds[key] = kind
    parts = key.split("/")
    for depth in range(1, len(parts)):
        # OTHER marks a folder that is only implied by a path so far.
        if kinds.setdefault("/".join(parts[:depth]), MemberKind.OTHER) is MemberKind.FILE:
            return "lies inside a file"
    return None
