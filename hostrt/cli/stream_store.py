"""The folder that a stream leaves behind: like that of a run, with one row per frame beside it."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hostrt.analysis.metrics import LatencyMetrics
from hostrt.cli.run_store import export_subject, make_recipe, subject_folder
from hostrt.frames.file_sink import FolderSink
from hostrt.runner.store import METRICS, OutputFolder

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hostrt.cli.stream_session import Session
    from hostrt.cli.subject import Subject
    from hostrt.frames.frames import VectorSpec
    from hostrt.runner.recipe import Recipe

FRAMES = "frames.npy"
"""One row per frame: `hostrt.streaming.records.ROW`."""

POWER = "power.npz"
"""What a power meter measured."""

_ROWS = 4096

MAX_INPUT_BYTES = 1 << 27
"""Largest input that is kept so that the stream can be run again."""


class StreamFolder:
    """The folder of one stream, made and tried out before anything runs.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path, subject: Subject) -> None:
        """Make the folder, drop what an earlier stream left, and write what is run.

        Raises:
            StorageError: something cannot be written.
        """
        self.path = path
        self._folder = OutputFolder(path)
        self._files = export_subject(subject, path, self._folder)

    @classmethod
    def of(cls, parent: Path, subject: Subject) -> StreamFolder:
        """Make the folder of a subject below `parent`."""
        return cls(parent / subject_folder(subject), subject)

    def store(self, session: Session) -> None:
        """Write inputs, outputs, metrics, one row per frame, and the manifest.

        Raises:
            StorageError: something cannot be written.
        """
        result, arguments = session.result, session.arguments
        folder, inputs = self._folder, session.inputs
        for name in self._files.names:
            folder.adopt(name)
        is_kept = sum(array.nbytes for array in inputs.values()) <= MAX_INPUT_BYTES
        if is_kept:
            folder.write_inputs(inputs)
        for name, array in result.outputs.items():
            self._write_output(name, array, session.out_specs[name], session.source.sample_rate)
        metrics = LatencyMetrics(result.metrics, arguments.warm_up)
        folder.write_yaml(METRICS, metrics.to_tree(per_frame=False))
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(session.rows), allow_pickle=False)
        folder.write_file(FRAMES, buffer.getvalue())
        if session.power is not None:
            session.power.save(folder.path / POWER)
            folder.adopt(POWER)
        folder.finish(
            result,
            inputs=inputs,
            command_line=sys.argv,
            recipe=self._recipe(session) if is_kept and not self._has_gaps(session) else None,
        )

    def _write_output(
        self,
        name: str,
        array: NDArray[np.signedinteger],
        spec: VectorSpec,
        sample_rate: int | None,
    ) -> None:
        """Write an output piece by piece: it may be larger than memory."""
        with FolderSink(self.path, {name: spec}, sample_rate) as sink:
            for low in range(0, len(array), _ROWS):
                sink.write({name: array[low : low + _ROWS]})
        for path in sink.files:
            if path.suffix == ".npy":
                self._folder.adopt_output(name, path.name)
            else:
                self._folder.adopt(path.name)

    @staticmethod
    def _has_gaps(session: Session) -> bool:
        schedule = session.result.metrics.schedule
        return schedule is not None and len(schedule.dropped) > 0

    def _recipe(self, session: Session) -> Recipe:
        """Say how the outputs are made again, without the clock."""
        arguments = session.arguments
        recipe = make_recipe(
            session.subject,
            self._files,
            arguments,
            (arguments.runner,),
            session.options.period_s,
        )
        return replace(
            recipe,
            board=session.result.provenance.board,
            origin={"file": str(arguments.source)},
        )
