"""What a compiler is, and compilers by name: `open`, `femtocrux`, or what others register."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, ClassVar, Protocol

from hostrt.errors import ExtraMissing, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from firmware_protocol.iospec import IOSpec
    from hostrt.fasmir.assembly import Assembly
    from hostrt.fqir.graph import Model
    from hostrt.program.model import InstructionSet, Program

GROUP = "hostrt.compilers"


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """What a model is compiled for.

    Attributes:
        chip: spoken name of the chip.
        iospec: inputs, outputs and sequences; None infers them from the model.
        latched: inputs that keep their value, for an inferred I/O specification.
        profile: what the compiler aims at, "" for its default; for `femtocrux` efficient, fast or
            conservative.
        settings: further options that only this compiler has, by name; for `open` those are
            `cores` and `watch`, for `femtocrux` text, numbers, bools, None, lists and maps.
    """

    chip: str = "spu001"
    iospec: IOSpec | None = None
    latched: tuple[str, ...] = ()
    profile: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class CompiledModel:
    """What a compiler gives.

    Attributes:
        program: ready to be flashed.
        compiler: name of the compiler, with its version when it has one of its own.
        notes: what a user should know, one sentence each.
        assembly: the program with names, None when the compiler does not tell.
        usage: table of what each core needs and holds, "" when the compiler does not tell.
        reservations: memory that the compiler reports as reserved, in its own words.
    """

    program: Program
    compiler: str
    notes: tuple[str, ...] = ()
    assembly: Assembly | None = None
    usage: str = ""
    reservations: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class SimulationResult:
    """What one simulated run gave.

    Attributes:
        outputs: name -> (T, L) integers, or (T,) as the simulator gave them.
        report: metrics in the simulator's own keys, with their units in the names; empty when it
            gave none that can be read.
        notes: what a user should know, one sentence each.
    """

    outputs: Mapping[str, NDArray[np.signedinteger]]
    report: Mapping[str, object]
    notes: tuple[str, ...] = ()


class Simulation(Protocol):
    """A model that is simulated; a context manager."""

    def run(self, inputs: Mapping[str, ArrayLike], *, input_period_s: float) -> SimulationResult:
        """Run frames: {name: (T, L)} integers."""

    def close(self) -> None:
        """End the session. Idempotent."""

    def __enter__(self) -> Self:
        """Use it in a with statement."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""


class Compiler(Protocol):
    """Makes programs of models; a context manager, since some hold a service.

    Attributes:
        name: registered name.
        instruction_set: whose instructions its programs are in.
    """

    name: ClassVar[str]
    instruction_set: ClassVar[InstructionSet]

    def compile(self, model: Model, options: CompileOptions) -> CompiledModel:
        """Compile a model.

        Raises:
            ProgramUnsupported: the compiler cannot express the model.
            WrongTarget: the compiler makes programs for another chip.
            UsageError: an option that the compiler does not have.
            CompilerError: the compiler itself failed.
        """

    def close(self) -> None:
        """Release what it holds. Idempotent."""

    def __enter__(self) -> Self:
        """Use it in a with statement."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""


def compiler_names() -> list[str]:
    """Name every registered compiler."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def get_compiler(name: str, **options: object) -> Compiler:
    """Make the compiler registered under `name`.

    Args:
        name: "open", "femtocrux", or one that an installed package registers.
        options: what the compiler takes, such as `address` for "femtocrux".

    Raises:
        UsageError: no such compiler, or an option it does not take.
        ExtraMissing: a package that it needs is not installed.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise UsageError(
            f"no compiler named {name!r}", hint=f"known compilers: {', '.join(sorted(points))}"
        )
    try:
        make: Callable[..., Compiler] = points[name].load()
    except ImportError as error:
        raise ExtraMissing(f"compiler {name!r} cannot be used: {error}") from error
    try:
        return make(**options)
    except TypeError as error:
        raise UsageError(f"compiler {name!r}: {error}") from error
