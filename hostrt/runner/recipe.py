"""What somebody needs to run something again: a part of the manifest.

Files are named below the folder of the manifest. Nothing in a recipe is a command, and no board
that is not simulated is ever opened because a recipe names it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from hostrt.runner.untrusted import (
    flag_in,
    inside,
    optional_whole,
    seconds,
    section,
    text_in,
    texts,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A program or model.

    Attributes:
        file: name below the folder.
        sha256: of a program what is loaded (`Program.sha256`), of a model its file's bytes.
        source: where it was read, for a copy that is gone.
    """

    file: str
    sha256: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How results were made.

    Attributes:
        runners: names of the runners, in order.
        inputs: name of the file with the frames below the folder.
        period_s: seconds from one frame to the next.
        timeout_s: seconds to wait for outputs of a board.
        program: the compiled program, None when there was none.
        model: the model, None when there was none.
        iospec: name of the model's I/O specification below the folder, "" without a model.
        chip: chip of the program.
        key_index: encryption key of the program.
        salt: encryption salt of the program.
        board: address of the board, "" when none was named.
        verify: the program was read back first.
        force: run whatever the instruction set.
        engine: how fqir computed.
        compiler: what compiled the model.
        tolerance: differences up to this were accepted.
        warm_up: frames left out of statistics.
        origin: where the frames came from ("file"; or "style", "seed"), for people.
    """

    runners: tuple[str, ...]
    inputs: str
    period_s: float
    timeout_s: float
    program: StoredFile | None = None
    model: StoredFile | None = None
    iospec: str = ""
    chip: str = ""
    key_index: int | None = None
    salt: int | None = None
    board: str = ""
    verify: bool = False
    force: bool = False
    engine: str = "auto"
    compiler: str = "open"
    tolerance: int = 0
    warm_up: int = 0
    origin: Mapping[str, object] = field(default_factory=dict)

    def to_tree(self) -> dict[str, object]:
        """Give everything as plain values."""
        tree: dict[str, object] = asdict(self)
        return tree | {"runners": list(self.runners)}


def parse_recipe(path: Path, value: object) -> Recipe | None:
    """Read what `Recipe.to_tree` gave; None when there is nothing.

    Args:
        path: the file that it comes from, for messages.
        value: what JSON held.

    Raises:
        UsageError: a value of another type, or a file outside the folder.
    """
    if value is None:
        return None
    tree = section(path, value)
    iospec = text_in(path, tree, "iospec")
    return Recipe(
        runners=texts(path, tree.get("runners")),
        inputs=inside(path, text_in(path, tree, "inputs")),
        period_s=seconds(path, tree.get("period_s"), "period_s"),
        timeout_s=seconds(path, tree.get("timeout_s"), "timeout_s"),
        program=_stored(path, tree.get("program")),
        model=_stored(path, tree.get("model")),
        iospec=inside(path, iospec) if iospec else "",
        chip=text_in(path, tree, "chip"),
        key_index=optional_whole(path, tree.get("key_index"), "key_index"),
        salt=optional_whole(path, tree.get("salt"), "salt"),
        board=text_in(path, tree, "board"),
        verify=flag_in(path, tree, "verify"),
        force=flag_in(path, tree, "force"),
        engine=text_in(path, tree, "engine") or "auto",
        compiler=text_in(path, tree, "compiler") or "open",
        tolerance=whole(path, tree.get("tolerance", 0), "tolerance"),
        warm_up=whole(path, tree.get("warm_up", 0), "warm_up"),
        origin=section(path, tree.get("origin", {})),
    )


def _stored(path: Path, value: object) -> StoredFile | None:
    if value is None:
        return None
    tree = section(path, value)
    return StoredFile(
        file=inside(path, text_in(path, tree, "file")),
        sha256=text_in(path, tree, "sha256"),
        source=text_in(path, tree, "source"),
    )
