"""Reading a source to its end, with every promise about its blocks checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hostrt.frames.frames import VectorSpec
from hostrt.frames.stream_source import SourceOptions, open_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

X = VectorSpec("x", 4, 6, 16)
B = VectorSpec("b", 3, 3, 8)
P = VectorSpec("p", 2, 4, 16, is_latched=True)


def stream(
    where: str | Path, specs: Sequence[VectorSpec] = (X,), options: SourceOptions | None = None
) -> tuple[dict[str, np.ndarray[Any, Any]], tuple[str, ...]]:
    """All blocks of a source joined, and its notes; every promise about blocks is checked."""
    pieces: dict[str, list[np.ndarray[Any, Any]]] = {}
    with open_source(where, specs, options) as source:
        total = 0
        for number, frames in enumerate(source.blocks()):
            assert 0 < frames.n_frames <= 256
            assert number == 0 or not any(map(frames.is_sent_once, frames.latched))
            total += frames.n_frames
            for name, rows in frames.items():
                pieces.setdefault(name, []).append(rows)
        assert source.n_frames in (None, total)
    return {name: np.concatenate(rows) for name, rows in pieces.items()}, source.notes
