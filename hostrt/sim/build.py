"""Building simulated chips from what a user can say about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_protocol.errors import LocalMisuseError
from firmware_protocol.faults import FaultPlan
from hostrt.chip import get_chip
from hostrt.chip.platform import EVK2
from hostrt.errors import UsageError
from hostrt.sim.answers import EchoAnswer, FileAnswer, InputPort, OutputPort, load_answers
from hostrt.sim.execute import ENGINES, PYTHON
from hostrt.sim.spu import SimulatedSpu

if TYPE_CHECKING:
    from hostrt.chip.platform import Platform
    from hostrt.sim.answers import Answer
    from hostrt.transport.url import BoardUrl

EXECUTE = "execute"
ECHO = "echo"


@dataclass(frozen=True, slots=True)
class SimOptions:
    """What a user can choose about a simulated chip.

    Attributes:
        answer: "execute", "echo" or the path of a file with prepared outputs.
        program: program file whose inputs and outputs are declared to the stand-ins, or "".
        pll_locks: false for a board without reference clock.
        engine: what executes: "python", or "c" for the C library.
    """

    answer: str = EXECUTE
    program: str = ""
    pll_locks: bool = True
    engine: str = PYTHON

    @classmethod
    def from_url(cls, url: BoardUrl) -> SimOptions:
        """Take the options `answer`, `program`, `pll` and `engine` of a board address."""
        return cls(
            answer=url.option("answer", EXECUTE),
            program=url.option("program", ""),
            pll_locks=url.option("pll", "locks", ("locks", "never")) == "locks",
            engine=url.option("engine", PYTHON, ENGINES),
        )


def build_spu(
    chip: str, options: SimOptions | None = None, platform: Platform = EVK2
) -> SimulatedSpu:
    """Make a simulated chip.

    Raises:
        UsageError: unknown chip, no such file, or echo without a program.
        ProgramError: the program file cannot be read.
    """
    chosen = options or SimOptions()
    return SimulatedSpu(
        get_chip(chip),
        platform,
        answer=_answer(chosen),
        pll_locks=chosen.pll_locks,
        engine=chosen.engine,
    )


def fault_plan(text: str, seed: int = 0) -> FaultPlan:
    """Parse a fault plan that a user typed.

    Raises:
        UsageError: not such a plan.
    """
    try:
        return FaultPlan.parse(text, seed)
    except LocalMisuseError as error:
        raise UsageError(str(error), hint="for example lose@500,corrupt~0.01") from error


def _answer(options: SimOptions) -> Answer | None:
    if options.answer == EXECUTE:
        return None
    inputs, outputs = _ports(options.program) if options.program else ((), ())
    if options.answer == ECHO:
        if not outputs:
            raise UsageError(
                "answer=echo needs to know the program's inputs and outputs",
                hint="add program=FILE",
            )
        return EchoAnswer(inputs, outputs)
    return FileAnswer(load_answers(Path(options.answer)), inputs)


def _ports(program: str) -> tuple[tuple[InputPort, ...], tuple[OutputPort, ...]]:
    from hostrt.program import Program

    spec = Program.load(program).iospec
    if spec is None:
        raise UsageError(
            f"{program} does not say which inputs and outputs the program has",
            hint="choose a file that does, such as .femto, or put its iospec.yaml beside it",
        )
    inputs = tuple(
        InputPort(name, _known(v.pc), _known(v.core_id), _known(v.length_64b_words))
        for name, v in spec.inputs.items()
    )
    outputs = tuple(
        OutputPort(name, _known(v.mailbox_id), _known(v.length_64b_words))
        for name, v in spec.outputs.items()
    )
    return inputs, outputs


def _known(value: int | None) -> int:
    if value is None:
        raise UsageError("the program's I/O specification was made before compilation: compile it")
    return value
