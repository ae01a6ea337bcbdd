"""What `hostrt run` runs: a compiled program, or a model that has not been compiled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostrt.cli.compiler_options import compile_with
from hostrt.cli.program_options import load_program
from hostrt.errors import ProgramUnsupported, UsageError

if TYPE_CHECKING:
    import argparse

    from hostrt.compiler.base import CompiledModel
    from hostrt.fqir.graph import Model
    from hostrt.frames.frames import VectorSpec
    from hostrt.program.model import Program
    from hostrt.runner.base import ModelIo


@dataclass(frozen=True, slots=True)
class Subject:
    """What one invocation runs.

    Attributes:
        path: where it came from.
        name: short name, for people and for folders.
        sha256: its hash.
        chip: chip that it was compiled for, "" for a model.
        io: its inputs and outputs.
        program: the compiled program, None when there is only a model.
        model: the model, None when there is only a program.
        compiled: what the compiler made of the model, None when nobody needs it.
        notes: what was noticed when it was read.
    """

    path: str
    name: str
    sha256: str
    chip: str
    io: ModelIo
    program: Program | None = None
    model: Model | None = None
    compiled: CompiledModel | None = None
    notes: tuple[str, ...] = ()

    @property
    def input_specs(self) -> tuple[VectorSpec, ...]:
        """Descriptions of the inputs, latched ones first."""
        return self.io.input_specs

    def headline(self) -> str:
        """Say in one line what it is."""
        if self.program is not None:
            size = f"{self.program.n_words} words"
            return f"{self.name} for {self.chip}, {size}, {self.sha256[:12]}"
        return f"{self.name}, FQIR model, {self.sha256[:12]}"

    def for_runner(self, name: str, takes: str) -> Program | Model | CompiledModel:
        """Give the representation that a runner takes.

        Args:
            name: the runner.
            takes: "program", "assembly" or "model".

        Raises:
            ProgramUnsupported: there is no such representation.
        """
        found: Program | Model | CompiledModel | None = self.model
        if takes == "assembly":
            found = self.compiled or self.program
        elif takes == "program":
            found = self.program
        if found is not None:
            return found
        if takes == "program":
            raise ProgramUnsupported(
                f"{self.path} is a model, and the runner {name!r} runs compiled programs",
                hint="compile it first: hostrt compile",
            )
        raise ProgramUnsupported(
            f"{self.path} is a compiled program, and the runner {name!r} runs models",
            hint="give the model that it was compiled from (.pt)",
        )


def load_subject(arguments: argparse.Namespace, paths: list[str], takes: frozenset[str]) -> Subject:
    """Load what the arguments name, and compile a model if some runner needs that.

    Args:
        arguments: of `run`.
        paths: what to load.
        takes: what the runners take: "program", "assembly", "model".

    Raises:
        ProgramError: it cannot be read or compiled, or does not say what its inputs are.
        UsageError: options that do not go with it.
    """
    from hostrt.fqir.container import is_fqir_file

    if len(paths) == 1 and is_fqir_file(paths[0]):
        return _of_model(arguments, paths[0], compiles=bool(takes - {"model"}))
    for flag in ("latched", "debug_vars", "engine", "cores", "opt_profile", "compiler_address"):
        if getattr(arguments, flag) is not None:
            raise UsageError(
                f"--{flag.replace('_', '-')} is for FQIR models, and {paths[0]} is a program",
                hint="give a .pt file",
            )
    return _of_program(load_program(arguments, paths))


def _of_program(program: Program) -> Subject:
    from hostrt.runner.plan import make_plan

    return Subject(
        path=program.source.path,
        name=program.name,
        sha256=program.sha256,
        chip=program.chip,
        io=make_plan(program),
        program=program,
    )


def _of_model(arguments: argparse.Namespace, path: str, *, compiles: bool) -> Subject:
    from hostrt.fqir.load import load_model
    from hostrt.runner.fqir_io import io_of_model

    model = load_model(path)
    latched = [name for name in (arguments.latched or "").split(",") if name]
    io = io_of_model(model, arguments.iospec, latched)
    compiled = compile_with(arguments, model, io.iospec) if compiles else None
    return Subject(
        path=path,
        name=Path(path).stem,
        sha256=model.sha256,
        chip=compiled.program.chip if compiled else "",
        io=io,
        program=compiled.program if compiled else None,
        model=model,
        compiled=compiled,
        notes=(*io.notes, *(compiled.notes if compiled else ())),
    )
