"""What every runner can do: frames in, frames out, the same words for each representation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from firmware_protocol.sequences import SequenceRuleError, SequenceTracker
from hostrt.errors import FrameError, SequenceError, UsageError
from hostrt.frames.frames import normalize_inputs
from hostrt.runner.feed import Feed, PlainFeed
from hostrt.runner.result import Provenance
from hostrt.runner.rounds import rounds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from firmware_protocol.iospec import IOSpec
    from hostrt.frames.frames import FrameInputs, Frames, VectorSpec
    from hostrt.runner.result import RunResult
    from hostrt.runner.rounds import Round

_Self = TypeVar("_Self", bound="BaseRunner")


class Port(Protocol):
    """One input or output of a model."""

    @property
    def spec(self) -> VectorSpec:
        """What its vectors look like."""


class ModelIo(Protocol):
    """Inputs and outputs of a model, whatever its representation."""

    @property
    def iospec(self) -> IOSpec:
        """The I/O specification, sequences included."""

    @property
    def inputs(self) -> Mapping[str, Port]:
        """Inputs by name, latched ones first."""

    @property
    def outputs(self) -> Mapping[str, Port]:
        """Outputs by name."""

    @property
    def input_specs(self) -> tuple[VectorSpec, ...]:
        """Descriptions of the inputs, latched ones first."""


class BaseRunner(ABC):
    """Runs frames through one representation of a model.

    `run` takes a whole sequence of frames; `step`, or `send_inputs` and `recv_outputs`, take one
    frame at a time. For more than a single `run`, use it as a context manager, or call `reset`
    before and `finish` after.

    Attributes:
        name: registered name of the runner.
        takes: what it runs, "program", "assembly" or "model".
    """

    name = "base"
    takes: ClassVar[str] = "program"

    def __init__(self) -> None:
        self._ready = False
        self._tracker = SequenceTracker(self.plan.iospec)

    @property
    @abstractmethod
    def plan(self) -> ModelIo:
        """Inputs and outputs of what it runs."""

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Hash of what it runs, as results name it."""

    @property
    @abstractmethod
    def chip(self) -> str:
        """Chip that what it runs was made for, "" when it is for none in particular."""

    @property
    def started(self) -> bool:
        """Whether it is between `reset` and `finish`."""
        return self._ready

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user of the results should know, one sentence each."""
        return ()

    def provenance(self, started: str) -> Provenance:
        """Say where results come from.

        Args:
            started: ISO 8601 time with offset.
        """
        return Provenance(
            runner=self.name,
            simulated=True,
            program_sha256=self.sha256,
            chip=self.chip,
            hostrt_version=version("hostrt"),
            started=started,
        )

    # -- life cycle -----------------------------------------------------------------------------

    def reset(self) -> None:
        """Bring the model to its initial state; the first call also prepares the runner."""
        self._ready = False
        self._tracker.reset()
        self._do_reset()
        self._ready = True

    def finish(self) -> None:
        """Release what the runner holds. Idempotent."""
        self._ready = False
        self._do_finish()

    # -- frames ---------------------------------------------------------------------------------

    def run(
        self,
        inputs: FrameInputs,
        *,
        input_period_s: float | None = None,
        on_frame: Callable[[int, int], None] | None = None,
    ) -> RunResult:
        """Run a sequence of frames.

        Goes on from where the run or step before it left the model; `reset` starts anew. A runner
        that was not started is started for this run and finished after it.

        Args:
            inputs: (T, L) array for a model with one input, {name: (T, L)}, or a list of
                {name: (L,)}; integers in the range of each input's precision. Latched inputs may
                be (L,) and are then sent once.
            input_period_s: seconds between frames, for metrics; nothing is paced here.
            on_frame: called with (frames done, frames in all).

        Returns:
            Outputs by name, frames first, with metrics and provenance.

        Raises:
            FrameError: wrong shape, type, range or number of inputs.
            SequenceError: an input comes too often, or before earlier outputs were collected.
            HostrtError: what the representation raises; see its runner.
        """
        if not self._ready:
            self.suit(inputs)
            with self:
                return self._run(inputs, input_period_s, on_frame)
        self._require_ready()
        return self._run(inputs, input_period_s, on_frame)

    def step(self, frame: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.signedinteger]]:
        """Run one frame: {name: (L,)} in, {name: (L,)} out; empty when no output is due."""
        self._require_ready()
        frames = self._check_frame(frame)
        due = tuple(self._tracker.due)
        if not due:
            self._do_send(frames)
            return {}
        outputs = self._do_step(frames, due)
        self._tracker.receive()
        return outputs

    def send_inputs(self, frame: Mapping[str, ArrayLike]) -> None:
        """Send some inputs, each (L,).

        Raises:
            FrameError: wrong shape, type or range.
            SequenceError: an input is not due.
        """
        self._require_ready()
        self._do_send(self._check_frame(frame))

    def _check_frame(self, frame: Mapping[str, ArrayLike]) -> Frames:
        """Check the inputs of one frame and note that they are sent."""
        specs = [spec for spec in self.plan.input_specs if spec.name in frame]
        unknown = sorted(set(frame) - {spec.name for spec in specs})
        if unknown:
            known = ", ".join(self.plan.inputs) or "none"
            raise FrameError(f"unknown input {unknown[0]!r}, the model's inputs are {known}")
        frames = normalize_inputs([dict(frame)], specs)
        self._note_sent(frames)
        return frames

    def recv_outputs(self) -> dict[str, NDArray[np.signedinteger]]:
        """Take the outputs that are due, each (L,); empty when none is, without waiting."""
        self._require_ready()
        due = tuple(self._tracker.due)
        if not due:
            return {}
        outputs = self._do_receive(due)
        self._tracker.receive()
        return outputs

    def feed(self) -> Feed:
        """Give the way to run one frame after another with its times, as streams do."""
        return PlainFeed(self)

    def suit(self, inputs: FrameInputs) -> None:
        """Take what the inputs tell about the program, before the runner is started for them."""
        del inputs

    # -- hooks ----------------------------------------------------------------------------------

    @abstractmethod
    def _do_reset(self) -> None: ...

    @abstractmethod
    def _do_finish(self) -> None: ...

    @abstractmethod
    def _do_send(self, frames: Frames) -> None: ...

    @abstractmethod
    def _do_receive(self, due: tuple[str, ...]) -> dict[str, NDArray[np.signedinteger]]: ...

    def _do_step(
        self, frames: Frames, due: tuple[str, ...]
    ) -> dict[str, NDArray[np.signedinteger]]:
        """Send the inputs of one frame and take its outputs, in one go where that is faster."""
        self._do_send(frames)
        return self._do_receive(due)

    @abstractmethod
    def _do_run(
        self,
        frames: Frames,
        input_period_s: float | None,
        on_frame: Callable[[int, int], None] | None,
    ) -> RunResult: ...

    def _rounds(self, frames: Frames) -> list[Round]:
        """Give the rounds of a run, all before anything is sent: it may be against the rules."""
        tracker = self._tracker.copy()
        rounds = list(rounds_of(self.plan.iospec, frames, tracker))
        self._tracker = tracker
        return rounds

    def _run(
        self,
        inputs: FrameInputs,
        input_period_s: float | None,
        on_frame: Callable[[int, int], None] | None,
    ) -> RunResult:
        frames = normalize_inputs(inputs, self.plan.input_specs)
        return self._do_run(frames, input_period_s, on_frame)

    def _note_sent(self, frames: Frames) -> None:
        try:
            self._tracker.send(list(frames))
        except SequenceRuleError as error:
            raise SequenceError(
                str(error), hint="see the sequences in the I/O specification"
            ) from error

    def _require_ready(self) -> None:
        if not self._ready:
            raise UsageError(
                f"runner {self.name!r} was not started",
                hint="use it in a with statement, or call reset() first",
            )

    def __enter__(self: _Self) -> _Self:
        try:
            self.reset()
        except BaseException:
            self.finish()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()
