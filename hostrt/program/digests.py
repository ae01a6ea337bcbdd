"""What files were read, by their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Digests(Mapping[str, str]):
    """SHA-256 of files by name, computed when first asked for; until then the bytes are kept.

    Hashing a file costs as much as reading it does, and whoever inspects or writes a program
    does not need it.
    """

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents: dict[str, bytes | None] = dict(contents)
        self._known: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        content = self._contents[name]
        if content is not None:
            self._known[name] = hashlib.sha256(content).hexdigest()
            self._contents[name] = None
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._contents)

    def __len__(self) -> int:
        return len(self._contents)
