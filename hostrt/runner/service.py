"""The `fasmir` runner for the vendor's instruction set: frames through the compile service."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from hostrt.errors import ProgramUnsupported
from hostrt.runner.program_runner import ProgramRunner
from hostrt.runner.result import RunMetrics, RunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from hostrt.compiler.base import CompiledModel, CompileOptions, SimulationResult
    from hostrt.compiler.femtocrux import FemtocruxCompiler
    from hostrt.compiler.session import ServiceSimulation
    from hostrt.fqir.graph import Model
    from hostrt.frames.frames import Frames

DEFAULT_PERIOD_S = 0.016


class ServiceRunner(ProgramRunner):
    """Runs frames through the simulator of the vendor's service, which knows its instructions.

    `reset` opens a new simulation; the service compiles the model for it once more.
    """

    name = "fasmir"
    takes = "assembly"

    def __init__(
        self,
        compiled: CompiledModel,
        model: Model,
        compiler: FemtocruxCompiler,
        options: CompileOptions,
    ) -> None:
        """Prepare; nothing is contacted before `reset`.

        Args:
            compiled: what the service made of the model.
            model: the model.
            compiler: the service; whoever made it closes it.
            options: as they were for `compiled`.
        """
        super().__init__(compiled.program)
        self._compiled = compiled
        self._model, self._compiler, self._options = model, compiler, options
        self._session: ServiceSimulation | None = None
        self._held: dict[str, NDArray[np.signedinteger]] = {}

    # -- hooks ----------------------------------------------------------------------------------

    def _do_reset(self) -> None:
        self._do_finish()
        self._session = self._compiler.simulate(self._model, self._options)

    def _do_finish(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _do_send(self, frames: Frames) -> None:
        self._held.update({name: frames.logical(name)[:1] for name in frames})

    def _do_receive(self, due: tuple[str, ...]) -> dict[str, NDArray[np.signedinteger]]:
        inputs, self._held = self._held, {}
        found = self._simulate(inputs, DEFAULT_PERIOD_S)
        return {name: self._taken(found, name, 1)[0] for name in due}

    def _do_run(
        self,
        frames: Frames,
        input_period_s: float | None,
        on_frame: Callable[[int, int], None] | None,
    ) -> RunResult:
        self._rounds(frames)
        started_at = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        started = time.perf_counter()
        n_frames = frames.n_frames
        inputs = {
            name: np.broadcast_to(array, (n_frames, array.shape[1]))
            for name, array in ((name, frames.logical(name)) for name in frames)
        }
        found = self._simulate(inputs, input_period_s or DEFAULT_PERIOD_S)
        if on_frame is not None and n_frames:
            on_frame(n_frames, n_frames)
        metrics = RunMetrics(
            n_frames,
            input_period_s=input_period_s,
            duration_s=time.perf_counter() - started,
            simulation={"service": dict(found.report)},
        )
        return RunResult(
            {name: self._taken(found, name, n_frames) for name in self.plan.outputs},
            metrics,
            self.provenance(started_at),
            (*self._compiled.notes, *found.notes, "figures are the service's simulation"),
        )

    # -- inside ---------------------------------------------------------------------------------

    @property
    def settings(self) -> Mapping[str, object]:
        """See `ProgramRunner.settings`."""
        return {"compiler": self._compiled.compiler}

    def _simulate(
        self, inputs: dict[str, NDArray[np.signedinteger]], period_s: float
    ) -> SimulationResult:
        self._require_ready()
        if self._session is None:
            raise AssertionError("a ready runner has a session")
        return self._session.run(inputs, input_period_s=period_s)

    def _taken(
        self, found: SimulationResult, name: str, n_frames: int
    ) -> NDArray[np.signedinteger]:
        """Take one output in the shape that every runner gives."""
        spec = self.plan.outputs[name].spec
        array = np.asarray(found.outputs.get(name, ()))
        if array.size != n_frames * spec.length:
            raise ProgramUnsupported(
                f"the service gave {array.size} elements of output {name!r}, expected "
                f"{n_frames * spec.length}",
                hint="its simulator gives fewer outputs than frames; run the model on a board",
            )
        return array.reshape(n_frames, spec.length).astype(spec.dtype)
