"""The `fasmir` runner: a program's assembly on a behavioural simulator, and what it costs."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.errors import OutputLayoutError, OutputStatusError
from firmware_protocol.open_isa import describe_status
from firmware_protocol.packing import words_to_dwords
from hostrt.chip import get_chip
from hostrt.chip.platform import EVK2, RTL
from hostrt.compiler.base import CompiledModel
from hostrt.errors import BadStatus, UsageError
from hostrt.fasmir.accounting import Account
from hostrt.fasmir.assembly import Assembly
from hostrt.fasmir.compile import Compiled, compile_model
from hostrt.fasmir.disassemble import disassemble
from hostrt.fasmir.image import program_of
from hostrt.fasmir.simulator import Simulator
from hostrt.fasmir.spu_model import load_spu_model
from hostrt.fqir.container import is_fqir_file
from hostrt.fqir.graph import Model
from hostrt.fqir.load import load_model
from hostrt.program.model import Program
from hostrt.runner.fasmir_feed import FasmirFeed
from hostrt.runner.program_runner import ProgramRunner
from hostrt.runner.result import RunMetrics, RunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from firmware_protocol.words import Words
    from hostrt.frames.frames import Frames
    from hostrt.runner.rounds import Round

    Arrays = dict[str, NDArray[np.signedinteger]]

Subject = Compiled | CompiledModel | Assembly | Program | Model | str | Path
"""What the runner takes; models are compiled, programs disassembled."""


class FasmirRunner(ProgramRunner):
    """Executes assembly of the open instruction set and counts what it costs.

    Cycles are those that a simulated board needs for the same program. Energy and power follow
    from a table of coefficients; all figures are simulated.
    """

    name = "fasmir"
    takes = "assembly"

    def __init__(
        self,
        subject: Subject,
        *,
        chip: str | None = None,
        spu_model: str | Path | None = None,
    ) -> None:
        """Compile or disassemble what is not assembly yet.

        Args:
            subject: result of the open compiler, assembly, a program in the open instruction set,
                a model, or a file with a model or program.
            chip: chip to compile for ("spu001" by default).
            spu_model: file with energy coefficients; None takes those of the chip.

        Raises:
            ProgramError: it cannot be read, compiled or disassembled.
        """
        self.assembly, program = _resolve(subject, chip)
        super().__init__(program)
        self.spu_model = load_spu_model(program.chip, spu_model)
        self.simulator = Simulator(self.assembly)
        self._waiting: list[Words] = []

    def get_internals(self) -> dict[str, NDArray[np.int64]]:
        """Give the tensors that the compiler was told to keep, as the last frame left them."""
        return self.simulator.watched()

    def feed(self) -> FasmirFeed:
        """See `BaseRunner.feed`."""
        return FasmirFeed(self)

    @property
    def settings(self) -> Mapping[str, object]:
        """See `ProgramRunner.settings`."""
        return {"spu_model": self.spu_model.name}

    @property
    def notes(self) -> tuple[str, ...]:
        """See `BaseRunner.notes`."""
        return (*self.program.notes, "cycles, latency, energy and power are simulated")

    # -- hooks ----------------------------------------------------------------------------------

    def _do_reset(self) -> None:
        self.simulator.reset()
        self._waiting = []

    def _do_finish(self) -> None:
        """Hold nothing that must be released."""

    def _do_send(self, frames: Frames) -> None:
        for name, words in self.plan.encode(frames).items():
            self._waiting += self._give(name, words[0])

    def _do_receive(self, due: tuple[str, ...]) -> Arrays:
        words, self._waiting = self._waiting, []
        decoded = self._decode(words, due)
        return {name: array[0] for name, array in decoded.items()}

    def _do_run(
        self,
        frames: Frames,
        input_period_s: float | None,
        on_frame: Callable[[int, int], None] | None,
    ) -> RunResult:
        rounds = self._rounds(frames)
        started_at = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        started = time.perf_counter()
        account = self.account(input_period_s)
        parts: dict[str, list[NDArray[np.signedinteger]]] = {name: [] for name in self.plan.outputs}
        internals: dict[str, list[NDArray[np.int64]]] = {}
        messages = self.plan.encode(frames)
        for index, items in _by_frame(rounds, frames.n_frames):
            self.simulator.begin_frame()
            for item in items:
                for name, array in self._round(item, messages).items():
                    parts[name].append(array)
            account.add(self.simulator.cost())
            for name, value in self.simulator.watched().items():
                internals.setdefault(name, []).append(value)
            if on_frame is not None:
                on_frame(index + 1, frames.n_frames)
        duration_s = time.perf_counter() - started
        return RunResult(
            {name: self._stacked(name, rows) for name, rows in parts.items()},
            self._metrics(frames.n_frames, account, duration_s),
            self.provenance(started_at),
            self.notes,
            internals={name: np.stack(rows) for name, rows in internals.items()},
        )

    # -- inside ---------------------------------------------------------------------------------

    def _give(self, name: str, words: Words) -> list[Words]:
        port = self.plan.inputs[name]
        self.simulator.send(port.core, port.pc, words_to_dwords(words)[1:])
        return self.simulator.run()

    def _round(self, item: Round, messages: Mapping[str, Words]) -> Arrays:
        found: list[Words] = []
        for name in item.inputs:
            rows = messages[name]
            found += self._give(name, rows[item.frame] if len(rows) > 1 else rows[0])
        return self._decode(found, item.due) if item.due or found else {}

    def _decode(self, messages: list[Words], due: tuple[str, ...]) -> Arrays:
        words = np.concatenate(messages) if messages else np.zeros(0, np.uint32)
        try:
            return self.plan.decode(words[np.newaxis], due)
        except OutputStatusError as error:
            raise BadStatus(
                f"{error} ({describe_status(error.status)}) in the assembly of "
                f"{self.assembly.name!r}",
                hint="the program stops itself: see its pc in hostrt disasm",
            ) from error
        except OutputLayoutError as error:
            raise BadStatus(
                f"{error} from the assembly of {self.assembly.name!r}",
                hint="the I/O specification does not belong to this program",
            ) from error

    def _stacked(
        self, name: str, rows: list[NDArray[np.signedinteger]]
    ) -> NDArray[np.signedinteger]:
        spec = self.plan.outputs[name].spec
        return np.concatenate(rows) if rows else np.empty((0, spec.length), spec.dtype)

    def account(self, input_period_s: float | None) -> Account:
        """Give an empty account of what frames of this program cost."""
        chip = get_chip(self.program.chip)
        platform = RTL if self.program.chip == "spu150" else EVK2
        return Account(
            self.assembly,
            chip.clock_hz(platform),
            input_period_s,
            self.spu_model,
            n_banks=sum(bank.words.size > 0 for bank in self.program.banks),
        )

    def _metrics(self, n_frames: int, account: Account, duration_s: float) -> RunMetrics:
        return RunMetrics(
            n_frames,
            latencies_s={"device": account.latencies_s()},
            input_period_s=account.period_s,
            frame_power_w=account.powers_w(),
            energy_j=float(sum(account.energy_j)),
            pll_vco_hz=account.clock_hz,
            duration_s=duration_s,
            simulation=account.tree(),
        )


def _by_frame(rounds: list[Round], n_frames: int) -> list[tuple[int, list[Round]]]:
    found: list[tuple[int, list[Round]]] = [(index, []) for index in range(n_frames)]
    for item in rounds:
        found[item.frame][1].append(item)
    return found


def _resolve(subject: Subject, chip: str | None) -> tuple[Assembly, Program]:
    if isinstance(subject, str | Path):
        subject = load_model(subject) if is_fqir_file(subject) else Program.load(subject, chip=chip)
    if isinstance(subject, Model):
        subject = compile_model(subject, chip=chip or "spu001")
    if isinstance(subject, Compiled | CompiledModel) and subject.assembly is not None:
        return subject.assembly, subject.program
    if isinstance(subject, CompiledModel):
        subject = subject.program
    if isinstance(subject, Program):
        return disassemble(subject), subject
    if not isinstance(subject, Assembly):
        raise UsageError(
            f"the fasmir runner takes models, programs and assembly, not {type(subject).__name__}"
        )
    return subject, program_of(subject)
