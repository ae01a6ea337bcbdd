"""Frames of a stream as rows of arrays, and arrays that are kept on disk until they are needed."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hostrt.closing import Closing
from hostrt.frames.file_sink import NpySink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hostrt.frames.frames import VectorSpec
    from hostrt.streaming.frame import StreamFrame

Rows = dict[str, "NDArray[np.signedinteger]"]


def input_rows(frames: Sequence[StreamFrame], specs: Sequence[VectorSpec]) -> Rows:
    """Give what went in: name -> (n, L), fewer rows of latched inputs."""
    given = [frame.inputs for frame in frames]
    return {spec.name: _stacked([one.get(spec.name) for one in given], spec) for spec in specs}


def output_rows(
    frames: Sequence[StreamFrame], specs: Mapping[str, VectorSpec], *, fills_gaps: bool
) -> Rows:
    """Give what came out: name -> (n, L).

    Args:
        frames: consecutive frames.
        specs: the model's outputs.
        fills_gaps: a dropped frame leaves a row of zeros, so that what follows keeps its time.
    """
    rows = {}
    for name, spec in specs.items():
        gap = np.zeros(spec.length, spec.dtype) if fills_gaps else None
        rows[name] = _stacked(
            [gap if frame.dropped else frame.outputs.get(name) for frame in frames], spec
        )
    return rows


class KeptArrays(Closing):
    """Rows on disk, as arrays when all are there.

    Rows go into a temporary folder that lasts until `close`; arrays given out are views of it.
    """

    def __init__(self, specs: Mapping[str, VectorSpec]) -> None:
        """Make the files.

        Raises:
            StorageError: there is no room for them.
        """
        self._held = contextlib.ExitStack()
        place = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix="hostrt-stream-")))
        self._places = {name: place / f"{number}.npy" for number, name in enumerate(specs)}
        self._sinks = {name: NpySink(self._places[name], spec) for name, spec in specs.items()}
        self._counts = dict.fromkeys(specs, 0)

    def add(self, rows: Mapping[str, NDArray[np.signedinteger]]) -> None:
        """Append rows.

        Raises:
            StorageError: the disk is full.
        """
        for name, array in rows.items():
            if len(array):
                self._sinks[name].write(rows)
                self._counts[name] += len(array)

    def arrays(self) -> dict[str, NDArray[np.signedinteger]]:
        """Give everything, read-only: name -> (T, L). Nothing can be added afterwards."""
        found: dict[str, NDArray[np.signedinteger]] = {}
        for name, sink in self._sinks.items():
            sink.close()
            if self._counts[name]:
                found[name] = np.load(self._places[name], mmap_mode="r", allow_pickle=False)
            else:
                found[name] = np.empty((0, sink.spec.length), sink.spec.dtype)
        return found

    def close(self) -> None:
        """Take the files away. Idempotent."""
        for sink in self._sinks.values():
            sink.close(interrupted=True)
        self._held.close()


def _stacked(
    vectors: Sequence[NDArray[np.signedinteger] | None], spec: VectorSpec
) -> NDArray[np.signedinteger]:
    found = [vector for vector in vectors if vector is not None]
    if not found:
        return np.empty((0, spec.length), spec.dtype)
    rows: NDArray[np.signedinteger] = np.stack(found)
    return rows
