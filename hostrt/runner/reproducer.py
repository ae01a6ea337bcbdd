"""reproduce.json: what a shrunk failure must show again when it is run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from hostrt.errors import UsageError
from hostrt.runner.untrusted import optional_whole, read_tree, section, text_in, whole

if TYPE_CHECKING:
    from pathlib import Path

REPRODUCE = "reproduce.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """How two runners differ.

    Attributes:
        runner_a: one runner.
        runner_b: the other.
        output: first output that differs.
        reason: why, as in verdicts: "values", "shape", ...
        frame: frame of the first difference; None, as below, where no two values differ.
        element: its place in the frame.
        a: value of `runner_a`.
        b: value of `runner_b`.
    """

    runner_a: str
    runner_b: str
    output: str
    reason: str
    frame: int | None = None
    element: int | None = None
    a: int | None = None
    b: int | None = None

    def describe(self) -> str:
        """Say it in one line."""
        where = f"{self.runner_a},{self.runner_b}: {self.output}: "
        if self.frame is None:
            return f"{where}{self.reason}"
        return f"{where}frame {self.frame}, element {self.element}: {self.a} against {self.b}"


@dataclass(frozen=True, slots=True)
class Reproducer:
    """What reproduce.json says.

    Attributes:
        expected: the failure.
        tolerance: differences up to this are accepted.
        frames: numbers, in the run that failed, of the frames that are left.
        n_frames: frames of the run that failed.
        n_runs: sequences of frames that were tried.
        is_complete: whether everything was tried that could be left out.
    """

    expected: Failure
    tolerance: int
    frames: tuple[int, ...]
    n_frames: int
    n_runs: int
    is_complete: bool

    def to_bytes(self) -> bytes:
        """Give the file."""
        tree = {"format": FORMAT_VERSION, **asdict(self)}
        return (json.dumps(tree, indent=2) + "\n").encode()


def load_reproducer(folder: Path) -> Reproducer:
    """Read reproduce.json.

    Raises:
        UsageError: none there, a damaged one, or one of a later version.
    """
    path = folder / REPRODUCE
    tree = section(path, read_tree(path, "a reproducer"))
    if tree.get("format") != FORMAT_VERSION:
        raise UsageError(f"{path}: format {tree.get('format')!r:.40}, expected {FORMAT_VERSION}")
    expected = section(path, tree.get("expected"))
    numbers = {
        key: optional_whole(path, expected.get(key), key) for key in ("frame", "element", "a", "b")
    }
    frames = tree.get("frames")
    if not isinstance(frames, list):
        raise UsageError(f"{path}: frames {frames!r:.40}, expected a list")
    return Reproducer(
        Failure(
            text_in(path, expected, "runner_a"),
            text_in(path, expected, "runner_b"),
            text_in(path, expected, "output"),
            text_in(path, expected, "reason"),
            **numbers,
        ),
        whole(path, tree.get("tolerance"), "tolerance"),
        tuple(whole(path, number, "frame") for number in frames),
        whole(path, tree.get("n_frames"), "n_frames"),
        whole(path, tree.get("n_runs"), "n_runs"),
        bool(tree.get("is_complete")),
    )
