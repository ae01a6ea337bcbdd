"""The `fqir` runner: the quantized graph itself, in integers; the reference for the others."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import FrameError, ProgramUnsupported
from hostrt.fqir.counts import measure_footprint
from hostrt.fqir.executor import Executor
from hostrt.fqir.graph import Model
from hostrt.fqir.load import load_model
from hostrt.fqir.overflow import overflow_risks
from hostrt.fqir.variables import choose_variables
from hostrt.fqir.work import estimate_work
from hostrt.runner.base import BaseRunner
from hostrt.runner.fqir_io import FqirIo, io_of_model
from hostrt.runner.result import Provenance, RunMetrics, RunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from firmware_protocol.iospec import IOSpec
    from hostrt.frames.frames import Frames

    Arrays = dict[str, NDArray[np.signedinteger]]

_RISKS_SHOWN = 3
_CHUNK_ELEMENTS = 1 << 22
"""Input elements run at a time, so that memory does not grow with the number of frames."""


class FqirRunner(BaseRunner):
    """Runs frames through the ARITH graph of an FQIR model, bit for bit like the reference.

    No board and nothing but numpy is needed. A latched input keeps its value over `reset`.
    """

    name = "fqir"
    takes = "model"

    def __init__(
        self,
        model: Model | str | Path,
        *,
        iospec: IOSpec | str | Path | None = None,
        latched: Sequence[str] = (),
        engine: str = "auto",
        debug_vars: Sequence[str] | str = (),
    ) -> None:
        """Load and check the model.

        Args:
            model: a Model or a `.pt` file.
            iospec: its I/O specification; None infers one.
            latched: inputs that keep their value, when no specification says so.
            engine: "auto", "reference", "numpy" or "compiled".
            debug_vars: names of internal tensors to record with every frame, or "all".

        Raises:
            ProgramError: the file cannot be read, or the model cannot be run.
            UsageError: a name or an engine that does not exist.
        """
        self.model = model if isinstance(model, Model) else load_model(model)
        self._io = io_of_model(self.model, iospec, latched)
        super().__init__()
        self.executor = Executor(self.model, engine=engine)
        self._watched = self._choose(debug_vars)
        self._held: Arrays = {}

    @property
    def plan(self) -> FqirIo:
        """Inputs and outputs of the graph."""
        return self._io

    @property
    def sha256(self) -> str:
        """Hash of the model's file, "" for one made in memory."""
        return self.model.sha256

    @property
    def chip(self) -> str:
        """No chip: the graph is the same for all."""
        return ""

    def get_internals(self) -> dict[str, NDArray[np.generic]]:
        """Give the variables named by `debug_vars`, in graph order.

        Returns:
            After a step name -> value, after a run name -> (T, *shape) of its frames.
        """
        return self.executor.internals()

    # -- hooks ----------------------------------------------------------------------------------

    def _do_reset(self) -> None:
        self.executor.reset()

    def _do_finish(self) -> None:
        """Hold nothing that must be released."""

    def _do_send(self, frames: Frames) -> None:
        self._held.update({name: frames[name][0] for name in frames})

    def _do_receive(self, due: tuple[str, ...]) -> Arrays:
        self._require_latched()
        inputs = {name: self._shaped(name, self._held[name]) for name in self.plan.inputs}
        outputs = self.executor.step(inputs)
        for name, port in self.plan.inputs.items():
            if not port.spec.is_latched:
                del self._held[name]
        return {name: self._narrowed(name, outputs[name]) for name in due}

    def _do_run(
        self,
        frames: Frames,
        input_period_s: float | None,
        on_frame: Callable[[int, int], None] | None,
    ) -> RunResult:
        self._rounds(frames.cut(0, min(frames.n_frames, 1)))
        started_at = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        started = time.perf_counter()
        parts: list[Mapping[str, NDArray[np.generic]]] = []
        internals: list[Mapping[str, NDArray[np.generic]]] = []
        for low, high in self._pieces(frames):
            inputs = {name: self._cut(frames, name, low, high) for name in self.plan.inputs}
            parts.append(self.executor.run(inputs))
            internals.append(self.executor.internals() if self._watched else {})
            if on_frame is not None:
                for done in range(low, high):
                    on_frame(done + 1, frames.n_frames)
        duration_s = time.perf_counter() - started
        self._hold_last(frames)
        outputs = {
            name: self._narrowed(name, np.concatenate([part[name] for part in parts]))
            for name in self.plan.outputs
        }
        recorded = {
            name: np.concatenate([part[name] for part in internals]) for name in self._watched
        }
        return RunResult(
            outputs,
            RunMetrics(
                frames.n_frames,
                input_period_s=input_period_s,
                duration_s=duration_s,
                work=self._work(),
            ),
            self.provenance(started_at),
            self.notes,
            internals=recorded,
        )

    # -- inside ---------------------------------------------------------------------------------

    def _choose(self, debug_vars: Sequence[str] | str) -> tuple[str, ...]:
        """Watch variables; they are recorded in graph order, whatever order they are named in."""
        named = (debug_vars,) if isinstance(debug_vars, str) else debug_vars
        names = choose_variables(self.model, named)
        if names:
            self.executor.watch(names)
        return names

    def _pieces(self, frames: Frames) -> list[tuple[int, int]]:
        per_frame = sum(port.spec.length for port in self.plan.inputs.values())
        step = max(1, _CHUNK_ELEMENTS // max(per_frame, 1))
        starts = range(0, frames.n_frames, step) or (0,)
        return [(low, min(low + step, frames.n_frames)) for low in starts]

    def _cut(self, frames: Frames, name: str, low: int, high: int) -> NDArray[np.generic]:
        array = frames[name]
        shape = self.plan.inputs[name].shape
        if frames.is_sent_once(name):
            return np.broadcast_to(array.reshape(1, *shape), (high - low, *shape))
        return array[low:high].reshape(high - low, *shape)

    def _shaped(self, name: str, vector: NDArray[np.generic]) -> NDArray[np.generic]:
        return vector.reshape(self.plan.inputs[name].shape)

    def _narrowed(self, name: str, array: NDArray[np.generic]) -> NDArray[np.signedinteger]:
        """Give an output in the type of its declared precision, if it stays within that."""
        spec = self.plan.outputs[name].spec
        integers = array.astype(np.int64, copy=False)
        low, high = spec.limits
        fits = not integers.size or (int(integers.min()) >= low and int(integers.max()) <= high)
        narrow: NDArray[np.signedinteger] = integers.astype(spec.dtype if fits else np.int64)
        narrow.flags.writeable = False
        return narrow

    def _require_latched(self) -> None:
        for name in self.plan.inputs:
            if name not in self._held:
                raise FrameError(
                    f"latched input {name!r} was never sent", hint="send it before the first frame"
                )

    def _hold_last(self, frames: Frames) -> None:
        if frames.n_frames:
            self._held.update({name: frames[name][-1] for name in frames.latched})

    def _work(self) -> dict[str, float]:
        """Count what a frame costs; nothing where a declared shape or type is impossible."""
        arith = self.model.arith
        try:
            work = estimate_work(arith)
            parameter_bytes = measure_footprint(arith).parameters
        except ProgramUnsupported:
            return {}
        return {
            "macs": work.macs,
            "operations": sum(asdict(work).values()),
            "parameter_bytes": parameter_bytes,
        }

    def provenance(self, started: str) -> Provenance:
        """See `BaseRunner.provenance`."""
        return Provenance(
            runner=self.name,
            simulated=True,
            program_sha256=self.sha256,
            program_source=self.model.path,
            hostrt_version=version("hostrt"),
            started=started,
            settings={"engine": self.executor.engine.name, "latched": list(self._latched())},
        )

    def _latched(self) -> list[str]:
        return [name for name, port in self.plan.inputs.items() if port.spec.is_latched]

    @property
    def notes(self) -> tuple[str, ...]:
        """See `BaseRunner.notes`."""
        return (*self.model.notes, *self.executor.notes, *self._overflow_notes())

    def _overflow_notes(self) -> list[str]:
        risks = overflow_risks(self.model)
        notes = [
            f"{risk.operator} {risk.node}: {risk.why}: results depend on 32-bit wrap-around, where "
            "other implementations may differ"
            for risk in risks[:_RISKS_SHOWN]
        ]
        if len(risks) > _RISKS_SHOWN:
            notes.append(f"and {len(risks) - _RISKS_SHOWN} more nodes that depend on wrap-around")
        return notes
