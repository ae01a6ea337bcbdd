"""The `hw` runner: frames through a board, real or simulated."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import OutputLayoutError, OutputStatusError
from firmware_protocol.open_isa import describe_status
from hostrt.board.board import Board
from hostrt.chip.step import FrameOut
from hostrt.errors import BadStatus, HostrtError, LinkCorrupt, UsageError
from hostrt.frames.frames import frame_length
from hostrt.program.builtin import LOOPBACK
from hostrt.program.model import InstructionSet, Program
from hostrt.runner.hw_feed import HwFeed
from hostrt.runner.program_runner import ProgramRunner
from hostrt.runner.result import Provenance, RunMetrics, RunResult
from hostrt.runner.target import check_instruction_set, choose_board, open_for
from hostrt.transport.url import chip_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from firmware_protocol.words import Words
    from hostrt.board.receipt import FrameReply
    from hostrt.chip.step import Step
    from hostrt.frames.frames import FrameInputs, Frames
    from hostrt.runner.rounds import Round

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 2.0
"""Seconds without an output after which a frame has failed; inferences take milliseconds."""


@dataclass(slots=True)
class _Collected:
    """What a run gathers, frame by frame."""

    n_frames: int
    words: dict[tuple[str, ...], list[tuple[int, Words]]] = field(default_factory=dict)
    device_s: NDArray[np.float64] = field(init=False)
    wire_s: NDArray[np.float64] = field(init=False)
    total_s: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.device_s, self.wire_s, self.total_s = (
            np.full(self.n_frames, np.nan) for _ in range(3)
        )

    def add_times(self, frame: int, reply: FrameReply, total_s: float) -> None:
        """Add the times of one round; a frame with several rounds takes the sum of them."""
        for times, seconds in (
            (self.device_s, reply.device_s),
            (self.wire_s, reply.wire_s),
            (self.total_s, total_s),
        ):
            times[frame] = seconds if np.isnan(times[frame]) else times[frame] + seconds


class HwRunner(ProgramRunner):
    """Runs frames through a board.

    `reset` boots the board and loads the program; `finish` closes a board that the runner opened
    itself.
    """

    name = "hw"

    def __init__(
        self,
        program: Program | str | Path = "LOOPBACK",
        *,
        board: Board | str | None = None,
        chip: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        verify: bool = False,
        force: bool = False,
    ) -> None:
        """Prepare; nothing is opened before `reset`.

        Args:
            program: a Program, a file, or `LOOPBACK`.
            board: open board or address; None: HOSTRT_BOARD, the configuration file, the only
                board connected, else the simulated board.
            chip: chip for `LOOPBACK` and files that leave it open; by default that of an open
                board, or the one that the address names.
            timeout_s: seconds to wait for each frame's output.
            verify: read the program back after loading.
            force: run even where instruction set and board do not seem to match.
        """
        self._suits_any_length = program == LOOPBACK
        if not isinstance(program, Program):
            program = Program.load(program, chip=chip or _chip_of(board))
        super().__init__(program)
        self.timeout_s = timeout_s
        self.verify = verify
        self.force = force
        self._wanted = board
        self._board: Board | None = board if isinstance(board, Board) else None
        self._why = ""
        self._tails: dict[tuple[str, ...], list[Step]] = {}

    @property
    def board(self) -> Board:
        """The open board; after `reset`."""
        if self._board is None:
            self._require_ready()
            raise AssertionError("a ready runner has a board")
        return self._board

    # -- hooks ----------------------------------------------------------------------------------

    def suit(self, inputs: FrameInputs) -> None:
        """LOOPBACK of no stated length takes the length of the frames."""
        length = frame_length(inputs) if self._suits_any_length else None
        if length:
            self._take(Program.loopback(self.program.chip, length=length))

    def _do_reset(self) -> None:
        if self._board is None:
            address = self._wanted if isinstance(self._wanted, str) else None
            self._board, self._why = open_for(self.program, address)
            if self._why:
                logger.warning("board %s (%s)", self._board.info.url, self._why)
        self._tails.clear()
        check_instruction_set(self._board, self.program, force=self.force)
        self._board.load(self.program, verify=self.verify)

    def _do_finish(self) -> None:
        if self._board is not None and not isinstance(self._wanted, Board):
            self._board.close()
            self._board = None

    def _do_send(self, frames: Frames) -> None:
        self.require_loaded()
        self.board.frame(self._messages(frames), ())

    def _do_receive(self, due: tuple[str, ...]) -> dict[str, NDArray[np.signedinteger]]:
        return self.outputs_of(self.board.frame((), self.tail(due)), due)

    def _do_step(
        self, frames: Frames, due: tuple[str, ...]
    ) -> dict[str, NDArray[np.signedinteger]]:
        self.require_loaded()
        return self.outputs_of(self.board.frame(self._messages(frames), self.tail(due)), due)

    def _messages(self, frames: Frames) -> list[FrameOut]:
        return [FrameOut(words[0]) for words in self.plan.encode(frames).values()]

    def feed(self) -> HwFeed:
        """See `BaseRunner.feed`."""
        return HwFeed(self)

    def outputs_of(
        self, reply: FrameReply, due: tuple[str, ...]
    ) -> dict[str, NDArray[np.signedinteger]]:
        """Unpack the outputs `due` of one frame, each (L,); a reply without them breaks the board.

        Raises:
            BadStatus, LinkCorrupt: the words are no outputs.
        """
        try:
            outputs = self._decode(reply.words[np.newaxis], due)
        except HostrtError as error:
            self.board.mark_broken(error)
            raise
        return {name: array[0] for name, array in outputs.items()}

    def _do_run(
        self,
        frames: Frames,
        input_period_s: float | None,
        on_frame: Callable[[int, int], None] | None,
    ) -> RunResult:
        self.require_loaded()
        rounds = self._rounds(frames)
        started_at = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        started = time.perf_counter()
        try:
            collected = self._stream(rounds, frames, on_frame)
            outputs = self._gather(collected)
        except BaseException as error:
            # stopped in the middle, by whomever: nobody knows what the model has seen
            self.board.mark_broken(error)
            raise
        duration_s = time.perf_counter() - started
        return RunResult(
            outputs,
            self._metrics(collected, input_period_s, duration_s),
            self.provenance(started_at),
            self.notes,
        )

    # -- inside ---------------------------------------------------------------------------------

    def _stream(
        self,
        rounds: Iterable[Round],
        frames: Frames,
        on_frame: Callable[[int, int], None] | None,
    ) -> _Collected:
        messages = self.plan.encode(frames)
        collected = _Collected(frames.n_frames)
        clock = time.perf_counter
        for item in rounds:
            began = clock()
            outs = [self.message(messages[name], item.frame) for name in item.inputs]
            tail = self.tail(item.due) if item.due else ()
            try:
                reply = self.board.frame(outs, tail)
                if item.due and item.due not in collected.words:
                    # what fails does so with the first frame, not after an hour of streaming
                    self._decode(reply.words[np.newaxis], item.due)
            except HostrtError as error:
                raise type(error)(
                    f"frame {item.frame}: {error.message}",
                    hint=error.hint,
                    **{**error.context, "frame": item.frame},
                ) from error
            if item.due:
                collected.words.setdefault(item.due, []).append((item.frame, reply.words))
                collected.add_times(item.frame, reply, clock() - began)
            if on_frame is not None:
                on_frame(item.frame + 1, frames.n_frames)
        return collected

    def _require_ready(self) -> None:
        super()._require_ready()
        if self._board is not None:
            # before anything else is complained about: a broken board is the cause of the rest
            self._board.require_usable()

    def require_loaded(self) -> None:
        """Raise `UsageError` unless the board still holds this runner's program."""
        board = self.board
        if board.loaded is not self.program:
            held = repr(board.loaded.name) if board.loaded is not None else "no program"
            raise UsageError(
                f"{board.info.url} now holds {held}, the runner needs {self.program.name!r}",
                hint="call reset() to load it again",
            )

    @staticmethod
    def message(words: Words, frame: int) -> FrameOut:
        """Give the message of one frame out of those that `IoPlan.encode` made."""
        return FrameOut(words[frame] if words.shape[0] > 1 else words[0])

    def tail(self, due: tuple[str, ...]) -> list[Step]:
        """Give the steps that wait for the outputs `due` and fetch them."""
        if due not in self._tails:
            sizes = [self.plan.outputs[name].n_dwords for name in due]
            self._tails[due] = self.board.frame_tail(sizes, self.timeout_s)
        return self._tails[due]

    def _gather(self, collected: _Collected) -> dict[str, NDArray[np.signedinteger]]:
        parts: dict[str, list[tuple[list[int], NDArray[np.signedinteger]]]] = {}
        for due, rows in collected.words.items():
            numbers = [frame for frame, _ in rows]
            for name, array in self._decode(np.stack([words for _, words in rows]), due).items():
                parts.setdefault(name, []).append((numbers, array))
        outputs = {}
        for name, port in self.plan.outputs.items():
            found = parts.get(name)
            if not found:
                outputs[name] = np.empty((0, port.spec.length), port.spec.dtype)
                continue
            order = np.argsort(np.concatenate([numbers for numbers, _ in found]), kind="stable")
            outputs[name] = np.concatenate([array for _, array in found])[order]
        return outputs

    def _decode(self, words: Words, due: tuple[str, ...]) -> dict[str, NDArray[np.signedinteger]]:
        if not self.board.info.answers:
            # a link that answers with dummies knows no mailboxes: take the words as they come
            return self._decode_dummies(words, due)
        try:
            return self.plan.decode(words, due)
        except OutputStatusError as error:
            meaning = ""
            if self.program.instruction_set is InstructionSet.OPEN:
                meaning = f" ({describe_status(error.status)})"
            raise BadStatus(
                f"{error}{meaning} on {self.board.info.url}",
                hint="the chip could not process the frame: check that the program is whole "
                "(hostrt flash --verify) and meant for this chip",
            ) from error
        except OutputLayoutError as error:
            raise LinkCorrupt(
                f"{error} on {self.board.info.url}",
                hint="the I/O specification does not belong to this program, or output words "
                "were lost: boot the board and run again",
            ) from error

    def _decode_dummies(
        self, words: Words, due: tuple[str, ...]
    ) -> dict[str, NDArray[np.signedinteger]]:
        from firmware_protocol.packing import unpack_elements, words_to_dwords

        dwords = words_to_dwords(words)
        outputs: dict[str, NDArray[np.signedinteger]] = {}
        start = 0
        for name in due:
            port = self.plan.outputs[name]
            payload = dwords[:, start + 1 : start + 1 + port.n_dwords]
            outputs[name] = np.asarray(
                unpack_elements(payload, port.spec.precision, port.spec.length)
            )
            start += 1 + port.n_dwords
        return outputs

    def _metrics(
        self, collected: _Collected, input_period_s: float | None, duration_s: float
    ) -> RunMetrics:
        latencies = {
            "wire": collected.wire_s,
            "host": collected.total_s - collected.wire_s,
            "end_to_end": collected.total_s,
        }
        if np.isfinite(collected.device_s).any():
            latencies = {"device": collected.device_s, **latencies}
        board = self.board
        return RunMetrics(
            n_frames=collected.n_frames,
            latencies_s=latencies,  # type: ignore[arg-type]  # keys are the literals of Clock
            input_period_s=input_period_s,
            pll_vco_hz=board.chip.clock_hz(board.platform),
            duration_s=duration_s,
        )

    def provenance(self, started: str) -> Provenance:
        """See `BaseRunner.provenance`; only while the board is open."""
        info = self.board.info
        return Provenance(
            runner=self.name,
            simulated=info.simulated or not info.answers,
            program_sha256=self.program.sha256,
            program_source=self.program.source.path,
            chip=self.program.chip,
            board=info.url,
            firmware=info.firmware,
            hostrt_version=version("hostrt"),
            started=started,
            settings=self.settings,
        )

    @property
    def settings(self) -> Mapping[str, object]:
        """See `ProgramRunner.settings`."""
        return {"timeout_s": self.timeout_s, "verify": self.verify, "force": self.force}

    @property
    def notes(self) -> tuple[str, ...]:
        """See `BaseRunner.notes`; only while the board is open."""
        notes = [*self.program.notes]
        if self._why:
            notes.append(f"board {self.board.info.url}: {self._why}")
        if not self.board.info.answers:
            notes.append("outputs are dummies: no board is behind this link")
        return tuple(notes)


def _chip_of(board: Board | str | None) -> str | None:
    """Tell the chip of a board as far as that is possible without opening it."""
    if isinstance(board, Board):
        return board.chip.name
    return chip_in(board if board is not None else choose_board()[0])
