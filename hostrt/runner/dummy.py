"""The `dummy` runner: the right shapes, all zeros; for trying out everything around a run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from hostrt.program.model import Program
from hostrt.runner.program_runner import ProgramRunner
from hostrt.runner.result import RunMetrics, RunResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hostrt.frames.frames import Frames


class DummyRunner(ProgramRunner):
    """Answers zeros of the declared shapes and obeys the model's sequences."""

    name = "dummy"

    def __init__(
        self, program: Program | str | Path = "LOOPBACK", *, chip: str | None = None
    ) -> None:
        """Prepare; no board is needed."""
        if not isinstance(program, Program):
            program = Program.load(program, chip=chip)
        super().__init__(program)

    def _do_reset(self) -> None:
        """Keep no state."""

    def _do_finish(self) -> None:
        """Hold nothing."""

    def _do_send(self, frames: Frames) -> None:
        del frames

    def _do_receive(self, due: tuple[str, ...]) -> dict[str, NDArray[np.signedinteger]]:
        return {name: self._zeros(name, 1)[0] for name in due}

    def _do_run(
        self,
        frames: Frames,
        input_period_s: float | None,
        on_frame: Callable[[int, int], None] | None,
    ) -> RunResult:
        counts = dict.fromkeys(self.plan.outputs, 0)
        for item in self._rounds(frames):
            for name in item.due:
                counts[name] += 1
            if on_frame is not None:
                on_frame(item.frame + 1, frames.n_frames)
        return RunResult(
            {name: self._zeros(name, count) for name, count in counts.items()},
            RunMetrics(frames.n_frames, input_period_s=input_period_s),
            self.provenance(datetime.now(UTC).astimezone().isoformat(timespec="seconds")),
            self.notes,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """See `BaseRunner.notes`."""
        return ("outputs are zeros: the dummy runner computes nothing",)

    def _zeros(self, name: str, n_frames: int) -> NDArray[np.signedinteger]:
        spec = self.plan.outputs[name].spec
        zeros: NDArray[np.signedinteger] = np.zeros((n_frames, spec.length), spec.dtype)
        return zeros
